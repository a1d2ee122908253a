//! The problems that a plan can have: each rule finds all its cases.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::ahead::{ahead, at};
use super::convention::unconventional;
use super::{Setting, TransactionMode};
use crate::direction::Direction;
use crate::graph::Graph;
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::migration::{Meta, Origin, Unread, right_name};
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::report::Migrations;
use crate::script_options::ScriptOptions;
use crate::step::{Atomicity, ForeignKeys, Step};
use crate::stored::StoredDown;
use crate::transaction_fit::TransactionFit;

/// The findings about applying the migrations at these places.
pub(super) fn up(
    graph: &Graph,
    history: &History,
    places: &[usize],
    steps: &[Step],
    setting: Setting<'_>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(
        history.records().iter().filter_map(|record| ahead(graph, history, record, Direction::Up, setting)),
    );
    found.extend(unfinished(graph, history, steps, setting));
    found.extend(history.records().iter().filter_map(|record| changed(graph, record)));
    if setting.reports(ProblemKind::ChangedDown) {
        found.extend(history.records().iter().filter_map(|record| changed_down(graph, record, setting)));
    }
    found.extend(places.iter().filter_map(|&place| needs_excluded(graph, history, place, setting)));
    found.extend(misfits(graph, steps, setting));
    found.extend(batch(&step_options(graph, steps, setting), setting));
    found.extend(out_of_order(graph, history, places));
    found.extend(graph.metas().iter().filter_map(|meta| excluded(history, meta, setting)));
    found.extend(places.iter().flat_map(|&place| unused(&graph.metas()[place])));
    let pending = || places.iter().map(|&place| &graph.metas()[place]);
    if setting.reports(ProblemKind::Irreversible) {
        found.extend(
            pending()
                .filter(|meta| !meta.is_reversible)
                .map(|meta| Problem::note(ProblemKind::Irreversible, &meta.id, "has nothing that undoes it")),
        );
    }
    if setting.reports(ProblemKind::Unconventional) {
        let is_pending = |id: &MigrationId| pending().any(|meta| meta.id == *id);
        found.extend(unconventional(graph.metas()).into_iter().filter(|it| is_pending(&it.migration)));
    }
    if setting.reports(ProblemKind::SimilarIds) {
        let is_pending = |id: &MigrationId| pending().any(|meta| meta.id == *id);
        found.extend(similar_ids(graph.metas()).into_iter().filter(|it| is_pending(&it.migration)));
    }
    found
}

/// The findings about undoing the migrations of these records.
pub(super) fn down(
    graph: &Graph,
    history: &History,
    records: &[usize],
    steps: &[Step],
    setting: Setting<'_>,
) -> Vec<Problem> {
    let selected = || records.iter().map(|&record| &history.records()[record]);
    let mut found = Vec::new();
    found.extend(selected().filter_map(|record| ahead(graph, history, record, Direction::Down, setting)));
    found.extend(unfinished(graph, history, steps, setting));
    found.extend(selected().filter_map(|record| changed(graph, record)));
    found.extend(selected().filter_map(|record| changed_down(graph, record, setting)));
    found.extend(selected().filter_map(|record| irreversible(graph, record, setting)));
    found.extend(steps.iter().filter_map(|step| not_reapplied(graph, step, setting)));
    found.extend(misfits(graph, steps, setting));
    found.extend(batch(&step_options(graph, steps, setting), setting));
    found
}

/// The steps that began and did not finish, except those that continue in this plan because a person marked them to continue.
pub(super) fn unfinished(
    graph: &Graph,
    history: &History,
    steps: &[Step],
    setting: Setting<'_>,
) -> Vec<Problem> {
    let continues = |record: &Record| {
        let resumes = |direction| record.dirty.as_ref().is_some_and(|dirty| dirty.resumes(direction));
        // A redo begins with the down script, which is for a whole migration.
        let first = steps.iter().find(|step| step.id == record.id);
        first.is_some_and(|step| resumes(step.direction))
    };
    let left = history.records().iter().filter(|record| !continues(record));
    left.filter_map(|record| dirty(graph, record, setting)).collect()
}

