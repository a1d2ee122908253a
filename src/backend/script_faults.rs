//! Faults of scripts that are cut into statements.

use crate::fault::{Fault, FaultKind};

/// What to do about a script that handles transactions itself.
pub(crate) const KEEP_OUT: &str =
    "remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction";

/// The fault of a script that cannot go on, because what one of its statements made has ended with the session.
pub(crate) fn lost_with_session(statement: u32) -> Fault {
    let what = format!("it cannot go on here: what statement {statement} made ended with the session");
    Fault::new(FaultKind::Other, what).remedy(
        "finish it by hand and call `recover` with `Recovery::MarkDone`, or undo what it did and call it with \
         `Recovery::RetryFrom` and statement 1",
    )
}
