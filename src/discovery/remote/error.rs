//! [`RemoteError`]: a failure while fetching from a server, in words.

use std::io;
use std::time::Duration;

use super::address::Address;
use super::manifest::Shown;
use super::settings::RemoteMigrations;
use crate::error::{Failure, MigrationError};
use crate::location::Location;
use crate::remedy::Remedy;

/// A failure, and whether the same request may succeed later.
#[derive(Debug)]
pub(super) struct RemoteError {
    pub(super) place: String,
    pub(super) what: String,
    pub(super) remedy: Box<Remedy>,
    /// Whether it comes from the present state of the server or the network.
    pub(super) can_pass: bool,
    /// Whether a retry after a short wait may succeed.
    pub(super) is_worth_retrying: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) cause: Option<io::Error>,
}

impl RemoteError {
    /// A permanent failure.
    pub(super) fn new(place: &str, what: String, remedy: impl Into<Remedy>) -> Self {
        Self {
            place: place.to_owned(),
            what,
            remedy: Box::new(remedy.into()),
            can_pass: false,
            is_worth_retrying: false,
            retry_after: None,
            cause: None,
        }
    }
}

impl From<RemoteError> for MigrationError {
    fn from(RemoteError { place, what, remedy, can_pass, cause, .. }: RemoteError) -> Self {
        Failure::Remote { at: Location::file(place), what, remedy: *remedy, can_pass, cause }.into()
    }
}

/// The failure for an error of the transport.
pub(super) fn what_failed(
    place: &str,
    at: &Address,
    error: ureq::Error,
    settings: &RemoteMigrations,
) -> RemoteError {
    use ureq::{Error, Timeout};
    let passing = |what: String, remedy: Remedy, is_worth_retrying| RemoteError {
        can_pass: true,
        is_worth_retrying,
        ..RemoteError::new(place, what, remedy)
    };
    let longer = || Remedy::program("wait longer", "`timeout`");
    match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => passing(
            format!(
                "the server cannot be reached within {:?}",
                settings.connect_timeout.min(settings.timeout)
            ),
            Remedy::from("check the network and the address").or(longer()),
            true,
        ),
        Error::Timeout(_) => passing(
            format!("the server is too slow, it did not send everything within {:?}", settings.timeout),
            Remedy::from("try again later").or(longer()),
            false,
        ),
        Error::HostNotFound => no_host(place, at, None),
        Error::Io(error) => io_failed(place, at, error),
        Error::Rustls(error) => tls_failed(place, &error.to_string()),
        Error::Tls(error) => tls_failed(place, error),
        Error::ConnectProxyFailed(why) => passing(
            format!("the proxy that the environment names does not let us through: {}", Shown(&why)),
            "check HTTPS_PROXY, and name this host in NO_PROXY if none is needed".into(),
            false,
        ),
        Error::ConnectionFailed => {
            passing("no connection can be made".to_owned(), "check the network and the address".into(), true)
        }
        Error::Protocol(error) => RemoteError::new(
            place,
            format!("what answers does not speak HTTP as it should: {}", Shown(&error.to_string())),
            "check the address, and that nothing on the way answers in its place",
        ),
        Error::LargeResponseHeader(..) => RemoteError::new(
            place,
            "what answers sends headers without end".to_owned(),
            "check the address, and that nothing on the way answers in its place",
        ),
        other => RemoteError::new(
            place,
            format!("it cannot be asked for: {}", Shown(&other.to_string())),
            "check the address and the headers",
        ),
    }
}

fn io_failed(place: &str, at: &Address, error: io::Error) -> RemoteError {
    let text = error.to_string();
    // Errors of name resolution have no `ErrorKind` of their own.
    let is_lookup =
        text.starts_with("failed to lookup") || matches!(error.raw_os_error(), Some(11001..=11004));
    let (what, remedy) = match error.kind() {
        _ if is_lookup => return no_host(place, at, Some(error)),
        io::ErrorKind::InvalidData => return tls_failed(place, &text),
        io::ErrorKind::ConnectionRefused => {
            (format!("nothing listens there: {text}"), "check the address, and that the server runs")
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => ("the connection broke off".to_owned(), "try again later"),
        _ => (format!("the connection failed: {}", Shown(&text)), "check the network and the address"),
    };
    RemoteError {
        can_pass: true,
        is_worth_retrying: true,
        cause: Some(error),
        ..RemoteError::new(place, what, remedy)
    }
}

fn no_host(place: &str, at: &Address, cause: Option<io::Error>) -> RemoteError {
    RemoteError {
        can_pass: true,
        is_worth_retrying: true,
        cause,
        ..RemoteError::new(
            place,
            format!("no host `{}` is found", at.host()),
            "check its name, and that there is a network",
        )
    }
}

fn tls_failed(place: &str, text: &str) -> RemoteError {
    let said = Shown(text.strip_prefix("invalid peer certificate: ").unwrap_or(text)).to_string();
    if text.contains("certificate") {
        let what = format!("the certificate of the server is not trusted: {said}");
        let remedy = Remedy::from("check the address and the clock")
            .or(Remedy::program("trust an authority of your own", "`trust`"));
        RemoteError::new(place, what, remedy)
    } else {
        let what = format!("what answers does not speak TLS as it should: {said}");
        RemoteError::new(place, what, "check the port, and that the server offers https")
    }
}
