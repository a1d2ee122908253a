//! [`ahead`]: a migration in the database that the program does not know.

use super::Setting;
use super::renamed::{Renamed, renamed};
use crate::direction::Direction;
use crate::error::Abridged;
use crate::graph::Graph;
use crate::history::{History, Record};
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::stored::StoredDown;

/// The remedy if the program does not know how to undo something.
pub(super) const OLDER_VERSION: &str = "undo it with the version of the program that applied it";

/// The finding about a record of a migration that the program does not know.
pub(super) fn ahead(
    graph: &Graph,
    history: &History,
    record: &Record,
    direction: Direction,
    setting: Setting<'_>,
) -> Option<Problem> {
    // A database can come from anywhere, and a message is shown on a terminal.
    let by = record.program.as_ref().map(|program| format!(" by {}", Abridged(program))).unwrap_or_default();
    let applied = format!("was applied to this database{}{by}", at(&record.run_on));
    let problem = |finding: String, remedy: Remedy| {
        Some(Problem::new(ProblemKind::DatabaseAhead, &record.id, finding, remedy))
    };
    if let Some(meta) = graph.get(&record.id) {
        let right_name = meta.right_name()?;
        let finding =
            format!("{applied} and its script is missing: {} is not named `{right_name}`", meta.origin);
        return problem(finding, "rename that file".into());
    }
    let author = Author::of(record.program.as_deref(), setting.program);
    let unknown = format!("{applied} and this program does not know it");
    let renamed = renamed(graph, history, record).filter(|_| direction == Direction::Up);
    if let Some(Renamed { now, likeness }) = renamed {
        let finding = format!("{unknown}, while `{now}` is pending and has {likeness}");
        let back = format!("give `{now}` its old name back");
        return problem(finding, Remedy::from(back).only_if("it was renamed").or(author.version()));
    }
    let newer = || match author {
        Author::Newer(_) => author.version(),
        _ => author.version().or("put its file back if it was removed"),
    };
    let remedy = match (direction, &record.down) {
        (Direction::Down, _) => Remedy::Downgrade.or(OLDER_VERSION),
        (Direction::Up, Some(StoredDown::Script(_))) => newer().or(Remedy::Downgrade),
        (Direction::Up, _) => newer(),
    };
    let found = problem(unknown, remedy)?;
    Some(match author {
        Author::Newer(program) | Author::Other(program) => found.of_program(program),
        Author::Unknown => found,
    })
}

/// When a migration was applied.
pub(super) fn at(run_on: &str) -> String {
    if run_on.is_empty() { String::new() } else { format!(" at {run_on} UTC") }
}

/// The program that applied a migration, compared with the program that does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author<'a> {
    /// A newer version of this program, as far as is known.
    Newer(&'a str),
    /// A program of another name.
    Other(&'a str),
    /// It is not recorded; or it is this version of this program or an older one, so that the migration was removed from the set.
    Unknown,
}

impl<'a> Author<'a> {
    fn of(applied_by: Option<&'a str>, own: Option<&str>) -> Self {
        let Some(program) = applied_by else { return Self::Unknown };
        let Some(own) = own else { return Self::Newer(program) };
        let ((name, version), (own_name, own_version)) = (parts(program), parts(own));
        if name != own_name {
            Self::Other(program)
        } else if version > own_version {
            Self::Newer(program)
        } else {
            Self::Unknown
        }
    }

    /// The remedy that names the version to use.
    fn version(&self) -> Remedy {
        match self {
            Self::Newer(program) => {
                format!("open the database with {} or a newer version", Abridged(program)).into()
            }
            Self::Other(_) => "use a version of the program that knows it".into(),
            Self::Unknown => "use the newer version of the program that applied it".into(),
        }
    }
}

/// A program's name, and its version, which is the last word if that begins with a digit: `notes 1.10.2`.
fn parts(program: &str) -> (&str, Option<Version>) {
    let program = program.trim();
    let is_version = |word: &str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    match program.rsplit_once(char::is_whitespace) {
        Some((name, version)) if is_version(version) => (name.trim_end(), Some(Version::of(version))),
        _ => (program, None),
    }
}

/// The version of a program, as far as it can be compared: 2.0 is 2.0.0, and is newer than 2.0.0-beta.2.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    numbers: Vec<u64>,
    is_release: bool,
    prerelease: Vec<u64>,
}

impl Version {
    fn of(text: &str) -> Self {
        let numbers = |text: &str| -> Vec<u64> {
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
        };
        let text = text.split('+').next().unwrap_or_default();
        let (release, prerelease) =
            text.split_once('-').map_or((text, None), |(own, rest)| (own, Some(rest)));
        let mut release = numbers(release);
        while release.last() == Some(&0) {
            release.pop();
        }
        let prerelease_numbers = prerelease.map(numbers).unwrap_or_default();
        Self { numbers: release, is_release: prerelease.is_none(), prerelease: prerelease_numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_is_needed_is_newer_or_another_one() {
        let rows = [
            (Some("notes 1.10"), Some("notes 1.9"), Author::Newer("notes 1.10")),
            (Some("notes v2"), Some("notes 1.9.3"), Author::Newer("notes v2")),
            (Some("My Notes 2.0.1"), Some("My Notes 2.0"), Author::Newer("My Notes 2.0.1")),
            (Some("notes 2.0"), Some("notes"), Author::Newer("notes 2.0")),
            (Some("notes 2.0"), None, Author::Newer("notes 2.0")),
            (Some("notes 2.0"), Some("notes 2.0"), Author::Unknown),
            (Some("notes 1.9"), Some("notes 1.10"), Author::Unknown),
            (Some("notes"), Some("notes"), Author::Unknown),
            (Some("notes 2.0.0"), Some("notes 2"), Author::Unknown),
            (Some("notes 2.0-beta.2"), Some("notes 2.0"), Author::Unknown),
            (Some("notes 2.0"), Some("notes 2.0-beta.2"), Author::Newer("notes 2.0")),
            (Some("notes 2.0-beta.3"), Some("notes 2.0-beta.2"), Author::Newer("notes 2.0-beta.3")),
            (Some("notes 2.0+b"), Some("notes 2.0+a"), Author::Unknown),
            (Some("notes"), Some("notes 2.0"), Author::Unknown),
            (Some("api 3.1"), Some("worker 3.0"), Author::Other("api 3.1")),
            (Some("my notes"), Some("my tasks"), Author::Other("my notes")),
            (None, Some("notes 2.0"), Author::Unknown),
            (None, None, Author::Unknown),
        ];
        for (applied_by, own, expected) in rows {
            assert_eq!(Author::of(applied_by, own), expected, "{applied_by:?} {own:?}");
        }
    }
}
