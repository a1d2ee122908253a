//! Requests to cancel that reach PostgreSQL late, as on a server under load.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use postgres::{Client, Config, NoTls, config::Host};
use switchy_schema::{ErrorKind, Migration};
use tempfile::TempDir;

use super::on_postgres::{SLEEPS, assert_usable, cancelled_in, first, records, runner};
use crate::servers::{self, PostgresDatabase};

/// Makes a connection over a socket of its own, on which each request to cancel waits this many milliseconds.
fn connect_through(database: &PostgresDatabase, delays: &'static [u64]) -> Option<(Client, TempDir)> {
    const SOCKET: &str = ".s.PGSQL.5432";
    let config: Config = database.url.parse().unwrap();
    let [Host::Unix(folder)] = config.get_hosts() else {
        eprintln!("not run: the server that was given is not reached by a socket");
        return None;
    };
    let server = folder.join(SOCKET);
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    thread::spawn(move || serve(&listener, &server, delays));
    let mut own = Config::new();
    own.host_path(folder.path()).user(config.get_user().unwrap()).dbname(config.get_dbname().unwrap());
    Some((own.connect(NoTls).unwrap(), folder))
}

/// The first connection is the client. Those after it are requests to cancel, the last delay counts for the rest.
fn serve(listener: &UnixListener, server: &PathBuf, delays: &[u64]) -> io::Result<()> {
    let (client, _) = listener.accept()?;
    let session = UnixStream::connect(server)?;
    let (mut from, mut to) = (session.try_clone()?, client.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let (mut from, mut to) = (client, session);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let mut delays = delays.iter().copied();
    let mut last = 0;
    for connection in listener.incoming() {
        last = delays.next().unwrap_or(last);
        let (mut connection, mut to, delay) = (connection?, UnixStream::connect(server)?, last);
        thread::spawn(move || -> io::Result<()> {
            let mut request = Vec::new();
            connection.read_to_end(&mut request)?;
            thread::sleep(Duration::from_millis(delay));
            to.write_all(&request)
        });
    }
    Ok(())
}

/// A request is sent each second until the statement ends, so the second is on its way when the first arrives.
#[test]
fn a_request_that_arrives_after_the_statement_interrupts_nothing() {
    for delays in [&[1300, 300], &[1300, 350], &[1300, 400], &[1200, 400]] {
        let Some(database) = servers::postgres() else { return };
        let Some((mut client, _folder)) = connect_through(&database, delays) else { return };
        let script = "CREATE TABLE a (x INT); SELECT pg_sleep(600)";
        let it = runner([first(), Migration::sql("2_it", script).outside_transaction()]);
        let it = cancelled_in(it, 2, SLEEPS, &database);
        let error = it.run(&mut client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{delays:?}: {error}");
        assert_eq!(records(&mut client), ["1_first|0|NULL", "2_it|4|2"], "{delays:?}");
        assert_usable(&mut client);
    }
}
