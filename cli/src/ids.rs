//! Ids in arguments: a unique beginning or end of an id stands for it.

use std::collections::BTreeSet;

use switchy_schema::{MigrationId, MigrationRunner, Target};

use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::text;

/// The id that a user means. What is no part of an id stays as it is, and the engine says what is near to it.
///
/// # Errors
/// Several ids begin or end so.
pub(crate) fn resolve<'i>(given: &str, ids: impl IntoIterator<Item = &'i MigrationId>) -> Result<String> {
    let ids: BTreeSet<&str> = ids.into_iter().map(MigrationId::as_str).collect();
    if given.is_empty() || ids.contains(given) {
        return Ok(given.to_owned());
    }
    let starting: Vec<&str> = ids.iter().copied().filter(|id| id.starts_with(given)).collect();
    let ending: Vec<&str> = ids.iter().copied().filter(|id| id.ends_with(given)).collect();
    // `users` is more likely the name of `1_users` than the end of `2_old_users`.
    let by_name: Vec<&str> = ending
        .iter()
        .copied()
        .filter(|id| id.split_once('_').is_some_and(|(_, name)| name.trim_start_matches('_') == given))
        .collect();
    let mut found: Vec<&str> = starting.iter().chain(&ending).copied().collect();
    found.sort_unstable();
    found.dedup();
    match (&found[..], &by_name[..]) {
        ([], _) => Ok(given.to_owned()),
        ([one], _) => Ok((*one).to_owned()),
        (_, [one]) if starting.is_empty() => Ok((*one).to_owned()),
        (several, _) => {
            const SHOWN: usize = 8;
            let mut shown: Vec<String> =
                several.iter().take(SHOWN).map(|id| format!("`{}`", text::shortened(id))).collect();
            if several.len() > SHOWN {
                shown.push(format!("{} more", several.len() - SHOWN));
            }
            let what = format!("`{}` is the beginning or end of several ids", text::shortened(given));
            Err(Failure::usage(format!("{what}: {}; write more of it", shown.join(", "))))
        }
    }
}

/// The target with whole ids.
///
/// # Errors
/// Several migrations of the set begin or end so.
pub(crate) fn target<B: Database>(runner: &MigrationRunner<B>, target: Target) -> Result<Target> {
    let whole = |id: &MigrationId| -> Result<MigrationId> {
        Ok(resolve(id.as_str(), runner.list().iter().map(|meta| &meta.id))?.into())
    };
    Ok(match target {
        Target::Through(id) => Target::Through(whole(&id)?),
        Target::Before(id) => Target::Before(whole(&id)?),
        Target::BackTo(id) => Target::BackTo(whole(&id)?),
        target => target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_beginning_or_end_is_enough() {
        let ids = ["1_users", "2_old_users", "10_posts", "2026-01-05-120000_tags"].map(MigrationId::from);
        let check = |given: &str, expected: &str| {
            let found = resolve(given, &ids).unwrap_or_else(|error| error.to_string());
            assert!(found.contains(expected), "{given}: {found}");
        };
        check("1_users", "1_users");
        check("users", "1_users");
        check("old_users", "2_old_users");
        check("2026", "2026-01-05-120000_tags");
        check("posts", "10_posts");
        check("1", "`1` is the beginning or end of several ids: `10_posts`, `1_users`; write more of it");
        check("nothing", "nothing");
    }
}
