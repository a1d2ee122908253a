//! [`Locks`] for Postgres.

use std::fmt::Write;
use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;

use super::query::{execute, fault, query};
use super::table::{self, columns, heading};
use super::{LOCKS, Postgres, outcome, rights};
use crate::backend::driver::Driver;
use crate::backend::locks::{Blocker, LockAttempt, Locks};
use crate::dialect::TableName;
use crate::error::Abridged;
use crate::fault::Fault;
use crate::history::Head;
use crate::sql::postgres::without_texts;

impl Locks for Postgres {
    /// The schema that the table is in, or would be created in.
    fn resolve(conn: &mut &mut Client, table: &TableName) -> Result<TableName, Fault> {
        if table.schema().is_some() {
            return Ok(table.clone());
        }
        let sql = "SELECT coalesce(
            (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE pg_class.oid = to_regclass($1)), current_schema())::text, current_setting('search_path')";
        let rows = query(conn, sql, &[Some(&table.quoted())]).map_err(fault)?;
        let Some(row) = rows.first() else { return Ok(table.clone()) };
        if let Some(schema) = row.get::<_, Option<String>>(0) {
            return table.clone().in_schema(schema).map_err(Fault::of);
        }
        Err(rights::no_usable_schema(conn, &row.get::<_, String>(1)))
    }

    fn try_lock(conn: &mut &mut Client, table: &TableName) -> Result<LockAttempt, Fault> {
        let name = table.to_string();
        let rows =
            query(conn, &format!("SELECT pg_try_advisory_lock({KEY})"), &[Some(&name)]).map_err(fault)?;
        if rows.first().is_some_and(|row| row.get(0)) {
            return Ok(LockAttempt::Acquired);
        }
        let sql = format!(
            "SELECT held.pid::text, {HOLDER} FROM pg_locks JOIN pg_stat_activity held USING (pid)
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32) | objid::bigint = {KEY}
            AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1"
        );
        let holder = query(conn, &sql, &[Some(&name)]).map_err(fault)?;
        Ok(LockAttempt::HeldBy(holder.first().map(holder_of).unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut Client, table: &TableName) -> Result<(), Fault> {
        let sql = format!("SELECT pg_advisory_unlock({KEY})");
        query(conn, &sql, &[Some(&table.to_string())]).map(drop).map_err(fault)
    }

    fn lock_table(conn: &mut &mut Client, table: &TableName, patience: Duration) -> Result<(), Fault> {
        if columns(conn, table)?.is_empty() {
            return Ok(());
        }
        waiting(conn, patience, |conn| {
            Self::execute(conn, &format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.quoted()))
        })
    }

    /// First tries to lock without waiting. If the lock is free, no lock timeout is needed.
    fn lock_table_with_head(
        conn: &mut &mut Client,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        let sql = format!(
            "SAVEPOINT __switchy_enter; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE NOWAIT; {}; RELEASE SAVEPOINT __switchy_enter",
            table.quoted(),
            heading(table, "basis")
        );
        match conn.simple_query(&sql) {
            Ok(messages) => Ok(Some(table::head_of(&messages))),
            Err(error) => {
                let back = "ROLLBACK TO SAVEPOINT __switchy_enter; RELEASE SAVEPOINT __switchy_enter";
                conn.batch_execute(back).map_err(|_| fault(error))?;
                Self::lock_table(conn, table, patience).map(|()| None)
            }
        }
    }

    fn create_lock_row(conn: &mut &mut Client, table: &TableName) -> Result<LockAttempt, Fault> {
        let locks = table.beside(LOCKS).quoted();
        let insert = format!("INSERT INTO {locks} (name) VALUES ($1) ON CONFLICT DO NOTHING");
        let name = [Some(table.as_str())];
        match execute(conn, &insert, &name) {
            Ok(_) => return Ok(LockAttempt::Acquired),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
            Err(error) => return Err(fault(error)),
        }
        let create = format!("CREATE TABLE IF NOT EXISTS {locks} (name TEXT NOT NULL PRIMARY KEY)");
        match conn.batch_execute(&create) {
            Ok(()) => {}
            // Two sessions that create it at the same time conflict in the catalog.
            Err(error)
                if [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT]
                    .iter()
                    .any(|state| error.code() == Some(state)) => {}
            Err(error) => return Err(fault(error)),
        }
        execute(conn, &insert, &name).map(|_| LockAttempt::Acquired).map_err(fault)
    }

    fn lock_row(conn: &mut &mut Client, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let sql = format!("SELECT 1 FROM {} WHERE name = $1 FOR UPDATE", table.beside(LOCKS).quoted());
        waiting(conn, patience, |conn| query(conn, &sql, &[Some(table.as_str())]).map(drop).map_err(fault))
    }

    /// Not every engine with this protocol can lock a table. If it cannot, the records are locked.
    fn wait_for_writers(conn: &mut &mut Client, table: &TableName, patience: Duration) -> Result<(), Fault> {
        Self::execute(conn, "SAVEPOINT __switchy_outwait")?;
        match Self::lock_table(conn, table, patience) {
            Err(fault) if outcome::is_unknown_to_engine(&fault) => {
                Self::execute(conn, "ROLLBACK TO SAVEPOINT __switchy_outwait")?;
                let records = format!("SELECT 1 FROM {} ORDER BY name FOR UPDATE", table.quoted());
                waiting(conn, patience, |conn| Self::execute(conn, &records))
            }
            outcome => outcome,
        }
    }

    fn session(conn: &mut &mut Client) -> Result<Option<String>, Fault> {
        let rows = query(conn, "SELECT pg_backend_pid()::text", &[]).map_err(fault)?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// A session that waits for a row waits for the transaction that has changed it. It holds the lock of the row (`tuple`) meanwhile, which
    /// tells the table. A prepared transaction is no session, and the server gives it the number 0.
    fn blocker(conn: &mut &mut Client, session: &str) -> Result<Option<Blocker>, Fault> {
        let sql = format!(
            "SELECT blocking.pid::text, {HOLDER}, (SELECT relation::regclass::text FROM pg_locks
                WHERE pg_locks.pid = waiting.pid AND relation IS NOT NULL AND (NOT granted OR locktype = 'tuple')
                ORDER BY granted LIMIT 1)
            FROM pg_stat_activity waiting CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) blocking(pid)
            LEFT JOIN pg_stat_activity held ON held.pid = blocking.pid
            WHERE waiting.pid = $1::text::int AND waiting.wait_event_type = 'Lock' ORDER BY held.xact_start LIMIT 1"
        );
        let rows = query(conn, &sql, &[Some(session)]).map_err(fault)?;
        Ok(rows.first().map(|row| {
            let table = row.get::<_, Option<String>>(6).map(|table| format!(" on `{table}`"));
            let session: String = row.get(0);
            let holder = if session == "0" {
                "a prepared transaction, which `pg_prepared_xacts` lists".to_owned()
            } else {
                holder_of(row)
            };
            Blocker::new(format!("a lock{}", table.unwrap_or_default()), session, holder)
        }))
    }
}

