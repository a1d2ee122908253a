//! Private database servers for the tests. They are started from the installed programs, in a temporary folder, and removed when the
//! process of the tests ends, even if it is killed.

// Explicit paths, so that the tests of the command line can include this file.
#[path = "servers/galera.rs"]
mod galera;
#[path = "servers/installed.rs"]
mod installed;
#[path = "servers/mysql.rs"]
mod mysql;
#[path = "servers/pgbouncer.rs"]
mod pgbouncer;
#[path = "servers/postgres.rs"]
mod postgres;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

pub(crate) use galera::{NODES, galera};
pub(crate) use mysql::{MysqlDatabase, mysql, own_mysql};
pub(crate) use pgbouncer::{POOL_SIZE, pgbouncer};
#[allow(unused_imports, reason = "only the tests of the engine need it")]
pub(crate) use postgres::standby;
pub(crate) use postgres::{PostgresDatabase, own_postgres, postgres};
#[allow(unused_imports, reason = "the tests of the command line need them")]
pub(crate) use {mysql::tls_mysql, postgres::tls_postgres};

/// The timeout for every operation of a server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A database that a test connects to.
pub(crate) trait Database {
    type Client;

    fn try_connect(&self) -> Result<Self::Client, String>;
}

/// A server that a test can kill and restart. It ends when this value is dropped.
pub(crate) struct OwnServer<D> {
    guard: Mutex<Guard>,
    run: String,
    pub(crate) database: D,
}

impl<D: Database> OwnServer<D> {
    /// Starts a server with this shell command, and waits until it is ready.
    fn start(guard: Guard, run: String, database: D) -> Result<Self, String> {
        let server = Self::launch(guard, run, database)?;
        server.wait_until(|_| true)?;
        Ok(server)
    }

    /// Starts a server without waiting: it may need time, and other nodes, to become ready.
    fn launch(guard: Guard, run: String, database: D) -> Result<Self, String> {
        let server = Self { guard: Mutex::new(guard), run, database };
        server.run()?;
        Ok(server)
    }

    fn run(&self) -> Result<(), String> {
        self.order(&format!("{} & server=$!", self.run))
    }

    fn order(&self, order: &str) -> Result<(), String> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).order(order)
    }

    /// Waits until the server is ready or has ended.
    fn wait_until(&self, is_ready: impl Fn(&mut D::Client) -> bool) -> Result<(), String> {
        let attempt = || {
            let mut client = self.database.try_connect()?;
            if is_ready(&mut client) { Ok(()) } else { Err("it is not ready".to_owned()) }
        };
        patiently(attempt, || {
            self.order("is_alive $server").map_err(|error| format!("the server ended: {error}"))
        })
    }

    /// The folder of the server.
    pub(crate) fn folder(&self) -> PathBuf {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).folder.clone()
    }

    /// Opens a connection as soon as the server is ready.
    pub(crate) fn connect(&self) -> D::Client {
        patiently(|| self.database.try_connect(), || Ok(())).unwrap()
    }

    /// Ends the server like a power failure: SIGKILL for all its processes. Its files stay.
    pub(crate) fn kill(&self) {
        self.order("kill_all").unwrap();
    }

    /// Restarts the server with the same files, and waits until it is ready.
    pub(crate) fn restart(&self) {
        self.kill();
        self.run().unwrap();
        self.wait_until(|_| true).unwrap();
    }
}

/// A shell that manages one server and its folder, with `guard.sh`.
struct Guard {
    shell: Child,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Guard {
    fn new() -> Result<Self, String> {
        const SCRIPT: &str = include_str!("servers/guard.sh");
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "guard", SCRIPT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // In its own process group, so that a signal to all processes of the tests, such as Ctrl-C, does not stop the cleanup.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut shell = command.spawn().map_err(|error| format!("there is no shell: {error}"))?;
        let answers = BufReader::new(shell.stdout.take().unwrap());
        let mut guard = Self { shell, answers, folder: PathBuf::new() };
        guard.folder = PathBuf::from(guard.answer());
        if guard.folder.is_dir() { Ok(guard) } else { Err("there is no folder for a server".to_owned()) }
    }

    /// Runs a line of shell in the folder. The error contains the end of the server's log.
    fn order(&mut self, order: &str) -> Result<(), String> {
        let orders = self.shell.stdin.as_mut().unwrap();
        orders.write_all(format!("{order}\n").as_bytes()).map_err(|error| error.to_string())?;
        let answer = self.answer();
        if answer == "0" { Ok(()) } else { Err(format!("`{order}` gave {answer}:\n{}", self.log())) }
    }

    /// Writes a file that is owned by the user of the server.
    fn write(&mut self, name: &str, text: &str) -> Result<(), String> {
        let lines: Vec<String> = text.lines().map(|line| format!("'{line}'")).collect();
        self.order(&format!("printf '%s\\n' {} >{name}", lines.join(" ")))
    }

    /// Writes a certificate and its key, which no other user may read.
    #[allow(dead_code, reason = "the tests of the command line need it")]
    fn write_certificate(&mut self, certificate: &str, key: &str) -> Result<(), String> {
        self.write("cert.pem", certificate)?;
        self.write("key.pem", key)?;
        self.order("chmod 600 key.pem")
    }

    fn answer(&mut self) -> String {
        let mut answer = String::new();
        let _ = self.answers.read_line(&mut answer);
        answer.trim_end().to_owned()
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Its input is closed here, so it ends.
        let _ = self.shell.wait();
    }
}

/// A server that all tests of this process share.
struct SharedServer<D> {
    url: String,
    /// `None` if the environment names the server.
    _own: Option<OwnServer<D>>,
}

/// The server at the address in an environment variable, or otherwise a new one.
fn given_or<D>(
    variable: &str,
    start: impl FnOnce() -> Result<SharedServer<D>, String>,
) -> Result<SharedServer<D>, String> {
    env::var(variable).map_or_else(|_| start(), |url| Ok(SharedServer { url, _own: None }))
}

/// The URL with another database.
fn to_database(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{database}?{options}")
}

/// A local port on which nothing listens.
#[allow(dead_code, reason = "the tests of the command line need it")]
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A unique name for a database.
fn fresh_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The started server. If it is not installed, the test prints this and does nothing. The test fails if an installed server cannot be
/// started, and if the environment requires all servers.
fn or_say<T>(started: Result<T, impl std::fmt::Display>) -> Option<T> {
    let is_required = env::var("SWITCHY_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    match started {
        Ok(started) => Some(started),
        Err(error) => {
            let why = error.to_string();
            assert!(!is_required && installed::not_installed().contains(&&*why), "{why}");
            eprintln!("not run: {why}");
            None
        }
    }
}

/// Retries until an attempt succeeds or the timeout expires; stops early if `hope` fails.
pub(crate) fn patiently<T>(
    mut attempt: impl FnMut() -> Result<T, String>,
    hope: impl Fn() -> Result<(), String>,
) -> Result<T, String> {
    let began = Instant::now();
    for number in 1_usize.. {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) if number % 50 == 0 => hope()?,
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
    unreachable!("the numbers do not end")
}
