//! [`Rows`]: the tables that a script concerns, and the rows that it takes from them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::act::{Name, form};
use super::ask::{count, exists, replaces, unique_keys};
use super::converted::Conversion;
use super::place::Place;
use super::replaced;
use super::successor::Comparison;
use super::table::Table;
use crate::account::{ColumnChange, Fate, StepFinding, TableChange};
use crate::backend::sqlite::reach::Reach;
use crate::backend::sqlite::target::Verb;
use crate::sql::{folded, has_word, mentions, same_name};
use crate::step::Atomicity;

/// After this many counts of a table, it is counted once more at the end, and not after each statement that may have deleted its rows.
const MEASURED: u32 = 8;

/// The places of tables from which a statement can take rows that it does not name.
pub(super) type AtRisk = Vec<usize>;

/// The tables that a script concerns.
#[derive(Clone, Default)]
pub(super) struct Rows {
    pub(super) tables: Vec<Table>,
    /// The tables by their current names, in lower case.
    pub(super) names: BTreeMap<String, usize>,
    /// The columns that the script renamed or dropped.
    pub(super) columns: Vec<ColumnChange>,
    /// The beginnings of statements whose reach is known.
    known: BTreeMap<String, AtRisk>,
    /// The beginnings of statements whose triggers or foreign key actions change rows, with the tables of these rows.
    rewriting: BTreeMap<String, Vec<usize>>,
    /// The tables whose rows the triggers or foreign key actions of the next statement change.
    rewritten: Vec<usize>,
    /// The beginnings of statements that delete from views, with the tables from which the triggers of the views delete.
    behind_views: BTreeMap<String, AtRisk>,
    /// Whether the script created a trigger, so that a new table may have one.
    has_new_trigger: bool,
    /// The statements that filled temporary tables from other tables.
    pub(super) set_aside: Vec<String>,
    /// The statements that set the numbers of `AUTOINCREMENT`.
    sets_sequence: Vec<String>,
    /// Whether a table is counted after each statement that may have deleted its rows: outside a transaction, the end is too late.
    counts_each: bool,
}

impl Rows {
    pub(super) fn new(atomicity: Atomicity) -> Self {
        Self { counts_each: atomicity == Atomicity::NonTransactional, ..Self::default() }
    }

    /// The place of a table by its current name. A table that is not known yet was there before.
    pub(super) fn place(&mut self, name: &str) -> usize {
        match self.names.get(&folded(name)) {
            Some(&place) => place,
            None => self.add(name, Fate::Kept),
        }
    }

    fn add(&mut self, name: &str, fate: Fate) -> usize {
        let key = folded(name);
        self.tables.push(Table::new(name, fate));
        self.names.insert(key, self.tables.len() - 1);
        self.tables.len() - 1
    }

