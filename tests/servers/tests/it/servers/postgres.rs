//! PostgreSQL.

use postgres::{Client, NoTls};
use switchy_schema::Postgres;
use switchy_schema::backend::TestServer;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::test_utils::server::process::Guard;

use super::{Database, OwnServer, commands, free_port, or_say, write_certificate};

/// A new database on the PostgreSQL server of the tests; if there is no server, prints this and returns `None`.
pub(crate) fn postgres() -> Option<PostgresDatabase> {
    let database = TestDatabase::<Postgres>::if_available()?;
    Some(PostgresDatabase { url: database.address().to_owned(), _kept: Some(database) })
}

/// A PostgreSQL server for one test, which may kill it.
pub(crate) fn own_postgres() -> Option<OwnServer<PostgresDatabase>> {
    or_say(start(5432, "", |_| Ok(())))
}

/// A read-only standby of a server, which has what the server has at this moment. `None` if the programs for it are not installed.
#[allow(dead_code, reason = "only the tests of the engine need it")]
pub(crate) fn standby(primary: &OwnServer<PostgresDatabase>) -> Option<OwnServer<PostgresDatabase>> {
    or_say(start_standby(primary))
}

fn start_standby(primary: &OwnServer<PostgresDatabase>) -> Result<OwnServer<PostgresDatabase>, String> {
    let commands = commands::<Postgres>()?;
    // The program beside that one, where a link in a folder of `PATH` points to it.
    let initdb = commands.install.split(" -D ").next().unwrap_or_default().trim_matches('\'');
    let initdb = std::fs::canonicalize(initdb).map_err(|error| format!("{initdb}: {error}"))?;
    let mut guard = Guard::new()?;
    guard.order(&format!(
        "'{}' -h '{}' -U postgres -D data -R -X stream -c fast --no-sync",
        initdb.with_file_name("pg_basebackup").display(),
        primary.folder().display()
    ))?;
    let address = Postgres::private_address(guard.folder());
    OwnServer::start(guard, commands.run, PostgresDatabase::at(address))
}

/// A database for one test.
pub(crate) struct PostgresDatabase {
    pub(crate) url: String,
    _kept: Option<TestDatabase<Postgres>>,
}

impl PostgresDatabase {
    /// The database at an address. It stays when this value is dropped.
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), _kept: None }
    }

    pub(crate) fn connect(&self) -> Client {
        self.try_connect().unwrap()
    }
}

impl Database for PostgresDatabase {
    type Client = Client;

    fn try_connect(&self) -> Result<Client, String> {
        Client::connect(&self.url, NoTls).map_err(|error| format!("{error:?}"))
    }
}

/// A TLS server with this certificate for one test, and its local port.
#[allow(dead_code, reason = "the tests of the command line need it")]
pub(crate) fn tls_postgres(certificate: &str, key: &str) -> Option<(OwnServer<PostgresDatabase>, u16)> {
    let options = "-c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=\"$folder/cert.pem\" \
         -c ssl_key_file=\"$folder/key.pem\"";
    let start = || {
        let port = free_port();
        start(port, options, |guard| write_certificate(guard, certificate, key)).map(|server| (server, port))
    };
    // Another process may have taken the free port.
    or_say(start().or_else(|_| start()))
}

fn start(
    port: u16,
    options: &str,
    prepare: impl FnOnce(&mut Guard) -> Result<(), String>,
) -> Result<OwnServer<PostgresDatabase>, String> {
    let commands = commands::<Postgres>()?;
    let mut guard = Guard::new()?;
    guard.order(&commands.install)?;
    prepare(&mut guard)?;
    let address = Postgres::private_address(guard.folder()).replace("port=5432", &format!("port={port}"));
    // The last value of an option counts.
    let run = format!("{} -c port={port} {options}", commands.run);
    OwnServer::start(guard, run, PostgresDatabase::at(address))
}
