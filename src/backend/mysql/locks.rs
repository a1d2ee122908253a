//! [`Locks`] for Mysql.

use std::time::Duration;

use mysql::Conn;

use super::holder::{HOLDER, holder_of};
use super::query::{self, code, column, fault, first, get, run, text, waiting};
use super::rights::no_database;
use super::{LOCKS, Mysql, PLACE, blocker, quoted, single_statement};
use crate::backend::driver::Driver;
use crate::backend::locks::{Blocker, LockAttempt, Locks};
use crate::backend::script::Scope;
use crate::checksum::Checksum;
use crate::dialect::TableName;
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
            "SELECT l.id, {HOLDER} FROM (SELECT IS_USED_LOCK('{key}') AS id) l LEFT JOIN information_schema.PROCESSLIST p ON p.ID = l.id"
        );
        let holder = first(conn, &sql).map_err(fault)?;
        Ok(LockAttempt::HeldBy(holder.as_ref().and_then(|row| holder_of(row, "idle")).unwrap_or_default()))
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

    fn session(conn: &mut &mut Conn) -> Result<Option<String>, Fault> {
        column(conn, "SELECT CAST(CONNECTION_ID() AS CHAR)").map_err(fault)
    }

    fn blocker(conn: &mut &mut Conn, session: &str) -> Result<Option<Blocker>, Fault> {
        blocker::of(conn, session)
    }
}

/// The name of the lock. It has at most 64 characters, and all databases of a server share lock names.
pub(super) fn lock_key(table: &TableName) -> String {
    format!("switchy_schema {}", part(&Checksum::of(&table.to_string()).to_string(), ..32))
}
