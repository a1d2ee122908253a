//! [`holder_of`]: a session that holds a lock, for a person.

use std::fmt::Write;

use super::query::get;
use crate::error::Abridged;
use crate::sql::mysql::without_texts;

/// The columns about the session `p`, after its number.
pub(super) const HOLDER: &str =
    "p.HOST, p.USER, p.INFO, DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL p.TIME SECOND, '%Y-%m-%d %H:%i:%s')";

/// A session that holds the lock, and the statement that ends it.
pub(super) fn holder_of(row: &mysql::Row, idle: &str) -> Option<String> {
    let session = get::<u64>(row, 0)?;
    Some(format!("{}; `KILL {session}` ends it", session_of(row, idle)?))
}

/// A session: where it comes from, and what it does, without the texts in its statement. A user without the privilege to see the sessions of
/// other users gets only its number.
pub(super) fn session_of(row: &mysql::Row, idle: &str) -> Option<String> {
    let text = |column: usize| get::<String>(row, column);
    let mut holder = format!("session {} of the server", get::<u64>(row, 0)?);
    if let (Some(host), Some(user), Some(since)) = (text(1), text(2), text(4)) {
        let running = |statement: String| format!("running `{}`", Abridged(&without_texts(&statement)));
        let does = text(3).map_or(idle.to_owned(), running);
        let _ = write!(holder, ", from {host} as {user}, {does} since {since} UTC");
    }
    Some(holder)
}
