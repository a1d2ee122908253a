//! A start with nothing pending on a server: one question, one answer.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use postgres::NoTls;
use switchy_schema::{Backend, Migration, MigrationRunner, Mysql, Postgres};
use tempfile::TempDir;

use crate::servers;

/// What stands between a client and the socket of a server, and counts how often the client waits for an answer.
struct Listener {
    folder: TempDir,
    trips: Arc<AtomicUsize>,
}

impl Listener {
    /// A socket of this name in a folder of its own; it lets one client through.
    fn before(server: PathBuf, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(name)).unwrap();
        let trips = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&trips);
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = UnixStream::connect(server).unwrap();
            let was_answered = Arc::new(AtomicBool::new(true));
            let answered = Arc::clone(&was_answered);
            let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass_on(from, to, || answered.store(true, Ordering::SeqCst)));
            pass_on(client, server, || {
                if was_answered.swap(false, Ordering::SeqCst) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        });
        Self { folder, trips }
    }

    fn count(&self, work: impl FnOnce()) -> usize {
        let before = self.trips.load(Ordering::SeqCst);
        work();
        self.trips.load(Ordering::SeqCst) - before
    }
}

/// Passes on what comes, until one side ends.
fn pass_on(mut from: UnixStream, mut to: UnixStream, mut heard: impl FnMut()) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        heard();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}

fn set<B: Backend>(count: usize) -> MigrationRunner<B> {
    let number =
        |n: usize| Migration::from_scripts(format!("{n}_t"), format!("CREATE TABLE t{n} (x INT)"), None);
    MigrationRunner::for_backend((0..count).map(number).collect::<Vec<Migration<B>>>()).unwrap()
}

#[test]
fn a_start_with_nothing_pending_is_one_round_trip_to_postgresql() {
    let Some(database) = servers::postgres() else { return };
    let config: postgres::Config = database.url.parse().unwrap();
    let Some(postgres::config::Host::Unix(folder)) = config.get_hosts().first() else {
        return eprintln!("not run: the server that was given is not reached by a socket");
    };
    let listener = Listener::before(folder.join(".s.PGSQL.5432"), ".s.PGSQL.5432");
    let own =
        format!("host={} user=app dbname={}", listener.folder.path().display(), config.get_dbname().unwrap());
    let mut client = postgres::Client::connect(&own, NoTls).unwrap();
    for count in [3, 100] {
        set::<Postgres>(count).run(&mut client).unwrap();
        let it = set::<Postgres>(count);
        assert_eq!(listener.count(|| assert!(it.run(&mut client).unwrap().is_up_to_date())), 1, "{count}");
    }
}

#[test]
fn a_start_with_nothing_pending_is_one_round_trip_to_mysql() {
    let Some(database) = servers::mysql() else { return };
    let options = mysql::Opts::from_url(&database.url).unwrap();
    let Some(socket) = options.get_socket() else {
        return eprintln!("not run: the server that was given is not reached by a socket");
    };
    let listener = Listener::before(PathBuf::from(socket), "socket");
    let place = listener.folder.path().join("socket");
    let options = mysql::OptsBuilder::from_opts(options).socket(place.to_str());
    let mut conn = mysql::Conn::new(options).unwrap();
    for count in [3, 100] {
        set::<Mysql>(count).run(&mut conn).unwrap();
        let it = set::<Mysql>(count);
        assert_eq!(listener.count(|| assert!(it.run(&mut conn).unwrap().is_up_to_date())), 1, "{count}");
    }
}
