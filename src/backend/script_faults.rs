//! Faults of scripts that are split into statements.

use crate::direction::Direction;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;

/// The remedy for a script that handles transactions itself.
pub(crate) const KEEP_OUT: &str =
    "remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction";

/// The fault of a script that cannot be resumed because what one of its statements created ended with the session.
pub(crate) fn lost_with_session(statement: u32) -> Fault {
    let what = format!("it cannot go on here: what statement {statement} made ended with the session");
    let anew = Remedy::from("undo what it did").then(Remedy::RetryFrom { statement: Some(1) });
    Fault::new(FaultKind::Other, what).remedy(Remedy::MarkDone { direction: Direction::Up }.or(anew))
}

/// What to do about a script that cannot run in a transaction.
pub(crate) fn outside_transaction() -> Remedy {
    Remedy::metadata("run_in_transaction", "false")
}