fn dirty(graph: &Graph, record: &Record, setting: Setting<'_>) -> Option<Problem> {
    let dirty = record.dirty.as_ref()?;
    let mut place = match (dirty.statement, dirty.of) {
        (Some(number), Some(of)) if number > of => ", after the last statement of its script".to_owned(),
        (Some(number), Some(of)) => format!(", at statement {number} of {of} of its script"),
        (Some(number), None) => format!(", at statement {number} of its script"),
        (None, _) => String::new(),
    };
    let anew = graph.place(&record.id).filter(|_| dirty.has_done());
    let anew = anew.and_then(|place| setting.counted_anew(place, dirty));
    if let Some(count) = anew {
        place = format!("{place}, which now has {count}, since its placeholders have other values");
    }
    let why = dirty.failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
    let by_hand = Remedy::MarkDone { direction: dirty.direction };
    if dirty.is_to_resume {
        let (finding, remedy) = match dirty.direction {
            Direction::Up => ("is half applied and marked to continue", Remedy::Run),
            Direction::Down => ("is half undone and marked to continue", Remedy::RollBack),
        };
        return Some(Problem::new(ProblemKind::Dirty, &record.id, finding, remedy.or(by_hand)));
    }
    let doing = match dirty.direction {
        Direction::Up => format!("began{}", at(&record.run_on)),
        Direction::Down => "began to be undone".to_owned(),
    };
    Some(Problem::new(
        ProblemKind::Dirty,
        &record.id,
        format!("{doing} and did not finish{place}{why}"),
        Remedy::from("see what its script did").then(match anew {
            Some(_) => counted_anew().or(by_hand),
            None => Remedy::Retry.or(by_hand),
        }),
    ))
}

/// How a step continues whose placeholders give its script another number of statements.
pub(crate) fn counted_anew() -> Remedy {
    Remedy::from("give its placeholders the values that they had").or(Remedy::RetryFrom { statement: None })
}

fn changed(graph: &Graph, record: &Record) -> Option<Problem> {
    let meta = graph.get(&record.id)?;
    // A step that did not finish is corrected in its script, and a retry goes on with the script as it is then.
    if record.dirty.as_ref().is_some_and(|dirty| dirty.direction == Direction::Up && !dirty.is_to_resume) {
        return None;
    }
    let (was, is) = (record.checksum?, meta.checksum?);
    (was != is && !meta.accepted.contains(&was)).then(|| {
        if record.resumed(Direction::Up).is_some_and(|statement| statement > 1) {
            return Problem::new(
                ProblemKind::Changed,
                &record.id,
                "is half applied, and the part of its script that is done was changed",
                Remedy::from("put that part back as it was").or(Remedy::RetryFrom { statement: None }),
            );
        }
        let accepted = Remedy::metadata_for("accepted", format!("[\"{was}\"]"), "to accept the old text");
        Problem::new(
            ProblemKind::Changed,
            &record.id,
            format!("was changed after it was applied: applied as {was}, now {is} in {}", meta.origin),
            Remedy::from("put the applied text back and write a new migration")
                .or(accepted.or(Remedy::Accept).only_if("the change means nothing")),
        )
    })
}

/// A down script that is not the one that was stored when the migration was applied. Nothing is known if none was stored.
fn changed_down(graph: &Graph, record: &Record, setting: Setting<'_>) -> Option<Problem> {
    let (place, Some(StoredDown::Script(stored))) = (graph.place(&record.id)?, &record.down) else {
        return None;
    };
    let text = setting.scripts.text(place, Direction::Down)?;
    if record.dirty.is_some() || stored.is_text(text) || !stored.is_intact(&record.id) {
        return None;
    }
    let origin = graph.metas()[place].origin_of(Direction::Down);
    Some(Problem::new(
        ProblemKind::ChangedDown,
        &record.id,
        format!(
            "has a down script that was changed after it was applied: a rollback runs the one in {origin}, not the one that is stored"
        ),
        Remedy::from("put the stored text back")
            .or(Remedy::Accept.only_if("the new one undoes what was applied")),
    ))
}

