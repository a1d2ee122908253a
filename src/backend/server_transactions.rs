//! Transaction statements of servers other than `BEGIN`, `COMMIT` and `ROLLBACK`.

use crate::fault::{Fault, FaultKind};
use crate::sql::{Token, Tokens};

/// Whether a statement that ends a transaction begins the next one: `COMMIT AND CHAIN`.
pub(super) fn chains(text: &str) -> bool {
    let words: Vec<Token<'_>> = Tokens::new(text).collect();
    words.windows(2).any(|two| two[0].is("and") && two[1].is("chain"))
}

/// The fault of a statement of a distributed transaction. The transaction manager may end that transaction, and the record with it, at
/// any time.
pub(super) fn distributed() -> Fault {
    let what = "it is part of a transaction of several databases, which only their manager can end";
    Fault::new(FaultKind::Other, what).remedy("do it in code, outside the migrations")
}
