//! `PgBouncer`, which lends its few connections to PostgreSQL for one transaction at a time.

use std::collections::BTreeSet;

use postgres::config::{Config, Host};
use postgres::{Client, SimpleQueryMessage};

use super::{Guard, OwnServer, PostgresDatabase, or_say, program};

/// How many connections to the database the clients share.
const POOL_SIZE: usize = 2;

/// A pooler in front of a database.
pub(crate) fn pgbouncer(database: &PostgresDatabase) -> Option<OwnServer<PostgresDatabase>> {
    or_say(start(database))
}

fn start(database: &PostgresDatabase) -> Result<OwnServer<PostgresDatabase>, String> {
    let program = program("pgbouncer").ok_or("there is no PgBouncer; install the package `pgbouncer`")?;
    let mut guard = Guard::new()?;
    guard.write(
        "pgbouncer.ini",
        &format!(
            "[databases]\npooled = {}\n[pgbouncer]\npool_mode = transaction\ndefault_pool_size = {POOL_SIZE}\n\
             auth_type = any\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {}",
            target(&database.url)?,
            guard.folder.display()
        ),
    )?;
    let run = format!("'{}' pgbouncer.ini", program.display());
    let url = format!("host={} port=6432 user=app dbname=pooled", guard.folder.display());
    OwnServer::start(guard, run, PostgresDatabase { url })
}

/// A database, in the words of the pooler's configuration.
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

#[test]
fn many_clients_share_few_connections() {
    let Some(database) = super::postgres() else { return };
    let Some(pooler) = super::pgbouncer(&database) else { return };
    let mut clients: Vec<_> = (0..8).map(|_| pooler.connect()).collect();
    let mut servers = BTreeSet::new();
    for _ in 0..3 {
        for client in &mut clients {
            servers.insert(answer(client, "SELECT pg_backend_pid()"));
        }
    }
    assert!(servers.len() <= POOL_SIZE, "{servers:?}");
    // A transaction keeps its connection, and what a session sets stays behind for others.
    clients[0].batch_execute("BEGIN; SELECT set_config('my.name', 'Ada', false)").unwrap();
    let mine = answer(&mut clients[0], "SELECT pg_backend_pid()");
    assert_ne!(answer(&mut clients[1], "SELECT pg_backend_pid()"), mine);
    clients[0].batch_execute("COMMIT").unwrap();
    assert_eq!(answer(&mut clients[1], "SELECT current_setting('my.name', true)"), "Ada");
}

/// The one value of a query; statements that are prepared are lost between transactions.
fn answer(client: &mut Client, sql: &str) -> String {
    let messages = client.simple_query(sql).unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.unwrap_or("NULL").to_owned()
}