/// The ids that differ only in case from another one before them.
pub(crate) fn similar_ids(metas: &[Meta]) -> Vec<Problem> {
    let mut known: HashMap<String, &MigrationId> = HashMap::new();
    let problem = |meta: &Meta, other: &MigrationId| {
        Problem::new(
            ProblemKind::SimilarIds,
            &meta.id,
            format!("differs only in case from `{other}`, and on macOS and Windows one overwrites the other"),
            "rename the one that is not applied anywhere",
        )
    };
    let mut found = Vec::new();
    for meta in metas.iter().filter(|meta| meta.unread.is_none()) {
        match known.entry(meta.id.as_str().to_lowercase()) {
            Entry::Occupied(other) if *other.get() != &meta.id => found.push(problem(meta, other.get())),
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => _ = place.insert(&meta.id),
        }
    }
    found
}

fn needs_excluded(graph: &Graph, history: &History, place: usize, setting: Setting<'_>) -> Option<Problem> {
    let meta = &graph.metas()[place];
    let need = meta
        .depends_on
        .iter()
        .filter_map(|id| graph.get(id))
        .find(|need| history.get(&need.id).is_none() && setting.excludes(need).is_some())?;
    let (why, remedy) = if need.unread.is_some() {
        ("not run".to_owned(), "see the finding about that one")
    } else {
        let remedy = "limit both to the same databases and environments, or use depends_on_if_present";
        (format!("not for {}", here(setting)), remedy)
    };
    let finding = format!("needs `{}`, which is {why}", need.id);
    Some(Problem::new(ProblemKind::NeedsExcluded, &meta.id, finding, remedy))
}

fn here(setting: Setting<'_>) -> String {
    match setting.environment {
        Some(environment) => format!("{} in the environment `{environment}`", setting.dialect),
        None => format!("{} without an environment", setting.dialect),
    }
}

/// The migrations that cannot be part of one transaction, if the run is one transaction.
pub(super) fn batch(items: &[(&MigrationId, ScriptOptions)], setting: Setting<'_>) -> Vec<Problem> {
    if setting.mode == TransactionMode::PerMigration {
        return Vec::new();
    }
    let common = items.first().map_or(ForeignKeys::Checked, |(_, options)| options.foreign_keys);
    let problem = |(id, options): &(&MigrationId, ScriptOptions)| {
        let finding = if options.atomicity == Atomicity::NonTransactional {
            "runs outside a transaction, and this run is a single transaction"
        } else if options.foreign_keys != common {
            "enforces foreign keys differently from the first step, and a transaction has only one setting"
        } else {
            return None;
        };
        let remedy = Remedy::PerMigration.or("first run the migrations before it, then this one alone");
        Some(Problem::new(ProblemKind::NotInBatch, id, finding, remedy))
    };
    items.iter().filter_map(problem).collect()
}

fn step_options<'g>(
    graph: &'g Graph,
    steps: &[Step],
    setting: Setting<'_>,
) -> Vec<(&'g MigrationId, ScriptOptions)> {
    let places = steps.iter().filter_map(|step| Some((graph.place(&step.id)?, step.direction)));
    places
        .map(|(place, direction)| (&graph.metas()[place].id, setting.options(graph, place, direction)))
        .collect()
}

/// A statement that does not fit into the transaction of its step.
pub(crate) fn conflict(
    graph: &Graph,
    place: usize,
    direction: Direction,
    setting: Setting<'_>,
) -> Option<Problem> {
    let TransactionFit::Divided(conflict) = setting.scripts.transaction_fit(place, direction) else {
        return None;
    };
    let meta = &graph.metas()[place];
    (meta.atomicity == Atomicity::Transaction || conflict.is_hopeless).then(|| {
        let (at, statement) = setting.scripts.located(place, direction, conflict.offset);
        let finding = format!("{}, at {at} in `{}`", conflict.finding, crate::error::Abridged(&statement));
        Problem::new(ProblemKind::NotInTransaction, &meta.id, finding, conflict.remedy.clone()).at(at)
    })
}

/// The steps that do not fit into their transactions. Steps that continue in the middle are not checked.
fn misfits(graph: &Graph, steps: &[Step], setting: Setting<'_>) -> Vec<Problem> {
    let begin = steps.iter().filter(|step| step.from.is_none_or(|from| from == 1));
    begin.filter_map(|step| conflict(graph, graph.place(&step.id)?, step.direction, setting)).collect()
}

