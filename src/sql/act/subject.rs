//! What kind of object a statement is about.

use crate::sql::Token;

/// Whether it is about an event, and not a table with such a name: `CREATE DEFINER = a@b EVENT e`.
pub(super) fn is_event(tokens: &[Token<'_>]) -> bool {
    first_kind(tokens).is_some_and(|kind| kind.is("event"))
}

/// Whether it is about a function or a procedure.
pub(super) fn is_routine(tokens: &[Token<'_>]) -> bool {
    first_kind(tokens).is_some_and(|kind| kind.is_any(&["function", "procedure"]))
}

fn first_kind<'a>(tokens: &[Token<'a>]) -> Option<Token<'a>> {
    let kinds = ["event", "table", "view", "index", "trigger", "function", "procedure", "database", "schema"];
    tokens.iter().copied().find(|token| token.is_any(&kinds))
}
