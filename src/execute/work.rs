//! [`Work`]: a step with everything it needs.

use std::cell::Cell;
use std::time::Duration;

use crate::account::Execution;
use crate::backend::Backend;
use crate::cancel;
use crate::direction::Direction;
use crate::error::{Failure, MigrationError, Remains, StepFailure};
use crate::fault::Fault;
use crate::history::{Dirty, Record};
use crate::migration::{Action, Meta, ScriptText};
use crate::placeholder::Secrets;
use crate::plan::TransactionMode;
use crate::problem::Problem;
use crate::step::{Atomicity, Step};

/// One step with everything it needs.
pub(super) struct Work<'p, 'r, B: Backend> {
    pub(super) step: &'p Step,
    pub(super) number: usize,
    pub(super) of: usize,
    pub(super) meta: &'r Meta,
    pub(super) action: &'r Action<B>,
    /// The values that no message may contain.
    pub(super) secrets: &'r Secrets,
    /// The record in the database, if there is one.
    pub(super) before: Option<Record>,
    /// The record of the migration when it is applied.
    pub(super) record: Record,
    /// Whether the step was already reported as done, although it is repeated.
    pub(super) was_reported: Cell<bool>,
}

impl<B: Backend> Work<'_, '_, B> {
    pub(super) fn record(&self, dirty: Option<Dirty>, duration: Option<Duration>) -> Record {
        Record { dirty, duration: duration.or(self.record.duration), ..self.record.clone() }
    }

    /// The first statement to run.
    pub(super) fn first(&self) -> u32 {
        self.step.from.unwrap_or(1)
    }

    /// Whether the step adds a record, which is then the newest.
    pub(super) fn adds(&self) -> bool {
        self.before.is_none() && self.step.direction == Direction::Up
    }

    /// Whether the statements that ran before this one changed nothing but the session.
    fn only_session_before(&self, number: u32) -> bool {
        let first = self.first();
        if number <= first {
            return number == first;
        }
        let (skipped, ran) = (first.saturating_sub(1) as usize, (number - first) as usize);
        let statements = self.action.sql().and_then(|sql| B::statements(sql).ok()).unwrap_or_default();
        let before: Vec<_> = statements.iter().skip(skipped).take(ran).collect();
        before.len() == ran && before.iter().all(|(_, statement)| B::only_sets_session(statement))
    }

    /// A fault of the script in terms of its text as the author wrote it.
    pub(super) fn as_written(&self, fault: Fault) -> Fault {
        match self.action.as_script() {
            Some(script) => script.fault_as_written(fault),
            None => fault,
        }
    }

    /// What the script did, in terms of its text as the author wrote it.
    pub(super) fn execution_as_written(&self, mut execution: Execution) -> Execution {
        if let Some(values) = self.action.as_script().and_then(ScriptText::values) {
            let text = self.action.text().unwrap_or_default();
            execution.findings.iter_mut().for_each(|finding| values.move_finding(text, finding));
            let tables = execution.account.tables.iter_mut();
            tables.filter_map(|table| table.by.as_mut()).for_each(|by| values.move_place(text, by));
        }
        execution.findings.iter_mut().for_each(|finding| self.secrets.mask_finding(finding));
        execution
    }

    pub(super) fn failed(&self, fault: Fault, atomicity: Atomicity) -> MigrationError {
        self.refused(fault, Vec::new(), atomicity)
    }

    /// The error of a step that did what the policy does not allow.
    pub(super) fn refused(
        &self,
        fault: Fault,
        problems: Vec<Problem>,
        atomicity: Atomicity,
    ) -> MigrationError {
        // A message about a commit or about rows can have a value that an earlier step stored.
        let fault = self.secrets.mask_fault(cancel::explained(fault));
        // If a failing statement changes nothing, a failure in the first one is as harmless as in a transaction. So is one behind
        // statements that end with the session.
        let did_nothing = B::STATEMENTS_ARE_ATOMIC
            && !fault.details.is_partial
            && !fault.details.is_in_doubt
            && problems.is_empty()
            && fault
                .details
                .undone_from
                .or(fault.details.statement.as_ref().map(|(number, _)| *number))
                .is_some_and(|first| self.only_session_before(first));
        let atomicity = if did_nothing { Atomicity::Transaction } else { atomicity };
        let at = self.meta.located(self.step.direction, self.action.text(), fault.details.offset);
        let (migration, direction) = (self.step.id.clone(), self.step.direction);
        let remains = match Remains::of(atomicity, &fault) {
            Remains::Nothing if self.first() > 1 => Remains::Before,
            remains => remains,
        };
        Failure::Step(StepFailure {
            migration,
            direction,
            remains,
            at,
            fault,
            applied_before: 0,
            undone_before: Vec::new(),
            problems,
            notices: Vec::new(),
            tries: 1,
        })
        .into()
    }
}

/// Steps that may share a transaction, in order.
pub(super) struct Group<'w, 'p, 'r, B: Backend> {
    pub(super) works: &'w [Work<'p, 'r, B>],
    pub(super) mode: TransactionMode,
    /// The step after them, which cannot be in their transaction.
    pub(super) blocked_by: Option<&'w Work<'p, 'r, B>>,
    /// Whether the run has only scripts: no code and no hooks.
    pub(super) only_scripts: bool,
}

impl<B: Backend> Group<'_, '_, '_, B> {
    /// Notes that so many steps were reported as done. If they are repeated, they are not reported a second time.
    pub(super) fn note_reported(&self, done: usize) {
        self.works.iter().take(done).for_each(|work| work.was_reported.set(true));
    }

    /// The reason why rows still reference missing rows at the end.
    pub(super) fn why_still_broken(&self) -> String {
        let behind = match (self.mode, self.works.len()) {
            (TransactionMode::Batch, _) | (_, 0 | 1) => String::new(),
            (_, 2) => ", and the step after it does not fix that".to_owned(),
            (_, all) => format!(", and the {} steps after it do not fix that", all - 1),
        };
        match self.blocked_by {
            Some(work) => format!("{behind}, and `{}` cannot be in one transaction with it", work.step.id),
            None => behind,
        }
    }
}
