//! Whether an error says that a server is not up yet, or has no room at present: what passes by itself.

use std::error::Error;
use std::io::{self, ErrorKind};

use mysql::DriverError;
use postgres::error::SqlState;

/// Whether an error of a connection attempt to PostgreSQL passes by itself.
pub(super) fn postgres(error: &postgres::Error) -> bool {
    if let Some(server) = error.as_db_error() {
        let code = server.code();
        // pgbouncer reports with this code what it got from the server, among other errors.
        let is_pool = *code == SqlState::PROTOCOL_VIOLATION
            && ["connect failed", "cannot connect to server", "the database system is "]
                .iter()
                .any(|part| server.message().contains(part));
        return is_pool
            || [
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::TOO_MANY_CONNECTIONS,
            ]
            .contains(code);
    }
    // The server ended the connection before it answered.
    error.is_closed() || io_error(error).is_some_and(|error| io(error.kind(), &error.to_string()))
}

/// The error of the system that caused another one.
fn io_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    error.downcast_ref().or_else(|| io_error(error.source()?))
}

/// Whether an error of a connection attempt to MySQL passes by itself.
pub(super) fn mysql(error: &mysql::Error) -> bool {
    /// `ER_CON_COUNT_ERROR`, `ER_SERVER_SHUTDOWN`, `ER_NORMAL_SHUTDOWN`, `ER_TOO_MANY_USER_CONNECTIONS`, and `ER_UNKNOWN_COM_ERROR`, with
    /// which a node of Galera says that it is not ready.
    const PASSING: [u16; 5] = [1040, 1053, 1077, 1203, 1047];

    match error {
        // `ER_USER_LIMIT_REACHED`: the other limits are for an hour.
        mysql::Error::MySqlError(error) if error.code == 1226 => {
            error.message.contains("max_user_connections")
        }
        mysql::Error::MySqlError(error) => PASSING.contains(&error.code),
        mysql::Error::IoError(error) => io(error.kind(), &error.to_string()),
        mysql::Error::DriverError(DriverError::CouldNotConnect(Some((_, said, kind)))) => io(*kind, said),
        mysql::Error::DriverError(DriverError::CouldNotConnect(None) | DriverError::ConnectTimeout) => true,
        _ => false,
    }
}

fn io(kind: ErrorKind, said: &str) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            // The file of a socket is made when the server starts.
            | ErrorKind::NotFound
    )
    // The system has no kind for a name that is not known yet.
    || ["failed to lookup address information", "No such host is known", "could not resolve any addresses"]
        .iter()
        .any(|part| said.contains(part))
}
