//! What the kit needs from SQLite.

use rusqlite::Connection;

use crate::backend::{Sqlite, TestConnection, TestDriver};
use crate::dialect::quote;
use crate::fault::Fault;

use super::assertions::dangling_rows;
use super::query::try_rows;

impl TestConnection for Connection {
    type Backend = Sqlite;
}

impl TestDriver for Sqlite {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn borrow(conn: &mut Connection) -> &Connection {
        conn
    }

    fn fault_of(error: rusqlite::Error) -> Fault {
        Fault::of(error)
    }

    fn rows(conn: &mut &Connection, sql: &str) -> Result<Vec<String>, Fault> {
        try_rows(conn, sql).map_err(Fault::of)
    }

    fn count(conn: &mut &Connection, table: &str) -> Option<u64> {
        // A virtual table whose module is missing cannot be read, and no migration can change its rows.
        let sql = format!("SELECT count(*) FROM main.{}", quote(table));
        conn.query_row(&sql, [], |row| row.get(0)).ok().map(i64::unsigned_abs)
    }

    fn damage(conn: &mut &Connection) -> Result<Option<String>, Fault> {
        let found = try_rows(conn, "PRAGMA integrity_check").map_err(Fault::of)?;
        if found != ["ok"] {
            return Ok(Some(format!("the database is not intact: {}", found.join("; "))));
        }
        dangling_rows(conn).map_err(Fault::of)
    }
}
