//! `history`

use std::collections::HashSet;

use serde_json::{Value, json};
use switchy_schema::{History, LogEntry, LogEntryKind, MigrationId};

use super::work::Work;
use crate::failure::Result;
use crate::output::Outcome;
use crate::session::{Access, Database};
use crate::table::{Field, table};
use crate::text;

/// The events of the database, newest first.
pub(super) fn history<B: Database>(work: &Work<'_, B>) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let history = work.runner.history(B::conn(&mut session))?;
    let happened = happened(&history);
    let rows = happened.iter().map(Happening::row).collect();
    let text = table(&["WHEN (UTC)", "MIGRATION", "WHAT", "PROGRAM", "WHO", "WHY"], rows);
    if happened.is_empty() {
        work.output().say("nothing happened yet");
    }
    Ok(Outcome::new(text, json!({ "events": happened.iter().map(Happening::as_json).collect::<Vec<_>>() })))
}

/// An event of a migration.
#[derive(Default)]
struct Happening {
    when: String,
    id: String,
    what: String,
    /// Whether it is from a record and not from the log.
    is_record: bool,
    program: Option<String>,
    who: Option<String>,
    why: Option<String>,
}

/// Merges the records and the log.
fn happened(history: &History) -> Vec<Happening> {
    let is_removal = |trace: &LogEntry| {
        matches!(
            trace.kind,
            LogEntryKind::RolledBack
                | LogEntryKind::Downgraded
                | LogEntryKind::Forgotten
                | LogEntryKind::MarkedUndone
        )
    };
    let applied = |when: &str, id: &MigrationId| Happening {
        when: when.to_owned(),
        id: id.as_str().to_owned(),
        what: "applied".to_owned(),
        is_record: true,
        ..Happening::default()
    };
    // The migrations that were recorded without running.
    let mut assumed: HashSet<&MigrationId> = HashSet::new();
    let mut all: Vec<Happening> = Vec::new();
    for trace in history.log() {
        if matches!(trace.kind, LogEntryKind::AssumedApplied | LogEntryKind::Baselined) {
            assumed.insert(&trace.id);
        } else if is_removal(trace) && !assumed.remove(&trace.id) {
            all.extend(trace.applied_on.as_deref().map(|when| applied(when, &trace.id)));
        }
        all.push(Happening {
            when: trace.logged_on.clone(),
            id: trace.id.as_str().to_owned(),
            what: trace.kind.name().to_owned(),
            is_record: false,
            program: trace.program.clone(),
            who: trace.who.clone(),
            why: trace.why.clone(),
        });
    }
    for record in history.records().iter().filter(|record| !assumed.contains(&record.id)) {
        let what = if record.dirty.is_some() { "begun, and not finished" } else { "applied" };
        let program = record.program.clone();
        all.push(Happening { what: what.to_owned(), program, ..applied(&record.run_on, &record.id) });
    }
    // Of events with the same time, those that undo come before those that apply, as in a redo; entries of the log keep their order.
    let order = |a: &Happening| (a.when.clone(), a.is_applied().then(|| MigrationId::from(a.id.as_str())));
    all.sort_by_key(order);
    all.reverse();
    all
}

impl Happening {
    fn is_applied(&self) -> bool {
        self.is_record && self.what == "applied"
    }

    fn row(&self) -> Vec<Field> {
        let text = |text: &Option<String>| text::printable(text.as_deref().unwrap_or_default());
        vec![
            text::time(&self.when).into(),
            self.id.as_str().into(),
            text::printable(&self.what).into(),
            text(&self.program).into(),
            text(&self.who).into(),
            text(&self.why).into(),
        ]
    }

    fn as_json(&self) -> Value {
        json!({
            "when": self.when,
            "id": self.id,
            "event": self.what,
            "program": self.program,
            "who": self.who,
            "why": self.why,
        })
    }
}
