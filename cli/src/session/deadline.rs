//! A limit for the time until a connection can be used.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::hint;
use crate::address::Address;
use crate::failure::Failure;

/// How long an attempt with a host may take, if the driver gives each address of the host this long to accept.
pub(super) fn limit(timeout: Duration, host: &str) -> Duration {
    timeout.saturating_mul(addresses(timeout, host))
}

/// How many addresses a host has. The driver tries them in turn.
fn addresses(timeout: Duration, host: &str) -> u32 {
    if host.starts_with('/') || host.parse::<IpAddr>().is_ok() {
        return 1;
    }
    let name = host.to_owned();
    let found = within(Some(timeout), move || (name.as_str(), 0).to_socket_addrs().map(Iterator::count));
    // A name that cannot be found out about has one of each kind.
    let count = found.ok().and_then(io::Result::ok).and_then(|count| u32::try_from(count).ok());
    count.filter(|count| *count > 0).unwrap_or(2)
}

/// Runs an attempt to connect, and waits for it no longer than this. The drivers limit only the time until a port accepts: one that accepts
/// and never answers, such as that of another program, would block without end.
///
/// # Errors
/// The attempt has not ended in time.
pub(super) fn within<T: Send + 'static>(
    limit: Option<Duration>,
    attempt: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let Some(limit) = limit else { return Ok(attempt()) };
    let (sender, receiver) = channel();
    let named = thread::Builder::new().name("connect".to_owned());
    // Nobody waits for the thread if it is late: it ends with the process.
    named.spawn(move || drop(sender.send(attempt())))?;
    receiver.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            io::Error::new(io::ErrorKind::TimedOut, "the server accepted the connection and does not answer")
        }
        RecvTimeoutError::Disconnected => io::Error::other("connecting ended without an answer"),
    })
}

/// The failure of an attempt that has not ended in time.
pub(super) fn failed(address: &Address, kind: &str, error: &io::Error) -> Failure {
    let failure =
        Failure::connection(format!("cannot connect to {address}: {error}; {}", hint::other_kind(kind)));
    if error.kind() == io::ErrorKind::TimedOut { failure.passing(error.to_string()) } else { failure }
}
