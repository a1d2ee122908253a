//! [`Stop`]: why the steps of a run ended early.

use crate::error::MigrationError;
use crate::fault::{Fault, FaultKind};

/// Why the steps stopped.
pub(crate) enum Stop {
    /// The database is not as it was when the plan was made.
    Moved,
    Failed(MigrationError),
    /// A fault that does not know yet which step it belongs to.
    Fault(Fault),
}

impl Stop {
    /// Whether it can be done again as it is, since others were only in the way.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Moved => true,
            Self::Failed(_) => false,
            Self::Fault(fault) => fault.kind() == FaultKind::Busy && !fault.is_in_doubt,
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
