//! What each of them has to offer, and how it is timed: `<program> <work> <count> <folder>` prints nanoseconds, one line for
//! each repetition.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

pub trait Peer {
    type Connection;
    type Set;
    /// Opens the file, in WAL mode and with `synchronous = NORMAL`.
    fn open(file: &Path) -> Self::Connection;
    /// The first so many migrations, made as a program makes them that has them inside.
    fn set(count: usize) -> Self::Set;
    /// Applies what is pending.
    fn run(connection: &mut Self::Connection, set: &Self::Set);
    /// The one text that a query answers.
    fn ask(connection: &mut Self::Connection, query: &str) -> String;
    /// Closes the file, which puts the log into it.
    fn close(connection: Self::Connection) {
        drop(connection);
    }
}

pub fn main<P: Peer>() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [work, count, folder, ..] = &words[..] else { panic!("<work> <count> <folder>") };
    let count: usize = count.parse().unwrap();
    let base = Path::new(folder).join(format!("{count}.db"));
    let file = Path::new(folder).join("work.db");
    match &**work {
        "sqlite" => {
            let mut connection = new::<P>(&file);
            println!("{}", P::ask(&mut connection, "SELECT sqlite_version()"));
            P::close(connection);
        }
        // What the others begin with: a file with so many applied.
        "prepare" => {
            let mut connection = new::<P>(&base);
            P::run(&mut connection, &P::set(count));
            check::<P>(connection, count);
        }
        // Once, since a program makes its set and migrates once.
        "fresh" => {
            let mut connection = new::<P>(&file);
            time(|| P::run(&mut connection, &P::set(count)));
            check::<P>(connection, count);
        }
        "pending" => {
            remove(&file);
            fs::copy(&base, &file).unwrap();
            // Writing the copy to the disk is no part of the update.
            fs::File::open(&file).unwrap().sync_all().unwrap();
            let mut connection = P::open(&file);
            time(|| P::run(&mut connection, &P::set(count + 1)));
            check::<P>(connection, count + 1);
        }
        "start" => {
            let connection = time(|| {
                let mut connection = P::open(&base);
                P::run(&mut connection, &P::set(count));
                connection
            });
            check::<P>(connection, count);
        }
        "steady" => {
            let mut connection = P::open(&base);
            let set = P::set(count);
            P::run(&mut connection, &set);
            (0..51).for_each(|_| time(|| P::run(&mut connection, &set)));
            check::<P>(connection, count);
        }
        other => panic!("no work is called {other}"),
    }
}

fn time<R>(body: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = body();
    println!("{}", start.elapsed().as_nanos());
    result
}

fn new<P: Peer>(file: &Path) -> P::Connection {
    remove(file);
    P::open(file)
}

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", file.display()));
    }
}

/// Nobody is quick who did not do it.
fn check<P: Peer>(mut connection: P::Connection, count: usize) {
    let query = "SELECT group_concat(n, ' ') FROM (SELECT count(*) AS n FROM sqlite_schema WHERE name GLOB 't[0-9]*' \
        UNION ALL SELECT count(*) FROM sqlite_schema WHERE name GLOB 'i[0-9]*')";
    assert_eq!(P::ask(&mut connection, query), format!("{count} {count}"));
    let last = format!("SELECT name FROM t{}", count - 1);
    assert_eq!(P::ask(&mut connection, &last), "first");
    P::close(connection);
}
