//! Queries to the server, and its errors as faults.

use std::error::Error as _;

use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, SimpleQueryMessage};

use crate::fault::{Fault, FaultKind};

/// Runs a query whose parameters are texts. It takes one round trip and leaves no prepared statement, so a proxy may send each query to
/// another session.
pub(super) fn query(
    conn: &mut Client,
    sql: &str,
    values: &[Option<&str>],
) -> Result<Vec<postgres::Row>, postgres::Error> {
    conn.query_typed(sql, &typed(values))
}

/// Runs a statement in the same way, and returns the number of rows that it changed.
pub(super) fn execute(conn: &mut Client, sql: &str, values: &[Option<&str>]) -> Result<u64, postgres::Error> {
    conn.execute_typed(sql, &typed(values))
}

fn typed<'v>(values: &'v [Option<&str>]) -> Vec<(&'v (dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect()
}

/// Runs statements with settings of their own (`SET LOCAL`). In a transaction they run in a savepoint that is rolled back, so the settings
/// and locks end, and the transaction goes on if they fail.
pub(super) fn apart(conn: &mut Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, postgres::Error> {
    const BACK: &str = "ROLLBACK TO SAVEPOINT __switchy_apart; RELEASE SAVEPOINT __switchy_apart";
    let outcome = conn.simple_query(&format!("SAVEPOINT __switchy_apart; {sql}; {BACK}"));
    let Err(error) = outcome else { return outcome };
    if error.code() == Some(&SqlState::NO_ACTIVE_SQL_TRANSACTION) {
        return conn.simple_query(sql);
    }
    if error.as_db_error().is_some() && error.code() != Some(&SqlState::IN_FAILED_SQL_TRANSACTION) {
        conn.batch_execute(BACK)?;
    }
    Err(error)
}

/// The fault for an error of the server, with its detail and hint.
pub(super) fn fault(error: postgres::Error) -> Fault {
    let kind = match error.code() {
        Some(code)
            if [
                SqlState::LOCK_NOT_AVAILABLE,
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
            ]
            .contains(code) =>
        {
            FaultKind::Busy
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => FaultKind::ReadOnly,
        Some(code) if *code == SqlState::DISK_FULL => FaultKind::Full,
        Some(code) if *code == SqlState::QUERY_CANCELED => FaultKind::Interrupted,
        _ if is_lost(&error) => FaultKind::Disconnected,
        _ => FaultKind::Other,
    };
    let message = match error.as_db_error() {
        Some(server_error) => {
            let detail = server_error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}{detail}", server_error.message())
        }
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    };
    let message = match kind {
        FaultKind::Disconnected => format!("the connection to the server was lost ({message})"),
        _ => message,
    };
    let hint = error.as_db_error().and_then(|server_error| server_error.hint()).map(lower);
    let lacks_right = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
    let fault = Fault::new(kind, one_line(&message)).caused_by(error);
    let fault = if kind == FaultKind::Busy { fault.retryable() } else { fault };
    match hint {
        Some(hint) => fault.remedy(hint),
        None if kind == FaultKind::ReadOnly => fault.remedy(
            "connect to a server that may be written, take READ ONLY out of the script, or switch off \
             default_transaction_read_only, whichever it is",
        ),
        None if lacks_right => fault.remedy("grant the role the missing right, and run again"),
        None => fault,
    }
}

/// The fault of code that returned an error of the driver, if that says that the connection is lost.
pub(super) fn fault_of_code(mut of_code: Fault) -> Fault {
    match of_code.details.cause.take().map(<dyn std::error::Error + Send + Sync>::downcast::<postgres::Error>)
    {
        Some(Ok(error)) if is_lost(&error) => return fault(*error),
        Some(Ok(error)) => of_code.details.cause = Some(error),
        Some(Err(other)) => of_code.details.cause = Some(other),
        None => {}
    }
    of_code
}

/// Whether the connection has ended, or the server says that it ends it.
fn is_lost(error: &postgres::Error) -> bool {
    match error.code() {
        Some(code) => [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CONNECTION_FAILURE,
            SqlState::CONNECTION_DOES_NOT_EXIST,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code),
        None => {
            error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        }
    }
}

/// Whether the server returned this SQLSTATE.
pub(super) fn refused_as(fault: &Fault, state: &SqlState) -> bool {
    let error = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<postgres::Error>());
    error.and_then(postgres::Error::code) == Some(state)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A hint of the server, as part of the engine's sentences.
fn lower(hint: &str) -> String {
    let hint = one_line(hint);
    let hint = hint.trim_end_matches('.');
    let mut characters = hint.chars();
    match (characters.next(), characters.as_str()) {
        (Some(first), rest) if rest.starts_with(char::is_lowercase) => {
            format!("{}{rest}", first.to_lowercase())
        }
        _ => hint.to_owned(),
    }
}
