//! MariaDB. A MySQL server is used if the environment names its address.

use std::path::Path;

use mysql::Conn;
use switchy_schema::Mysql;
use switchy_schema::backend::TestServer;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::test_utils::server::process::Guard;

use super::{Database, OwnServer, commands, free_port, or_say, write_certificate};

/// A new database on the MariaDB server of the tests; if there is no server, prints this and returns `None`.
pub(crate) fn mysql() -> Option<MysqlDatabase> {
    let database = TestDatabase::<Mysql>::if_available()?;
    Some(MysqlDatabase { url: database.address().to_owned(), _kept: Some(database) })
}

/// A MariaDB server for one test, which may kill it.
pub(crate) fn own_mysql() -> Option<OwnServer<MysqlDatabase>> {
    or_say(start())
}

/// A database for one test.
pub(crate) struct MysqlDatabase {
    pub(crate) url: String,
    _kept: Option<TestDatabase<Mysql>>,
}

impl MysqlDatabase {
    /// The database at an address. It stays when this value is dropped.
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), _kept: None }
    }

    pub(crate) fn connect(&self) -> Conn {
        self.try_connect().unwrap()
    }
}

impl Database for MysqlDatabase {
    type Client = Conn;

    fn try_connect(&self) -> Result<Conn, String> {
        Conn::new(&*self.url).map_err(|error| error.to_string())
    }
}

/// A TLS server with this certificate for one test, and its local port.
#[allow(dead_code, reason = "the tests of the command line need it")]
pub(crate) fn tls_mysql(certificate: &str, key: &str) -> Option<(OwnServer<MysqlDatabase>, u16)> {
    let options = "--ssl-cert=\"$folder/cert.pem\" --ssl-key=\"$folder/key.pem\"";
    on_port(options, |guard| write_certificate(guard, certificate, key))
}

/// A server without TLS for one test, and its local port.
#[allow(dead_code, reason = "the tests of the command line need it")]
pub(crate) fn plain_mysql() -> Option<(OwnServer<MysqlDatabase>, u16)> {
    on_port("--skip-ssl", |_| Ok(()))
}

fn on_port(
    options: &str,
    prepare: impl Fn(&mut Guard) -> Result<(), String>,
) -> Option<(OwnServer<MysqlDatabase>, u16)> {
    let start = || {
        let port = free_port();
        let options = format!("--bind-address=127.0.0.1 --port={port} {options}");
        let run = run()?.replace("--skip-networking", &options);
        let mut guard = Guard::new()?;
        install(&mut guard)?;
        prepare(&mut guard)?;
        let database = database(&guard);
        OwnServer::start(guard, run, database).map(|server| (server, port))
    };
    // Another process may have taken the free port.
    or_say(start().or_else(|_| start()))
}

fn start() -> Result<OwnServer<MysqlDatabase>, String> {
    let run = run()?;
    let mut guard = Guard::new()?;
    install(&mut guard)?;
    let database = database(&guard);
    OwnServer::start(guard, run, database)
}

/// Creates the data folder of a server, with an empty database `test`.
pub(super) fn install(guard: &mut Guard) -> Result<(), String> {
    let commands = commands::<Mysql>()?;
    guard.write("databases.sql", "CREATE DATABASE test;")?;
    guard.order(&format!("{} --extra-file=\"$folder/databases.sql\"", commands.install))
}

/// The shell command that runs a server.
pub(super) fn run() -> Result<String, String> {
    Ok(commands::<Mysql>()?.run)
}

/// The database `test` of the server of a guard.
pub(super) fn database(guard: &Guard) -> MysqlDatabase {
    within(guard.folder(), "test")
}

/// A database of the server in a folder.
pub(super) fn within(folder: &Path, database: &str) -> MysqlDatabase {
    MysqlDatabase::at(Mysql::with_database(&Mysql::private_address(folder), database).unwrap())
}
