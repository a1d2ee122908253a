//! [`renamed`]: whether a migration that the set does not have is one of the set under another name.

use std::fmt;

use crate::checksum::Checksum;
use crate::graph::Graph;
use crate::history::{History, Record};
use crate::id::{self, MigrationId};
use crate::migration::Meta;

/// A pending migration that is probably the applied one under another name.
pub(super) struct Renamed<'g> {
    pub(super) now: &'g MigrationId,
    pub(super) likeness: Likeness,
}

/// What both have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    Name,
    Script,
    Both,
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "nearly the same name",
            Self::Script => "the same script",
            Self::Both => "the same script and nearly the same name",
        })
    }
}

/// The pending migration that is most like the applied one of this record, if one has its script or nearly its name.
pub(super) fn renamed<'g>(graph: &'g Graph, history: &History, record: &Record) -> Option<Renamed<'g>> {
    let is_pending = |meta: &&Meta| meta.unread.is_none() && history.get(&meta.id).is_none();
    let pending = graph.metas().iter().filter(is_pending);
    let alike = pending.filter_map(|meta| Some((likeness(meta, record)?, &meta.id)));
    let (likeness, now) = alike.max_by_key(|(likeness, _)| *likeness)?;
    Some(Renamed { now, likeness })
}

fn likeness(meta: &Meta, record: &Record) -> Option<Likeness> {
    // Many scripts are empty.
    let applied = record.checksum.filter(|checksum| *checksum != Checksum::of(""));
    match (applied.is_some() && applied == meta.checksum, are_nearly_equal(&meta.id, &record.id)) {
        (true, true) => Some(Likeness::Both),
        (true, false) => Some(Likeness::Script),
        (false, true) => Some(Likeness::Name),
        (false, false) => None,
    }
}

/// Whether two ids have the same digits, and the rest differs by a typing error. `2_users` and `3_users` are two migrations.
fn are_nearly_equal(a: &MigrationId, b: &MigrationId) -> bool {
    let digits = |id: &MigrationId| id.as_str().chars().filter(char::is_ascii_digit).collect::<String>();
    let name = |id: &MigrationId| {
        let whole = if id.name().is_empty() { id.as_str() } else { id.name() };
        whole.to_lowercase()
    };
    digits(a) == digits(b) && id::likeness(&name(a), &name(b)) >= 0.8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognised() {
        for (a, b, expected) in [
            ("2_add_users", "2_add_user", true),
            ("2_b", "2_B", true),
            ("2026-01-05-120000_user_table", "2026-01-05-120000_users_table", true),
            ("2026-01-05-120000_users", "20260105120000_users", true),
            ("users", "user", true),
            ("2_add_users", "2_add_posts", false),
            ("2_users", "3_users", false),
            ("migration10", "migration11", false),
            ("2026-01-05-120000_users", "2026-01-05-120000_posts", false),
            ("1_a", "1_b", false),
            ("a", "b", false),
        ] {
            assert_eq!(are_nearly_equal(&a.into(), &b.into()), expected, "{a} {b}");
        }
    }
}
