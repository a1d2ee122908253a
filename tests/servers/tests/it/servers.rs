//! Private database servers for the tests: started from the installed programs, in a temporary folder, and gone when the process of the
//! tests ends, however it ends.

// Named, so that the tests of the command line can have this file too.
#[path = "servers/galera.rs"]
mod galera;
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
pub(crate) use postgres::{PostgresDatabase, own_postgres, postgres};
#[allow(unused_imports, reason = "the tests of the command line need them")]
pub(crate) use {mysql::tls_mysql, postgres::tls_postgres};

/// How long anything of a server may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a test connects to.
pub(crate) trait Database {
    type Client;

    fn try_connect(&self) -> Result<Self::Client, String>;
}

/// A server that a test can kill and start again. It ends with its owner.
pub(crate) struct OwnServer<D> {
    guard: Mutex<Guard>,
    run: String,
    pub(crate) database: D,
}

impl<D: Database> OwnServer<D> {
    /// A server that is up, from the line of shell that runs it.
    fn start(guard: Guard, run: String, database: D) -> Result<Self, String> {
        let server = Self::launch(guard, run, database)?;
        server.wait_until(|_| true)?;
        Ok(server)
    }

    /// A server that may need a while, and others of its kind, to be up.
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

    /// Returns when the server can be used, or has ended.
    fn wait_until(&self, is_ready: impl Fn(&mut D::Client) -> bool) -> Result<(), String> {
        let attempt = || {
            let mut client = self.database.try_connect()?;
            if is_ready(&mut client) { Ok(()) } else { Err("it is not ready".to_owned()) }
        };
        patiently(attempt, || {
            self.order("is_alive $server").map_err(|error| format!("the server ended: {error}"))
        })
    }

    /// Where everything of it is.
    pub(crate) fn folder(&self) -> PathBuf {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).folder.clone()
    }

    /// A connection, as soon as the server is up.
    pub(crate) fn connect(&self) -> D::Client {
        patiently(|| self.database.try_connect(), || Ok(())).unwrap()
    }

    /// Ends the server as a power failure would: SIGKILL for all its processes. What it wrote stays.
    pub(crate) fn kill(&self) {
        self.order("kill_all").unwrap();
    }

    /// Starts the server again where it was, and returns when it is up.
    pub(crate) fn restart(&self) {
        self.kill();
        self.run().unwrap();
        self.wait_until(|_| true).unwrap();
    }
}

/// A shell that looks after one server and its folder; `guard.sh` says how.
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
        // What ends all processes of the tests at once, as Ctrl-C does, lets it do its work.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut shell = command.spawn().map_err(|error| format!("there is no shell: {error}"))?;
        let answers = BufReader::new(shell.stdout.take().unwrap());
        let mut guard = Self { shell, answers, folder: PathBuf::new() };
        guard.folder = PathBuf::from(guard.answer());
        if guard.folder.is_dir() { Ok(guard) } else { Err("there is no folder for a server".to_owned()) }
    }

    /// Does a line of shell in the folder; the error has the end of the server's log.
    fn order(&mut self, order: &str) -> Result<(), String> {
        let orders = self.shell.stdin.as_mut().unwrap();
        orders.write_all(format!("{order}\n").as_bytes()).map_err(|error| error.to_string())?;
        let answer = self.answer();
        if answer == "0" { Ok(()) } else { Err(format!("`{order}` gave {answer}:\n{}", self.log())) }
    }

    /// Writes a file that belongs to whom the server runs as.
    fn write(&mut self, name: &str, text: &str) -> Result<(), String> {
        let lines: Vec<String> = text.lines().map(|line| format!("'{line}'")).collect();
        self.order(&format!("printf '%s\\n' {} >{name}", lines.join(" ")))
    }

    /// Writes a certificate and its key, which nobody else may read.
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
        // Its input ends here, and so it does.
        let _ = self.shell.wait();
    }
}

/// A server that all tests of this process share.
struct SharedServer<D> {
    url: String,
    /// `None` where somebody gave us the server.
    _own: Option<OwnServer<D>>,
}

/// The server at the address in an environment variable, or else one of our own.
fn given_or<D>(
    variable: &str,
    start: impl FnOnce() -> Result<SharedServer<D>, String>,
) -> Result<SharedServer<D>, String> {
    env::var(variable).map_or_else(|_| start(), |url| Ok(SharedServer { url, _own: None }))
}

/// A URL with another database in it.
fn to_database(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{database}?{options}")
}

/// A port of this machine that nobody listens at.
#[allow(dead_code, reason = "the tests of the command line need it")]
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A name for a database that no other test uses.
fn fresh_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What could be started; a test that needs anything else says so and does nothing, unless the environment asks for all servers.
fn or_say<T>(started: Result<T, impl std::fmt::Display>) -> Option<T> {
    let is_required = env::var("SWITCHY_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    match started {
        Ok(started) => Some(started),
        Err(missing) if is_required => panic!("{missing}"),
        Err(missing) => {
            eprintln!("not run: {missing}");
            None
        }
    }
}

/// Tries until it works; asks now and then whether there is reason to hope.
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

/// Where a program is; those of servers are often beside the path.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = ["/usr/sbin", "/usr/bin", "/usr/libexec"].map(PathBuf::from).into_iter();
    folders.chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|program| program.is_file())
}
