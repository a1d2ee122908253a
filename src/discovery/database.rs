//! The names of databases in folders, files and metadata.

use crate::dialect::Dialect;

/// The database with this name, if a set for the database `own` may contain the name.
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
