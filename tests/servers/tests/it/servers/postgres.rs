//! PostgreSQL.

use std::sync::OnceLock;

use postgres::{Client, NoTls};

use super::installed::{NO_POSTGRES, postgres_programs};
use super::{Database, Guard, OwnServer, SharedServer, free_port, fresh_name, given_or, or_say, to_database};

/// A new database on the PostgreSQL server of the tests; if there is no server, prints this and returns `None`.
pub(crate) fn postgres() -> Option<PostgresDatabase> {
    static SERVER: OnceLock<Result<SharedServer<PostgresDatabase>, String>> = OnceLock::new();
    let server = or_say(SERVER.get_or_init(|| given_or("SWITCHY_TEST_POSTGRES_URL", start_shared)).as_ref())?;
    let name = fresh_name();
    let mut first = Client::connect(&within(&server.url, "postgres"), NoTls).unwrap();
    first.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    Some(PostgresDatabase { url: within(&server.url, &name) })
}

/// The address of a database, made from that of its server: a URL, or keywords as in libpq.
fn within(server: &str, database: &str) -> String {
    if server.contains("://") { to_database(server, database) } else { format!("{server} dbname={database}") }
}

/// A PostgreSQL server for one test, which may kill it.
pub(crate) fn own_postgres() -> Option<OwnServer<PostgresDatabase>> {
    or_say(start())
}

/// A read-only standby of a server, which has what the server has at this moment. `None` if the programs for it are not installed.
#[allow(dead_code, reason = "only the tests of the engine need it")]
pub(crate) fn standby(primary: &OwnServer<PostgresDatabase>) -> Option<OwnServer<PostgresDatabase>> {
    or_say(start_standby(primary))
}

fn start_standby(primary: &OwnServer<PostgresDatabase>) -> Result<OwnServer<PostgresDatabase>, String> {
    let bin = postgres_programs().ok_or(NO_POSTGRES)?;
    let bin = bin.display();
    let mut guard = Guard::new()?;
    let from = primary.folder();
    guard.order(&format!(
        "'{bin}/pg_basebackup' -h '{}' -U app -D data -R -X stream -c fast --no-sync",
        from.display()
    ))?;
    let run = run(&bin.to_string(), "-c listen_addresses=''");
    let url = format!("host={} port=5432 user=app dbname=postgres", guard.folder.display());
    OwnServer::start(guard, run, PostgresDatabase { url })
}

/// A database for one test.
pub(crate) struct PostgresDatabase {
    pub(crate) url: String,
}

impl PostgresDatabase {
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

fn start_shared() -> Result<SharedServer<PostgresDatabase>, String> {
    let own = start()?;
    let url = own.database.url.replace(" dbname=postgres", "");
    Ok(SharedServer { url, _own: Some(own) })
}

/// A TLS server with this certificate for one test, and its local port.
#[allow(dead_code, reason = "the tests of the command line need it")]
pub(crate) fn tls_postgres(certificate: &str, key: &str) -> Option<(OwnServer<PostgresDatabase>, u16)> {
    let port = free_port();
    let options = format!(
        "-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on -c ssl_cert_file=\"$folder/cert.pem\" \
         -c ssl_key_file=\"$folder/key.pem\""
    );
    let server = start_with(&options, |guard| guard.write_certificate(certificate, key));
    or_say(server.map(|server| (server, port)))
}

fn start() -> Result<OwnServer<PostgresDatabase>, String> {
    start_with("-c listen_addresses=''", |_| Ok(()))
}

fn start_with(
    options: &str,
    prepare: impl FnOnce(&mut Guard) -> Result<(), String>,
) -> Result<OwnServer<PostgresDatabase>, String> {
    let bin = postgres_programs().ok_or(NO_POSTGRES)?;
    let bin = bin.display();
    let mut guard = Guard::new()?;
    guard.order(&format!("'{bin}/initdb' -D data -U app -A trust -E UTF8 --locale=C --no-sync"))?;
    prepare(&mut guard)?;
    let run = run(&bin.to_string(), options);
    let port = options.split("port=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("5432");
    let url = format!("host={} port={port} user=app dbname=postgres", guard.folder.display());
    OwnServer::start(guard, run, PostgresDatabase { url })
}

/// The shell command that runs a server. The segments of shared memory are files in the folder, so that those of a killed server are removed
/// with it.
fn run(bin: &str, options: &str) -> String {
    format!(
        "'{bin}/postgres' -D data -k \"$folder\" {options} -c fsync=off -c max_connections=200 \
         -c dynamic_shared_memory_type=mmap"
    )
}
