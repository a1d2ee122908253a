//! [`RemoteError`]: what went wrong between here and a server, as a sentence.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::address::Address;
use super::manifest::Shown;
use super::settings::RemoteMigrations;
use crate::error::{Failure, MigrationError};
use crate::location::Location;

/// A failure, and whether the same may go well later.
#[derive(Debug)]
pub(super) struct RemoteError {
    pub(super) place: String,
    pub(super) what: String,
    pub(super) remedy: Cow<'static, str>,
    /// Whether it is one of the server or of the network, as they are now.
    pub(super) can_pass: bool,
    /// Whether it may have passed in a moment.
    pub(super) is_worth_retrying: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) cause: Option<io::Error>,
}

impl RemoteError {
    /// One that does not pass.
    pub(super) fn new(place: &str, what: String, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self {
            place: place.to_owned(),
            what,
            remedy: remedy.into(),
            can_pass: false,
            is_worth_retrying: false,
            retry_after: None,
            cause: None,
        }
    }
}

impl From<RemoteError> for MigrationError {
    fn from(RemoteError { place, what, remedy, can_pass, cause, .. }: RemoteError) -> Self {
        Failure::Remote { at: Location::file(place), what, remedy, can_pass, cause }.into()
    }
}

/// What an error of the transport means.
pub(super) fn what_failed(
    place: &str,
    at: &Address,
    error: ureq::Error,
    settings: &RemoteMigrations,
) -> RemoteError {
    use ureq::{Error, Timeout};
    let passing = |what: String, remedy: &'static str, is_worth_retrying| RemoteError {
        can_pass: true,
        is_worth_retrying,
        ..RemoteError::new(place, what, remedy)
    };
    match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => passing(
            format!(
                "the server cannot be reached within {:?}",
                settings.connect_timeout.min(settings.timeout)
            ),
            "check the network and the address, or wait longer with `timeout`",
            true,
        ),
        Error::Timeout(_) => passing(
            format!("the server is too slow, it did not send everything within {:?}", settings.timeout),
            "try again later, or wait longer with `timeout`",
            false,
        ),
        Error::HostNotFound => no_host(place, at, None),
        Error::Io(error) => io_failed(place, at, error),
        Error::Rustls(error) => tls_failed(place, &error.to_string()),
        Error::Tls(error) => tls_failed(place, error),
        Error::ConnectProxyFailed(why) => passing(
            format!("the proxy that the environment names does not let us through: {}", Shown(&why)),
            "check HTTPS_PROXY, and name this host in NO_PROXY if none is needed",
            false,
        ),
        Error::ConnectionFailed => {
            passing("no connection can be made".to_owned(), "check the network and the address", true)
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
    // What resolvers report has no kind of its own.
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
        let remedy = "check the address and the clock; name an authority of your own with `trust`";
        RemoteError::new(place, what, remedy)
    } else {
        let what = format!("what answers does not speak TLS as it should: {said}");
        RemoteError::new(place, what, "check the port, and that the server offers https")
    }
}
