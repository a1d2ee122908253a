//! What an author should know about a set before shipping it.

use std::collections::HashMap;

use crate::direction::Direction;
use crate::error::{Failure, MigrationError};
use crate::id::MigrationId;
use crate::location::Location;
use crate::migration::{Meta, Origin};
use crate::plan::check::{similar_ids, unread, unused};
use crate::plan::convention::unconventional;
use crate::policy::Policy;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;

mod versions;

/// The findings about a set that need no plan.
pub(crate) fn lints(metas: &[Meta]) -> Vec<Problem> {
    let mut found = versions::odd(metas.iter().filter(|meta| meta.unread.is_none()).map(|meta| &meta.id));
    found.extend(similar_ids(metas));
    let odd_names = unconventional(metas);
    for meta in metas {
        if let Some(unread) = unread(meta) {
            found.push(unread);
            continue;
        }
        found.extend(odd_names.iter().filter(|found| found.migration == meta.id).cloned());
        found.extend((!meta.is_reversible).then(|| {
            Problem::new(
                ProblemKind::Irreversible,
                &meta.id,
                "has nothing that undoes it",
                "write a script that does, or leave it if there is no way back",
            )
        }));
        found.extend(unused(meta).map(|found| {
            let remedy = || "move it away, or make it a migration of its own".into();
            Problem { remedy: Some(found.remedy.clone().unwrap_or_else(remedy)), ..found }
        }));
    }
    found
}

/// Converts an error about a source or a set into findings, each with its location.
pub(crate) fn findings(error: MigrationError) -> Vec<Problem> {
    let unreadable = |origin: &str, finding: String, remedy: Remedy| {
        vec![Problem::new(ProblemKind::Unreadable, &origin.into(), finding, remedy)]
    };
    match error.into_failure() {
        Failure::Set(problems) | Failure::Refused(problems, _) => problems,
        Failure::Several(errors) => errors.into_iter().flat_map(findings).collect(),
        Failure::Malformed { at, what, remedy } => {
            let place = at.position.map_or_else(String::new, |position| format!(", at {position}"));
            let finding = format!("is malformed{place}: {what}");
            let found = unreadable(&at.origin, finding, remedy);
            found.into_iter().map(|problem| problem.at(at.clone())).collect()
        }
        Failure::MissingRoot(path) => {
            let finding = "is not an existing folder".to_owned();
            let remedy = Remedy::from("check the path").or(Remedy::CreateFolder);
            unreadable(&path.to_string_lossy(), finding, remedy)
        }
        Failure::Unreadable { path, cause } => {
            let remedy = Remedy::for_unreadable(&cause);
            unreadable(&path.to_string_lossy(), format!("cannot be read: {cause}"), remedy)
        }
        other => {
            let error = MigrationError::from(other);
            let remedy = error.remedy().unwrap_or_else(|| "see what it says".into());
            unreadable("", format!("could not be examined: {}", error.finding()), remedy)
        }
    }
}

/// The findings as a validation returns them: each once, with the verdict that a run would give it, including those that are
/// allowed. The default location of a finding is where its migration is defined.
pub(crate) fn judged<'m>(
    found: Vec<Problem>,
    policy: &Policy,
    metas: impl IntoIterator<Item = &'m Meta>,
) -> Vec<Problem> {
    let origins: HashMap<&MigrationId, &Origin> =
        metas.into_iter().map(|meta| (&meta.id, &meta.origin)).collect();
    let mut findings: Vec<Problem> = Vec::new();
    for mut problem in policy.reporting_allowed().judge(found, Direction::Up) {
        let origin = || origins.get(&problem.migration).map(|origin| Location::file(origin.to_string()));
        problem.at = problem.at.take().or_else(origin);
        // A plan and a lint may report the same finding; the lint has a remedy.
        let is_same = |known: &&mut Problem| {
            known.kind == problem.kind
                && known.migration == problem.migration
                && known.finding == problem.finding
        };
        match findings.iter_mut().find(is_same) {
            Some(known) => known.remedy = known.remedy.take().or(problem.remedy),
            None => findings.push(problem),
        }
    }
    findings
}
