//! Why SQLite cannot use something in the schema.

use rusqlite::{Connection, ErrorCode};

use crate::backend::sqlite::explain::OF_APPLICATIONS;
use crate::backend::sqlite::message;

/// Why SQLite cannot prepare a statement, if the reason is in the schema and not in what this connection lacks.
pub(super) fn fails(conn: &Connection, sql: &str) -> rusqlite::Result<Option<String>> {
    conn.prepare(sql).map_or_else(reason, |_| Ok(None))
}

/// The message of an error, if its reason is in the schema and not in what this connection lacks.
pub(super) fn reason(error: rusqlite::Error) -> rusqlite::Result<Option<String>> {
    let others = ["error in tokenizer constructor", "foreign key mismatch", "unsafe use of"];
    match error.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied) => Ok(None),
        code if code == Some(ErrorCode::Unknown) || is_at_offset(&error) => {
            let why = message(&error);
            Ok((!OF_APPLICATIONS.iter().chain(&others).any(|lacking| why.starts_with(lacking)))
                .then_some(why))
        }
        _ => Err(error),
    }
}

/// Whether SQLite reports where in a statement the error is. rusqlite then has no code for it.
#[cfg_attr(not(feature = "bundled"), allow(unused_variables, clippy::missing_const_for_fn))]
fn is_at_offset(error: &rusqlite::Error) -> bool {
    #[cfg(feature = "bundled")]
    if let rusqlite::Error::SqlInputError { .. } = error {
        return true;
    }
    false
}
