//! The fault of a script or function that ended the engine's transaction.

use crate::fault::{Fault, FaultKind};

/// The fault of a script or function that ended the engine's transaction.
pub(crate) fn ended_transaction() -> Fault {
    Fault::new(FaultKind::Other, "it ended the transaction that it runs in")
        .remedy(
            "leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction",
        )
        .lost_transaction()
}
