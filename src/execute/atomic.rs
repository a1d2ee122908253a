//! Steps and their records in one transaction.

use super::Executor;
use super::stop::Stop;
use super::table_state::TableState;
use super::tries::{Begun, Tries};
use super::work::{Group, Work};
use crate::account::Account;
use crate::backend::{Backend, RehearsalPlace, Scope, interruptible, patiently};
use crate::cancel;
use crate::dangling::{Broken, Dangling};
use crate::direction::Direction;
use crate::error::MigrationError;
use crate::fault::Fault;
use crate::plan::TransactionMode;
use crate::problem::{Problem, ProblemKind, Verdict};
use crate::report::{Applied, Report, Together};
use crate::step::{Atomicity, ForeignKeys};
use crate::touched::Touched;

/// The result of one attempt.
struct Attempt<'l> {
    state: TableState<'l>,
    done: Vec<Applied>,
    /// How many steps have begun.
    begun: usize,
    together: Option<Together>,
    /// What the policy reports about the steps.
    notes: Vec<Problem>,
}

impl Attempt<'_> {
    /// The step that began last, or the first one.
    fn last_of<'w, 'p, 'r, B: Backend>(&self, group: &Group<'w, 'p, 'r, B>) -> &'w Work<'p, 'r, B> {
        &group.works[self.begun.saturating_sub(1)]
    }

    /// The steps that have begun.
    fn so_far<'w, 'p, 'r, B: Backend>(
        &self,
        group: &Group<'w, 'p, 'r, B>,
        tries: &'w Tries,
    ) -> Begun<'w, 'p, 'r, B> {
        Begun { tries, works: &group.works[..self.begun] }
    }
}

/// Why an attempt ended.
enum AttemptError {
    Stop(Stop),
    /// Something refers to what is missing, after this was touched. The steps are repeated after a full check, which shows whether it did
    /// before, and which later steps can be compared with.
    RepeatAfterCheck(Touched),
    /// Another session was in the way of a step. The steps are repeated after a pause.
    RepeatLater(MigrationError),
    /// A script wrote to the tracking table. The steps are repeated, and all records are compared.
    RepeatWatched,
    /// The steps of a rehearsal are done, and are not kept.
    Rehearsed,
}

impl From<Stop> for AttemptError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Unwatched => Self::RepeatWatched,
            Stop::Blocked(error) => Self::RepeatLater(error),
            stop => Self::Stop(stop),
        }
    }
}

impl From<Fault> for AttemptError {
    fn from(fault: Fault) -> Self {
        Self::Stop(fault.into())
    }
}

