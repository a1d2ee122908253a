//! [`ScriptRun`]: a script that runs outside a transaction, with a record of how far it got.

use std::time::Duration;

use super::driver::{Progress, atomically};
use super::retry::patiently;
use super::script::Scope;
use super::transaction_rules::TransactionRules;
use crate::fault::{Fault, FaultKind};
use crate::progress::ScriptProgress;
use crate::step::ForeignKeys;

mod transition;

use transition::{Action, transition};
pub(super) use transition::{StatementClass, TransactionState};

/// A script that runs outside a transaction, statement by statement.
pub(super) struct ScriptRun<'r, 'p, B: TransactionRules> {
    progress: &'r mut Progress<'p, B>,
    statement_count: u32,
    patience: Duration,
    /// Whether the script has a transaction open. A record that is written now is part of it.
    pub(super) transaction: TransactionState,
    /// The progress that was recorded last.
    pub(super) recorded: Option<ScriptProgress>,
}

impl<'r, 'p, B: TransactionRules> ScriptRun<'r, 'p, B> {
    pub(super) fn new(progress: &'r mut Progress<'p, B>, statement_count: u32, patience: Duration) -> Self {
        Self { progress, statement_count, patience, transaction: TransactionState::Closed, recorded: None }
    }

    /// Runs a statement, and records that it is done.
    pub(super) fn run_statement(
        &mut self,
        conn: &mut B::Conn<'_>,
        number: u32,
        class: StatementClass,
        run: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (actions, next) = transition(self.transaction, class, B::BEGIN_COMMITS);
        let (start, end) = (self.before_statement(number), self.before_statement(number + 1));
        for action in actions {
            match action {
                Action::RecordStartInTransaction => self.record_in_transaction(conn, &start)?,
                Action::RecordEndInTransaction => self.record_in_transaction(conn, &end)?,
                Action::Run => {
                    run(conn)?;
                    self.transaction = next;
                }
                Action::RunWithRecord => {
                    self.run_with_record(conn, &mut |conn| run(conn).map(|()| number + 1))?;
                }
                Action::RecordEnd => self.record(conn, &end)?,
                Action::StopIfOpen if B::in_transaction(conn)? => {
                    self.transaction = TransactionState::Open;
                    return Ok(());
                }
                Action::RecordMissingEnd if self.recorded.as_ref() != Some(&end) => {
                    self.record_committed(conn, &end)?;
                }
                Action::StopIfOpen | Action::RecordMissingEnd => {}
            }
        }
        Ok(())
    }

    /// Runs one or several statements and records that they are done, in one transaction. `run` returns the number of the statement after
    /// them, and so does this.
    pub(super) fn run_with_record(
        &mut self,
        conn: &mut B::Conn<'_>,
        run: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<u32, Fault>,
    ) -> Result<u32, Fault> {
        let scope = Scope::new(ForeignKeys::Unchecked, self.patience);
        atomically::<B, _, _>(conn, &scope, |conn| {
            let next = run(conn)?;
            self.record_once(conn, &self.before_statement(next))?;
            Ok(next)
        })
    }

    /// Whether the script has a transaction open.
    pub(super) fn script_transaction_open(&self) -> bool {
        self.transaction == TransactionState::Open
    }

    /// How long the engine retries. In the script's transaction it does not retry, since the transaction may have ended.
    pub(super) fn patience(&self) -> Duration {
        if self.script_transaction_open() { Duration::ZERO } else { self.patience }
    }

    /// The progress of a script whose next statement is this one.
    pub(super) fn before_statement(&self, number: u32) -> ScriptProgress {
        ScriptProgress { statement: number, of: Some(self.statement_count), mark: None }
    }

    /// Records progress.
    pub(super) fn record(&mut self, conn: &mut B::Conn<'_>, progress: &ScriptProgress) -> Result<(), Fault> {
        patiently(self.patience(), || self.record_once(conn, progress))
    }

    /// Records the end of a statement that must not run again. If this fails, the statement is still done.
    pub(super) fn record_committed(
        &mut self,
        conn: &mut B::Conn<'_>,
        progress: &ScriptProgress,
    ) -> Result<(), Fault> {
        self.record(conn, progress).map_err(Fault::partial)
    }

    /// Records progress in the script's transaction. A read-only transaction changes nothing, so it may run again without a record.
    pub(super) fn record_in_transaction(
        &mut self,
        conn: &mut B::Conn<'_>,
        progress: &ScriptProgress,
    ) -> Result<(), Fault> {
        match self.record_once(conn, progress) {
            Err(fault) if fault.kind() == FaultKind::ReadOnly && B::SURVIVES_REFUSED_WRITE => Ok(()),
            outcome => outcome,
        }
    }

    fn record_once(&mut self, conn: &mut B::Conn<'_>, progress: &ScriptProgress) -> Result<(), Fault> {
        (self.progress)(conn, progress.clone())?;
        self.recorded = Some(progress.clone());
        Ok(())
    }
}
