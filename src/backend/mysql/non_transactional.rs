//! [`ScriptRun`]: a script that runs outside a transaction, on a server with implicit commits.

use std::time::Duration;

use mysql::Conn;

use super::Mysql;
use crate::backend::driver::{Driver, Progress};
use crate::backend::non_transactional::{self as common, TransactionState};
use crate::fault::Fault;
use crate::progress::ScriptProgress;

mod transition;

pub(super) use transition::StatementClass;
use transition::{Action, Plan, State, transition};

/// A script that runs outside a transaction, statement by statement.
pub(super) struct ScriptRun<'r, 'p> {
    common: common::ScriptRun<'r, 'p, Mysql>,
    is_chained: bool,
    has_locks: bool,
    /// The progress of a finished statement that is not recorded yet.
    deferred: Option<ScriptProgress>,
}

/// A statement of the script.
pub(super) struct Statement {
    /// Its number, from 1.
    pub(super) number: u32,
    pub(super) class: StatementClass,
    /// The mark of the definitions that it changes. Empty if they show nothing.
    pub(super) mark: String,
}

impl<'r, 'p> ScriptRun<'r, 'p> {
    pub(super) fn new(
        progress: &'r mut Progress<'p, Mysql>,
        statement_count: u32,
        patience: Duration,
    ) -> Self {
        let common = common::ScriptRun::<Mysql>::new(progress, statement_count, patience);
        Self { common, is_chained: false, has_locks: false, deferred: None }
    }

    /// Records which statement the script begins with. If a later statement could end the script's transaction and does not, the engine
    /// restores this record.
    pub(super) fn record_begin(&mut self, conn: &mut &mut Conn, number: u32) -> Result<(), Fault> {
        self.common.record(conn, &self.common.before_statement(number))
    }

    /// Records the deferred progress.
    pub(super) fn record_deferred(&mut self, conn: &mut &mut Conn) -> Result<(), Fault> {
        match self.deferred.take() {
            Some(deferred) => self.common.record_committed(conn, &deferred),
            None => Ok(()),
        }
    }

    /// Resumes the script in its open transaction.
    pub(super) fn resume_open(&mut self) {
        self.set_state(State::Open);
    }

    /// Resumes the script with `autocommit` on or off.
    pub(super) fn resume_autocommit(&mut self, is_on: bool) {
        self.set_state(if is_on { State::Closed } else { State::Chained });
    }

    /// Whether `autocommit` is off.
    pub(super) fn is_chained(&self) -> bool {
        self.is_chained
    }

    /// Whether the session still holds table locks of the script.
    pub(super) fn has_locks(&self) -> bool {
        self.has_locks
    }

    /// How long the engine retries.
    pub(super) fn patience(&self) -> Duration {
        self.common.patience()
    }

    /// Runs a statement, and records that it is done.
    pub(super) fn run_statement(
        &mut self,
        conn: &mut &mut Conn,
        statement: Statement,
        run: &mut dyn FnMut(&mut &mut Conn) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Statement { number, class, mark } = statement;
        if !class.records_start() {
            self.record_deferred(conn)?;
        }
        let (actions, next) = match transition(self.state(), class) {
            Plan::Common(class) => return self.common.run_statement(conn, number, class, run),
            Plan::Own(actions, next) => (actions, next),
        };
        let (start, end) = (self.common.before_statement(number), self.common.before_statement(number + 1));
        let marked = ScriptProgress { mark: Some(mark), ..start.clone() };
        for action in actions {
            match action {
                Action::RecordMark => {
                    self.common.record(conn, &marked)?;
                    self.deferred = None;
                }
                Action::Run => {
                    run(conn)?;
                    self.set_state(next);
                }
                Action::RunUnlessEnds | Action::RunUnlessEndsWithMark => {
                    let has_mark = *action == Action::RunUnlessEndsWithMark;
                    if self.stays_open(conn, if has_mark { &marked } else { &start }, run)? {
                        return Ok(());
                    }
                    self.set_state(next);
                }
                Action::StopIfOpen => {
                    if Mysql::in_transaction(conn)? {
                        self.set_state(State::Open);
                        return Ok(());
                    }
                }
                Action::RecordEnd => self.common.record(conn, &end)?,
                Action::RecordEndInTransaction => self.common.record_in_transaction(conn, &end)?,
                Action::RecordCommitted => self.record_committed(conn, &end)?,
                Action::DeferEnd => self.deferred = Some(end.clone()),
            }
        }
        Ok(())
    }

