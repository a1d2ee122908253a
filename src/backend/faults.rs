//! The faults of a script or function that does what only the engine may do.

use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};

/// The fault of a script or function that ended the engine's transaction.
pub(crate) fn ended_transaction() -> Fault {
    Fault::new(FaultKind::Other, "it ended the transaction that it runs in")
        .remedy(
            "leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction",
        )
        .lost_transaction()
}

/// The fault of a step that wrote to the tracking table.
pub(crate) fn changes_tracking_table(table: &TableName) -> Fault {
    Fault::new(FaultKind::Other, format!("it changes the tracking table `{table}`"))
        .remedy("leave that table to the engine, and run again")
}
