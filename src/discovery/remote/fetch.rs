//! [`Client`]: fetches one file over HTTP, and handles any behaviour of the server.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Read as _;
use std::time::{Duration, Instant};

use ureq::http::{HeaderName, HeaderValue, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::address::{Address, presentable};
use super::error::{RemoteError, what_failed};
use super::manifest::Shown;
use super::settings::RemoteMigrations;
use crate::remedy::Remedy;

/// The maximum of all waits.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum number of redirects.
const MOST_REDIRECTS: usize = 5;

/// A client with its settings and credentials.
pub(super) struct Client<'a> {
    agent: Agent,
    settings: &'a RemoteMigrations,
    /// The server that may receive the credentials.
    home: Address,
    headers: Vec<(HeaderName, HeaderValue)>,
    until: Option<Instant>,
}

/// A file to be fetched.
pub(super) struct Wanted<'a> {
    pub(super) address: &'a Address,
    /// The maximum number of bytes.
    pub(super) most: u64,
    /// What to do if there are more.
    pub(super) too_large: fn() -> Remedy,
    /// The `ETag` of the version that is known already.
    pub(super) etag: Option<&'a str>,
    /// What to do if the file does not exist.
    pub(super) missing: fn() -> Remedy,
}

/// The answer of the server.
pub(super) enum Answer {
    Bytes {
        bytes: Vec<u8>,
        etag: Option<String>,
    },
    /// The file is the version that is known already.
    Unchanged,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        settings: &'a RemoteMigrations,
        home: Address,
        headers: Vec<(HeaderName, HeaderValue)>,
        authorities: Vec<Certificate<'static>>,
    ) -> Self {
        let roots = if authorities.is_empty() { RootCerts::WebPki } else { RootCerts::from(authorities) };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed by this client, so that each is checked first.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("switchy_schema/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        if home.is_loopback() {
            config = config.proxy(None);
        }
        let until = Instant::now().checked_add(settings.deadline.min(DAY));
        Self { agent: config.build().into(), settings, home, headers, until }
    }

    /// Fetches a file, with as many attempts as are allowed.
    pub(super) fn get(&self, wanted: &Wanted<'_>) -> Result<Answer, RemoteError> {
        let mut wait = self.settings.retry_wait;
        let mut attempts = 1;
        loop {
            let mut error = match self.follow(wanted) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = error.retry_after.unwrap_or_else(|| scattered(wait)).min(DAY);
            if !error.is_worth_retrying || attempts > self.settings.retries || self.left() <= pause {
                if attempts > 1 {
                    error.what = format!("{}, tried {attempts} times", error.what);
                }
                return Err(error);
            }
            std::thread::sleep(pause);
            wait = wait.saturating_mul(2);
            attempts += 1;
        }
    }

    /// The time that is left until the deadline.
    fn left(&self) -> Duration {
        self.until.map_or(DAY, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Fetches a file and follows redirects.
    fn follow(&self, wanted: &Wanted<'_>) -> Result<Answer, RemoteError> {
        let mut chain = vec![wanted.address.clone()];
        loop {
            let (place, at) = match &chain[..] {
                [first, .., last] => (format!("{first}, redirected to {last}"), last.clone()),
                _ => (wanted.address.to_string(), wanted.address.clone()),
            };
            let mut response = self.ask(&place, &at, wanted.etag)?;
            match response.status() {
                StatusCode::OK => return self.bytes(&place, &mut response, wanted),
                StatusCode::NOT_MODIFIED if wanted.etag.is_some() => return Ok(Answer::Unchanged),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => chain.push(self.redirected(&place, &chain, &response)?),
                status => return Err(self.refused(&place, &at, status, &response, wanted)),
            }
        }
    }

    fn ask(&self, place: &str, at: &Address, etag: Option<&str>) -> Result<Response<Body>, RemoteError> {
        let left = self.left();
        if left.is_zero() {
            let deadline = self.settings.deadline;
            return Err(RemoteError {
                can_pass: true,
                ..RemoteError::new(
                    place,
                    format!("everything together did not come within {deadline:?}"),
                    Remedy::from("try again later").or(Remedy::program("wait longer", "`deadline`")),
                )
            });
        }
        let mut request = self.agent.get(at.uri());
        // Headers are not sent to another server, because somebody else may control it.
        if at.is_server_of(&self.home) {
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
        }
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let timeout = self.settings.timeout.min(DAY).min(left);
        let request = request
            .config()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(self.settings.connect_timeout)))
            .build();
        request.call().map_err(|error| what_failed(place, at, error, self.settings))
    }

    /// The target of a redirect, if it is allowed.
    fn redirected(
        &self,
        place: &str,
        chain: &[Address],
        response: &Response<Body>,
    ) -> Result<Address, RemoteError> {
        let publish = "give the address where the files are";
        let location =
            response.headers().get("location").and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let from = chain.last().unwrap_or(&self.home);
        let Some(location) = location else {
            return Err(RemoteError::new(place, "it redirects without saying where to".to_owned(), publish));
        };
        let next = from.join(location).map_err(|why| {
            let shown = presentable(location);
            RemoteError::new(
                place,
                format!("it redirects to `{}`, which cannot be followed: {why}", Shown(&shown)),
                publish,
            )
        })?;
        let next_shown = next.to_string();
        let next_shown = Shown(&next_shown);
        if chain.contains(&next) {
            let what = format!("it redirects in a circle, back to {next_shown}");
            return Err(RemoteError::new(
                place,
                what,
                "correct the server, or give the address where the files are",
            ));
        }
        if chain.len() > MOST_REDIRECTS {
            let what = format!("it redirects more than {MOST_REDIRECTS} times, at last to {next_shown}");
            return Err(RemoteError::new(place, what, publish));
        }
        if next.is_plain && !(from.is_plain && self.settings.may_be_plain(&next)) {
            let what =
                format!("it redirects to {next_shown}, where anybody on the way could change what runs");
            return Err(RemoteError::new(place, what, "have it redirect to https"));
        }
        Ok(next)
    }

    /// The failure for an answer without a file.
    fn refused(
        &self,
        place: &str,
        at: &Address,
        status: StatusCode,
        response: &Response<Body>,
        wanted: &Wanted<'_>,
    ) -> RemoteError {
        let code = status.as_u16();
        let is_home = at.is_server_of(&self.home);
        let has_credentials = self.headers.iter().any(|(name, _)| name == "authorization");
        match code {
            401 | 403 if !is_home => RemoteError::new(
                place,
                format!("the server redirects to another one, which wants to know who asks ({code})"),
                "credentials go to the given server only; give the address where the files are",
            ),
            401 if has_credentials => RemoteError::new(
                place,
                "the server does not accept the credentials (401)".to_owned(),
                "check them, and whether they have expired",
            ),
            401 => RemoteError::new(
                place,
                "the server wants credentials (401)".to_owned(),
                Remedy::program("give some", "`bearer`, `basic_auth` or `header`"),
            ),
            403 => RemoteError::new(
                place,
                "the server does not let these credentials read it (403)".to_owned(),
                "check what they may read, or give others",
            ),
            404 | 410 => RemoteError::new(place, format!("it is not there ({code})"), (wanted.missing)()),
            408 | 429 | 500..=599 => {
                let seconds = response
                    .headers()
                    .get("retry-after")
                    .and_then(|value| value.to_str().ok()?.trim().parse().ok());
                let what = match (code, seconds) {
                    (_, Some(seconds)) => {
                        format!("the server cannot answer now ({code}), and asks to wait {seconds}s")
                    }
                    (500..=599, None) => format!("the server fails ({code})"),
                    (_, None) => format!("the server has no time ({code})"),
                };
                RemoteError {
                    can_pass: true,
                    is_worth_retrying: !matches!(code, 501 | 505),
                    retry_after: seconds.map(Duration::from_secs),
                    ..RemoteError::new(place, what, "try again later")
                }
            }
            _ => RemoteError::new(
                place,
                format!("the server answers {code} where a file was expected"),
                "check the address",
            ),
        }
    }

    fn bytes(
        &self,
        place: &str,
        response: &mut Response<Body>,
        wanted: &Wanted<'_>,
    ) -> Result<Answer, RemoteError> {
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some(encoding) =
            text("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            let what = format!("it comes compressed (`{}`), which nobody asked for", Shown(encoding));
            return Err(RemoteError::new(place, what, "have the server send files as they are"));
        }
        let etag = text("etag").filter(|etag| etag.len() <= 1024).map(str::to_owned);
        let declared = text("content-length").and_then(|length| length.parse::<u64>().ok());
        if let Some(declared) = declared.filter(|&declared| declared > wanted.most) {
            let what =
                format!("the server is about to send {declared} bytes, and there may be {}", wanted.most);
            return Err(RemoteError::new(place, what, (wanted.too_large)()));
        }
        let mut bytes = Vec::new();
        let read =
            response.body_mut().as_reader().take(wanted.most.saturating_add(1)).read_to_end(&mut bytes);
        if let Err(error) = read {
            let error = what_failed(place, &self.home, error.into(), self.settings);
            let came = match declared {
                Some(declared) => format!("{} of {declared} bytes came", bytes.len()),
                None => format!("{} bytes came", bytes.len()),
            };
            return Err(RemoteError { what: format!("{}, {came}", error.what), ..error });
        }
        if bytes.len() as u64 > wanted.most {
            let what = format!("the server sends more than the {} bytes that there may be", wanted.most);
            return Err(RemoteError::new(place, what, (wanted.too_large)()));
        }
        Ok(Answer::Bytes { bytes, etag })
    }
}

/// A random time between half of `wait` and all of it, so that programs that failed at the same time do not retry at
/// the same time.
fn scattered(wait: Duration) -> Duration {
    let chance = u8::try_from(RandomState::new().build_hasher().finish() % 128).unwrap_or(0);
    (wait / 2).saturating_add((wait / 256).saturating_mul(u32::from(chance)))
}
