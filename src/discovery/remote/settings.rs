//! [`RemoteMigrations`]: a folder at a URL, and the settings for its requests.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::address::presentable;
use crate::error::MigrationError;

/// The limits of a manifest.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) file_size: u64,
    pub(super) total_size: u64,
}

impl Limits {
    pub(super) const NONE: Self = Self { files: usize::MAX, file_size: u64::MAX, total_size: u64::MAX };

    /// The maximum size in bytes of a manifest with this many files, with a margin.
    pub(super) fn manifest_size(&self) -> u64 {
        (self.files as u64).saturating_add(4).saturating_mul(1024)
    }
}

/// A function that receives the reason why the server cannot be used.
type OnOffline = dyn Fn(&MigrationError) + Send + Sync;

/// The migrations in a folder of SQL files at a URL, read when the migrations are requested: first its
/// [`Manifest`](crate::Manifest), then the files that the cache lacks. [`layout`](crate::layout) describes the folder.
///
/// No migration is returned until all files are complete and each has the size and the SHA-256 that the manifest lists.
/// The whole manifest is checked before a file is requested. Requests use `https` only, and credentials are sent only
/// to the server of the URL, even if it redirects.
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
/// # Trust
///
/// Whoever controls the server controls what runs on the database. [`pin`](Self::pin) prevents that: only one manifest
/// is then accepted, and through its hashes only one set of files. Without a cache, every start requests everything
/// from the server.
///
/// # Cost
///
/// With a cache and no changes, one request is made. A request may take [`timeout`](Self::timeout) (30 seconds), all
/// requests together [`deadline`](Self::deadline) (5 minutes). These are limits; they do not delay a request that is in
/// time.
///
/// # Errors
///
/// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable) if the server cannot be reached or cannot answer now; an
/// application may then continue with what it has. [`ErrorKind::Source`](crate::ErrorKind::Source) for every permanent
/// error: a wrong hash, wrong credentials, an untrusted certificate, an invalid manifest. Both name the URL.
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
    pub(super) on_offline: Option<Arc<OnOffline>>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) deadline: Duration,
    pub(super) retries: u32,
    pub(super) retry_wait: Duration,
    pub(super) limits: Limits,
}

impl RemoteMigrations {
    /// Creates a source from the manifest at this URL, whose files are beside it. If the URL ends with `/`, the
    /// manifest is `manifest.json` there.
    ///
    /// A query of the URL is sent with each request, and never shown in an error. (The HTTP library logs whole URLs at
    /// the level `trace`; it never logs headers.)
    ///
    /// If the URL or another setting is invalid, requesting the migrations returns an error.
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

    /// Authenticates with a token. It replaces credentials that were set before.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Authenticates with a name and a password. It replaces credentials that were set before.
    pub fn basic_auth(mut self, name: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        if name.as_ref().contains(':') {
            self.wrong = Some("a name with a colon cannot be sent with `basic_auth`");
        }
        let both = format!("{}:{}", name.as_ref(), password.as_ref());
        self.header("authorization", format!("Basic {}", BASE64_STANDARD.encode(both)))
    }

    /// Sends a header with each request to the server of the URL. Its value is treated as a secret: it is never logged,
    /// is in no error, and is sent to no other server. It replaces a header with the same name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        self.headers.push((name, value.into()));
        self
    }

    /// Stores fetched files in this folder. If it does not exist, it is created, readable only for this user. Programs
    /// can share it. It can be deleted at any time.
    ///
    /// A file is fetched once, even if its path changes. The manifest is requested each time, with `If-None-Match`, so
    /// that the server sends it only if it changed.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Uses the cache if the server cannot be reached or cannot answer now: the manifest that was used last, if all its
    /// files are in the cache. A permanent error, such as wrong credentials, stays an error.
    pub fn allow_offline(mut self) -> Self {
        self.is_offline_allowed = true;
        self
    }

    /// Calls a function each time the cache is used because the server cannot be, with the error that says why. The
    /// migrations may then be older than those of the server.
    ///
    /// ```
    /// use switchy_schema::RemoteMigrations;
    ///
    /// let source = RemoteMigrations::new("https://schema.example.org/notes/")
    ///     .cache("/var/cache/notes/schema")
    ///     .allow_offline()
    ///     .on_offline(|why| eprintln!("{why}; going on with what is cached"));
    /// ```
    pub fn on_offline(mut self, notify: impl Fn(&MigrationError) + Send + Sync + 'static) -> Self {
        self.on_offline = Some(Arc::new(notify));
        self
    }

    /// Accepts only one manifest, by the SHA-256 of its bytes in hexadecimal digits, as
    /// [`Manifest::sha256`](crate::Manifest::sha256) and `sha256sum manifest.json` return it. Then neither the server
    /// nor anybody who can write to the cache can change what runs.
    pub fn pin(mut self, sha256: impl Into<String>) -> Self {
        self.pin = Some(sha256.into());
        self
    }

    /// Allows `http` without encryption to a host with this name. To the local machine it is always allowed.
    ///
    /// Anybody between this machine and the host can then read the credentials, and, without [`pin`](Self::pin), change
    /// what runs.
    pub fn allow_plain_http(mut self, host: impl Into<String>) -> Self {
        self.plain_hosts.push(host.into().to_ascii_lowercase());
        self
    }

    /// Trusts certificates of these authorities, in PEM, and of no others. The default is those that Mozilla trusts.
    pub fn trust(mut self, authorities: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(authorities.into());
        self
    }

    /// Sets how long one request may take, to the last byte (default: 30 seconds). Connecting may take at most 10
    /// seconds of it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long all requests together may take, with all attempts and the waits between them (default: 5 minutes).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how often a request is retried (default: twice) if it failed for a temporary reason: no connection, a
    /// broken connection, or the answers 408, 429 and 5xx.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets how long to wait before the first retry (default: half a second). The wait doubles with each further retry,
    /// and up to half of it is random. `Retry-After` of the server, in seconds, has precedence. If a wait would exceed
    /// the [`deadline`](Self::deadline), there is no retry.
    pub fn retry_wait(mut self, wait: Duration) -> Self {
        self.retry_wait = wait;
        self
    }

    /// Sets the maximum number of files (default: 10,000). The manifest may have 1 KiB for each.
    pub fn max_files(mut self, files: usize) -> Self {
        self.limits.files = files;
        self
    }

    /// Sets the maximum size of a file in bytes (default: 16 MiB).
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.limits.file_size = bytes;
        self
    }

    /// Sets the maximum size of all files together in bytes (default: 128 MiB). They are held in memory.
    pub fn max_total_size(mut self, bytes: u64) -> Self {
        self.limits.total_size = bytes;
        self
    }
}

/// Leaves out the query of the URL and the values of headers.
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
