//! `PgBouncer`, which assigns each of its few connections to PostgreSQL to a client for one transaction at a time.
use postgres::config::{Config, Host};

use super::installed::{NO_PGBOUNCER, program};
use super::{Guard, OwnServer, PostgresDatabase, or_say};

/// The number of connections to the database that the clients share.
pub(crate) const POOL_SIZE: usize = 2;

/// A pooler in front of a database.
pub(crate) fn pgbouncer(database: &PostgresDatabase) -> Option<OwnServer<PostgresDatabase>> {
    or_say(start(database))
}

fn start(database: &PostgresDatabase) -> Result<OwnServer<PostgresDatabase>, String> {
    let program = program("pgbouncer").ok_or(NO_PGBOUNCER)?;
    let mut guard = Guard::new()?;
    guard.write(
        "pgbouncer.ini",
        &format!(
            "[databases]\npooled = {}\n[pgbouncer]\npool_mode = transaction\ndefault_pool_size = {POOL_SIZE}\n\
             auth_type = any\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {}",
            target(&database.url)?,
            guard.folder().display()
        ),
    )?;
    let run = format!("'{}' pgbouncer.ini", program.display());
    let url = format!("host={} port=6432 user=app dbname=pooled", guard.folder().display());
    OwnServer::start(guard, run, PostgresDatabase::at(url))
}

/// A database, in the syntax of the pooler's configuration.
fn target(url: &str) -> Result<String, String> {
    let config: Config = url.parse().map_err(|error: postgres::Error| error.to_string())?;
    let host = match config.get_hosts() {
        [Host::Tcp(name), ..] => name.clone(),
        [Host::Unix(folder), ..] => folder.display().to_string(),
        [] => return Err(format!("{url} names no host")),
    };
    let port = config.get_ports().first().unwrap_or(&5432);
    let (user, name) = (config.get_user().unwrap_or("postgres"), config.get_dbname().unwrap_or("postgres"));
    let password = config.get_password().map(|it| format!(" password={}", String::from_utf8_lossy(it)));
    Ok(format!("host={host} port={port} user={user} dbname={name}{}", password.unwrap_or_default()))
}
