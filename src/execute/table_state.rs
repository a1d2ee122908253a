//! [`TableState`]: the tracking table as a run expects it.

use crate::backend::{TableForm, TrackingTable};
use crate::direction::Direction;
use crate::history::{Head, History, HistoryDigest, Record};

/// The state of the tracking table that the executor expects.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableState<'l> {
    pub(super) form: TableForm,
    pub(super) head: Head,
    pub(super) digest: HistoryDigest,
    pub(super) count: usize,
    /// The version of the database when the table was last read.
    pub(super) version: Option<i64>,
    pub(super) comparison: Comparison<'l>,
}

impl<'l> TableState<'l> {
    pub(super) fn of(tracking: &'l TrackingTable, history: &'l History) -> Self {
        let (digest, count) = (history.digest(), history.count());
        let comparison = Comparison::Whole { tracking, history };
        Self { form: tracking.form, head: tracking.head, digest, count, version: None, comparison }
    }

    /// The state with one more record (up) or one fewer (down). The table was reconciled before, so it has the current form.
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
        Self { head: Head { digest: Some(digest), count }, digest, count, ..*self }
    }
}

/// What the tracking table is compared with before the next step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison<'l> {
    /// The state that the plan was made for, since it has not been compared yet.
    Whole { tracking: &'l TrackingTable, history: &'l History },
    /// The head that the previous step left.
    Head,
}
