//! [`unconventional`]: the ids that are not named as the others of their set.

use crate::id::{MigrationId, Version};
use crate::migration::Meta;
use crate::problem::{Problem, ProblemKind};

/// How many migrations in a row show that a set changed its convention there.
const ERA: usize = 3;

/// The findings about names. A set decides its own convention: the one that most of its versions have. An id without a version is always a
/// finding. A set may change its convention: those of before stay as they are, and the form `YYYY-MM-DD-HHMMSS_name` may come last.
pub(crate) fn unconventional(metas: &[Meta]) -> Vec<Problem> {
    let read = metas.iter().filter(|meta| meta.unread.is_none());
    let mut ids: Vec<&MigrationId> = read.map(|meta| &meta.id).collect();
    ids.sort();
    let eras: Vec<&[&MigrationId]> = ids.chunk_by(|a, b| Form::of(a) == Form::of(b)).collect();
    let usual = usual(&ids);
    let mut found = Vec::new();
    for (place, era) in eras.iter().enumerate() {
        for id in *era {
            found.extend(finding(id, era.len(), &eras[place + 1..], place, usual.as_ref()));
        }
    }
    found
}

fn finding(
    id: &MigrationId,
    len: usize,
    later: &[&[&MigrationId]],
    place: usize,
    usual: Option<&(Form, MigrationId)>,
) -> Option<Problem> {
    let form = Form::of(id);
    let all_later_are_house = || later.iter().all(|era| era.iter().all(|id| id.is_conventional()));
    let problem = |finding: String, remedy: &'static str| {
        Some(Problem::new(ProblemKind::Unconventional, id, finding, remedy))
    };
    match &form {
        Form::None if is_repeatable(id) => problem(
            "is named like a repeatable migration of Flyway, which is not supported here: it is applied once, in alphabetical order"
                .to_owned(),
            "begin its name with a version if it is not applied anywhere, and write a new migration for each change",
        ),
        Form::None => problem(
            "has no version in its name, so its place is that of its letters".to_owned(),
            "begin its name with a version, such as YYYY-MM-DD-HHMMSS, if it is not applied anywhere",
        ),
        // It is a common version for what comes first.
        Form::Number if Version::of(id.stamp()) == Version::Sequence(0) => None,
        Form::Text(mask) if mask == HOUSE && !id.is_conventional() => {
            problem("is not named YYYY-MM-DD-HHMMSS_name, with a valid date and time".to_owned(), RENAME)
        }
        _ if usual.is_some_and(|(usual, _)| *usual == form) => None,
        _ if len >= ERA => None,
        _ if id.is_conventional() && later.is_empty() => None,
        // The set began with another tool.
        _ if place == 0 && len > 1 && all_later_are_house() => None,
        _ => {
            let like = usual.map_or_else(String::new, |(_, id)| format!(", such as `{id}`"));
            problem(format!("is not named like most of its set{like}"), RENAME)
        }
    }
}

/// Whether Flyway would run it again whenever its text changes: `R__views`
fn is_repeatable(id: &MigrationId) -> bool {
    id.as_str().starts_with("R__")
}

const RENAME: &str = "rename it if it is not applied anywhere; an applied migration keeps its name";

/// The form of `YYYY-MM-DD-HHMMSS`.
const HOUSE: &str = "####-##-##-######";

/// The form of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    None,
    /// A sequence number, with or without leading zeros.
    Number,
    /// A letter and a number: `V1.2__users`
    Letter(char),
    /// Any other version, with `#` for each digit: dates and times compare as text, so the number of digits matters.
    Text(String),
}

impl Form {
    fn of(id: &MigrationId) -> Self {
        let stamp = id.stamp();
        match stamp.chars().next() {
            _ if !id.has_version() => Self::None,
            Some(letter) if letter.is_ascii_alphabetic() => Self::Letter(letter.to_ascii_lowercase()),
            _ => match Version::of(stamp) {
                Version::Sequence(_) => Self::Number,
                // Without a `_`, the name is part of the version.
                Version::Text(text) => {
                    let digits = text.chars().take_while(|c| !c.is_alphabetic());
                    let mask: String = digits.map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
                    Self::Text(mask.trim_end_matches(|c| c != '#').to_owned())
                }
            },
        }
    }
}

/// The form that most ids have, of several the first, and an id with it.
fn usual(ids: &[&MigrationId]) -> Option<(Form, MigrationId)> {
    let mut counts: Vec<(Form, &MigrationId, usize)> = Vec::new();
    for id in ids {
        let form = Form::of(id);
        match counts.iter_mut().find(|(known, _, _)| *known == form) {
            Some((_, _, count)) => *count += 1,
            None if form == Form::None => {}
            None => counts.push((form, id, 1)),
        }
    }
    let most = counts.iter().map(|(_, _, count)| *count).max()?;
    counts.into_iter().find(|(_, _, count)| *count == most).map(|(form, id, _)| (form, id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Origin;

    /// The ids of a set, separated by spaces, and those that are findings.
    #[track_caller]
    fn check(ids: &str, expected: &str) {
        let origin = || Origin::File("a".into());
        let metas: Vec<Meta> = ids.split(' ').map(|id| Meta::new(id.into(), true, origin())).collect();
        let found: Vec<String> =
            unconventional(&metas).iter().map(|problem| problem.migration.to_string()).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn a_set_of_any_tool_has_its_own_convention() {
        check("2026-01-05-120000_a 2026-01-06-120000_b", "");
        check("000001_a 000002_b 000003_c", "");
        check("1_a 2_b 10_c", "");
        check("20240101000000_a 20240102000000_b", "");
        check("V1__a V1.1__b V2__c", "");
        check("1700000000000-a 1700000000001-b", "");
        check("00000000000000_setup 2018-01-14-171611_a", "");
        check("0_setup V1__a V2__b", "");
        check("1_a", "");
    }

    #[test]
    fn the_odd_one_out_is_a_finding() {
        check("000001_a 000002_b 20240101000000_c", "20240101000000_c");
        check("2026-01-05-120000_a 2026-01-06-120000_b 2026-1-7-120000_c", "2026-1-7-120000_c");
        check("2026-01-05-120000_a 2026-01-06-120000_b 1_c", "1_c");
        check("V1__a V2__b 3_c", "3_c");
        check("V1__a V2__b W3__c", "W3__c");
        check("20240101000000_a 20240102000000_b 202401030000_c", "202401030000_c");
        check("2026-01-05-120000_a 2026-13-05-120000_b", "2026-13-05-120000_b");
        check("a", "a");
        check("1_a 2_b seed", "seed");
        check("1_a seed views", "seed views");
        check("V1__a V2__b R__c", "R__c");
    }

    #[test]
    fn a_repeatable_migration_of_flyway_is_called_so() {
        for (id, is_repeatable) in [("R__views", true), ("views", false)] {
            let found = unconventional(&[Meta::new(id.into(), true, Origin::File("a".into()))]);
            assert_eq!(found[0].finding.contains("a repeatable migration of Flyway"), is_repeatable, "{id}");
        }
    }

    #[test]
    fn a_set_may_change_its_convention() {
        check("1_a 2_b 2026-01-05-120000_c", "");
        check("1_a 2_b 2026-01-05-120000_c 2026-01-06-120000_d 2026-01-07-120000_e", "");
        check("1_a 2_b 3_c 20240101000000_d 20240102000000_e 20240103000000_f", "");
        check("1_a 2_b 20240101000000_c 20240102000000_d", "20240101000000_c 20240102000000_d");
    }
}
