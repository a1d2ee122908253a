//! Matches the tool's records with the set: which migration each record is, and what that means for the tracking table.

use std::collections::{HashMap, HashSet};

use super::adoption::{Adopt, Adopted, Adoption, Finding, Proof};
use super::choose::Chosen;
use super::form::ToolTable;
use super::names;
use super::sums::{Sum, sha256_forms};
use super::tool::Tool;
use super::tool_history::{Link, Order, Through, ToolHistory, ToolRecord, listed, quoted};
use crate::doubt::Doubt;
use crate::foreign::ForeignTable;
use crate::history::History;
use crate::id::MigrationId;
use crate::migration::Meta;
use crate::objection::Objection;
use crate::remedy::Remedy;
use crate::report::Migrations;

/// A migration of the set.
pub(crate) struct Local<'a> {
    pub(crate) meta: &'a Meta,
    /// Its script, unless it is code.
    pub(crate) text: Option<&'a str>,
    /// Whether it is for this database and environment.
    pub(crate) runs_here: bool,
}

/// The set, and what this database has recorded.
pub(crate) struct Known<'a> {
    /// The set, in order.
    pub(crate) locals: &'a [Local<'a>],
    pub(crate) history: &'a History,
    /// Migrations that were undone here and have not been applied since.
    pub(crate) undone: &'a HashSet<MigrationId>,
}

/// Decides what adopting a history would record.
pub(crate) fn decide(chosen: &Chosen, table: &ForeignTable, how: &Adopt, known: &Known<'_>) -> Adoption {
    let place = chosen.place();
    let tool_table = ToolTable { form: chosen.form, place: &place, table, how };
    let tool_history = if table.rows.len() > ForeignTable::MOST_ROWS {
        let what = format!("`{place}` has more than {} rows, which is no history", ForeignTable::MOST_ROWS);
        ToolHistory::refused(what, "look what wrote them")
    } else {
        (chosen.form.read)(&tool_table)
    };
    let mut join = Join {
        tool_table: &tool_table,
        known,
        names: Names::of(known, chosen.form.version),
        entries: Vec::new(),
        objections: tool_history.objections,
    };
    join.all(tool_history.records, tool_history.order, tool_history.through.as_ref());
    join.add_objections();
    let Join { entries, objections, .. } = join;
    let objections = not_too_many(objections);
    let mentioned: HashSet<&MigrationId> =
        entries.iter().filter_map(|(entry, _)| entry.migration.as_ref()).collect();
    let is_pending = |local: &&Local<'_>| {
        local.runs_here && known.history.get(&local.meta.id).is_none() && !mentioned.contains(&local.meta.id)
    };
    let pending = known.locals.iter().filter(is_pending).map(|local| local.meta.id.clone()).collect();
    Adoption {
        tool: chosen.form.tool,
        entries: entries.into_iter().map(|(entry, _)| entry).collect(),
        pending,
        proof: Proof::NotNeeded,
        objections,
        how: how.clone(),
        place,
    }
}

/// Limits the number of objections, because a table written with malicious intent may have any number of wrong rows.
fn not_too_many(mut objections: Vec<Objection>) -> Vec<Objection> {
    const MOST: usize = 20;
    if objections.len() > MOST {
        let rest = objections.len() - MOST;
        objections.truncate(MOST);
        objections.push(Objection::new(format!("{rest} more speak against it"), "correct these first"));
    }
    objections
}

/// The positions of migrations in the set, by id and by version.
struct Names {
    by_id: HashMap<String, usize>,
    by_version: HashMap<String, Vec<usize>>,
}

impl Names {
    fn of(known: &Known<'_>, version: fn(&str) -> Option<String>) -> Self {
        let (mut by_id, mut by_version) = (HashMap::new(), HashMap::<String, Vec<usize>>::new());
        for (place, local) in known.locals.iter().enumerate() {
            let id = local.meta.id.as_str();
            by_id.insert(id.to_owned(), place);
            if let Some(version) = version(id) {
                by_version.entry(version).or_default().push(place);
            }
        }
        Self { by_id, by_version }
    }

