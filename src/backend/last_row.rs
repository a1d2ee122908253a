//! [`asks_for_last_row`]: whether a script needs the row that an earlier statement of the session inserted.

use crate::sql::Tokens;

/// Whether one of these statements asks for the last inserted row before one of them inserts a row. A session that resumes a script does
/// not know that row.
pub(super) fn asks_for_last_row<'t>(statements: impl Iterator<Item = &'t str>) -> bool {
    let asks = ["last_insert_id", "last_insert_rowid", "identity", "lastval", "currval"];
    for statement in statements {
        if Tokens::new(statement).any(|token| token.is_any(&asks)) {
            return true;
        }
        let first = Tokens::new(statement).next();
        if first.is_some_and(|first| first.is("insert") || first.is("replace")) {
            return false;
        }
    }
    false
}
