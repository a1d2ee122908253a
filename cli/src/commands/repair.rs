//! `repair` and `baseline`

use serde_json::json;
use switchy_schema::{LogEntry, Recovery};

use super::work::Work;
use crate::args::{Repair, Signing};
use crate::failure::Result;
use crate::output::Outcome;
use crate::session::{Access, Database};
use crate::{ids, json};

/// Corrects the records of migrations, one after the other.
pub(super) fn repair<B: Database>(work: &Work<'_, B>, repair: &Repair) -> Result<Outcome> {
    let access = if let Repair::Assume(_) = repair { Access::Make } else { Access::Change };
    let mut session = work.open(access)?;
    let which = repair.which();
    let mut traces = Vec::new();
    let ids = whole(work, &mut session, &which.ids)?;
    for id in &ids {
        let recovered =
            work.runner.recover(B::conn(&mut session), repair.recovery(id), which.signing.signature());
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
