//! [`RemoteMigrations`]: a folder behind a URL, and how it is asked for.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::address::presentable;
use crate::error::MigrationError;

/// How much a manifest may ask for.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) file_size: u64,
    pub(super) total_size: u64,
}

impl Limits {
    pub(super) const NONE: Self = Self { files: usize::MAX, file_size: u64::MAX, total_size: u64::MAX };

    /// The size of a manifest with so many files, with room.
    pub(super) fn manifest_size(&self) -> u64 {
        (self.files as u64).saturating_add(4).saturating_mul(1024)
    }
}

/// Is told why the server was out of reach.
type Told = dyn Fn(&MigrationError) + Send + Sync;

/// A folder of SQL files behind a URL, read when the migrations are asked for: first its [`Manifest`](crate::Manifest), then what the cache
/// lacks. [`layout`](crate::layout) says how the folder looks.
///
/// Nothing is a migration before everything is there and each file has the size and the SHA-256 that the manifest says. The
/// manifest is checked as a whole before a file is asked for. Requests go to `https` only, and what is given to
/// authenticate goes to that one server only, also if it redirects.
///
/// ```no_run
/// use rusqlite::Connection;
/// use switchy_schema::{MigrationRunner, RemoteMigrations};
///
/// let source = RemoteMigrations::new("https://schema.example.org/notes/manifest.json")
///     .bearer(std::env::var("SCHEMA_TOKEN")?)
///     .cache("/var/cache/notes/schema")
///     .allow_offline();
/// MigrationRunner::new(source)?.run(&Connection::open("notes.db")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Whom it trusts
///
/// Whoever controls the server controls what runs on the database. [`pin`](Self::pin) takes that away: then only one manifest
/// will do, and through its hashes only one set of files. Without a cache every start asks the server for everything.
///
/// # What it costs
///
/// With a cache and nothing new, one request. A request may take [`timeout`](Self::timeout) (30s), everything together
/// [`deadline`](Self::deadline) (5min); these are limits, and what is in time is not delayed.
///
/// # Errors
///
/// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable) if the server cannot be reached or cannot answer for now, when
/// an application may go on with what it has; [`ErrorKind::Source`](crate::ErrorKind::Source) for all that does not pass:
/// a wrong hash, wrong credentials, a certificate that is not trusted, a manifest that is none. Both name the URL.
#[derive(Clone)]
pub struct RemoteMigrations {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) wrong: Option<&'static str>,
    pub(super) plain_hosts: Vec<String>,
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) pin: Option<String>,
    pub(super) cache: Option<PathBuf>,
    pub(super) is_offline_allowed: bool,
    pub(super) on_offline: Option<Arc<Told>>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) deadline: Duration,
    pub(super) retries: u32,
    pub(super) retry_wait: Duration,
    pub(super) limits: Limits,
}