    pub(super) fn is_new(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|&place| self.tables[place].is_new)
    }

    /// The place of a table whose rows are known, unless they cannot be counted.
    pub(super) fn counted(&mut self, conn: &Connection, name: &str) -> rusqlite::Result<usize> {
        let place = self.place(name);
        let table = &mut self.tables[place];
        if table.rows.is_none() {
            table.rows = count(conn, name)?;
        }
        if table.change.rows_before.is_none() && !table.is_new {
            let rows = table.rows.map(|rows| rows + table.change.deleted);
            table.change.rows_before = rows.map(|rows| rows.saturating_sub(table.change.inserted));
        }
        Ok(place)
    }

    /// What a statement can write, and the tables from which its triggers and foreign key actions can take rows.
    pub(super) fn reach(&mut self, conn: &Connection, reach: &Reach) -> rusqlite::Result<AtRisk> {
        let tables = if reach.runs_program { reach.emptied(conn)? } else { Vec::new() };
        tables.iter().map(|table| self.counted(conn, table)).collect()
    }

    /// The tables from which a statement can take rows that it does not name, and its reach; `None` if that is known already or does not
    /// matter.
    pub(super) fn before_write(
        &mut self,
        conn: &Connection,
        own: &str,
        (name, verb, head): (&Name, Verb, &str),
        enforces: bool,
        explain: impl FnOnce(&Connection) -> rusqlite::Result<Reach>,
    ) -> rusqlite::Result<(Option<Reach>, AtRisk)> {
        let table = name.key();
        self.rewritten.clear();
        if table == "sqlite_sequence" {
            self.sets_sequence.push(own.to_owned());
        }
        if self.is_new(&table) && !self.has_new_trigger && !enforces {
            return Ok((None, AtRisk::default()));
        }
        let key = form(own, verb, head);
        if let Some(at_risk) = self.known.get(&key).cloned() {
            self.write_view(&key);
            self.rewritten = self.rewriting.get(&key).cloned().unwrap_or_default();
            let names: Vec<String> =
                at_risk.iter().filter_map(|&place| self.tables[place].current.clone()).collect();
            for name in &names {
                self.counted(conn, name)?;
            }
            return Ok((None, at_risk));
        }
        let reach = explain(conn)?;
        let mut at_risk = self.reach(conn, &reach)?;
        self.rewritten = reach.rewritten(conn)?.iter().map(|table| self.place(table)).collect();
        if !self.rewritten.is_empty() {
            self.rewriting.insert(key.clone(), self.rewritten.clone());
        }
        if verb == Verb::Deletes && !at_risk.is_empty() && exists(conn, "view", &table)? {
            // What the triggers of a view delete is what the statement names.
            self.behind_views.insert(key.clone(), std::mem::take(&mut at_risk));
            self.write_view(&key);
        }
        if verb == Verb::Inserts && reach.deletes {
            let place = self.place(&name.name);
            self.tables[place].may_replace = true;
        }
        // With a single unique key, REPLACE takes at most one row for each that it adds.
        let takes_own = reach.deletes
            && match verb {
                Verb::Deletes | Verb::Drops => false,
                Verb::Updates => replaces(conn, own, &table)?,
                Verb::Inserts | Verb::Replaces => {
                    replaces(conn, own, &table)? && unique_keys(conn, &table)? > 1
                }
            };
        if takes_own {
            at_risk.push(self.counted(conn, &name.name)?);
        }
        self.known.insert(key, at_risk.clone());
        Ok((Some(reach), at_risk))
    }

    /// Forgets the numbers of rows of the tables from which the triggers of a view delete, before such a statement.
    fn write_view(&mut self, form: &str) {
        for &place in self.behind_views.get(form).into_iter().flatten() {
            let table = &mut self.tables[place];
            (table.is_behind_view, table.rows) = (true, None);
        }
    }

    /// Notes the rows that a statement changed: all, and those of the table that it names.
    pub(super) fn wrote(
        &mut self,
        conn: &Connection,
        (name, verb, names_all): (&Name, Verb, bool),
        [changed, own]: [u64; 2],
        at_risk: &[usize],
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        if changed > 0 || !at_risk.is_empty() {
            let place = self.place(&name.name);
            self.wrote_own(place, verb, own, at_risk.contains(&place), at);
            if names_all && own > 0 {
                (self.tables[place].emptied, self.tables[place].refilled) = (Some((own, at.kept())), 0);
            }
        }
        if changed > own {
            for place in std::mem::take(&mut self.rewritten) {
                self.tables[place].change.by_triggers |= !self.tables[place].is_new;
            }
        }
        let named = self.names.get(&name.key()).copied();
        for &place in at_risk {
            let is_own = named == Some(place);
            if is_own && names_all {
                self.tables[place].rows = Some(0);
            } else if is_own || changed > own {
                let Table { rows: before, taken, .. } = self.tables[place];
                self.look(conn, place, at)?;
                let table = &mut self.tables[place];
                table.change.by_triggers |= changed > own && table.taken > taken && !table.is_new;
                if is_own && verb == Verb::Replaces && table.taken > 0 {
                    table.put_back += more(table.rows, before);
                }
            }
        }
        let Some(place) = named else { return Ok(()) };
        let is_at_risk = at_risk.contains(&place);
        match verb {
            // Rows that are gone already are among those that it names.
            Verb::Deletes if names_all => self.tables[place].taken = 0,
            Verb::Inserts => {
                let is_plain = !self.tables[place].may_replace || is_at_risk;
                self.put_back(conn, place, is_plain.then_some(own))?;
            }
            Verb::Replaces if !is_at_risk => self.put_back(conn, place, None)?,
            _ => {}
        }
        Ok(())
    }

    /// Notes the rows of the table that a statement names.
    fn wrote_own(&mut self, place: usize, verb: Verb, own: u64, is_at_risk: bool, at: Place<'_>) {
        self.may_fill(place, at.own);
        let table = &mut self.tables[place];
        table.writes += 1;
        let adds = matches!(verb, Verb::Inserts | Verb::Replaces);
        if adds && has_word(at.own, &["select"]) {
            table.copies.push((Some(own), at.own.to_owned()));
            table.refilled += own;
        } else if adds {
            table.written += own;
        }
        match verb {
            Verb::Inserts => {
                table.change.inserted += own;
                let is_known = !table.may_replace || table.taken > 0 || is_at_risk;
                table.rows = table.rows.filter(|_| is_known).map(|rows| rows + own);
            }
            Verb::Deletes => {
                table.change.deleted += own;
                table.rows = table.rows.map(|rows| rows.saturating_sub(own));
            }
            Verb::Replaces => {
                table.change.upserted += own;
                if !is_at_risk && table.taken == 0 {
                    // It may have added some.
                    table.rows = None;
                }
            }
            Verb::Updates => {
                table.change.updated += own;
                table.converted.retain(|conversion| !mentions(at.own, &conversion.column));
            }
            Verb::Drops => {}
        }
    }

    /// Notes that a statement filled a temporary table.
    pub(super) fn sets_aside(&mut self, own: &str) {
        if has_word(own, &["select"]) {
            self.set_aside.push(own.to_owned());
        }
    }

    /// Notes what a copy did to values.
    pub(super) fn converts(&mut self, table: &str, found: &[Conversion], at: Place<'_>) {
        if let Some(&place) = self.names.get(table) {
            let found = found.iter().cloned().map(|mut conversion| {
                conversion.finding = conversion.finding.by(at.kept());
                conversion
            });
            self.tables[place].converted.extend(found);
        }
    }

    /// What copies from a table that was dropped did to the values of the one that replaced it, by their places.
    fn conversions(&self, old: usize, new: usize) -> impl Iterator<Item = StepFinding> {
        let old = &self.tables[old];
        let names = [&old.last, &old.change.table];
        let is_from =
            move |conversion: &&Conversion| names.iter().any(|name| same_name(name, &conversion.from));
        self.tables[new].converted.iter().filter(is_from).map(|conversion| conversion.finding.clone())
    }

    /// Notes rows that were added to a table after rows of it were taken. If it is not known how many, since a statement may have changed
    /// rows instead of adding some, the table is counted.
    fn put_back(&mut self, conn: &Connection, place: usize, added: Option<u64>) -> rusqlite::Result<()> {
        let table = &mut self.tables[place];
        if table.taken == 0 {
            return Ok(());
        }
        table.put_back += if let Some(added) = added {
            added
        } else {
            let now = table.count(conn)?;
            more(now, std::mem::replace(&mut table.rows, now))
        };
        Ok(())
    }

    /// Notes that a statement of an earlier run wrote to a table. The number of rows is not known.
    pub(super) fn wrote_before(&mut self, name: &Name, verb: Verb, own: &str) {
        let place = self.place(&name.name);
        let table = &mut self.tables[place];
        table.has_unknown_deletions |= verb == Verb::Deletes;
        if table.is_new && has_word(own, &["select"]) {
            table.copies.push((None, own.to_owned()));
        }
    }

    /// Counts tables again, since rows of them may be gone.
    pub(super) fn suspect(
        &mut self,
        conn: &Connection,
        at_risk: &[usize],
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        at_risk.iter().try_for_each(|&place| self.look(conn, place, at))
    }

    fn look(&mut self, conn: &Connection, place: usize, at: Place<'_>) -> rusqlite::Result<()> {
        let table = &mut self.tables[place];
        let Some(current) = &table.current else { return Ok(()) };
        table.looks += 1;
        if table.looks > MEASURED && !self.counts_each {
            table.must_look = true;
            return Ok(());
        }
        let now = count(conn, current)?;
        let lost = more(table.rows, now);
        if lost > 0 {
            table.taken += lost;
            table.by.get_or_insert_with(|| at.kept());
        }
        table.rows = now;
        Ok(())
    }

    /// A table that lost rows so far, among these.
    pub(super) fn lost(&self, at_risk: &[usize]) -> Option<TableChange> {
        let mut tables = at_risk.iter().map(|&place| &self.tables[place]);
        tables.find(|table| table.taken > 0).map(|table| TableChange {
            rows_after: table.rows,
            lost: table.taken,
            ..table.change.clone()
        })
    }

    /// Forgets the reach of statements, since the schema has changed.
    pub(super) fn forget_reach(&mut self) {
        self.known.clear();
        self.rewriting.clear();
    }

    pub(super) fn has_new_trigger(&mut self) {
        self.has_new_trigger = true;
    }

    /// Notes a new table, which its statement may have filled.
    pub(super) fn create(&mut self, name: &str, own: &str) {
        let place = self.add(name, Fate::Created);
        if has_word(own, &["select"]) {
            self.tables[place].copies.push((None, own.to_owned()));
        }
    }

    pub(super) fn drop(&mut self, name: &str) {
        if let Some(place) = self.names.remove(name) {
            name.clone_into(&mut self.tables[place].last);
            self.tables[place].current = None;
        }
    }

    pub(super) fn rename(&mut self, from: &Name, to: &str) {
        let place = self.place(&from.name);
        self.names.remove(&from.key());
        self.names.insert(folded(to), place);
        let table = &mut self.tables[place];
        table.current = Some(folded(to));
        if table.is_new {
            to.clone_into(&mut table.change.table);
        } else {
            table.change.renamed_to = Some(to.to_owned());
        }
    }

    /// Notes a column that was renamed or dropped.
    pub(super) fn change_column(&mut self, table: &Name, column: &str, to: Option<&str>) {
        let place = self.place(&table.name);
        let Table { change, is_new, .. } = &self.tables[place];
        let (table, is_new) = (change.table.clone(), *is_new);
        let (column, to) = (column.to_owned(), to.map(str::to_owned));
        self.columns.push(ColumnChange { table, is_new, column, to });
    }

    /// Lets each table that took the name of a dropped one go on with its numbers of `AUTOINCREMENT`.
    pub(super) fn continue_sequences(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        for old in 0..self.tables.len() {
            let table = &self.tables[old];
            let last = table.definition.as_ref().filter(|_| table.current.is_none() && !table.is_continued);
            let Some(last) = last.and_then(|definition| definition.sequence) else { continue };
            let Some(new) = self.current_successor(old) else { continue };
            let Some(name) = self.tables[new].current.clone() else { continue };
            let is_set = |own: &String| mentions(own, &name) || !mentions(own, "name");
            if !self.sets_sequence.iter().any(is_set) {
                replaced::continue_sequence(conn, &name, last)?;
            }
            self.tables[old].is_continued = true;
        }
        Ok(())
    }

    /// The changes of the tables, and what a replaced table lost besides rows.
    pub(super) fn close(
        mut self,
        conn: &Connection,
        findings: &mut Vec<StepFinding>,
    ) -> rusqlite::Result<Vec<TableChange>> {
        let dropped = |(_, table): &(usize, &Table)| !table.is_new && table.current.is_none();
        let olds: Vec<usize> =
            self.tables.iter().enumerate().filter(dropped).map(|(place, _)| place).collect();
        let pairs: Vec<(usize, usize)> =
            olds.iter().filter_map(|&old| Some((old, self.current_successor(old)?))).collect();
        for &(old, new) in &pairs {
            let Some(name) = self.tables[new].current.clone() else { continue };
            let (after, missing) = match self.comparison(old, new) {
                Some(it) => (Some(it.after), it.missing.clone()),
                None => (count(conn, &name)?, Vec::new()),
            };
            let compared = self.compared_before(old, new);
            let changed: Vec<StepFinding> =
                compared.iter().flat_map(|found| found.findings().cloned()).collect();
            let lost = after.map_or(Ok(0), |after| self.lost_to(conn, old, new, after))?;
            findings.extend(self.conversions(old, new));
            let mut later = self.of_later(conn, [old, new], &name)?;
            if lost == 0 {
                later.extend(after.and_then(|after| self.uncopied_rows([old, new], after)));
            }
            let deleted = self.tables[new].change.deleted;
            let Table { change, definition, by, .. } = &mut self.tables[old];
            (change.fate, change.rows_after, change.lost) = (Fate::Replaced, after, lost);
            change.deleted += deleted;
            change.missing_keys = if lost > 0 { missing } else { Vec::new() };
            if let Some(definition) = definition {
                let mut found = replaced::findings(conn, change, &name, definition)?;
                found.extend(changed);
                found.extend(later);
                findings.extend(found.into_iter().map(|found| match by {
                    Some(by) => found.by(by.clone()),
                    None => found,
                }));
            }
        }
        let was_successor =
            |table: &&Table| table.is_new && table.current.is_none() && self.was_replaced(&table.last);
        for Table { comparison, converted, by, last, .. } in self.tables.iter().filter(was_successor) {
            let of_own = |conversion: &&Conversion| same_name(&conversion.from, last);
            findings.extend(converted.iter().filter(of_own).map(|conversion| conversion.finding.clone()));
            let changed = comparison.iter().flat_map(Comparison::findings);
            findings
                .extend(changed.map(|found| by.iter().fold(found.clone(), |found, by| found.by(by.clone()))));
        }
        findings.extend(self.refilled_in_part());
        let mut changes = Vec::new();
        for (place, mut table) in self.tables.into_iter().enumerate() {
            if let Some(current) = table.current.as_deref().filter(|_| table.must_look || table.taken > 0) {
                let now = count(conn, current)?;
                table.taken += more(table.rows, now);
                table.rows = now;
            }
            if table.is_behind_view {
                table.rows = table.count(conn)?;
                table.change.deleted += table.gone_unseen();
            }
            let mut change = table.change;
            change.by = table.by;
            match table.current {
                None if table.is_new => continue,
                None if change.fate != Fate::Replaced => change.fate = Fate::Dropped,
                None => {}
                Some(_) => {
                    change.rows_after = change.rows_before.and(table.rows);
                    change.lost = table.taken.saturating_sub(table.put_back);
                }
            }
            let is_successor = pairs.iter().any(|&(_, new)| new == place);
            let is_changed = change.rows_before.is_some() || change.is_written();
            if !is_successor && (is_changed || change.renamed_to.is_some() || change.fate != Fate::Kept) {
                changes.push(change);
            }
        }
        Ok(changes)
    }
}

/// By how much one number of rows is more than another; 0 if one of them is not known.
fn more(rows: Option<u64>, than: Option<u64>) -> u64 {
    rows.zip(than).map_or(0, |(rows, than)| rows.saturating_sub(than))
}