    /// Whether each statement is a transaction of its own, so that several can share one.
    pub(super) fn is_closed(&self) -> bool {
        self.state() == State::Closed
    }

    /// Runs statements from this one on in one transaction with the record that they are done. `run` returns the number of the statement
    /// after them, and so does this. If one of them leaves something behind that the rollback did not undo, their outcome is recorded as
    /// unknown.
    pub(super) fn run_together(
        &mut self,
        conn: &mut &mut Conn,
        first: u32,
        run: &mut dyn FnMut(&mut &mut Conn) -> Result<u32, Fault>,
    ) -> Result<u32, Fault> {
        self.record_deferred(conn)?;
        let outcome = self.common.run_with_record(conn, run);
        outcome.map_err(|fault| {
            if fault.details.is_partial {
                self.record_unknown(conn, first);
                return fault;
            }
            // A commit in doubt may have kept them.
            if fault.details.is_in_doubt { fault } else { fault.undoing_from(first) }
        })
    }

    /// Records that the outcome of this statement and those after it is unknown, since a rollback did not undo everything.
    fn record_unknown(&mut self, conn: &mut &mut Conn, number: u32) {
        let unknown = ScriptProgress { mark: Some(String::new()), ..self.common.before_statement(number) };
        // The fault of the statement says more. If this fails, the connection is lost.
        let _ = self.common.record(conn, &unknown);
    }

    /// The same for the statements of the script's own transaction, which a failed statement has rolled back. `from` is the statement with which
    /// this run began.
    pub(super) fn record_unknown_transaction(&mut self, conn: &mut &mut Conn, from: u32) {
        if self.common.script_transaction_open() && !self.has_locks {
            let first = self.common.recorded.as_ref().map_or(from, |recorded| recorded.statement);
            self.record_unknown(conn, first);
        }
    }

    fn state(&self) -> State {
        match self.common.transaction {
            _ if self.has_locks => State::Locked { is_chained: self.is_chained },
            _ if self.is_chained => State::Chained,
            TransactionState::Open => State::Open,
            TransactionState::Closed => State::Closed,
        }
    }

    fn set_state(&mut self, state: State) {
        (self.has_locks, self.is_chained, self.common.transaction) = match state {
            State::Closed => (false, false, TransactionState::Closed),
            State::Open => (false, false, TransactionState::Open),
            State::Chained => (false, true, TransactionState::Open),
            // The state of the transaction is kept until the tables are unlocked.
            State::Locked { is_chained } => (true, is_chained, self.common.transaction),
        };
    }

    /// Records the end of a statement that has ended the transaction. If `autocommit` is off, it also commits the record.
    fn record_committed(&mut self, conn: &mut &mut Conn, end: &ScriptProgress) -> Result<(), Fault> {
        self.common.transaction = TransactionState::Closed;
        self.common.record_committed(conn, end)?;
        if self.is_chained {
            Mysql::commit(conn)?;
            self.common.transaction = TransactionState::Open;
        }
        Ok(())
    }

    /// Runs a statement in the script's transaction, and returns whether the transaction is still open. If the statement commits, the
    /// record `start` is committed with it. If not, the previous record is restored, since the transaction may still be rolled back.
    fn stays_open(
        &mut self,
        conn: &mut &mut Conn,
        start: &ScriptProgress,
        run: &mut dyn FnMut(&mut &mut Conn) -> Result<(), Fault>,
    ) -> Result<bool, Fault> {
        let before = self.common.recorded.clone();
        self.common.record_in_transaction(conn, start)?;
        // A savepoint ends with its transaction.
        Mysql::execute(conn, "SAVEPOINT __switchy_own")?;
        run(conn)?;
        if Mysql::execute(conn, "RELEASE SAVEPOINT __switchy_own").is_err() {
            return Ok(false);
        }
        if let Some(before) = before {
            self.common.record_in_transaction(conn, &before)?;
        }
        Ok(true)
    }
}
