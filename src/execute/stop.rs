//! [`Stop`]: why the steps of a run ended early.

use crate::error::MigrationError;
use crate::fault::{Fault, FaultKind};

/// Why the steps of a run ended early.
pub(crate) enum Stop {
    /// The database is not as it was when the plan was made.
    Moved,
    /// A script wrote to the tracking table, and the step must be repeated with a comparison of all records.
    Unwatched,
    /// Nothing is to be written after all.
    Declined,
    /// Another session was in the way of a step, and its transaction can be tried again. Nobody was told of a failure yet.
    Blocked(MigrationError),
    Failed(MigrationError),
    /// A fault that is not yet assigned to a step.
    Fault(Fault),
}

impl Stop {
    /// The same, of a statement of the engine that was for this.
    pub(super) fn while_trying_to(self, doing: &'static str) -> Self {
        match self {
            Self::Fault(fault) => Self::Fault(fault.while_trying_to(doing)),
            stop => stop,
        }
    }

    /// Whether the same work can be retried, because only other programs were in the way.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Moved => true,
            Self::Unwatched | Self::Declined | Self::Blocked(_) | Self::Failed(_) => false,
            Self::Fault(fault) => fault.kind() == FaultKind::Busy && !fault.details.is_in_doubt,
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<MigrationError> for Stop {
    fn from(error: MigrationError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_only_others_were_in_the_way_of_can_be_retried() {
        let busy = || Fault::new(FaultKind::Busy, "the database is locked");
        assert!(Stop::Moved.may_pass());
        assert!(Stop::from(busy()).may_pass());
        assert!(!Stop::from(busy().in_doubt()).may_pass(), "it may be done");
        assert!(!Stop::from(Fault::new(FaultKind::Other, "no such table: t")).may_pass());
        assert!(!Stop::Unwatched.may_pass());
    }
}
