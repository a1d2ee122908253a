//! Judging what a step did, before it is committed.

use super::Executor;
use super::stop::Stop;
use super::work::Work;
use crate::account::{Execution, Fate, SchemaObject, StepFinding, TableChange};
use crate::backend::Backend;
use crate::error::MigrationError;
use crate::event::Event;
use crate::fault::{Fault, FaultKind};
use crate::problem::{Problem, ProblemKind, Verdict};
use crate::remedy::Remedy;
use crate::report::Report;
use crate::step::{Atomicity, Cascade, DataLoss, RebuildLoss};

impl<B: Backend> Executor<'_, B> {
    /// The findings about a step that its author did not allow, as the policy judges them. `replaced` are tables that an earlier step of
    /// the transaction dropped and this one created again.
    ///
    /// # Errors
    /// The policy does not allow one of them. The error has all that it does not allow.
    pub(super) fn judged(
        &self,
        work: &Work<'_, '_, B>,
        execution: &Execution,
        replaced: &[TableChange],
        atomicity: Atomicity,
    ) -> Result<Vec<Problem>, MigrationError> {
        let is_undeclared = |table: &&TableChange| match (work.meta.data_loss, work.meta.cascade, table.fate)
        {
            (DataLoss::Declared, ..) | (_, Cascade::Allowed, Fate::Kept) => false,
            (DataLoss::Undeclared, ..) => true,
        };
        let tables = execution.account.tables.iter().chain(replaced);
        let lost = tables.filter(is_undeclared).filter_map(TableChange::finding);
        let is_declared = |finding: &&StepFinding| {
            work.meta.rebuild_loss == RebuildLoss::Declared
                && matches!(finding.kind, ProblemKind::LostInRebuild | ProblemKind::ValuesChanged)
        };
        let others = execution.findings.iter().filter(|finding| !is_declared(finding));
        let findings: Vec<StepFinding> = lost.chain(others.cloned()).collect();
        self.judge(work, &findings, atomicity)
    }

    /// Reports findings that the policy does not refuse, once their steps are committed.
    pub(super) fn note(&self, notes: &[Problem], report: &mut Report) {
        report.warn(notes, |problem| self.notify(&Event::Warning { problem }));
    }

    /// Whether a step may take rows that it does not name.
    pub(super) fn data_loss(&self, work: &Work<'_, '_, B>) -> DataLoss {
        match self.policy.verdict(ProblemKind::RowsLost, work.step.direction) {
            Verdict::Deny => work.meta.data_loss,
            Verdict::Warn | Verdict::Allow => DataLoss::Declared,
        }
    }

    /// Findings about a step that are reported, even if the policy would refuse them.
    pub(super) fn noted(&self, work: &Work<'_, '_, B>, findings: &[StepFinding]) -> Vec<Problem> {
        let direction = work.step.direction;
        let found = findings.iter().map(|finding| problem(work, finding)).collect();
        let mut noted = self.policy.judge(found, direction);
        for problem in &mut noted {
            problem.verdict = Verdict::Warn;
        }
        noted
    }

    /// Judges findings about a step.
    ///
    /// # Errors
    /// The policy does not allow one of them. The error has all that it does not allow.
    pub(super) fn judge(
        &self,
        work: &Work<'_, '_, B>,
        findings: &[StepFinding],
        atomicity: Atomicity,
    ) -> Result<Vec<Problem>, MigrationError> {
        let direction = work.step.direction;
        let problem = |finding: &StepFinding| problem(work, finding);
        let is_denied = |kind| self.policy.verdict(kind, direction) == Verdict::Deny;
        let Some(first) = findings.iter().find(|finding| is_denied(finding.kind)) else {
            return Ok(self.policy.judge(findings.iter().map(problem).collect(), direction));
        };
        let denied = || findings.iter().filter(|finding| is_denied(finding.kind));
        let what: Vec<String> = denied().map(|finding| format!("it {}", finding.what)).collect();
        let mut fault = Fault::new(FaultKind::Other, what.join(", and ")).remedy(remedy(denied()));
        if let Some(by) = &first.by {
            fault = fault.at(by.offset).in_statement(by.number, by.text.clone());
        }
        let problems = self.policy.judge(denied().map(problem).collect(), direction);
        Err(work.refused(fault, problems, atomicity))
    }

    /// The findings about tables that the scripts name and that a temporary table of the connection hides.
    ///
    /// # Errors
    /// The policy does not allow one of them.
    pub(super) fn hidden_tables(
        &self,
        conn: &mut B::Conn<'_>,
        works: &[Work<'_, '_, B>],
    ) -> Result<Vec<Problem>, Stop> {
        let works: Vec<_> =
            works.iter().filter_map(|work| work.action.sql().map(|sql| (work, sql))).collect();
        if works.is_empty() {
            return Ok(Vec::new());
        }
        let scripts: Vec<&str> = works.iter().map(|(_, text)| *text).collect();
        let mut notes = Vec::new();
        for (place, object) in B::hidden_tables(conn, &scripts)? {
            notes.extend(self.judge(works[place].0, &[hidden(&object)], Atomicity::Transaction)?);
        }
        Ok(notes)
    }

    /// The same findings about one script. Code may have created a temporary table since the run began.
    pub(super) fn hidden_by_code(conn: &mut B::Conn<'_>, script: &str) -> Result<Vec<StepFinding>, Fault> {
        Ok(B::hidden_tables(conn, &[script])?.iter().map(|(_, object)| hidden(object)).collect())
    }
}

/// A finding about a step as a problem with its place.
fn problem<B: Backend>(work: &Work<'_, '_, B>, finding: &StepFinding) -> Problem {
    let offset = finding.by.as_ref().map(|by| by.offset);
    let at = work.meta.located(work.step.direction, work.action.text(), offset);
    Problem::new(finding.kind, &work.step.id, finding.what.clone(), finding.remedy.clone()).at(at)
}

fn hidden(SchemaObject { kind, name }: &SchemaObject) -> StepFinding {
    StepFinding::new(
        ProblemKind::HiddenTable,
        format!(
            "would use the temporary {kind} `{name}` of this connection instead of `{name}` in the database"
        ),
        format!("drop the temporary {kind} before the migrations run, or run them on another connection"),
    )
}

/// The remedies of several findings, each once.
fn remedy<'f>(findings: impl Iterator<Item = &'f StepFinding>) -> Remedy {
    let mut remedies: Vec<&Remedy> = Vec::new();
    for finding in findings {
        if !remedies.contains(&&finding.remedy) {
            remedies.push(&finding.remedy);
        }
    }
    let mut remedies = remedies.into_iter().cloned();
    let first = remedies.next().unwrap_or_else(|| "correct it and run again".into());
    remedies.fold(first, Remedy::then)
}
