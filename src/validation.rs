//! What an author should know about a set before shipping it.

use crate::graph::Graph;
use crate::id::MigrationId;
use crate::problem::{Problem, ProblemKind};

/// Findings about a set by itself. None of them keeps it from running.
pub(crate) fn validate(graph: &Graph) -> Vec<Problem> {
    let mut found = Vec::new();
    for meta in graph.metas() {
        if !is_conventional(&meta.id) {
            found.push(Problem::new(
                ProblemKind::Unconventional,
                &meta.id,
                "is not named YYYY-MM-DD-HHMMSS_name",
                "name new migrations so; keep this name once it is applied anywhere",
            ));
        }
        if !meta.is_reversible {
            found.push(Problem::new(
                ProblemKind::Irreversible,
                &meta.id,
                "has no script that undoes it",
                "write one, or leave it if there is no way back",
            ));
        }
        for file in &meta.unused_files {
            found.push(Problem::new(
                ProblemKind::UnusedFile,
                &meta.id,
                format!("has {file} beside its script, which is not run"),
                "move it away, or make it a migration of its own",
            ));
        }
    }
    found
}

/// `YYYY-MM-DD-HHMMSS_name` with a month, a day, an hour, a minute and a second that exist.
fn is_conventional(id: &MigrationId) -> bool {
    let parts: Vec<&str> = id.stamp().split('-').collect();
    let [year, month, day, time] = parts[..] else { return false };
    let number = |text: &str, digits: usize| {
        let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().ok()).flatten()
    };
    let pair = |from: usize| time.get(from..from + 2).and_then(|text| number(text, 2));
    !id.name().is_empty()
        && time.len() == 6
        && number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        && pair(0).is_some_and(|hour| hour < 24)
        && pair(2).is_some_and(|minute| minute < 60)
        && pair(4).is_some_and(|second| second < 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_convention_knows_the_calendar() {
        for (id, expected) in [
            ("2026-11-22-190907_notes", true),
            ("2026-11-22-190982_notes", false),
            ("2026-13-22-190907_notes", false),
            ("2020-12-7-190800_notes", false),
            ("2026-11-22-190907", false),
            ("2026-11-22-190907_", false),
            ("20261122190907_notes", false),
            ("2026-11-22-äb0907_notes", false),
            ("1_notes", false),
        ] {
            assert_eq!(is_conventional(&MigrationId::from(id)), expected, "{id}");
        }
    }
}
