//! What the text of a statement tells about it.

use crate::backend::non_transactional::StatementClass::{Begin, Commit, Rollback};
use crate::backend::postgres::non_transactional::{StatementClass, classify};
use crate::backend::postgres::script::{changes_session, makes_temporary};
use crate::backend::postgres::transactions::control;
use crate::backend::statements::refused::own_transaction;
use crate::backend::statements::script::Again;
use crate::fault::{Fault, FaultKind};
use crate::sql::Tokens;
use crate::sql::transactions::Control;
use crate::step::Atomicity;

/// Why a statement is refused.
pub(super) fn why_refused(statement: &str, atomicity: Atomicity) -> Option<Fault> {
    let is_outside = atomicity == Atomicity::NonTransactional;
    let handles_transaction = || {
        matches!(classify(statement), StatementClass::Common(Begin | Commit | Rollback))
            || matches!(control(statement), Control::Ends)
    };
    (is_outside && handles_transaction()).then(own_transaction)
}

/// What becomes of a statement that is done when its script is resumed in another session.
pub(super) fn again(statement: &str) -> Again {
    match () {
        () if makes_temporary(statement) => Again::Lost,
        () if changes_session(statement) => Again::Runs,
        () => Again::Skipped,
    }
}

/// Whether something of a statement may stay, although it failed: `CALL` and `DO` may commit, and what cannot run in a transaction does its
/// work in several.
pub(super) fn may_stay<S>(_conn: &mut S, statement: &str, fault: &Fault) -> bool {
    let first = Tokens::new(statement).next();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    fault.kind() == FaultKind::Disconnected
        || is(&["call", "do"])
        || classify(statement) == StatementClass::Unrepeatable
        || (is(&["create", "alter", "drop", "reindex"]) && control(statement) == Control::Refuses)
}
