//! `validate`

use serde_json::json;
use switchy_schema::{Dialect, MigrationId, Policy, Printable, Problem, ProblemKind, Verdict};

use super::Work;
use crate::dialect::{Detected, display_name};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, text};

/// Reports everything that is wrong with the set, and with the database if one is named.
pub(super) fn validate<B: Database>(
    mut work: Work<'_, B>,
    is_strict: bool,
    tries_down: bool,
) -> Result<Outcome> {
    if tries_down && B::DIALECT != Dialect::Sqlite {
        let what =
            "`--down` runs the down scripts on a copy of the database, which only SQLite has; leave it out";
        return Err(Failure::usage(what));
    }
    if is_strict {
        work.runner = work.runner.policy(Policy::STRICT);
    }
    let found = if work.context.settings.database.is_some() {
        let mut session = work.open(Access::Read)?;
        let mut found = work.runner.validate(B::conn(&mut session))?;
        if tries_down {
            extend(&mut found, work.runner.prove_reversible(B::conn(&mut session))?);
        }
        found
    } else {
        work.output().say("no database is named, so the migrations are looked at by themselves");
        work.detected.iter().for_each(|detected| work.output().say(&detected.remark()));
        if B::DIALECT != Dialect::Sqlite {
            let name = display_name(B::DIALECT);
            work.output().say(&format!(
                "their scripts are not run, since that takes a {name} server; name one to try them"
            ));
        }
        let mut found = work.runner.validate_source();
        if tries_down {
            extend(&mut found, work.runner.prove_source_reversible()?);
        }
        found
    };
    let text = found.iter().map(line).collect::<Vec<_>>().join("\n");
    let refused = found.iter().filter(|problem| problem.verdict == Verdict::Deny).count();
    let remark = match found.len() {
        0 => "nothing is wrong".to_owned(),
        all => format!("{}, {refused} of them refused", text::counted(all, "finding")),
    };
    let json = json!({
        "problems": found.iter().map(json::problem).collect::<Vec<_>>(),
        "dialect": B::DIALECT.to_string(),
        "dialect_from": work.detected.as_ref().map_or("program", Detected::word),
    });
    let exit = match Exit::of_problems(&found) {
        Exit::Failed => Exit::Refused,
        exit => exit,
    };
    Ok(Outcome::new(text, json).remarking(remark).exiting(exit))
}

/// Adds what the way back shows. That a migration fails is known already.
fn extend(found: &mut Vec<Problem>, more: Vec<Problem>) {
    let fails = |problem: &Problem| problem.kind == ProblemKind::Fails;
    let failing: Vec<MigrationId> =
        found.iter().filter(|problem| fails(problem)).map(|problem| problem.migration.clone()).collect();
    found.extend(more.into_iter().filter(|problem| !fails(problem) || !failing.contains(&problem.migration)));
}

fn line(problem: &Problem) -> String {
    let mut text = format!("{}, {}: {}", problem.verdict, problem.kind, problem.worded(&in_shell));
    if let Some(detail) = &problem.detail {
        text.push('\n');
        text.push_str(&Printable(detail).abridged_lines());
    }
    text
}
