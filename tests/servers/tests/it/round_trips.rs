//! The queries to servers: one for a start with nothing pending, and a small fixed number for each migration.

use std::any::Any;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use postgres::NoTls;
use switchy_schema::{Backend, Migration, MigrationRunner, Mysql, Postgres};
use tempfile::TempDir;

use crate::servers;

/// A proxy between a client and the socket of a server. It counts how often the client waits for a response.
struct Listener {
    folder: TempDir,
    trips: Arc<AtomicUsize>,
    /// All bytes from the client.
    said: Arc<Mutex<Vec<u8>>>,
    /// The database of the client.
    _database: Box<dyn Any>,
}

impl Listener {
    /// Creates a socket with this name in its own folder. It accepts one client, of this database.
    fn before(server: PathBuf, name: &str, database: impl Any) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(name)).unwrap();
        let trips = Arc::new(AtomicUsize::new(0));
        let (counted, said) = (Arc::clone(&trips), Arc::<Mutex<Vec<u8>>>::default());
        let kept = Arc::clone(&said);
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = UnixStream::connect(server).unwrap();
            let was_answered = Arc::new(AtomicBool::new(true));
            let answered = Arc::clone(&was_answered);
            let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass_on(from, to, |_| answered.store(true, Ordering::SeqCst)));
            pass_on(client, server, |bytes| {
                kept.lock().unwrap().extend(bytes);
                if was_answered.swap(false, Ordering::SeqCst) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        });
        Self { folder, trips, said, _database: Box::new(database) }
    }

    fn count(&self, work: impl FnOnce()) -> usize {
        let before = self.trips.load(Ordering::SeqCst);
        work();
        self.trips.load(Ordering::SeqCst) - before
    }
}

/// Copies bytes until one side closes the connection.
fn pass_on(mut from: UnixStream, mut to: UnixStream, mut heard: impl FnMut(&[u8])) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        heard(&buffer[..length]);
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

/// A client of the test server with a listener before it; `None` if the server has no socket.
fn postgres() -> Option<(Listener, postgres::Client)> {
    let database = servers::postgres()?;
    let config: postgres::Config = database.url.parse().unwrap();
    let Some(postgres::config::Host::Unix(folder)) = config.get_hosts().first() else {
        eprintln!("not run: the server that was given is not reached by a socket");
        return None;
    };
    let listener = Listener::before(folder.join(".s.PGSQL.5432"), ".s.PGSQL.5432", database);
    let own = format!(
        "host={} user=postgres dbname={}",
        listener.folder.path().display(),
        config.get_dbname().unwrap()
    );
    let client = postgres::Client::connect(&own, NoTls).unwrap();
    Some((listener, client))
}

fn mysql() -> Option<(Listener, mysql::Conn)> {
    let database = servers::mysql()?;
    let options = mysql::Opts::from_url(&database.url).unwrap();
    let Some(socket) = options.get_socket() else {
        eprintln!("not run: the server that was given is not reached by a socket");
        return None;
    };
    let listener = Listener::before(PathBuf::from(socket), "socket", database);
    let place = listener.folder.path().join("socket");
    let options = mysql::OptsBuilder::from_opts(options).socket(place.to_str());
    let conn = mysql::Conn::new(options).unwrap();
    Some((listener, conn))
}

#[test]
fn a_start_with_nothing_pending_is_one_round_trip_to_postgresql() {
    let Some((listener, mut client)) = postgres() else { return };
    for count in [3, 100] {
        set::<Postgres>(count).run(&mut client).unwrap();
        let it = set::<Postgres>(count);
        assert_eq!(listener.count(|| assert!(it.run(&mut client).unwrap().is_up_to_date())), 1, "{count}");
    }
}

#[test]
fn a_start_with_nothing_pending_is_one_round_trip_to_mysql() {
    let Some((listener, mut conn)) = mysql() else { return };
    for count in [3, 100] {
        set::<Mysql>(count).run(&mut conn).unwrap();
        let it = set::<Mysql>(count);
        assert_eq!(listener.count(|| assert!(it.run(&mut conn).unwrap().is_up_to_date())), 1, "{count}");
    }
}

/// The messages to PostgreSQL: the texts of queries with and without parameters.
fn messages_to_postgres(said: &[u8]) -> Vec<String> {
    let length = |at: usize| u32::from_be_bytes(said[at..at + 4].try_into().unwrap()) as usize;
    let mut messages = Vec::new();
    // The first message has no type byte.
    let mut at = length(0);
    while at < said.len() {
        let (kind, end) = (said[at], at + 1 + length(at + 1));
        let body = &said[at + 5..end];
        match kind {
            b'Q' => messages.push(body),
            // The text comes after the empty name of the statement.
            b'P' => messages.push(&body[1..]),
            _ => {}
        }
        at = end;
    }
    messages.into_iter().map(text_until_zero).collect()
}

fn text_until_zero(body: &[u8]) -> String {
    String::from_utf8_lossy(body.split(|byte| *byte == 0).next().unwrap()).into_owned()
}

