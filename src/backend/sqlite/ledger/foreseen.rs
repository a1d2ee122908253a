//! [`Foreseen`]: what is known of a statement before it runs.

use super::act::Act;
use super::converted::Conversion;
use super::rows::AtRisk;
use super::skipped::Offered;
use crate::account::StepFinding;
use crate::backend::sqlite::reach::Reach;

/// A statement that is about to run, and what is known of it.
pub(in crate::backend::sqlite) struct Foreseen<'a> {
    pub(super) act: Act<'a>,
    pub(super) reach: Option<Reach>,
    pub(super) at_risk: AtRisk,
    /// What it does to values: by copying by position, by its expressions, and by replacing rows in part.
    pub(super) changes_values: Vec<StepFinding>,
    /// What a copy does to values that are lost if its table replaces the one that it reads.
    pub(super) converts: Vec<Conversion>,
    /// The rows of a copy that may leave out some.
    pub(super) offered: Option<Offered>,
    /// Whether the object that it creates or drops exists.
    pub(super) exists: bool,
    pub(super) changes: u64,
}

impl<'a> Foreseen<'a> {
    /// Nothing is known but what it does, and how many rows the connection has changed before it.
    pub(super) fn new(act: Act<'a>, changes: u64) -> Self {
        Self {
            act,
            reach: None,
            at_risk: AtRisk::default(),
            changes_values: Vec::new(),
            converts: Vec::new(),
            offered: None,
            exists: false,
            changes,
        }
    }

    pub(in crate::backend::sqlite) fn reach(&self) -> Option<&Reach> {
        self.reach.as_ref()
    }
}
