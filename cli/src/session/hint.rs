//! What to do about a connection that could not be made, by what the server or the system says about it.

use std::borrow::Cow;
use std::io::ErrorKind;

/// How an address names the place where its server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Port,
    Socket,
}

/// What to do, if the reason is known.
pub(super) fn of_io(kind: ErrorKind, way: Way, server: &str) -> Cow<'static, str> {
    let hint = match (kind, way) {
        (ErrorKind::ConnectionRefused | ErrorKind::NotFound, Way::Port) => {
            "check that the server runs, and the host and port in the address"
        }
        (ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::NotADirectory, Way::Socket) => {
            "check that the server runs, and the path of the socket in the address"
        }
        (ErrorKind::TimedOut, _) => "check the host and port in the address, and that no firewall is between",
        (ErrorKind::PermissionDenied, _) => "check that this user may use the socket of the server",
        (
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::Other,
            _,
        ) => return other_kind(server).into(),
        _ => OTHER,
    };
    hint.into()
}

/// What listens may be another program, or a server of another kind.
pub(super) fn other_kind(server: &str) -> String {
    format!("check that the server runs, and that the address is that of {server}")
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