    /// The positions that an id or a version may refer to.
    fn find(&self, id: Option<&str>, version: Option<&str>) -> Vec<usize> {
        if let Some(&place) = id.and_then(|id| self.by_id.get(id)) {
            return vec![place];
        }
        version.and_then(|version| self.by_version.get(version)).cloned().unwrap_or_default()
    }
}

struct Join<'j> {
    tool_table: &'j ToolTable<'j>,
    known: &'j Known<'j>,
    names: Names,
    /// Each with the position of its migration in the set.
    entries: Vec<(Adopted, Option<usize>)>,
    objections: Vec<Objection>,
}

impl Join<'_> {
    fn all(&mut self, mut records: Vec<ToolRecord>, order: Order, through: Option<&Through>) {
        if order == Order::Unknown {
            let version = |record: &ToolRecord| match &record.link {
                Link::Named { version, .. } => version.clone().unwrap_or_default(),
                Link::Hashed => String::new(),
            };
            records.sort_by(|one, other| names::compare(&version(one), &version(other)));
        }
        let hashed = self.hashed(&records);
        for (record, hashed) in records.into_iter().zip(hashed) {
            let places = match &record.link {
                Link::Named { id, version } => self.here(self.names.find(id.as_deref(), version.as_deref())),
                Link::Hashed => hashed,
            };
            self.entry(record, &places);
        }
        if let Some(through) = through {
            self.assume(through);
        }
    }

    /// If only one of several is for this database and environment, that one; otherwise all.
    fn here(&self, places: Vec<usize>) -> Vec<usize> {
        let here: Vec<usize> =
            places.iter().copied().filter(|&place| self.known.locals[place].runs_here).collect();
        if here.len() == 1 { here } else { places }
    }

    /// For each record that has only a checksum, the migrations that it may be. If as many records as scripts have the
    /// same checksum, each record gets one script.
    fn hashed(&self, records: &[ToolRecord]) -> Vec<Vec<usize>> {
        let sum = |record: &ToolRecord| match (&record.link, &record.sum) {
            (Link::Hashed, Some(Sum::Sha256(sum))) => Some(sum.to_ascii_lowercase()),
            _ => None,
        };
        let (mut scripts, mut alike) =
            (HashMap::<String, Vec<usize>>::new(), HashMap::<String, usize>::new());
        for sum in records.iter().filter_map(sum) {
            *alike.entry(sum).or_default() += 1;
        }
        if alike.is_empty() {
            return vec![Vec::new(); records.len()];
        }
        for (place, text) in
            self.known.locals.iter().enumerate().filter_map(|(place, local)| Some((place, local.text?)))
        {
            for sum in sha256_forms(text) {
                let places = scripts.entry(sum).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        let mut taken = HashMap::<String, usize>::new();
        let places = |record: &ToolRecord| {
            let Some(sum) = sum(record) else { return Vec::new() };
            let places = scripts.get(&sum).cloned().unwrap_or_default();
            let number = taken.entry(sum.clone()).or_default();
            *number += 1;
            match places.get(*number - 1) {
                Some(&place) if alike.get(&sum) == Some(&places.len()) => vec![place],
                _ => places,
            }
        };
        records.iter().map(places).collect()
    }

    fn entry(&mut self, record: ToolRecord, places: &[usize]) {
        let ToolRecord { name, sum, applied_on, finding, .. } = record;
        let shown = quoted(&name);
        let (finding, place) = match *places {
            [] => (Finding::Orphaned, None),
            [place] => {
                let local = &self.known.locals[place];
                let finding = match (&sum, local.text) {
                    (Some(sum), Some(text)) if sum.fits(text) => Finding::Verified,
                    (Some(_), Some(_)) => Finding::Changed,
                    _ => finding,
                };
                (finding, Some(place))
            }
            ref several => {
                let ids: Vec<String> =
                    several.iter().map(|&place| format!("`{}`", self.known.locals[place].meta.id)).collect();
                let what = format!("{shown} may be any of {}", listed(&ids));
                let remedy = "rename those that it is not, so that one is left";
                self.objections.push(Objection::new(what, remedy));
                (Finding::Ambiguous, None)
            }
        };
        let migration = place.map(|place| self.known.locals[place].meta.id.clone());
        let is_recorded = migration.as_ref().is_some_and(|id| self.known.history.get(id).is_some());
        self.entries.push((Adopted { name, migration, finding, applied_on, is_recorded }, place));
    }

    /// Adds the migrations that must have been applied, in the order of the set, before the tool's records.
    fn assume(&mut self, through: &Through) {
        let locals = self.known.locals;
        let here = |place: &usize| locals[*place].runs_here;
        let places: Vec<usize> = match through {
            Through::Position(number) => match self.first(*number) {
                Some(places) => places,
                None => return,
            },
            Through::Before(limit) | Through::Version(limit) => {
                let is_in = |place: &usize| {
                    let version = (self.tool_table.form.version)(locals[*place].meta.id.as_str());
                    version.is_some_and(|version| match names::compare(&version, limit) {
                        std::cmp::Ordering::Less => true,
                        std::cmp::Ordering::Equal => matches!(through, Through::Version(_)),
                        std::cmp::Ordering::Greater => false,
                    })
                };
                (0..locals.len()).filter(here).filter(is_in).collect()
            }
        };
        let matched: HashSet<usize> = self.entries.iter().filter_map(|(_, place)| *place).collect();
        let assumed: Vec<usize> = places.into_iter().filter(|place| !matched.contains(place)).collect();
        let entries = assumed.iter().map(|&place| {
            let id = locals[place].meta.id.clone();
            let is_recorded = self.known.history.get(&id).is_some();
            let (name, finding) = (id.to_string(), Finding::Assumed);
            (Adopted { name, migration: Some(id), finding, applied_on: None, is_recorded }, Some(place))
        });
        let entries: Vec<_> = entries.collect();
        self.entries.splice(0..0, entries);
    }

    /// The first `number` migrations for this database and environment; `None` if it is unclear which these are.
    fn first(&mut self, number: i64) -> Option<Vec<usize>> {
        let locals = self.known.locals;
        let here: Vec<usize> = (0..locals.len()).filter(|&place| locals[place].runs_here).collect();
        let count = usize::try_from(number).unwrap_or(usize::MAX);
        if count > here.len() {
            let what = format!(
                "`user_version` is {number}, and the set has {} for this database",
                Migrations(here.len())
            );
            let remedy = "use the program that is as new as the database";
            self.objections.push(Objection::doubting(Doubt::Orphaned, what, remedy));
            return Some(here);
        }
        // If the names of a set are numbers, `user_version` may be such a number and not a count.
        let numbers: Option<Vec<String>> = here
            .iter()
            .map(|&place| names::number(locals[place].meta.id.as_str()).filter(|number| number.len() < 10))
            .collect();
        let by_number = numbers.map(|numbers| {
            let limit = number.to_string();
            numbers.iter().filter(|number| names::compare(number, &limit).is_le()).count()
        });
        if let Some(by_number) = by_number.filter(|by_number| *by_number != count) {
            let what = format!(
                "`user_version` is {number}, which may count {} or name the number of the last of {by_number}",
                Migrations(count)
            );
            let remedy = Remedy::from("find out which one the application means").then(Remedy::Baseline);
            self.objections.push(Objection::new(what, remedy));
            return None;
        }
        Some(here[..count].to_vec())
    }

    /// Adds the objections to the entries.
    fn add_objections(&mut self) {
        let mut found = Vec::new();
        self.losses(&mut found);
        self.orphans(&mut found);
        self.doubles(&mut found);
        for (entry, place) in &self.entries {
            let Some(local) = place.map(|place| &self.known.locals[place]) else { continue };
            found.extend(self.contradiction(entry, local));
        }
        self.objections.append(&mut found);
    }

    fn losses(&self, found: &mut Vec<Objection>) {
        let assumed = |(entry, _): &&(Adopted, _)| entry.finding == Finding::Assumed && !entry.is_recorded;
        let count = self.entries.iter().filter(assumed).count();
        if count == 0 {
            return;
        }
        let (some, are) = (Migrations(count), if count == 1 { "is" } else { "are" });
        let what = match self.tool_table.form.tool {
            Tool::UserVersion => format!(
                "`user_version` says neither which migrations it counts nor what their scripts were, so the first {some} {are} assumed to be meant"
            ),
            Tool::Flyway => {
                format!(
                    "the baseline of Flyway does not say what it stands for, so {some} before it {are} assumed to be applied"
                )
            }
            _ => format!(
                "golang-migrate keeps only the highest version, so {some} before it {are} assumed to be applied"
            ),
        };
        let remedy = "look whether that is so";
        found.push(Objection::doubting(Doubt::Lost, what, remedy));
    }

    fn orphans(&self, found: &mut Vec<Objection>) {
        let orphans: Vec<String> = self
            .entries
            .iter()
            .filter(|(entry, _)| entry.finding == Finding::Orphaned)
            .map(|(entry, _)| quoted(&entry.name))
            .collect();
        if orphans.is_empty() {
            return;
        }
        let is = if orphans.len() == 1 { "is" } else { "are" };
        let what =
            format!("{} {is} applied, and the set has nothing of that name or version", listed(&orphans));
        let remedy = Remedy::from("add what is missing").or("use the program that is as new as the database");
        found.push(Objection::doubting(Doubt::Orphaned, what, remedy));
    }

    /// Objections to records that are the same migration.
    fn doubles(&self, found: &mut Vec<Objection>) {
        let mut names: HashMap<usize, Vec<String>> = HashMap::new();
        for (entry, place) in &self.entries {
            place.map(|place| names.entry(place).or_default().push(quoted(&entry.name)));
        }
        let mut doubles: Vec<(usize, Vec<String>)> =
            names.into_iter().filter(|(_, names)| names.len() > 1).collect();
        doubles.sort_unstable();
        for (place, names) in doubles {
            let id = &self.known.locals[place].meta.id;
            let what = format!("{} are all `{id}`", listed(&names));
            found.push(Objection::new(what, "look which of them is true, and correct the others there"));
        }
    }

    /// The objection to an entry that contradicts the records, the log or the set.
    fn contradiction(&self, entry: &Adopted, local: &Local<'_>) -> Option<Objection> {
        let (id, tool) = (&local.meta.id, self.tool_table.form.tool);
        if let Some(record) = self.known.history.get(id) {
            if let Some(dirty) = &record.dirty {
                let what = format!("`{id}` is recorded already and did not finish");
                let by_hand = Remedy::MarkDone { direction: dirty.direction };
                return Some(Objection::new(what, dirty.remedy().or(by_hand)));
            }
            let is_other = |sum| Some(sum) != local.meta.checksum && !local.meta.accepted.contains(&sum);
            if record.checksum.is_some_and(is_other) {
                let what = format!("`{id}` is recorded already, with another script than the set has");
                let remedy = Remedy::from("restore the script").or(Remedy::Accept);
                return Some(Objection::new(what, remedy));
            }
            return None;
        }
        if !local.runs_here {
            let what =
                format!("{} is `{id}`, which is not for this database or environment", quoted(&entry.name));
            return Some(Objection::new(what, "correct its metadata, or name the environment"));
        }
        if self.known.undone.contains(id) {
            let what = format!("`{id}` was undone or forgotten here, and {tool} still has it");
            let remedy =
                Remedy::from("remove it from the history of the other tool").or(Remedy::AssumeApplied);
            return Some(Objection::new(what, remedy));
        }
        if entry.finding == Finding::Changed {
            let what = format!("the script of `{id}` is not the one that {tool} applied");
            return Some(Objection::doubting(Doubt::Changed, what, "restore it as it was"));
        }
        None
    }
}
