//! What to do about a connection that could not be made, by what the server or the system says about it.

use std::io;

/// What to do, if the reason is known.
pub(super) fn of_io(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            "check that the server runs, and the host and port in the address"
        }
        io::ErrorKind::TimedOut => "check the host and port in the address, and that no firewall is between",
        io::ErrorKind::PermissionDenied => "check that this user may use the socket of the server",
        _ => OTHER,
    }
}

/// What to do about anything else.
pub(super) const OTHER: &str = "check the address, and that the server runs";

/// The name of the host could not be resolved. The system says so in words only.
pub(super) const NO_SUCH_HOST: &str = "check the host in the address";
pub(super) const CREDENTIALS: &str = "check the user and the password in the address";
pub(super) const DATABASE: &str = "create the database, or check its name in the address";
pub(super) const FULL: &str = "try again when other connections have ended, or let the server accept more";
pub(super) const STARTING: &str = "try again in a moment";

/// Whether an error says that a host is unknown.
pub(super) fn is_unknown_host(message: &str) -> bool {
    message.contains("failed to lookup address") || message.contains("resolve")
}
