//! `rehearse`

use serde_json::{Value, json};
use switchy_schema::Target;

use super::watch::watched;
use super::work::Work;
use crate::exit::Exit;
use crate::failure::Result;
use crate::json;
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};

/// What a run does to a copy of the database.
pub(super) fn rehearse<B: Database>(work: Work<'_, B>, target: Target) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let (work, watch) = watched(work, &mut session);
    let impact = work.runner.rehearse(B::conn(&mut session), target);
    watch.end();
    let impact = impact.map_err(|error| watch.explain(error))?;
    let mut json = serde_json::to_value(&impact).unwrap_or_default();
    if let Value::Object(map) = &mut json {
        map.insert("tables".into(), json!(impact.tables()));
        map.insert("rows".into(), json!(impact.rows()));
        map.insert("problems".into(), impact.problems.iter().map(json::problem).collect());
    }
    let text = match work.context.global.verbose {
        0 => impact.worded(&in_shell).to_string(),
        _ => format!("{:#}", impact.worded(&in_shell)),
    };
    Ok(Outcome::new(text, json).exiting(Exit::of_problems(&impact.problems)))
}
