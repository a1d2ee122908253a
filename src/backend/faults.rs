//! Faults that several backends report.

use crate::direction::Direction;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;

/// What to do about a script that handles transactions itself.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) const KEEP_OUT: &str =
    "remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction";

/// The fault of a script that cannot go on, because what one of its statements made has ended with the session.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) fn lost_with_session(statement: u32) -> Fault {
    let what = format!("it cannot go on here: what statement {statement} made ended with the session");
    let anew = Remedy::from("undo what it did").then(Remedy::RetryFrom { statement: Some(1) });
    Fault::new(FaultKind::Other, what).remedy(Remedy::MarkDone { direction: Direction::Up }.or(anew))
}

/// The fault of a script or function that ended the engine's transaction.
pub(crate) fn ended_transaction() -> Fault {
    Fault::new(FaultKind::Other, "it ended the transaction that it runs in")
        .remedy(
            "leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction",
        )
        .lost_transaction()
}
