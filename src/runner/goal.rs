//! [`Goal`]: the target of a run.

use super::Forecaster;
use crate::backend::Backend;
use crate::target::Target;

/// Where a run should end, and how its plan determines what the steps destroy.
pub(super) struct Goal<'t, B: Backend> {
    pub(super) target: &'t Target,
    pub(super) forecaster: Option<Forecaster<B>>,
}

impl<B: Backend> Clone for Goal<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Goal<'_, B> {}
