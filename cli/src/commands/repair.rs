//! `repair` and `baseline`

use std::collections::BTreeSet;

use serde_json::json;
use switchy_schema::{LogEntry, ProblemKind, Recovery, Target};

use super::work::Work;
use crate::args::{Repair, Signing};
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::session::{Access, Database};
use crate::{ids, json, text};

/// Corrects the records of migrations, one after the other.
pub(super) fn repair<B: Database>(work: &Work<'_, B>, repair: &Repair) -> Result<Outcome> {
    let access = if let Repair::Assume(_) = repair { Access::Make } else { Access::Change };
    let mut session = work.open(access)?;
    let mut traces = Vec::new();
    let ids = match repair.ids() {
        [] => vec![only(work, &mut session, repair)?],
        given => whole(work, &mut session, given)?,
    };
    for id in &ids {
        let recovered =
            work.runner.recover(B::conn(&mut session), repair.recovery(id), repair.signing().signature());
        let left = match recovered {
            Ok(left) => left,
            Err(error) => {
                // The corrections before this one are committed.
                for trace in &traces {
                    work.output().say(&line(trace));
                }
                return Err(error.into());
            }
        };
        traces.extend(left);
    }
    Ok(outcome(&traces))
}

/// Records that a database has all migrations up to and including one.
pub(super) fn baseline<B: Database>(work: &Work<'_, B>, id: &str, signing: &Signing) -> Result<Outcome> {
    let mut session = work.open(Access::Change)?;
    let id = ids::resolve(id, work.runner.list().iter().map(|meta| &meta.id))?;
    let recovery = Recovery::Baseline(id.into());
    Ok(outcome(&work.runner.recover(B::conn(&mut session), recovery, signing.signature())?))
}

/// The only migration that a correction without an id can be about: an error suggests `repair retry` as it stands here.
///
/// # Errors
/// There is none, or several are.
fn only<B: Database>(work: &Work<'_, B>, session: &mut B::Session, repair: &Repair) -> Result<String> {
    let (found, what) = if let Repair::Accept(_) = repair {
        let plan = work.runner.plan(B::conn(session), Target::Latest)?;
        let changed = plan.problems().iter().filter(|problem| problem.kind == ProblemKind::Changed);
        (changed.map(|problem| problem.migration.to_string()).collect::<BTreeSet<_>>(), "was changed")
    } else {
        let history = work.runner.history(B::conn(session))?;
        let unfinished = history.records().iter().filter(|record| record.dirty.is_some());
        (unfinished.map(|record| record.id.to_string()).collect(), "began and did not finish")
    };
    let ids: Vec<&String> = found.iter().collect();
    match ids[..] {
        [] => Err(Failure::usage(format!("there is no migration that {what}"))),
        [one] => Ok(one.clone()),
        ref several => {
            let shown: Vec<String> = several.iter().map(|id| format!("`{}`", text::shortened(id))).collect();
            let shown = text::enough(&shown).join(", ");
            Err(Failure::usage(format!(
                "there is more than one migration that {what}: {shown}; name those that you mean"
            )))
        }
    }
}

/// The whole ids, of the set and of the database.
fn whole<B: Database>(work: &Work<'_, B>, session: &mut B::Session, given: &[String]) -> Result<Vec<String>> {
    let history = work.runner.history(B::conn(session))?;
    let known = || {
        let recorded = history.records().iter().map(|record| &record.id);
        work.runner.list().iter().map(|meta| &meta.id).chain(recorded)
    };
    given.iter().map(|id| ids::resolve(id, known())).collect()
}

fn outcome(traces: &[LogEntry]) -> Outcome {
    let text = traces.iter().map(line).collect::<Vec<_>>().join("\n");
    Outcome::new(text, json!({ "log": traces.iter().map(json::trace).collect::<Vec<_>>() }))
}

fn line(trace: &LogEntry) -> String {
    format!("{} {}", trace.kind, trace.id)
}
