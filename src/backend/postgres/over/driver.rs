//! [`Driver`] for `PostgresOver`.

use std::time::Duration;

use super::{PostgresOver, settings, statement, tables};
use crate::account::Execution;
use crate::backend::driver::{Driver, Progress, closed, rolled_back};
use crate::backend::postgres::Postgres;
use crate::backend::postgres::locks::milliseconds;
use crate::backend::postgres::transactions::{control, skipped};
use crate::backend::script::Script;
use crate::backend::set_back::set_back;
use crate::backend::statements::refused::{fitting, refusals};
use crate::backend::statements::script::{self, Rules};
use crate::backend::statements::{Statements, says, value};
use crate::dialect::{Dialect, TableName};
use crate::fault::Fault;
use crate::refusal::Refusal;
use crate::sql::postgres::{GRAMMAR, statements};
use crate::sql::transactions::Control;
use crate::step::Atomicity;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

impl<S: Statements> Driver for PostgresOver<S> {
    type Conn<'c> = &'c mut S;
    const DIALECT: Dialect = Dialect::Postgres;
    const STATEMENTS_ARE_ATOMIC: bool = true;

    fn lend<'s>(conn: &'s mut &mut S) -> &'s mut S {
        conn
    }

    /// The server reports this only as the result of a statement that needs a transaction.
    fn in_transaction(conn: &mut &mut S) -> Result<bool, Fault> {
        match conn.run("SAVEPOINT __switchy_transaction") {
            Ok(()) => conn.run("RELEASE SAVEPOINT __switchy_transaction").map(|()| true),
            Err(fault) if says(&fault, "can only be used in transaction blocks") => Ok(false),
            Err(fault) if says(&fault, "current transaction is aborted") => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    fn execute(conn: &mut &mut S, sql: &str) -> Result<(), Fault> {
        conn.run(sql)
    }

    /// READ COMMITTED, whatever the session's default is: a snapshot from before a lock was acquired would hide what was committed
    /// meanwhile.
    fn begin(conn: &mut &mut S) -> Result<(), Fault> {
        conn.run("BEGIN ISOLATION LEVEL READ COMMITTED")
    }

    /// Without a transaction the server warns and does nothing.
    fn rollback(conn: &mut &mut S) -> Result<(), Fault> {
        conn.restore("ROLLBACK")
    }

    /// `SET` and not `SET LOCAL`, as [`Postgres`] does it.
    fn limiting_lock_waits<R, E: From<Fault>>(
        conn: &mut &mut S,
        limit: Duration,
        body: impl FnOnce(&mut &mut S) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = value(*conn, "SELECT current_setting('lock_timeout') AS c0")?.unwrap_or_default();
        conn.run(&settings::assignment("lock_timeout", &milliseconds(limit).to_string()))?;
        set_back::<Self, R, E>(
            conn,
            |conn| conn.restore(&settings::assignment("lock_timeout", &before)),
            body,
        )
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        fitting(Postgres::transaction_fit(script), || own_refusals(script, Atomicity::NonTransactional))
    }

    fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
        let mut found = Postgres::refusals(script, atomicity, table);
        found.extend(own_refusals(script, atomicity));
        found
    }

    fn unread(script: &str) -> Vec<u32> {
        Postgres::unread(script)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        Postgres::statements(script)
    }

    fn only_sets_session(statement: &str) -> bool {
        Postgres::only_sets_session(statement)
    }

    fn run_script(
        conn: &mut &mut S,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        let pieces = statements(script.text)?;
        let may_end = |statement: &str| !matches!(control(statement), Control::Other | Control::Sets);
        let skipped = skipped(&pieces, script.atomicity);
        let rules = Rules {
            skipped,
            may_end,
            grammar: &GRAMMAR,
            tables: tables::of,
            why_refused: statement::why_refused,
            again: statement::again,
            may_stay: statement::may_stay,
        };
        settings::around(conn, script, |conn| {
            let mut run = |conn: &mut &mut S| script::run::<S, Self>(conn, script, &rules, progress);
            match script.atomicity {
                Atomicity::Transaction => run(conn),
                Atomicity::NonTransactional => closed::<Self, _, _>(conn, run),
            }
        })
    }

    /// Inside a transaction, a savepoint sets back what it changes and lets the transaction continue after a statement that failed.
    fn only_reading<R>(
        conn: &mut &mut S,
        body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        if !Self::in_transaction(conn)? {
            conn.run("BEGIN READ ONLY")?;
            return rolled_back::<Self, _>(conn, body);
        }
        conn.run("SAVEPOINT __switchy_reading")?;
        conn.run("SET LOCAL transaction_read_only = on")?;
        let read = body(conn)?;
        conn.run("ROLLBACK TO SAVEPOINT __switchy_reading")?;
        conn.run("RELEASE SAVEPOINT __switchy_reading")?;
        Ok(read)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        Postgres::offset_of(script, statement)
    }

    fn may_touch(script: &str) -> Touched {
        Postgres::may_touch(script)
    }
}

/// Those that the adapter of the database does not refuse.
fn own_refusals(script: &str, atomicity: Atomicity) -> Vec<Refusal> {
    let pieces = statements(script).unwrap_or_default();
    let skipped = skipped(&pieces, atomicity);
    let texts = pieces.iter().map(|piece| (piece.offset, piece.text));
    refusals(texts, atomicity, skipped, statement::why_refused)
}
