//! Requests to cancel that reach PostgreSQL late, as on a server under load.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls, config::Host};
use switchy_schema::{ErrorKind, Migration};
use tempfile::TempDir;

use super::on_postgres::{SLEEPS, assert_usable, cancelled_in, first, records, runner};
use crate::servers::{self, PostgresDatabase};

/// How much later than it should a request may arrive. The engine waits as long as the first one took.
const LATENESS: Duration = Duration::from_millis(500);

/// A connection over a socket of its own, on which each request to cancel waits for a while.
struct Slow {
    client: Client,
    /// Whether the machine was so slow that a request waited much longer.
    is_slower: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Slow {
    /// Whether a request waited much longer than it should, when all have arrived.
    fn was_slower(&self) -> bool {
        // Each request on its way has the flag, and so has the thread that listens.
        while Arc::strong_count(&self.is_slower) > 2 {
            thread::sleep(Duration::from_millis(10));
        }
        self.is_slower.load(Ordering::Relaxed)
    }
}

/// Makes a connection on which the requests wait this many milliseconds.
fn connect_through(database: &PostgresDatabase, delays: &'static [u64]) -> Option<Slow> {
    const SOCKET: &str = ".s.PGSQL.5432";
    let config: Config = database.url.parse().unwrap();
    let [Host::Unix(folder)] = config.get_hosts() else {
        eprintln!("not run: the server that was given is not reached by a socket");
        return None;
    };
    let server = folder.join(SOCKET);
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let is_slower = Arc::<AtomicBool>::default();
    let slower = Arc::clone(&is_slower);
    thread::spawn(move || serve(&listener, &server, delays, &slower));
    let mut own = Config::new();
    own.host_path(folder.path()).user(config.get_user().unwrap()).dbname(config.get_dbname().unwrap());
    Some(Slow { client: own.connect(NoTls).unwrap(), is_slower, _folder: folder })
}

/// The first connection is the client. Those after it are requests to cancel, the last delay counts for the rest.
fn serve(
    listener: &UnixListener,
    server: &PathBuf,
    delays: &[u64],
    is_slower: &Arc<AtomicBool>,
) -> io::Result<()> {
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
        let (began, is_slower) = (Instant::now(), Arc::clone(is_slower));
        thread::spawn(move || -> io::Result<()> {
            let mut request = Vec::new();
            connection.read_to_end(&mut request)?;
            let delay = Duration::from_millis(delay);
            thread::sleep(delay);
            to.write_all(&request)?;
            // The server closes the connection when it has read the request.
            to.read_to_end(&mut Vec::new())?;
            if began.elapsed() > delay + LATENESS {
                is_slower.store(true, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    Ok(())
}

/// A request is sent each second until the statement ends, so the second is on its way when the first arrives.
#[test]
fn a_request_that_arrives_after_the_statement_interrupts_nothing() {
    for delays in [&[1300, 300], &[1300, 350], &[1300, 400], &[1200, 400]] {
        const TRIES: usize = 100;
        for number in 1..=TRIES {
            let Some(database) = servers::postgres() else { return };
            let Some(mut slow) = connect_through(&database, delays) else { return };
            let checked = catch_unwind(AssertUnwindSafe(|| check(&mut slow.client, &database, delays)));
            match checked {
                Ok(()) => break,
                Err(_) if number < TRIES && slow.was_slower() => {}
                Err(failure) => resume_unwind(failure),
            }
        }
    }
}

fn check(client: &mut Client, database: &PostgresDatabase, delays: &[u64]) {
    let script = "CREATE TABLE a (x INT); SELECT pg_sleep(600)";
    let it = runner([first(), Migration::sql("2_it", script).outside_transaction()]);
    let it = cancelled_in(it, 2, SLEEPS, database);
    let error = it.run(&mut *client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{delays:?}: {error}");
    assert_eq!(records(client), ["1_first|0|NULL", "2_it|4|2"], "{delays:?}");
    assert_usable(client);
}
