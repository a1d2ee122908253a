//! Errors of `switchy_database` as faults of the engine.

use switchy_database::{DatabaseError, DatabaseErrorKind};
use switchy_schema::FaultKind;
use switchy_schema::backend::Fault;

/// The fault of a statement.
///
/// `switchy_database` keeps the error of the driver for statements that return no rows, and only its text for the others. So the text
/// decides, in English: a server with messages in another language says "busy" in words that are not known here, and the engine then ends
/// where it could have waited.
pub(crate) fn fault(error: DatabaseError) -> Fault {
    let text = plain(&error.to_string());
    let kind = match error.classification() {
        Some(DatabaseErrorKind::Busy | DatabaseErrorKind::Locked) => FaultKind::Busy,
        Some(DatabaseErrorKind::Corrupt) => FaultKind::NotADatabase,
        _ => kind_of(&text),
    };
    let text = match kind {
        FaultKind::Disconnected => format!("the connection to the server was lost ({text})"),
        _ => text,
    };
    Fault::new(kind, text).caused_by(error)
}

/// The fault of a database that gave no connection.
pub(crate) fn no_connection(error: DatabaseError) -> Fault {
    match &error {
        DatabaseError::AlreadyInTransaction => {
            let what = "this is a transaction, and migrations need a connection of their own";
            Fault::new(FaultKind::Other, what)
                .remedy("call it with the database, before or after the transaction")
                .caused_by(error)
        }
        DatabaseError::Busy => {
            Fault::new(FaultKind::Busy, "every connection of the pool is in use").caused_by(error)
        }
        _ if error.to_string().contains("pool timed out") => {
            Fault::new(FaultKind::Busy, "every connection of the pool is in use")
                .remedy("let the pool have one connection more, or end what holds them")
                .caused_by(error)
        }
        _ => fault(error),
    }
}

/// The words for each kind, in the messages of SQLite, PostgreSQL, MySQL and MariaDB, and of the drivers.
const WORDS: [(FaultKind, &[&str]); 6] = [
    (
        FaultKind::Busy,
        &[
            "database is locked",
            "database table is locked",
            "due to lock timeout",
            "could not obtain lock",
            "could not serialize access",
            "deadlock detected",
            "Deadlock found",
            "Lock wait timeout exceeded",
        ],
    ),
    (
        FaultKind::ReadOnly,
        &[
            "readonly database",
            "in a read-only transaction",
            "READ ONLY transaction",
            "--read-only option",
            "running with the --read-only",
        ],
    ),
    (
        FaultKind::Full,
        &["database or disk is full", "No space left on device", "is full", "could not extend file"],
    ),
    (FaultKind::NotADatabase, &["file is not a database", "database disk image is malformed"]),
    (
        FaultKind::Interrupted,
        &[
            "due to user request",
            "due to statement timeout",
            "Query execution was interrupted",
            "interrupted",
        ],
    ),
    (
        FaultKind::Disconnected,
        &[
            "error communicating with database",
            "connection closed",
            "Broken pipe",
            "Connection reset",
            "terminating connection",
            "expected to read",
            "Connection was killed",
            "Server shutdown in progress",
        ],
    ),
];

fn kind_of(text: &str) -> FaultKind {
    let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
    WORDS.iter().find(|(_, words)| has(words)).map_or(FaultKind::Other, |(kind, _)| *kind)
}

/// The message of the database, on one line, without what the layers in front of it add.
fn plain(text: &str) -> String {
    let mut text = text;
    for prefix in ["Query failed: ", "error returned from database: ", "db error: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    if let Some(("", behind)) = text.split_once("(code: ") {
        text = behind.split_once(") ").map_or(text, |(_, message)| message);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_database_are_kept_and_tell_the_kind() {
        for (text, expected, kind) in [
            (
                "Query failed: error returned from database: (code: 5) database is locked",
                "database is locked",
                FaultKind::Busy,
            ),
            ("Query failed: no such table: a", "no such table: a", FaultKind::Other),
            (
                "error returned from database: canceling statement due to lock timeout",
                "canceling statement due to lock timeout",
                FaultKind::Busy,
            ),
            (
                "error returned from database: 1205 (HY000): Lock wait timeout exceeded; try restarting transaction",
                "1205 (HY000): Lock wait timeout exceeded; try restarting transaction",
                FaultKind::Busy,
            ),
        ] {
            assert_eq!(plain(text), expected);
            assert_eq!(kind_of(&plain(text)), kind, "{text}");
        }
    }
}
