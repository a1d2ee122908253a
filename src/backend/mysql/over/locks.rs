//! [`Locks`] for `MysqlOver`.

use std::time::Duration;

use super::MysqlOver;
use super::query::{is_missing, waiting};
use crate::backend::driver::Driver;
use crate::backend::locks::{LockAttempt, Locks};
use crate::backend::mysql::locks::lock_key;
use crate::backend::mysql::query::text;
use crate::backend::mysql::rights::no_database;
use crate::backend::mysql::{LOCKS, quoted};
use crate::backend::script::Scope;
use crate::backend::statements::{Statements, number, value};
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};

impl<S: Statements> Locks for MysqlOver<S> {
    fn resolve(conn: &mut &mut S, table: &TableName) -> Result<TableName, Fault> {
        if table.schema().is_some() {
            return Ok(table.clone());
        }
        match value(*conn, "SELECT DATABASE() AS c0")? {
            Some(database) => table.clone().in_schema(database).map_err(Fault::of),
            None => Err(no_database()),
        }
    }

    fn try_lock(conn: &mut &mut S, table: &TableName) -> Result<LockAttempt, Fault> {
        let key = lock_key(table);
        let got = value(*conn, &format!("SELECT CAST(GET_LOCK('{key}', 0) AS CHAR) AS c0"));
        // A statement whose answer was lost may have acquired it. Without the lock, this does nothing.
        let got = got.inspect_err(|_| drop(Self::unlock(conn, table)))?;
        match got.as_deref() {
            Some("1") => return Ok(LockAttempt::Acquired),
            Some(_) => {}
            None => return Err(Fault::new(FaultKind::Other, "GET_LOCK failed and does not say why")),
        }
        let holder = value(*conn, &format!("SELECT CAST(IS_USED_LOCK('{key}') AS CHAR) AS c0"))?;
        let holder =
            holder.map(|session| format!("session {session} of the server; `KILL {session}` ends it"));
        Ok(LockAttempt::HeldBy(holder.unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut S, table: &TableName) -> Result<(), Fault> {
        conn.restore(&format!("DO RELEASE_LOCK('{}')", lock_key(table)))
    }

    fn lock_table(conn: &mut &mut S, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let name = quoted(table);
        match waiting(*conn, patience, &format!("SELECT COUNT(*) FROM {name} FOR UPDATE")) {
            Err(fault) if is_missing(&fault) => Ok(()),
            outcome => outcome,
        }
    }

    fn create_lock_row(conn: &mut &mut S, table: &TableName) -> Result<LockAttempt, Fault> {
        let (locks, name) = (quoted(&table.beside(LOCKS)), text(Some(table.as_str())));
        match number(*conn, &format!("SELECT CAST(COUNT(*) AS CHAR) AS c0 FROM {locks} WHERE name = {name}"))
        {
            Ok(1) => return Ok(LockAttempt::Acquired),
            Err(fault) if !is_missing(&fault) => return Err(fault),
            _ => {}
        }
        conn.run(&format!(
            "CREATE TABLE IF NOT EXISTS {locks} (
                name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
                turn BIGINT UNSIGNED NOT NULL DEFAULT 0
            ) ENGINE=InnoDB"
        ))?;
        Self::transaction(conn, &Scope::immediate(), |conn| {
            conn.run(&format!("INSERT IGNORE INTO {locks} (name) VALUES ({name})"))
        })?;
        Ok(LockAttempt::Acquired)
    }

    /// The row is changed and not only locked, because nodes of a cluster compare changes.
    fn lock_row(conn: &mut &mut S, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let (locks, name) = (quoted(&table.beside(LOCKS)), text(Some(table.as_str())));
        waiting(*conn, patience, &format!("UPDATE {locks} SET turn = turn + 1 WHERE name = {name}"))
    }
}
