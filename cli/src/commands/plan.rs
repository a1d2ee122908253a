//! `plan`, and every other dry run

use std::fmt::Write;

use serde_json::{Map, Value, json};
use switchy_schema::{Direction, Plan, Step, StoredDown, Target, Verdict};

use super::Work;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, text};

/// The steps of a run, what they would delete, and the problems.
pub(super) fn plan<B: Database>(work: &Work<'_, B>, target: Target, with_sql: bool) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let plan = work.runner.plan(B::conn(&mut session), target)?;
    let mut json = json::plan(&plan);
    let mut text = plan.worded(&in_shell).to_string();
    if with_sql {
        let mut scripts = Map::new();
        for step in plan.steps() {
            let script = script(work, &mut session, step)?;
            let shown = script.as_deref().unwrap_or("-- code, which is not shown");
            let _ = write!(text, "\n\n-- {} {}\n{}", step.direction, step.id, shown.trim_end());
            scripts.insert(step.id.to_string(), json!(script));
        }
        json.insert("scripts".into(), Value::Object(scripts));
    }
    Ok(Outcome::new(text, Value::Object(json)).exiting(exit(&plan)))
}

/// The exit code of a run that is refused because of this plan.
fn exit(plan: &Plan) -> Exit {
    let denied = plan.problems().iter().filter(|problem| problem.verdict == Verdict::Deny);
    Exit::of_problems(denied)
}

/// The script of a step: that of the set, or the one stored in the database.
fn script<B: Database>(work: &Work<'_, B>, session: &mut B::Session, step: &Step) -> Result<Option<String>> {
    if !step.is_stored {
        return Ok(work.runner.script(step.id.clone(), step.direction).map(str::to_owned));
    }
    let history = work.runner.history(B::conn(session))?;
    let stored = history.records().iter().find(|record| record.id == step.id);
    Ok(match (step.direction, stored.and_then(|record| record.down.as_ref())) {
        (Direction::Down, Some(StoredDown::Script(script))) => {
            Some(script.text.lines().map(text::printable).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    })
}
