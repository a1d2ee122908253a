//! `plan`, and every other dry run

use std::fmt::Write;

use serde_json::Value;
use switchy_schema::{Direction, Plan, Target, Verdict};

mod steps;

use super::work::Work;
use crate::blank::Blank;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, table};

/// The steps of a run, what they would delete, and the problems.
pub(super) fn plan<B: Database>(work: &Work<'_, B>, target: Target) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let plan = work.runner.plan(B::conn(&mut session), target)?;
    Ok(outcome(work, &plan))
}

/// A plan, with the scripts in it that have no statement.
pub(super) fn outcome<B: Database>(work: &Work<'_, B>, plan: &Plan) -> Outcome {
    let mut text = plan.worded(&in_shell).to_string();
    if let Some(columns) = table::width() {
        text = steps::fitted(&text, plan, columns);
    }
    let blank = blank(work, plan);
    for blank in &blank {
        let verdict = if blank.is_unwritten { "refused" } else { "note" };
        let _ = write!(text, "\n  {verdict}, no statement: {}", blank.finding());
    }
    let is_refused = blank.iter().any(|blank| blank.is_unwritten);
    let mut json = json::plan(plan);
    json.insert("no_statement".into(), blank.iter().map(Blank::finding).collect());
    let exit = if is_refused { exit(plan).max(Exit::Refused) } else { exit(plan) };
    Outcome::new(text, Value::Object(json)).exiting(exit)
}

/// The scripts that a plan applies and that have no statement.
pub(super) fn blank<'w, B: Database>(work: &'w Work<'_, B>, plan: &Plan) -> Vec<Blank<'w>> {
    let ups = plan.steps().iter().filter(|step| step.direction == Direction::Up);
    Blank::among(&work.runner, &ups.map(|step| &step.id).collect::<Vec<_>>())
}

/// The exit code of a run that is refused because of this plan.
pub(super) fn exit(plan: &Plan) -> Exit {
    let denied = plan.problems().iter().filter(|problem| problem.verdict == Verdict::Deny);
    Exit::of_problems(denied)
}
