//! [`TableState`]: the tracking table as a run expects it.

use crate::backend::{TableForm, TrackingTable};
use crate::history::{Head, History, HistoryDigest, Record};
use crate::step::Direction;

/// The tracking table as the executor knows it, and what it makes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableState<'l> {
    pub(super) form: TableForm,
    pub(super) head: Head,
    pub(super) digest: HistoryDigest,
    pub(super) count: usize,
    /// The version of the database when the table was last looked at.
    pub(super) version: Option<i64>,
    pub(super) comparison: Comparison<'l>,
}

impl<'l> TableState<'l> {
    pub(super) fn of(tracking: &'l TrackingTable, history: &'l History) -> Self {
        let (digest, count) = (history.digest(), history.count());
        let comparison = Comparison::Whole { tracking, history };
        Self { form: tracking.form, head: tracking.head, digest, count, version: None, comparison }
    }

    /// With one record more or less.
    pub(super) fn toggled(&self, record: &Record, direction: Direction) -> Self {
        let digest = self.digest.toggled(HistoryDigest::of_record(
            &record.id,
            record.checksum.as_ref(),
            record.dirty.is_some(),
        ));
        let count = match direction {
            Direction::Up => self.count + 1,
            Direction::Down => self.count - 1,
        };
        Self { form: TableForm::Current, head: Head { digest: Some(digest), count }, digest, count, ..*self }
    }
}

/// What the tracking table is compared with before the next step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison<'l> {
    /// With what the plan was made for, since it has not been compared yet.
    Whole { tracking: &'l TrackingTable, history: &'l History },
    /// With the head that the step before left.
    Head,
}
