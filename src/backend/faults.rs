//! Faults that several backends report.

use crate::fault::{Fault, FaultKind};

/// What to do about a script that handles transactions itself.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) const KEEP_OUT: &str =
    "remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction";

/// The fault of a script that cannot go on, because what one of its statements made has ended with the session.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) fn lost_with_session(statement: u32) -> Fault {
    let what = format!("it cannot go on here: what statement {statement} made ended with the session");
    Fault::new(FaultKind::Other, what).remedy(
        "finish it by hand and call `recover` with `Recovery::MarkDone`, or undo what it did and call it with \
         `Recovery::RetryFrom` and statement 1",
    )
}

/// The fault of a script or function that ended the engine's transaction.
pub(crate) fn ended_transaction() -> Fault {
    Fault::new(FaultKind::Other, "it ended the transaction that it runs in")
        .remedy(
            "leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction",
        )
        .lost_transaction()
}
