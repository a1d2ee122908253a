//! What folders, files and metadata call a kind of database.

use crate::dialect::Dialect;

/// The database of this name, if a set for a kind of database may speak of it.
pub(super) fn dialect(own: Dialect, name: &str) -> Option<Dialect> {
    let known = [
        ("sqlite", Dialect::Sqlite),
        ("sqlite3", Dialect::Sqlite),
        ("postgres", Dialect::Postgres),
        ("postgresql", Dialect::Postgres),
        ("mysql", Dialect::Mysql),
        ("mariadb", Dialect::Mysql),
        (own.name(), own),
    ];
    known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, dialect)| dialect)
}
