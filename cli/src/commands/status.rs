//! `status`

use comfy_table::Color;
use serde_json::{Value, json};
use switchy_schema::{Direction, Entry, Record, State};

use super::work::Work;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Outcome;
use crate::session::{Access, Database};
use crate::table::{Field, table};
use crate::{json, text};

/// The state of each migration of the set and of the database.
pub(super) fn status<B: Database>(work: &Work<'_, B>, wants_code: bool) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let entries = work.runner.status(B::conn(&mut session))?.entries;
    let late = out_of_order(&entries);
    let labels: Vec<StateLabel> =
        entries.iter().zip(&late).map(|(entry, late)| StateLabel::of(&entry.state, *late)).collect();

    let rows = entries.iter().zip(&labels).map(|(entry, label)| {
        let when = record(&entry.state).map_or_else(String::new, |record| text::time(&record.run_on));
        vec![
            entry.id.to_string().into(),
            Field::colored(label.word, label.color),
            when.into(),
            entry.description.as_deref().map(text::printable).unwrap_or_default().into(),
        ]
    });
    let text = table(&["MIGRATION", "STATE", "APPLIED (UTC)", "DESCRIPTION"], rows.collect());

    let migrations: Vec<Value> = entries.iter().zip(&labels).zip(late).map(as_json).collect();
    let exit = labels.iter().map(|label| label.exit).max().unwrap_or(Exit::Done);
    let outcome = Outcome::new(text, json!({ "migrations": migrations }));
    let remarks = remarks(&entries, &labels).into_iter().chain(text::misspelled(work.runner.list()));
    let outcome = remarks.fold(outcome, Outcome::remarking);
    Ok(if wants_code { outcome.exiting(exit) } else { outcome })
}

/// For each entry, whether it is pending although a later one is applied.
fn out_of_order(entries: &[Entry]) -> Vec<bool> {
    let is_applied =
        |entry: &Entry| record(&entry.state).is_some() && !matches!(entry.state, State::Unknown(_));
    let newest = entries.iter().rposition(is_applied);
    let is_late = |(place, entry): (usize, &Entry)| {
        entry.state == State::Pending && newest.is_some_and(|newest| place < newest)
    };
    entries.iter().enumerate().map(is_late).collect()
}

/// The record of a migration in the database.
pub(super) fn record(state: &State) -> Option<&Record> {
    match state {
        State::Applied(record) | State::Changed(record) | State::Dirty(record) | State::Unknown(record) => {
            Some(record)
        }
        _ => None,
    }
}

/// The word for a state, its color, and its exit code.
pub(super) struct StateLabel {
    pub(super) word: &'static str,
    color: Color,
    exit: Exit,
}

impl StateLabel {
    pub(super) fn of(state: &State, is_late: bool) -> Self {
        let (word, color, exit) = match state {
            State::Applied(_) => ("applied", Color::Green, Exit::Done),
            State::Pending if is_late => ("pending, out of order", Color::Yellow, Exit::Pending),
            State::Pending => ("pending", Color::Yellow, Exit::Pending),
            State::Baseline => ("to be recorded as applied", Color::Yellow, Exit::Pending),
            State::Changed(_) => ("changed", Color::Red, Exit::Refused),
            State::Dirty(record) if resumes(record) => ("dirty, to go on", Color::Yellow, Exit::Pending),
            State::Dirty(_) => ("dirty", Color::Red, Exit::Dirty),
            State::Unknown(_) => ("missing", Color::Red, Exit::DatabaseAhead),
            State::OtherDatabase => ("for another database", Color::DarkGrey, Exit::Done),
            State::OtherEnvironment => ("for another environment", Color::DarkGrey, Exit::Done),
            State::Unread => ("not read", Color::DarkGrey, Exit::Done),
            _ => ("unknown", Color::Red, Exit::Failed),
        };
        Self { word, color, exit }
    }
}

/// Whether the next run resumes the migration.
fn resumes(record: &Record) -> bool {
    record.dirty.as_ref().is_some_and(|dirty| dirty.is_to_resume && dirty.direction == Direction::Up)
}

/// The number of migrations in each state, and where the dirty ones stopped.
fn remarks(entries: &[Entry], states: &[StateLabel]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for label in states {
        match counts.iter_mut().find(|(word, _)| *word == label.word) {
            Some((_, count)) => *count += 1,
            None => counts.push((label.word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let counts = if counts.is_empty() { "no migrations".to_owned() } else { counts.join("; ") };
    let mut remarks = vec![counts];
    for entry in entries {
        let Some(dirty) = record(&entry.state).and_then(|record| record.dirty.as_ref()) else { continue };
        let doing = match dirty.direction {
            Direction::Up => "applied",
            Direction::Down => "undone",
        };
        let place = match (dirty.statement, dirty.of) {
            (Some(statement), Some(of)) if statement <= of => format!(" at statement {statement} of {of}"),
            _ => String::new(),
        };
        let why =
            dirty.failure.as_deref().map_or_else(String::new, |why| format!(": {}", text::shortened(why)));
        remarks.push(format!(
            "`{}` began to be {doing} and stopped{place}{why}",
            text::shortened(entry.id.as_str())
        ));
    }
    remarks
}

fn as_json(((entry, label), is_late): ((&Entry, &StateLabel), bool)) -> Value {
    let record = record(&entry.state);
    let dirty = record.and_then(|record| record.dirty.as_ref());
    let state = match &entry.state {
        State::Dirty(_) => "dirty",
        State::Pending => "pending",
        State::Baseline => "baseline",
        State::OtherDatabase => "other_database",
        State::OtherEnvironment => "other_environment",
        State::Unread => "not_read",
        _ => label.word,
    };
    json!({
        "id": entry.id.as_str(),
        "description": entry.description,
        "state": state,
        "is_out_of_order": is_late,
        "applied_on": record.map(|record| &record.run_on),
        "duration_ms": record.and_then(|record| record.duration).map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        "program": record.and_then(|record| record.program.as_ref()),
        "checksum": record.and_then(|record| record.checksum).map(|checksum| checksum.to_string()),
        "dirty": dirty.map(|dirty| json!({
            "direction": dirty.direction.to_string(),
            "statement": dirty.statement,
            "of": dirty.of,
            "failure": dirty.failure.as_deref().map(json::abridged),
            "is_to_go_on": dirty.is_to_resume,
        })),
    })
}
