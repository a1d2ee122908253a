//! `plan --sql`: a plan as a script for the database's own client

use std::fmt::Write;

use serde_json::{Map, Value, json};
use switchy_schema::{Dialect, Plan, Target};

use super::plan;
use super::work::Work;
use crate::blank::Blank;
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, text};

/// Prints the script.
///
/// # Errors
/// A run would refuse the plan. Nothing is printed then, since a client may read what is printed.
pub(super) fn print<B: Database>(work: &Work<'_, B>, target: Target) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let made = work.runner.plan(B::conn(&mut session), target)?;
    let planned = |failure: Failure| failure.with(plan::outcome(work, &made).json);
    let script = work.runner.client_script(B::conn(&mut session), &made);
    let script = script.map_err(|error| planned(error.into()))?;
    Blank::refuse_unwritten(&plan::blank(work, &made)).map_err(planned)?;
    let text = format!("{}\n{script}", header::<B>(work, &made));
    let mut json: Map<String, Value> = json::plan(&made);
    let scripts = made.steps().iter().map(|step| {
        let script = work.runner.script(step.id.clone(), step.direction);
        (step.id.to_string(), json!(script))
    });
    json.insert("scripts".into(), Value::Object(scripts.collect()));
    json.insert("client_script".into(), json!(text));
    Ok(Outcome::new(text, Value::Object(json)).raw())
}

/// What the script is, as comments.
fn header<B: Database>(work: &Work<'_, B>, plan: &Plan) -> String {
    let client = match B::DIALECT {
        Dialect::Postgres => "psql",
        Dialect::Mysql => "mariadb or mysql",
        _ => "sqlite3",
    };
    let mut lines = Vec::new();
    if !plan.steps().is_empty() {
        lines.push(format!("A script for {client}, made by {}.", crate::PROGRAM));
        lines.push(
            "It ends at the first error, and if the database has changed since it was made.".to_owned(),
        );
        if B::DIALECT == Dialect::Mysql {
            let what = "A migration that changes the schema is not undone if it fails.";
            lines.push(format!("{what} Its record then says that it began."));
        }
        lines.push(String::new());
    }
    lines.extend(plan.worded(&in_shell).to_string().lines().map(str::to_owned));
    let blank = Blank::all(&work.runner);
    let planned = |blank: &&Blank<'_>| plan.steps().iter().any(|step| step.id == *blank.id());
    lines.extend(blank.iter().filter(planned).map(Blank::finding));
    lines.iter().fold(String::new(), |mut header, line| {
        let _ = writeln!(header, "{}", format!("-- {}", text::printable(line)).trim_end());
        header
    })
}