/// The messages to MySQL: the texts of queries.
fn messages_to_mysql(said: &[u8]) -> Vec<String> {
    let (mut messages, mut at) = (Vec::new(), 0);
    while at < said.len() {
        let length = u32::from_le_bytes([said[at], said[at + 1], said[at + 2], 0]) as usize;
        let (number, body) = (said[at + 3], &said[at + 4..at + 4 + length]);
        if let (0, [3, text @ ..]) = (number, body) {
            messages.push(String::from_utf8_lossy(text).into_owned());
        }
        at += 4 + length;
    }
    messages
}

/// The messages between the first statement of this migration and that of the next one, without the statements of the migration.
fn around(messages: &[String], number: usize) -> Vec<String> {
    let begins = |number: usize| {
        messages.iter().position(|message| message.starts_with(&format!("CREATE TABLE t{number} "))).unwrap()
    };
    let its = messages[begins(number)..begins(number + 1)].iter();
    let is_ours = |message: &&String| {
        [
            "__switchy",
            "SHOW CREATE",
            "BEGIN",
            "START TRANSACTION",
            "COMMIT",
            "pg_settings",
            "information_schema",
        ]
        .iter()
        .any(|word| message.contains(word))
    };
    its.filter(is_ours).cloned().collect()
}

/// Runs a hundred migrations, and returns for three of them the number of messages besides their own statements.
fn costs<B: Backend>(
    script: impl Fn(usize) -> String,
    run: impl FnOnce(MigrationRunner<B>),
    messages: impl FnOnce() -> Vec<String>,
) -> Vec<usize> {
    let number = |n: usize| Migration::from_scripts(format!("{n}_t"), script(n), None);
    run(MigrationRunner::for_backend((0..100).map(number).collect::<Vec<Migration<B>>>()).unwrap());
    let messages = messages();
    [10, 50, 98].map(|number| around(&messages, number).len()).to_vec()
}

/// The three statements of a typical migration.
fn three(n: usize) -> String {
    format!(
        "CREATE TABLE t{n} (x INT, y INT);\nCREATE INDEX i{n} ON t{n} (y);\nINSERT INTO t{n} VALUES (1, 2)"
    )
}

#[test]
fn a_migration_costs_five_messages_to_postgresql_whatever_came_before_it() {
    let Some((listener, mut client)) = postgres() else { return };
    let said = || messages_to_postgres(&listener.said.lock().unwrap());
    let costs = costs::<Postgres>(three, |it| drop(it.run(&mut client).unwrap()), said);
    // BEGIN; the lock and the head; the head after the script; the record; COMMIT.
    assert_eq!(costs, [5; 3]);
}

#[test]
fn a_migration_that_sets_something_costs_one_message_more_to_postgresql() {
    let Some((listener, mut client)) = postgres() else { return };
    let said = || messages_to_postgres(&listener.said.lock().unwrap());
    let script = |n| format!("{};\nSELECT set_config('work_mem', '5MB', true)", three(n));
    let costs = costs::<Postgres>(script, |it| drop(it.run(&mut client).unwrap()), said);
    assert_eq!(costs, [6; 3]);
}

#[test]
fn a_migration_costs_eleven_messages_to_mariadb_whatever_came_before_it() {
    let Some((listener, mut conn)) = mysql() else { return };
    if conn.server_version() < (10, 0, 0) && conn.server_version() != (5, 5, 5) {
        return eprintln!("not run: MySQL is asked more");
    }
    let said = || messages_to_mysql(&listener.said.lock().unwrap());
    let costs = costs::<Mysql>(three, |it| drop(it.run(&mut conn).unwrap()), said);
    // The record; a query and a mark for each of the two definitions; the progress; BEGIN, the progress and COMMIT around the row; the
    // head; the record.
    assert_eq!(costs, [11; 3]);
}

#[test]
fn a_table_costs_mariadb_five_messages() {
    let Some((listener, mut conn)) = mysql() else { return };
    if conn.server_version() < (10, 0, 0) && conn.server_version() != (5, 5, 5) {
        return eprintln!("not run: MySQL is asked more");
    }
    let said = || messages_to_mysql(&listener.said.lock().unwrap());
    let script = |n| format!("CREATE TABLE t{n} (x INT)");
    let costs = costs::<Mysql>(script, |it| drop(it.run(&mut conn).unwrap()), said);
    // The record; a query and a mark for the definition; the head; the record.
    assert_eq!(costs, [5; 3]);
}

#[test]
fn many_rows_cost_mariadb_one_message_more_than_one_row() {
    let Some((listener, mut conn)) = mysql() else { return };
    if conn.server_version() < (10, 0, 0) && conn.server_version() != (5, 5, 5) {
        return eprintln!("not run: MySQL is asked more");
    }
    let said = || messages_to_mysql(&listener.said.lock().unwrap());
    let script = |n| format!("{}{}", three(n), format!(";\nINSERT INTO t{n} VALUES (3, 4)").repeat(40));
    let costs = costs::<Mysql>(script, |it| drop(it.run(&mut conn).unwrap()), said);
    // The engine and the triggers of the table. A step that a slow machine holds up for a second needs another transaction.
    assert_eq!(costs.iter().min(), Some(&12), "{costs:?}");
}
