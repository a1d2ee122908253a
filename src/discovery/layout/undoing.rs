//! Scripts whose names say to Flyway that they undo a migration: [`mark`]

use std::collections::BTreeSet;

use crate::migration::{ScriptMigration, Unread};

/// Marks `U1__users.sql` beside `V1__users.sql` as not read. Flyway undoes that migration with it, and here it would run before it. A `U` alone
/// is a migration, as in refinery, and so is each of those that are meant.
pub(super) fn mark(migrations: &mut [ScriptMigration], meant: &BTreeSet<String>) {
    let of =
        |migration: &ScriptMigration, letter| version(migration.meta.id.as_str(), letter).map(str::to_owned);
    let applied: BTreeSet<String> = migrations.iter().filter_map(|migration| of(migration, 'v')).collect();
    for migration in migrations.iter_mut() {
        let is_meant = meant.contains(migration.meta.id.as_str());
        if !is_meant && of(migration, 'u').is_some_and(|version| applied.contains(&version)) {
            migration.meta.unread.get_or_insert(Unread::UndoesAnother);
        }
    }
}

/// `1.2` of `V1.2__users`, for this letter.
fn version(id: &str, letter: char) -> Option<&str> {
    let rest = id.strip_prefix([letter, letter.to_ascii_uppercase()])?;
    let (version, _) = rest.split_once("__")?;
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
    (version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(is_part)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_its_letter_and_two_underscores() {
        for (id, expected) in
            [("U1__a", "1"), ("u1.2__a", "1.2"), ("U1_2__a", "1_2"), ("U20240101__a__b", "20240101")]
        {
            assert_eq!(version(id, 'u'), Some(expected), "{id}");
        }
        for id in ["U1_a", "1__a", "U__a", "Users__a", "V1__a", "U1a__b", "U", "ü1__a", ""] {
            assert_eq!(version(id, 'u'), None, "{id}");
        }
    }
}
