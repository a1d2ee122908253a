//! [`Driver`] for Sqlite.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};

use super::fault::{ended_by_sqlite, fault, may_follow_commit, reclassified, unless_rolled_back};
use super::query::value;
use super::{
    Sqlite, afterwards, attached, beside, bounded, dangling, hidden, keys, ledger, query_only, refusals,
    script, settings, tracker, transactions,
};
use crate::account::{Execution, SchemaObject};
use crate::backend::driver::{Driver, Progress, atomically, closed, interruptible};
use crate::backend::faults::ended_transaction;
use crate::backend::script::{Scope, Script};
use crate::cancel::Interrupter;
use crate::dangling::Dangling;
use crate::dialect::{Dialect, TableName};
use crate::fault::Fault;
use crate::refusal::Refusal;
use crate::sql::{statement_at, statements};
use crate::step::{Atomicity, ForeignKeys};
use crate::stored_limits::StoredLimits;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

impl Driver for Sqlite {
    type Conn<'c> = &'c Connection;
    const DIALECT: Dialect = Dialect::Sqlite;
    const STATEMENTS_ARE_ATOMIC: bool = true;
    const TOUCHED_IS_COMPLETE: bool = true;

    fn lend<'s>(conn: &'s mut &Connection) -> &'s Connection {
        conn
    }

    fn in_transaction(conn: &mut &Connection) -> Result<bool, Fault> {
        Ok(!conn.is_autocommit())
    }

    fn execute(conn: &mut &Connection, sql: &str) -> Result<(), Fault> {
        conn.execute_batch(sql).map_err(fault)
    }

    /// It is not an error to attach a database again: an application that keeps its connection runs this at every start.
    fn run_session_sql(conn: &mut &Connection, sql: &str) -> Result<(), Fault> {
        statements(sql).try_for_each(|(_, statement)| match conn.execute_batch(statement) {
            Err(error) if attached::is_already(&error) => Ok(()),
            outcome => outcome.map_err(fault),
        })
    }

    /// With `IMMEDIATE`, what is read afterwards is still current when the transaction writes.
    fn begin(conn: &mut &Connection) -> Result<(), Fault> {
        Self::execute(conn, "BEGIN IMMEDIATE").map_err(|fault| beside::explained(conn, fault))
    }

    /// The commit has happened when the journal is deleted or the WAL is written, and an I/O error may follow that.
    fn commit(conn: &mut &Connection) -> Result<(), Fault> {
        conn.execute_batch("COMMIT").map_err(|error| {
            let may_be_done = may_follow_commit(&error) && conn.is_autocommit();
            let fault = fault(error);
            if may_be_done { fault.remedy("check the disk").in_doubt() } else { fault }
        })
    }

    fn rollback(conn: &mut &Connection) -> Result<(), Fault> {
        // SQLite ends the transaction itself on some errors (a full disk, an interrupt); a second ROLLBACK would fail.
        if conn.is_autocommit() { Ok(()) } else { Self::execute(conn, "ROLLBACK") }
    }

    fn transaction<R, E: From<Fault>>(
        conn: &mut &Connection,
        scope: &Scope,
        body: impl FnOnce(&mut &Connection) -> Result<R, E>,
    ) -> Result<R, E> {
        afterwards::around(conn, |conn| {
            // A script does this before it attaches a database. Code and hooks may attach one at any time.
            if !scope.is_script {
                afterwards::detach(conn).map_err(fault)?;
            }
            // Inside a transaction the pragma is a no-op (https://www.sqlite.org/pragma.html#pragma_foreign_keys).
            keys::with_enforcement(conn, scope.foreign_keys, |conn| {
                atomically::<Self, R, E>(conn, scope, body)
            })
        })
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut &Connection,
        scope: &Scope,
        body: impl FnOnce(&mut &Connection) -> Result<R, E>,
    ) -> Result<R, E> {
        afterwards::around(conn, |conn| {
            keys::with_enforcement(conn, scope.foreign_keys, |conn| closed::<Self, R, E>(conn, body))
        })
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        transactions::fits(script)
    }

    fn refusals(script: &str, _atomicity: Atomicity, _table: &TableName) -> Vec<Refusal> {
        refusals::commands(script)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        Ok(statements(script).collect())
    }

    fn only_sets_session(statement: &str) -> bool {
        settings::only_sets_session(statement)
    }

    fn run_script(
        conn: &mut &Connection,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        script::run(conn, script, progress).map_err(|fault| beside::explained(conn, fault))
    }

    fn run_stored_script(
        conn: &mut &Connection,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
        limits: StoredLimits,
    ) -> Result<Execution, Fault> {
        bounded::run(conn, script, progress, limits).map_err(|fault| beside::explained(conn, fault))
    }

    /// The savepoint shows whether the transaction is the one that the engine began, or another one that the code began after ending the
    /// first.
    fn run_code<R>(
        conn: &mut &Connection,
        atomicity: Atomicity,
        body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
    ) -> Result<(R, Touched), Fault> {
        if atomicity == Atomicity::NonTransactional {
            let interruptible = |conn: &mut &Connection| interruptible::<Self, _>(conn, body);
            return keys::preserving(conn, interruptible).map(|done| (done, Touched::anything()));
        }
        Self::execute(conn, "SAVEPOINT __switchy_code")?;
        let before = counters(conn).map_err(fault)?;
        let outcome = interruptible::<Self, _>(conn, body).map_err(reclassified).and_then(|done| {
            let (changes, schema) = counters(conn).map_err(fault)?;
            let mut touched = Touched::nothing();
            if schema != before.1 {
                touched.touch_anything();
            } else if changes != before.0 {
                touched.touch_any_rows();
            }
            Ok((done, touched))
        });
        let is_same_transaction =
            !conn.is_autocommit() && conn.execute_batch("RELEASE __switchy_code").is_ok();
        match outcome {
            Ok(_) if !is_same_transaction => Err(ended_transaction()),
            Err(fault) if !is_same_transaction && !ended_by_sqlite(&fault) => Err(fault.lost_transaction()),
            outcome => outcome,
        }
    }

    fn only_reading<R>(
        conn: &mut &Connection,
        body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        query_only::during(conn, body).map_err(reclassified)
    }

    /// SQLite interrupts all statements that are running, also one that the application left open, and then every new one until none is
    /// running. So nothing is interrupted if the application has left one open.
    fn interrupter(conn: &mut &Connection) -> Option<Interrupter> {
        let interrupt =
            |handle: InterruptHandle| Interrupter::new(Duration::from_millis(5), move || handle.interrupt());
        (!conn.is_busy()).then(|| interrupt(conn.get_interrupt_handle()))
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        // Statements are numbered from 1, but the number may be out of a damaged record.
        if statement == 0 { None } else { statement_at(script, statement) }
    }

    fn may_touch(script: &str) -> Touched {
        tracker::may_touch(script)
    }

    fn dangling(conn: &mut &Connection, touched: &Touched, keys: ForeignKeys) -> Result<Dangling, Fault> {
        unless_rolled_back(conn, |conn| dangling::of(conn, touched, keys).map_err(fault))
    }

    fn count_rows(conn: &mut &Connection, table: &str) -> Result<Option<u64>, Fault> {
        unless_rolled_back(conn, |conn| ledger::count(conn, table).map_err(fault))
    }

    fn hidden_tables(conn: &mut &Connection, scripts: &[&str]) -> Result<Vec<(usize, SchemaObject)>, Fault> {
        hidden::named(conn, scripts).map_err(fault)
    }

    fn locate(conn: &mut &Connection) -> Option<PathBuf> {
        // A database in memory has no path, and a name that only a memory VFS knows is not a file.
        conn.path().map(PathBuf::from).filter(|path| path.is_file())
    }
}

/// Counters that change when a row or the schema changes.
fn counters(conn: &Connection) -> rusqlite::Result<(u64, i64)> {
    Ok((conn.total_changes(), value(conn, "PRAGMA main.schema_version", &[])?))
}
