//! [`Locks`] for Mysql.

use std::fmt::Write;
use std::time::Duration;

use mysql::Conn;

use super::query::{self, code, column, fault, first, get, run, text, waiting};
use super::rights::no_database;
use super::{LOCKS, Mysql, PLACE, quoted, single_statement};
use crate::backend::driver::Driver;
use crate::backend::locks::{LockAttempt, Locks};
use crate::backend::script::Scope;
use crate::checksum::Checksum;
use crate::dialect::TableName;
use crate::error::Abridged;
use crate::fault::{Fault, FaultKind};
use crate::history::Head;
use crate::sql::part;

impl Locks for Mysql {
    fn resolve(conn: &mut &mut Conn, table: &TableName) -> Result<TableName, Fault> {
        if table.schema().is_some() {
            return Ok(table.clone());
        }
        match column::<String>(conn, "SELECT DATABASE()").map_err(fault)? {
            Some(database) => table.clone().in_schema(database).map_err(Fault::of),
            None => Err(no_database()),
        }
    }

    fn try_lock(conn: &mut &mut Conn, table: &TableName) -> Result<LockAttempt, Fault> {
        let key = lock_key(table);
        match column::<u8>(conn, &format!("SELECT GET_LOCK('{key}', 0)")).map_err(fault)? {
            Some(1) => return Ok(LockAttempt::Acquired),
            Some(_) => {}
            None => return Err(Fault::new(FaultKind::Other, "GET_LOCK failed and does not say why")),
        }
        let sql = format!(
            "SELECT l.id, p.HOST, p.USER, p.INFO, DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL p.TIME SECOND, '%Y-%m-%d %H:%i:%s')
            FROM (SELECT IS_USED_LOCK('{key}') AS id) l LEFT JOIN information_schema.PROCESSLIST p ON p.ID = l.id"
        );
        let holder = first(conn, &sql).map_err(fault)?;
        Ok(LockAttempt::HeldBy(holder.as_ref().and_then(holder_of).unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut Conn, table: &TableName) -> Result<(), Fault> {
        column::<u8>(conn, &format!("SELECT RELEASE_LOCK('{}')", lock_key(table))).map(drop).map_err(fault)
    }

    fn lock_table(conn: &mut &mut Conn, table: &TableName, patience: Duration) -> Result<(), Fault> {
        waiting(conn, patience, |conn| {
            let name = quoted(table);
            let mode = "CAST(@@read_only AS CHAR) NOT IN ('0', 'OFF')";
            match first(conn, &format!("SELECT COUNT(*), {mode} FROM {name} FOR UPDATE")) {
                Err(error) if code(&error) != Some(query::NO_SUCH_TABLE) => Err(fault(error)),
                // Some users may write nevertheless.
                Ok(Some(row)) if get(&row, 1) == Some(true) => {
                    run(conn, &format!("UPDATE {name} SET {PLACE} = {PLACE} WHERE FALSE"))
                }
                _ => Ok(()),
            }
        })
    }

    fn lock_table_with_head(
        conn: &mut &mut Conn,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        match single_statement::locked_head(conn, table, patience)? {
            Some(head) => Ok(Some(head)),
            None => Self::lock_table(conn, table, patience).map(|()| None),
        }
    }

    fn create_lock_row(conn: &mut &mut Conn, table: &TableName) -> Result<LockAttempt, Fault> {
        let (locks, name) = (quoted(&table.beside(LOCKS)), text(Some(table.as_str())));
        match column::<u64>(conn, &format!("SELECT COUNT(*) FROM {locks} WHERE name = {name}")) {
            Ok(Some(1)) => return Ok(LockAttempt::Acquired),
            Err(error) if code(&error) != Some(query::NO_SUCH_TABLE) => return Err(fault(error)),
            _ => {}
        }
        run(
            conn,
            &format!(
                "CREATE TABLE IF NOT EXISTS {locks} (
                    name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
                    turn BIGINT UNSIGNED NOT NULL DEFAULT 0
                ) ENGINE=InnoDB"
            ),
        )?;
        Self::transaction(conn, &Scope::immediate(), |conn| {
            run(conn, &format!("INSERT IGNORE INTO {locks} (name) VALUES ({name})"))
        })?;
        Ok(LockAttempt::Acquired)
    }

    /// The row is changed and not only locked, because nodes of a cluster compare changes.
    fn lock_row(conn: &mut &mut Conn, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let name = text(Some(table.as_str()));
        let sql = format!("UPDATE {} SET turn = turn + 1 WHERE name = {name}", quoted(&table.beside(LOCKS)));
        waiting(conn, patience, |conn| run(conn, &sql))
    }
}

/// A session that holds the lock: where it comes from, what it does, and the statement that ends it. A user without the privilege to see
/// the sessions of other users gets only its number.
fn holder_of(row: &mysql::Row) -> Option<String> {
    let text = |column: usize| get::<String>(row, column);
    let session = get::<u64>(row, 0)?;
    let mut holder = format!("session {session} of the server");
    if let (Some(host), Some(user), Some(since)) = (text(1), text(2), text(4)) {
        let does =
            text(3).map_or("idle".to_owned(), |statement| format!("running `{}`", Abridged(&statement)));
        let _ = write!(holder, ", from {host} as {user}, {does} since {since} UTC");
    }
    Some(holder + &format!("; `KILL {session}` ends it"))
}

/// The name of the lock. It has at most 64 characters, and all databases of a server share lock names.
pub(super) fn lock_key(table: &TableName) -> String {
    format!("switchy_schema {}", part(&Checksum::of(&table.to_string()).to_string(), ..32))
}