/// The columns about the session `held`, after its number.
const HOLDER: &str = "coalesce(host(held.client_addr), 'a socket of its machine'),
    nullif(held.application_name, ''), held.state, held.query,
    to_char((CASE held.state WHEN 'active' THEN held.query_start ELSE held.state_change END) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')";

/// A session that holds the lock: where it comes from, what it does without the texts in it, and the statement that ends it. The server
/// hides the sessions of other users from a user without the privilege to see them.
fn holder_of(row: &postgres::Row) -> String {
    let text = |column: usize| row.get::<_, Option<String>>(column);
    let session = text(0).unwrap_or_default();
    let mut holder = format!("session {session} of the server");
    if let Some(state) = text(3) {
        let from = text(1).unwrap_or_default();
        let program = text(2).map(|program| format!(" ({program})")).unwrap_or_default();
        let (statement, since) = (without_texts(&text(4).unwrap_or_default()), text(5).unwrap_or_default());
        let does = match &*state {
            "active" => "running",
            state if state.starts_with("idle in transaction") => "idle in a transaction after",
            _ => "idle after",
        };
        let _ = write!(holder, ", from {from}{program}, {does} `{}` since {since} UTC", Abridged(&statement));
    }
    holder + &format!("; `SELECT pg_terminate_backend({session})` ends it")
}

/// The key of the advisory lock: one for each schema and table. Advisory locks are local to a database.
pub(super) const KEY: &str = "hashtextextended('switchy_schema ' || $1::text, 0)";

/// A value of `lock_timeout`. Zero would mean no limit.
pub(super) fn milliseconds(limit: Duration) -> u128 {
    limit.as_millis().clamp(1, i32::MAX as u128)
}

/// Acquires a lock in the open transaction, and waits for at most this long.
pub(super) fn waiting(
    conn: &mut Client,
    patience: Duration,
    lock: impl FnOnce(&mut &mut Client) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let limit = milliseconds(patience);
    let sql = "SELECT current_setting('lock_timeout'), current_setting('transaction_read_only') = 'on'";
    let before = query(conn, sql, &[]).map_err(fault)?;
    if before.first().is_some_and(|row| row.get(1)) {
        return Err(rights::cannot_write());
    }
    let before: Option<String> = before.first().map(|row| row.get(0));
    conn.batch_execute(&format!("SET LOCAL lock_timeout = {limit}")).map_err(fault)?;
    lock(&mut &mut *conn)?;
    let back = "SELECT set_config('lock_timeout', $1, true)";
    query(conn, back, &[before.as_deref()]).map(drop).map_err(fault)
}
