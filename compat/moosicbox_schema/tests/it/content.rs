//! Everything in a database, to be compared with everything in another.

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};

/// A connection to a database that does not have to outlive a power failure.
pub(crate) fn open(database: &TestDatabase) -> Connection {
    let conn = database.connect();
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    conn
}

/// The definitions and the rows of everything but the tracking table and its log.
pub(crate) fn content(conn: &Connection) -> Vec<String> {
    let ours =
        "name NOT LIKE '\\_\\_moosicbox%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_\\_moosicbox%' ESCAPE '\\'";
    let mut all =
        rows(conn, &format!("SELECT type, name, sql FROM sqlite_master WHERE {ours} ORDER BY type, name"));
    for table in
        rows(conn, &format!("SELECT name FROM sqlite_master WHERE type = 'table' AND {ours} ORDER BY name"))
    {
        let mut found = rows(conn, &format!("SELECT * FROM \"{table}\""));
        found.sort();
        all.extend(found.into_iter().map(|row| format!("{table}: {row}")));
    }
    all
}

/// The names in the tracking table, in the order of application, with the time of each.
pub(crate) fn records(conn: &Connection) -> Vec<(String, String)> {
    let columns = rows(conn, "SELECT name FROM pragma_table_info('__moosicbox_schema_migrations')");
    let name = if columns.iter().any(|column| column == "name") { "name" } else { "id" };
    let sql = format!("SELECT {name}, run_on FROM __moosicbox_schema_migrations ORDER BY rowid");
    let mut statement = conn.prepare(&sql).unwrap();
    let read = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    read.map(Result::unwrap).collect()
}

pub(crate) fn names(conn: &Connection) -> Vec<String> {
    records(conn).into_iter().map(|(name, _)| name).collect()
}