fn out_of_order(graph: &Graph, history: &History, places: &[usize]) -> Vec<Problem> {
    let newest = history.records().iter().filter_map(|record| graph.place(&record.id)).max();
    let late = places.iter().filter(|&&place| newest.is_some_and(|newest| place < newest));
    late.map(|&place| {
        let after = graph.metas()[place + 1..].iter().filter(|meta| history.get(&meta.id).is_some()).count();
        Problem::note(
            ProblemKind::OutOfOrder,
            &graph.metas()[place].id,
            format!("comes before {} already applied", Migrations(after)),
        )
    })
    .collect()
}

fn excluded(history: &History, meta: &Meta, setting: Setting<'_>) -> Option<Problem> {
    let kind = setting.excludes(meta).filter(|_| history.get(&meta.id).is_none())?;
    if let Some(unread) = unread(meta) {
        return Some(unread);
    }
    let only = match kind {
        ProblemKind::OtherDatabase => {
            meta.databases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        _ => meta.environments.join(", "),
    };
    Some(Problem::note(kind, &meta.id, format!("is only for {only} and does not run on {}", here(setting))))
}

/// Files of a folder that are not migrations.
pub(crate) fn unread(meta: &Meta) -> Option<Problem> {
    let place = &meta.origin;
    if let Some(right_name) = meta.right_name() {
        let finding = format!("is not read: {place} has nearly the name of a script, `{right_name}`");
        let remedy = format!("rename it to `{right_name}` if it is a script, or move it somewhere else");
        return Some(Problem::new(ProblemKind::UnusedFile, &meta.id, finding, remedy));
    }
    let (finding, remedy) = match meta.unread.as_ref()? {
        Unread::Misspelled => return None,
        Unread::NothingToUndo => (
            format!("is not read: it has {place} and no script that applies what that would undo"),
            "add that script, or remove this one",
        ),
        Unread::UndoesAnother => (
            format!(
                "is not read: {place} is named like a script with which Flyway undoes a migration of this set"
            ),
            "make it the down script of that migration, `<id>.down.sql`, give it metadata if it is a migration, or move it somewhere else",
        ),
        Unread::FileBesideFolders => (
            format!(
                "is not read: {place} has no version in its name, and the migrations beside it are folders that have one"
            ),
            "begin its name with a version if it is a migration, or move it somewhere else",
        ),
        Unread::FolderBesideFiles => (
            format!(
                "is not read: the folder of {place} has no version in its name, and the migrations beside it are files that have one"
            ),
            "begin its name with a version if it is a migration, or move it somewhere else",
        ),
    };
    Some(Problem::new(ProblemKind::UnusedFile, &meta.id, finding, remedy))
}

/// The files beside its script that are not run.
pub(crate) fn unused(meta: &Meta) -> impl Iterator<Item = Problem> {
    meta.unused_files.iter().map(|file| {
        let finding = format!("has {file} beside its script, which is not run");
        let found = Problem::note(ProblemKind::UnusedFile, &meta.id, finding);
        let right_name = right_name(file.rsplit('/').next().unwrap_or_default(), true);
        let remedy =
            right_name.map(|right| format!("rename it to `{right}` if it is to run, or move it away").into());
        Problem { remedy, ..found }
    })
}

/// A migration that would be undone but could not be applied again.
fn not_reapplied(graph: &Graph, step: &Step, setting: Setting<'_>) -> Option<Problem> {
    let meta = graph.get(&step.id).filter(|_| step.direction == Direction::Up)?;
    setting.excludes(meta)?;
    Some(Problem::new(
        ProblemKind::NeedsExcluded,
        &meta.id,
        format!("is not for {}, so it would not be applied again", here(setting)),
        "run in the environment it was applied in, or only roll it back",
    ))
}

fn irreversible(graph: &Graph, record: &Record, setting: Setting<'_>) -> Option<Problem> {
    let meta = graph.get(&record.id)?;
    let finding = if setting.excludes(meta) == Some(ProblemKind::OtherDatabase) {
        format!("has no script for {}", setting.dialect)
    } else if meta.is_reversible {
        return None;
    } else {
        "has nothing that undoes it".to_owned()
    };
    Some(Problem::new(
        ProblemKind::Irreversible,
        &meta.id,
        finding,
        match meta.origin {
            Origin::File(_) => Remedy::from("write one (`SELECT 1;` says that there is nothing to undo)"),
            Origin::Code(_) => Remedy::program("give it one", "`Migration::reversible` or `undo`"),
        }
        .or("go back less far"),
    ))
}