impl RemoteMigrations {
    /// The migrations that the manifest at this URL lists, whose files lie beside it. If the URL ends with `/`, the manifest is
    /// `manifest.json` there.
    ///
    /// A query of the URL is sent with each request, and never shown in an error. (The library that carries the requests
    /// logs whole URLs at the level `trace`; headers it never logs.)
    ///
    /// What is wrong with the URL or another setting is an error when the migrations are asked for.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            wrong: None,
            plain_hosts: Vec::new(),
            authorities: None,
            pin: None,
            cache: None,
            is_offline_allowed: false,
            on_offline: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(5 * 60),
            retries: 2,
            retry_wait: Duration::from_millis(500),
            limits: Limits { files: 10_000, file_size: 16 << 20, total_size: 128 << 20 },
        }
    }

    /// Authenticates with a token. It replaces what was given before.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Authenticates with a name and a password. It replaces what was given before.
    pub fn basic_auth(mut self, name: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        if name.as_ref().contains(':') {
            self.wrong = Some("a name with a colon cannot be sent with `basic_auth`");
        }
        let both = format!("{}:{}", name.as_ref(), password.as_ref());
        self.header("authorization", format!("Basic {}", BASE64_STANDARD.encode(both)))
    }

    /// Sends a header with each request to the server of the URL. Its value is treated as a secret: it is never logged, is in no error,
    /// and goes to no other server. It replaces one of the same name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        self.headers.push((name, value.into()));
        self
    }

    /// Keeps what is fetched in this folder, which is made if it is missing, readable for this user only. Programs can share it.
    /// It can be deleted at any time.
    ///
    /// A file is fetched once, whatever its path. The manifest is asked for each time, with `If-None-Match`, so that the
    /// server needs to send it only if it changed.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Makes do with the cache where the server cannot be reached or cannot answer for now: with the manifest that was used
    /// last, if all its files are there. What does not pass by itself, wrong credentials for example, stays an error.
    pub fn allow_offline(mut self) -> Self {
        self.is_offline_allowed = true;
        self
    }

    /// Calls this each time the cache is used because the server was out of reach, with the error that says why. The migrations may
    /// then be older than those of the server.
    ///
    /// ```
    /// use switchy_schema::RemoteMigrations;
    ///
    /// let source = RemoteMigrations::new("https://schema.example.org/notes/")
    ///     .cache("/var/cache/notes/schema")
    ///     .allow_offline()
    ///     .on_offline(|why| eprintln!("{why}; going on with what is cached"));
    /// ```
    pub fn on_offline(mut self, told: impl Fn(&MigrationError) + Send + Sync + 'static) -> Self {
        self.on_offline = Some(Arc::new(told));
        self
    }

    /// Insists on one manifest, by the SHA-256 of its bytes in hexadecimal digits, as [`Manifest::sha256`](crate::Manifest::sha256) and `sha256sum
    /// manifest.json` give it. Then neither the server nor anybody who can write to the cache can change what runs.
    pub fn pin(mut self, sha256: impl Into<String>) -> Self {
        self.pin = Some(sha256.into());
        self
    }

    /// Lets `http` without encryption be, to a host of this name. To this machine itself it is allowed anyway.
    ///
    /// Anybody between here and there can then read the credentials, and, without [`pin`](Self::pin), change what runs.
    pub fn allow_plain_http(mut self, host: impl Into<String>) -> Self {
        self.plain_hosts.push(host.into().to_ascii_lowercase());
        self
    }

    /// Trusts certificates of these authorities, in PEM, and of no others. Without it, those that Mozilla trusts.
    pub fn trust(mut self, authorities: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(authorities.into());
        self
    }

    /// How long one request may take, to the last byte (30 seconds). For the connection itself there are at most 10 seconds of it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long everything together may take, with all attempts and waits between them (5 minutes).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often a request is tried again (twice), if it failed for a reason that may pass in a moment: no connection, one that
    /// broke off, and the answers 408, 429 and 5xx.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long to wait before the first of them (half a second), and twice as long before each further one; up to a half of
    /// it is left to chance. What the server says in `Retry-After`, in seconds, goes before. A wait that would not fit
    /// into the [`deadline`](Self::deadline) is not begun.
    pub fn retry_wait(mut self, wait: Duration) -> Self {
        self.retry_wait = wait;
        self
    }

    /// How many files there may be (10,000). The manifest may have 1 KiB for each.
    pub fn max_files(mut self, files: usize) -> Self {
        self.limits.files = files;
        self
    }

    /// How many bytes a file may have (16 MiB).
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.limits.file_size = bytes;
        self
    }

    /// How many bytes all files together may have (128 MiB). They are held in memory.
    pub fn max_total_size(mut self, bytes: u64) -> Self {
        self.limits.total_size = bytes;
        self
    }
}

/// Without the query of the URL, and without the values of headers.
impl fmt::Debug for RemoteMigrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("RemoteMigrations")
            .field("url", &presentable(&self.url))
            .field("headers", &headers)
            .field("pin", &self.pin)
            .field("cache", &self.cache)
            .field("is_offline_allowed", &self.is_offline_allowed)
            .finish_non_exhaustive()
    }
}
