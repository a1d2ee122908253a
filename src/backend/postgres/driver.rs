//! [`Driver`] for Postgres.

use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, NoTls};

use super::{
    Postgres, dangling, fault, locks, non_transactional, outcome, query, refusals, script, settings,
    transactions,
};
use crate::account::Execution;
use crate::backend::driver::{Driver, Progress, closed, rolled_back};
use crate::backend::script::Script;
use crate::backend::server_ledger;
use crate::backend::set_back::set_back;
use crate::cancel::{Interrupted, Interrupter};
use crate::dangling::Dangling;
use crate::dialect::{Dialect, TableName};
use crate::fault::{Fault, FaultKind};
use crate::progress::StatementOutcome;
use crate::refusal::Refusal;
use crate::sql::pieces;
use crate::sql::postgres::{GRAMMAR, statements};
use crate::step::{Atomicity, ForeignKeys};
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

impl Driver for Postgres {
    type Conn<'c> = &'c mut Client;
    const DIALECT: Dialect = Dialect::Postgres;
    const STATEMENTS_ARE_ATOMIC: bool = true;
    const LOOKS_BEFORE: bool = true;

    fn lend<'s>(conn: &'s mut &mut Client) -> &'s mut Client {
        conn
    }

    /// The server reports this only as the result of a statement that needs a transaction.
    fn in_transaction(conn: &mut &mut Client) -> Result<bool, Fault> {
        match conn.batch_execute("SAVEPOINT __switchy_transaction; RELEASE SAVEPOINT __switchy_transaction") {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::NO_ACTIVE_SQL_TRANSACTION) => Ok(false),
            Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Ok(true),
            Err(error) => Err(fault(error)),
        }
    }

    fn execute(conn: &mut &mut Client, sql: &str) -> Result<(), Fault> {
        conn.batch_execute(sql).map_err(fault)
    }

    /// READ COMMITTED, whatever the session's default is: a snapshot from before a lock was acquired would hide what was committed
    /// meanwhile.
    fn begin(conn: &mut &mut Client) -> Result<(), Fault> {
        Self::execute(conn, "BEGIN ISOLATION LEVEL READ COMMITTED")
    }

    /// Without a transaction the server warns and does nothing. A cancel request that was meant for the statement before it may end it.
    fn rollback(conn: &mut &mut Client) -> Result<(), Fault> {
        match Self::execute(conn, "ROLLBACK") {
            Err(fault) if fault.kind() == FaultKind::Interrupted => Self::execute(conn, "ROLLBACK"),
            outcome => outcome,
        }
    }

    /// `SET` and not `SET LOCAL`, also in a transaction: a script that sets `lock_timeout` for the session gets the value from before
    /// back for the session, and `SET LOCAL` would have made that our limit.
    fn limiting_lock_waits<R, E: From<Fault>>(
        conn: &mut &mut Client,
        limit: Duration,
        body: impl FnOnce(&mut &mut Client) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = settings::replace_lock_timeout(conn, &locks::milliseconds(limit).to_string())?;
        set_back::<Self, R, E>(conn, |conn| settings::replace_lock_timeout(conn, &before).map(drop), body)
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        transactions::fits(script)
    }

    fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
        refusals::refusals(script, atomicity, table)
    }

    fn unread(script: &str) -> Vec<u32> {
        refusals::unread(script)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        let pieces = statements(script)?;
        Ok(pieces.into_iter().map(|piece| (piece.offset, piece.text)).collect())
    }

    /// Inside a transaction, a savepoint sets back what it changes and lets the transaction continue after a statement that failed.
    fn only_reading<R>(
        conn: &mut &mut Client,
        body: impl FnOnce(&mut &mut Client) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        if !Self::in_transaction(conn)? {
            Self::execute(conn, "BEGIN READ ONLY")?;
            return rolled_back::<Self, _>(conn, body);
        }
        Self::execute(conn, "SAVEPOINT __switchy_reading; SET LOCAL transaction_read_only = on")?;
        let read = body(conn)?;
        Self::execute(conn, "ROLLBACK TO SAVEPOINT __switchy_reading; RELEASE SAVEPOINT __switchy_reading")?;
        Ok(read)
    }

    fn fault_of_code(fault: Fault) -> Fault {
        query::fault_of_code(fault)
    }

    fn only_sets_session(statement: &str) -> bool {
        non_transactional::only_sets_session(statement)
    }

    fn run_script(
        conn: &mut &mut Client,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        let before = settings::read(conn, script.text, script.session)?;
        if script.atomicity == Atomicity::NonTransactional {
            // The settings are restored after an open transaction has ended, since its end would revert them.
            let outcome =
                closed::<Self, _, _>(conn, |conn| script::run(conn, script, before.as_ref(), progress));
            let restored = settings::restore(conn, before, script.session);
            let execution = outcome?;
            restored.map(|()| execution)
        } else {
            // In a failed transaction no setting can be changed, and its end restores all settings.
            let execution = script::run(conn, script, before.as_ref(), progress)?;
            settings::restore(conn, before, script.session).map(|()| execution)
        }
    }

    /// A server that requires TLS does not get the request, and the statement runs to its end. It is sent again only when the server has had
    /// time for the one before.
    fn interrupter(conn: &mut &mut Client) -> Option<Interrupter> {
        let token = conn.cancel_token();
        Some(Interrupter::new(Duration::from_secs(1), move || drop(token.cancel_query(NoTls))))
    }

    /// The server does not say when it has handled a request. Unless the only one ended the statement, one may be on its way. A session that
    /// waits for its next statement ignores it.
    fn after_interrupt(_conn: &mut &mut Client, interrupted: Interrupted, fault: Option<&Fault>) {
        let is_stopped = fault.is_some_and(|fault| fault.kind() == FaultKind::Interrupted);
        if !is_stopped || interrupted.times > 1 {
            // Another one takes about as long as the first, if that has arrived.
            let first = interrupted.first.elapsed();
            std::thread::sleep(first.clamp(Duration::from_millis(300), Duration::from_secs(5)));
        }
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        pieces::offset_of(&statements(script).ok()?, script, statement)
    }

    fn may_touch(script: &str) -> Touched {
        server_ledger::may_touch(statements(script), &GRAMMAR)
    }

    fn dangling(conn: &mut &mut Client, touched: &Touched, _keys: ForeignKeys) -> Result<Dangling, Fault> {
        dangling::dangling(conn, touched)
    }

    fn statement_outcome(
        conn: &mut &mut Client,
        script: &str,
        statement: u32,
        mark: &str,
    ) -> Result<StatementOutcome, Fault> {
        outcome::statement_outcome(conn, script, statement, mark)
    }
}
