//! [`Origin`]: the server that has the databases of the tests.

use std::collections::BTreeMap;
use std::env;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::backend::{ServerCommands, TestServer};

use super::process::{Guard, Process};

/// The environment variable with which a missing server is a failure.
const REQUIRE: &str = "SWITCHY_REQUIRE_SERVERS";

/// A server on which databases are created.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) server: Server,
    pub(super) address: Address,
}

/// Where a server comes from.
#[derive(Debug)]
pub(super) enum Server {
    /// An environment variable has its address.
    Variable(&'static str),
    /// The program has its address.
    Program,
    /// It was started by this process.
    Private(Process),
}

/// An address, which can contain a password.
pub(super) struct Address(pub(super) String);

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("...")
    }
}

impl Origin {
    /// The server that the tests of this process share.
    ///
    /// # Errors
    /// There is none, or it cannot be started. The message says what to do.
    pub(super) fn shared<B: TestServer>() -> Result<Arc<Self>, String> {
        type Started = Result<Arc<Origin>, String>;
        /// One for each variable. Two kinds of servers are started at the same time, and each of them once.
        static SHARED: Mutex<BTreeMap<&str, Arc<OnceLock<Started>>>> = Mutex::new(BTreeMap::new());
        let started = {
            let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(B::URL_VARIABLE).or_default())
        };
        started.get_or_init(|| Self::given_or_started::<B>().map(Arc::new)).clone()
    }

    /// The server at an address that the program gives.
    pub(super) fn at<B: TestServer>(address: &str) -> Result<Self, String> {
        Self::given::<B>(Server::Program, address.to_owned())
    }

    fn given_or_started<B: TestServer>() -> Result<Self, String> {
        if let Some(address) = given::<B>() {
            return Self::given::<B>(Server::Variable(B::URL_VARIABLE), address);
        }
        let commands = B::commands().ok_or_else(not_installed::<B>)?;
        start::<B>(commands)
            .map_err(|error| format!("the installed {} server cannot be started: {error}", B::SERVER))
    }

    fn given<B: TestServer>(server: Server, address: String) -> Result<Self, String> {
        let origin = Self { server, address: Address(address) };
        if B::with_database(&origin.address.0, "a").is_some() {
            return Ok(origin);
        }
        // The address is not shown, since it can contain a password.
        Err(format!("the address of {} cannot be read; it should be like {}", origin.name(), B::EXAMPLE_URL))
    }

    /// The server, for a message.
    pub(super) fn name(&self) -> String {
        match &self.server {
            Server::Variable(variable) => format!("the server of {variable}"),
            Server::Program => "the server of the test".to_owned(),
            Server::Private(_) => "the private server of the tests".to_owned(),
        }
    }

    /// An error of the server, and whether it has ended.
    pub(super) fn explained(&self, error: impl std::fmt::Display) -> String {
        let ended = match &self.server {
            Server::Private(process) => process.is_alive().err(),
            _ => None,
        };
        ended.map_or_else(|| error.to_string(), |ended| format!("{error}; {ended}"))
    }

    /// Whether the server was started by this process and has ended, so that its databases cannot be removed, and will be with its folder.
    pub(super) fn has_ended(&self) -> bool {
        matches!(&self.server, Server::Private(process) if process.is_alive().is_err())
    }
}

/// Starts a server, and waits until it is ready.
fn start<B: TestServer>(commands: ServerCommands) -> Result<Origin, String> {
    let mut guard = Guard::new()?;
    guard.order(&commands.install)?;
    let address = B::private_address(guard.folder());
    let process = Process::launch(guard, commands.run)?;
    process.wait_until(|| B::connect(&address).map(drop).map_err(|error| error.to_string()))?;
    Ok(Origin { server: Server::Private(process), address: Address(address) })
}

/// Whether tests can use a server: the environment has its address, or it is installed. If not, this function prints it, and a test can then
/// end. With `SWITCHY_REQUIRE_SERVERS=1` in the environment it panics instead: set this where all tests must run.
///
/// An installed server that cannot be started counts as available, so the test fails.
///
/// ```no_run
/// # #[cfg(feature = "postgres")] {
/// use switchy_schema::Postgres;
/// use switchy_schema::test_utils::server;
///
/// # fn test() {
/// if !server::is_available::<Postgres>() {
///     return; // not run: there is no PostgreSQL server; ...
/// }
/// # }
/// # }
/// ```
///
/// # Panics
/// If there is no server, and `SWITCHY_REQUIRE_SERVERS` is `1`.
#[track_caller]
pub fn is_available<B: TestServer>() -> bool {
    if given::<B>().is_some() || B::commands().is_some() {
        return true;
    }
    let missing = not_installed::<B>();
    let is_required = env::var(REQUIRE).is_ok_and(|value| value == "1");
    assert!(!is_required, "{missing}");
    eprintln!("not run: {missing}");
    false
}

/// What to install or to set.
fn not_installed<B: TestServer>() -> String {
    format!(
        "there is no {} server; install the package `{}`, or set {} to the address of a server",
        B::SERVER,
        B::PACKAGE,
        B::URL_VARIABLE
    )
}

/// The address in the environment.
fn given<B: TestServer>() -> Option<String> {
    env::var(B::URL_VARIABLE).ok().filter(|address| !address.trim().is_empty())
}
