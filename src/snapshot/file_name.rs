//! [`FileName`]: the names of snapshots. Only a file with exactly such a name is taken for a snapshot.

use std::ffi::{OsStr, OsString};

use super::SnapshotKind;
use crate::sql::part;

/// The ending of a snapshot that is not complete.
pub(crate) const PARTIAL: &str = ".partial";

/// The beginning of the names of the snapshots of one database: the name of its file, and in a folder that several databases share, a
/// number for its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(OsString);

impl FileName {
    /// The names for a database with this file name. `of_path` is for a shared folder.
    pub(crate) fn of(database: &OsStr, of_path: Option<&str>) -> Self {
        let mut stem = database.to_owned();
        if let Some(number) = of_path {
            stem.push("-");
            stem.push(number);
        }
        Self(stem)
    }

    /// The name of a snapshot made at this time, which is UTC as in `2026-11-22T19:09:07.132`. No file system forbids its characters, and
    /// the names sort by time.
    pub(crate) fn at(&self, kind: SnapshotKind, made_on: &str) -> OsString {
        let mut name = self.0.clone();
        name.push(infix(kind));
        name.push(made_on.replace(':', "-"));
        name
    }

    /// The kind and the time in a name; `None` if it is not such a name.
    pub(crate) fn parse(&self, name: &OsStr) -> Option<(SnapshotKind, String)> {
        let rest = name.as_encoded_bytes().strip_prefix(self.0.as_encoded_bytes())?;
        let rest = std::str::from_utf8(rest).ok()?;
        [SnapshotKind::BeforeRun, SnapshotKind::BeforeRestore].into_iter().find_map(|kind| {
            let time = rest.strip_prefix(infix(kind))?;
            let is_time =
                time.len() == FORM.len() && time.bytes().zip(FORM.bytes()).all(|(c, form)| fits(c, form));
            is_time.then(|| (kind, format!("{}{}", part(time, ..10), part(time, 10..).replace('-', ":"))))
        })
    }

    /// Whether this is the name of a snapshot that is not complete, or of a file that SQLite made beside it.
    pub(crate) fn is_partial(&self, name: &OsStr) -> bool {
        let Some(name) = name.to_str() else { return false };
        let name = ["-journal", "-wal", "-shm"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        name.strip_suffix(PARTIAL).is_some_and(|name| self.parse(OsStr::new(name)).is_some())
    }
}

/// The form of a time: `0` stands for a digit.
const FORM: &str = "0000-00-00T00-00-00.000";

fn fits(character: u8, form: u8) -> bool {
    if form == b'0' { character.is_ascii_digit() } else { character == form }
}

fn infix(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::BeforeRun => "-snapshot-",
        SnapshotKind::BeforeRestore => "-set-aside-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_exactly_ours_is_taken_for_a_snapshot() {
        use SnapshotKind::{BeforeRestore, BeforeRun};
        let beside = FileName::of(OsStr::new("notes.db"), None);
        let shared = FileName::of(OsStr::new("notes.db"), Some("0a1b2c3d"));
        let time = "2026-11-22T19:09:07.132";
        assert_eq!(beside.at(BeforeRun, time), "notes.db-snapshot-2026-11-22T19-09-07.132");
        assert_eq!(shared.at(BeforeRestore, time), "notes.db-0a1b2c3d-set-aside-2026-11-22T19-09-07.132");
        let rows = [
            ("notes.db-snapshot-2026-11-22T19-09-07.132", Some(BeforeRun)),
            ("notes.db-set-aside-2026-11-22T19-09-07.132", Some(BeforeRestore)),
            ("notes.db", None),
            ("notes.db-snapshot-", None),
            ("notes.db-snapshot-2026-11-22T19-09-07.132.bak", None),
            ("notes.db-snapshot-2026-11-22T19-09-07.132.partial", None),
            ("notes.db-snapshot-2026-11-22T19:09:07.132", None),
            ("notes.db-snapshot-2026-11-22", None),
            ("notes.db-snapshot-2026-11-22T19-09-07.13x", None),
            ("other.db-snapshot-2026-11-22T19-09-07.132", None),
            ("notes.db-0a1b2c3d-snapshot-2026-11-22T19-09-07.132", None),
            ("my-notes.db-snapshot-2026-11-22T19-09-07.132", None),
        ];
        for (name, kind) in rows {
            let expected = kind.map(|kind| (kind, time.to_owned()));
            assert_eq!(beside.parse(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn only_a_partial_snapshot_is_taken_for_one() {
        let names = FileName::of(OsStr::new("notes.db"), None);
        let rows = [
            ("notes.db-snapshot-2026-11-22T19-09-07.132.partial", true),
            ("notes.db-set-aside-2026-11-22T19-09-07.132.partial-journal", true),
            ("notes.db-snapshot-2026-11-22T19-09-07.132", false),
            ("notes.db-wal", false),
            ("notes.db.partial", false),
        ];
        for (name, expected) in rows {
            assert_eq!(names.is_partial(OsStr::new(name)), expected, "{name}");
        }
    }
}
