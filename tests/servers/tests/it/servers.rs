//! Database servers for the tests: those of `test_utils`, and servers with other options that a test can kill.

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

use std::env;
use std::path::PathBuf;

use switchy_schema::backend::{ServerCommands, TestServer};
use switchy_schema::test_utils::server::process::{Guard, Process};
pub(crate) use switchy_schema::test_utils::server::process::{PATIENCE, patiently};

pub(crate) use galera::{NODES, galera};
pub(crate) use mysql::{MysqlDatabase, mysql, own_mysql};
pub(crate) use pgbouncer::{POOL_SIZE, pgbouncer};
#[allow(unused_imports, reason = "only the tests of the engine need it")]
pub(crate) use postgres::standby;
pub(crate) use postgres::{PostgresDatabase, own_postgres, postgres};
#[allow(unused_imports, reason = "the tests of the command line need them")]
pub(crate) use {mysql::plain_mysql, mysql::tls_mysql, postgres::tls_postgres};

/// A database that a test connects to.
pub(crate) trait Database {
    type Client;

    fn try_connect(&self) -> Result<Self::Client, String>;
}

/// A server that a test can kill and restart. It ends when this value is dropped.
pub(crate) struct OwnServer<D> {
    process: Process,
    pub(crate) database: D,
}

impl<D: Database> OwnServer<D> {
    /// Starts a server with this shell command, and waits until it is ready.
    fn start(guard: Guard, run: String, database: D) -> Result<Self, String> {
        let server = Self { process: Process::launch(guard, run)?, database };
        server.wait_until(|_| true)?;
        Ok(server)
    }

    /// Waits until the server is ready or has ended.
    fn wait_until(&self, is_ready: impl Fn(&mut D::Client) -> bool) -> Result<(), String> {
        self.process.wait_until(|| {
            let mut client = self.database.try_connect()?;
            if is_ready(&mut client) { Ok(()) } else { Err("it is not ready".to_owned()) }
        })
    }

    /// The folder of the server.
    pub(crate) fn folder(&self) -> PathBuf {
        self.process.folder()
    }

    /// Opens a connection as soon as the server is ready.
    pub(crate) fn connect(&self) -> D::Client {
        patiently(|| self.database.try_connect(), || Ok(())).unwrap()
    }

    /// Ends the server like a power failure: SIGKILL for all its processes. Its files stay.
    pub(crate) fn kill(&self) {
        self.process.kill().unwrap();
    }

    /// Restarts the server with the same files, and waits until it is ready.
    pub(crate) fn restart(&self) {
        self.process.restart().unwrap();
        self.wait_until(|_| true).unwrap();
    }
}

/// The shell commands of a server.
fn commands<B: TestServer>() -> Result<ServerCommands, String> {
    B::commands().ok_or_else(|| installed::no_server::<B>().unwrap_or_default())
}

/// Writes a certificate and its key, which no other user may read.
#[allow(dead_code, reason = "the tests of the command line need it")]
fn write_certificate(guard: &mut Guard, certificate: &str, key: &str) -> Result<(), String> {
    guard.write("cert.pem", certificate)?;
    guard.write("key.pem", key)?;
    guard.order("chmod 600 key.pem")
}

/// A local port on which nothing listens.
#[allow(dead_code, reason = "the tests of the command line need it")]
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The started server. If it is not installed, the test prints this and does nothing. The test fails if an installed server cannot be
/// started, and if the environment requires all servers.
fn or_say<T>(started: Result<T, impl std::fmt::Display>) -> Option<T> {
    let is_required = env::var("SWITCHY_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    match started {
        Ok(started) => Some(started),
        Err(error) => {
            let why = error.to_string();
            assert!(!is_required && installed::not_installed().contains(&why), "{why}");
            eprintln!("not run: {why}");
            None
        }
    }
}
