//! [`Locks`] for `PostgresOver`.

use std::time::Duration;

use super::PostgresOver;
use super::query::{columns, waiting};
use crate::backend::locks::{LockAttempt, Locks};
use crate::backend::postgres::LOCKS;
use crate::backend::postgres::client::literal;
use crate::backend::postgres::locks::KEY;
use crate::backend::postgres::rights::no_schema;
use crate::backend::statements::{Statements, says, value};
use crate::dialect::TableName;
use crate::fault::Fault;

impl<S: Statements> Locks for PostgresOver<S> {
    /// The schema that the table is in, or would be created in.
    fn resolve(conn: &mut &mut S, table: &TableName) -> Result<TableName, Fault> {
        if table.schema().is_some() {
            return Ok(table.clone());
        }
        let name = literal(Some(&table.quoted()));
        let sql = format!(
            "SELECT coalesce((SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE pg_class.oid = to_regclass({name})), current_schema())::text AS c0"
        );
        if let Some(schema) = value(*conn, &sql)? {
            return table.clone().in_schema(schema).map_err(Fault::of);
        }
        let path = value(*conn, "SELECT current_setting('search_path') AS c0")?;
        Err(no_schema(&path.unwrap_or_default()))
    }

    fn try_lock(conn: &mut &mut S, table: &TableName) -> Result<LockAttempt, Fault> {
        let key = key(table);
        let got = value(*conn, &format!("SELECT pg_try_advisory_lock({key})::text AS c0"));
        // A statement whose answer was lost may have acquired it. Without the lock, this does nothing but warn.
        let got = got.inspect_err(|_| drop(Self::unlock(conn, table)))?;
        if got.as_deref() == Some("true") {
            return Ok(LockAttempt::Acquired);
        }
        let sql = format!(
            "SELECT pid::text AS c0 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32) | objid::bigint = {key}
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1"
        );
        let holder = value(*conn, &sql)?.map(|session| {
            format!("session {session} of the server; `SELECT pg_terminate_backend({session})` ends it")
        });
        Ok(LockAttempt::HeldBy(holder.unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut S, table: &TableName) -> Result<(), Fault> {
        conn.restore(&format!("SELECT pg_advisory_unlock({})", key(table)))
    }

    fn lock_table(conn: &mut &mut S, table: &TableName, patience: Duration) -> Result<(), Fault> {
        if columns(*conn, table)?.is_empty() {
            return Ok(());
        }
        waiting(*conn, patience, &format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.quoted()))
    }

    fn create_lock_row(conn: &mut &mut S, table: &TableName) -> Result<LockAttempt, Fault> {
        let locks = table.beside(LOCKS);
        let (name, quoted) = (literal(Some(table.as_str())), locks.quoted());
        if columns(*conn, &locks)?.is_empty() {
            let create = format!("CREATE TABLE IF NOT EXISTS {quoted} (name TEXT NOT NULL PRIMARY KEY)");
            match conn.run(&create) {
                // Two sessions that create it at the same time conflict in the catalog.
                Err(fault) if says(&fault, "already exists") || says(&fault, "duplicate key") => {}
                outcome => outcome?,
            }
        }
        conn.run(&format!("INSERT INTO {quoted} (name) VALUES ({name}) ON CONFLICT DO NOTHING"))?;
        Ok(LockAttempt::Acquired)
    }

    fn lock_row(conn: &mut &mut S, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let (locks, name) = (table.beside(LOCKS).quoted(), literal(Some(table.as_str())));
        waiting(*conn, patience, &format!("SELECT 1 FROM {locks} WHERE name = {name} FOR UPDATE"))
    }
}

/// The key of the advisory lock: that of the engine's own adapter, so that both wait for each other.
fn key(table: &TableName) -> String {
    KEY.replace("$1", &literal(Some(&table.to_string())))
}
