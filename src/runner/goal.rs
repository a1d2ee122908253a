//! [`Goal`]: the target of a run.

use super::{Forecaster, MigrationRunner};
use crate::backend::Backend;
use crate::execute::RunStored;
use crate::plan::{Planner, plan, plan_up};
use crate::target::Target;

/// Where a run should end, how it is planned, and how its plan determines what the steps destroy.
pub(super) struct Goal<'t, B: Backend> {
    pub(super) target: &'t Target,
    pub(super) planner: Planner,
    pub(super) forecaster: Option<Forecaster<B>>,
    /// How scripts run that are stored in the database.
    pub(super) run_stored: Option<RunStored<B>>,
}

impl<B: Backend> Goal<'_, B> {
    /// Everything is applied.
    pub(super) const LATEST: Self =
        Self { target: &Target::Latest, planner: plan_up, forecaster: None, run_stored: None };
}

impl<'t, B: Backend> Goal<'t, B> {
    /// Any target is reached.
    pub(super) fn to(target: &'t Target) -> Self {
        let run_stored: RunStored<B> = B::run_stored_script;
        Self {
            target,
            planner: plan,
            forecaster: Some(MigrationRunner::with_forecast),
            run_stored: Some(run_stored),
        }
    }
}

impl<B: Backend> Clone for Goal<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Goal<'_, B> {}
