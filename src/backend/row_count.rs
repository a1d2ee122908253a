//! The row count of the previous statement: how many rows it found or changed.

use crate::fault::{Fault, FaultKind};

/// The fault of a statement that asks for the row count of the previous statement. Outside a transaction the engine writes a record
/// between the two.
pub(super) fn asks_for_row_count() -> Fault {
    let what = "it asks how many rows the statement before it found or changed, and outside a transaction a note of the engine stands \
                between them";
    Fault::new(FaultKind::Other, what).remedy("ask in the same statement, or do it in code")
}
