//! `drift`

use serde_json::{Value, json};
use switchy_schema::{Drift, DriftReason, LogEntry, SchemaChange};

use super::schema;
use super::work::Work;
use crate::args;
use crate::exit::Exit;
use crate::failure::Result;
use crate::json;
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::text;

/// Shows what differs from the schema that the applied migrations produce, and recreates what carries no data.
pub(super) fn drift<B: Database>(mut work: Work<'_, B>, how: &args::Drift) -> Result<Outcome> {
    work.runner = work.runner.ignore_in_drift(how.ignore.iter().map(String::as_str));
    let mut session = work.open(if how.repair { Access::Change } else { Access::Read })?;
    let mut drift = work.runner.drift(B::conn(&mut session))?;
    let mut repaired: Option<LogEntry> = None;
    let mut written = None;
    if how.repair {
        let named = how.names.iter().fold(drift, Drift::including);
        repaired = work.runner.repair_drift(B::conn(&mut session), named, how.signing.signature())?;
        drift = work.runner.drift(B::conn(&mut session))?;
        written = repaired.as_ref().map(|_| schema::keep(&work, &mut session));
    }
    let exit = match &drift.unknown {
        Some(_) => Exit::Failed,
        None if drift.is_empty() => Exit::Done,
        None => Exit::Refused,
    };
    let done = repaired.iter().filter_map(|entry| entry.why.as_deref());
    let mut lines: Vec<String> = done.map(|why| format!("repaired: {}", text::printable(why))).collect();
    let is_sql = how.sql && !drift.changes.is_empty();
    lines.push(if is_sql { drift.sql() } else { drift.worded(&in_shell).to_string() });
    let json = json!({
        "is_known": drift.unknown.is_none(),
        "unknown": drift.unknown.as_ref().map(reason),
        "changes": drift.changes.iter().map(change).collect::<Vec<_>>(),
        "doubts": drift.doubts.iter().map(reason).collect::<Vec<_>>(),
        "sql": drift.sql(),
        "log": repaired.iter().map(json::trace).collect::<Vec<_>>(),
    });
    let outcome = Outcome::new(lines.join("\n"), json).exiting(exit);
    Ok(match written {
        Some(written) => schema::told(outcome, written),
        None => outcome,
    })
}

fn change(change: &SchemaChange) -> Value {
    json!({
        "kind": change.kind,
        "name": change.name,
        "table": change.table,
        "difference": match (&change.before, &change.after) {
            (Some(_), None) => "missing",
            (None, _) => "extra",
            (Some(_), Some(_)) => "changed",
        },
        "expected": change.before,
        "actual": change.after,
        "diff": change.diff(),
    })
}

fn reason(reason: &DriftReason) -> Value {
    json!({
        "migration": reason.migration.as_ref().map(ToString::to_string),
        "why": json::abridged(&reason.why),
        "remedy": reason.remedy.as_ref().map(in_shell),
    })
}