impl<B: Backend> Executor<'_, B> {
    /// Carries out the steps of a batch; or else the first step and as many of the following ones as are needed until nothing newly
    /// refers to something that is missing. Returns how many were carried out.
    pub(super) fn atomic(
        &self,
        conn: &mut B::Conn<'_>,
        group: &Group<'_, '_, '_, B>,
        state: &mut TableState<'_>,
        report: &mut Report,
    ) -> Result<usize, Stop> {
        let (Some(opening), Some(last)) = (group.works.first(), group.works.last()) else { return Ok(0) };
        let scope = Scope {
            is_script: group.only_scripts,
            ..Scope::new(opening.meta.foreign_keys, self.patience_of(opening))
        };
        self.prepare_log(conn, group.works.iter().any(|work| work.step.direction == Direction::Down))?;
        let tries = self.tries();
        let mut to_compare = B::LOOKS_BEFORE.then(|| self.may_touch_first(group));
        loop {
            let mut attempt =
                Attempt { state: *state, done: Vec::new(), begun: 0, together: None, notes: Vec::new() };
            let outcome = B::transaction(conn, &scope, |conn| {
                let keys = opening.meta.foreign_keys;
                let before =
                    to_compare.as_ref().map(|touched| self.dangling(conn, touched, keys)).transpose()?;
                let before = before.as_ref().zip(to_compare.as_ref());
                self.attempt(conn, group, before, &tries, &mut attempt)?;
                match self.measures(RehearsalPlace::Transaction) {
                    Some(_) => Err(AttemptError::Rehearsed),
                    None => Ok(()),
                }
            });
            let stop = match outcome {
                Ok(()) | Err(AttemptError::Rehearsed) => {
                    *state = attempt.state;
                    let count = attempt.done.len();
                    report.applied.append(&mut attempt.done);
                    report.together.extend(attempt.together);
                    self.note(&attempt.notes, report);
                    return Ok(count);
                }
                Err(AttemptError::RepeatAfterCheck(mut touched)) => {
                    group.note_reported(attempt.done.len());
                    touched.touch_anything();
                    to_compare = Some(touched);
                    continue;
                }
                Err(AttemptError::RepeatWatched) => {
                    group.note_reported(attempt.done.len());
                    self.is_watched.set(Some(true));
                    continue;
                }
                Err(AttemptError::RepeatLater(error)) => {
                    group.note_reported(attempt.done.len());
                    self.wait_to_try_again(&tries, attempt.last_of(group), &error)?;
                    continue;
                }
                // A statement of the engine, or the commit.
                Err(AttemptError::Stop(Stop::Fault(fault)))
                    if self.may_try_again(&attempt.so_far(group, &tries), &fault)
                        && !self.has_lost_to_other(conn, &fault) =>
                {
                    group.note_reported(attempt.done.len());
                    let work = attempt.last_of(group);
                    self.wait_to_try_again(&tries, work, &work.failed(fault, Atomicity::Transaction))?;
                    continue;
                }
                Err(AttemptError::Stop(stop)) => stop,
            };
            let stop = match (stop, group.mode) {
                (Stop::Fault(fault), _) if self.has_lost_to_other(conn, &fault) => Stop::Moved,
                // `BEGIN`, `COMMIT` or the check failed: a transaction of several steps ends with the last step.
                (Stop::Fault(fault), TransactionMode::Batch) if fault.details.doing.is_none() => {
                    let fault = if group.works.len() > 1 { fault.of_all(group.works.len()) } else { fault };
                    self.as_failure(conn, last, Stop::Fault(fault), Atomicity::Transaction)
                }
                (Stop::Failed(error), TransactionMode::PerMigration) => {
                    let before = group.works.iter().take(attempt.done.len());
                    Stop::Failed(error.undoing(before.map(|work| work.step.id.clone()).collect()))
                }
                (Stop::Failed(error), TransactionMode::Batch) if group.works.len() > 1 => {
                    Stop::Failed(error.in_batch())
                }
                (stop, _) => self.as_failure(conn, opening, stop, Atomicity::Transaction),
            };
            return Err(match stop {
                Stop::Failed(error) => Stop::Failed(error.after_tries(tries.made())),
                stop => stop,
            });
        }
    }

    fn attempt(
        &self,
        conn: &mut B::Conn<'_>,
        group: &Group<'_, '_, '_, B>,
        before: Option<(&Dangling, &Touched)>,
        tries: &Tries,
        attempt: &mut Attempt<'_>,
    ) -> Result<(), AttemptError> {
        self.reconcile(conn, &mut attempt.state)?;
        let (mut touched, mut first_broken) = (Touched::nothing(), None);
        let (mut broken, mut account) = (Broken::default(), Account::default());
        for (place, work) in group.works.iter().enumerate() {
            self.check_stopped().map_err(Stop::from)?;
            attempt.begun = place + 1;
            let (head, begun) = (attempt.state.head, attempt.so_far(group, tries));
            let (applied, execution) =
                self.within(conn, work, Atomicity::Transaction, head, Some(&begun), &mut |_, _| Ok(()))?;
            // A batch is several complete steps; otherwise, these steps belong together.
            if group.mode == TransactionMode::Batch {
                account = Account::default();
            }
            account.extend(&execution.account);
            let mut replaced = Vec::new();
            for table in account.uncounted() {
                table.rows_after = B::count_rows(conn, &table.table)?;
                let kept = table.rows_after.map(|after| after + table.deleted);
                table.lost =
                    table.rows_before.zip(kept).map_or(0, |(before, kept)| before.saturating_sub(kept));
                replaced.push(table.clone());
            }
            let judged = self.judged(work, &execution, &replaced, Atomicity::Transaction);
            attempt.notes.extend(judged.map_err(|error| Stop::from(self.failed(conn, work, error)))?);
            touched.extend(execution.touched);
            let record = match work.step.direction {
                Direction::Up => work.record(None, Some(applied.duration)),
                Direction::Down => work.record.clone(),
            };
            self.keep(conn, work, &record, &mut attempt.state)?;
            attempt.done.push(applied);
            if let Some(measure) = self.measures(RehearsalPlace::Transaction) {
                measure(conn, attempt.done.get(place..).unwrap_or_default());
            }
            if group.mode == TransactionMode::Batch && place + 1 < group.works.len() {
                continue;
            }
            broken = self.broken(conn, work.meta.foreign_keys, &touched, before)?;
            let is_narrow = before.is_some_and(|(_, looked_at)| !looked_at.is_anything());
            if is_narrow && !broken.is_nothing() && group.works.len() > 1 {
                // A later step may repair it, and what that step touches was not looked at.
                return Err(AttemptError::RepeatAfterCheck(touched));
            }
            // A reference that the policy does not refuse is no reason to wait for the steps after this one.
            if self.policy.verdict(ProblemKind::BrokenReference, work.step.direction) != Verdict::Deny {
                let judged =
                    self.judge(work, &broken.references(), Atomicity::Transaction).map_err(Stop::from)?;
                attempt.notes.extend(judged);
                broken = broken.without_references();
            }
            if broken.is_nothing() {
                cancel::check()?;
                attempt.together = first_broken.map(|first_broken: Broken| {
                    let steps = group.works[..=place].iter().map(|work| work.step.id.clone()).collect();
                    Together { steps, why: first_broken.reason() }
                });
                return Ok(());
            }
            first_broken.get_or_insert_with(|| broken.clone());
        }
        let why = group.why_still_broken();
        if let (true, Some(opening)) = (broken.is_only_references(), group.works.first()) {
            let mut findings = broken.references();
            for finding in &mut findings {
                finding.what.push_str(&why);
            }
            // The steps after it were only tried for its sake.
            attempt.done.clear();
            self.judge(opening, &findings, Atomicity::Transaction)
                .map_err(|error| Stop::from(self.failed(conn, opening, error)))?;
        }
        Err(broken.fault(&why, Atomicity::Transaction).into())
    }

    /// What newly refers to something that is missing.
    fn broken(
        &self,
        conn: &mut B::Conn<'_>,
        foreign_keys: ForeignKeys,
        touched: &Touched,
        before: Option<(&Dangling, &Touched)>,
    ) -> Result<Broken, AttemptError> {
        match before {
            Some((before, looked_at)) => {
                let mut all = touched.clone();
                all.extend(looked_at.clone());
                Ok(self.dangling(conn, &all, foreign_keys)?.since(before))
            }
            None if self.dangling(conn, touched, foreign_keys)?.is_empty() => Ok(Broken::default()),
            None => Err(AttemptError::RepeatAfterCheck(touched.clone())),
        }
    }

    /// What the first step of a group may touch; all steps of a batch.
    fn may_touch_first(&self, group: &Group<'_, '_, '_, B>) -> Touched {
        let first = if group.mode == TransactionMode::Batch { group.works.len() } else { 1 };
        let mut touched = Touched::nothing();
        for work in group.works.iter().take(first) {
            touched.extend(self.may_touch(work));
        }
        touched
    }

    pub(super) fn dangling(
        &self,
        conn: &mut B::Conn<'_>,
        touched: &Touched,
        keys: ForeignKeys,
    ) -> Result<Dangling, Fault> {
        let found =
            patiently(self.patience, || interruptible::<B, _>(conn, |conn| B::dangling(conn, touched, keys)));
        // A check that was interrupted may have taken that for a finding.
        cancel::check().and(found)
    }
}
