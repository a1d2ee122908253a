//! The functions that each program provides, and their timing: `<program> <work> <count> <folder>` prints nanoseconds, one line for each
//! repetition.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

pub trait Peer {
    type Connection;
    type Set;
    /// Opens the file, in WAL mode and with `synchronous = NORMAL`.
    fn open(file: &Path) -> Self::Connection;
    /// The first `count` migrations, created as by a program that embeds them.
    fn set(count: usize) -> Self::Set;
    /// Applies the pending migrations.
    fn run(connection: &mut Self::Connection, set: &Self::Set);
    /// The single text that a query returns.
    fn ask(connection: &mut Self::Connection, query: &str) -> String;
    /// Closes the file, which checkpoints the WAL.
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
        // Creates the file that the other tasks start with: `count` migrations are applied.
        "prepare" => {
            let mut connection = new::<P>(&base);
            P::run(&mut connection, &P::set(count));
            check::<P>(connection, count);
        }
        // Once, because a program creates its set and migrates once.
        "fresh" => {
            let mut connection = new::<P>(&file);
            time(|| P::run(&mut connection, &P::set(count)));
            check::<P>(connection, count);
        }
        "pending" => {
            remove(&file);
            fs::copy(&base, &file).unwrap();
            // Writing the copy to the disk is not part of the update.
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

/// Checks that all migrations were applied, so that no program is fast because it did nothing.
fn check<P: Peer>(mut connection: P::Connection, count: usize) {
    let query = "SELECT group_concat(n, ' ') FROM (SELECT count(*) AS n FROM sqlite_schema WHERE name GLOB 't[0-9]*' \
        UNION ALL SELECT count(*) FROM sqlite_schema WHERE name GLOB 'i[0-9]*')";
    assert_eq!(P::ask(&mut connection, query), format!("{count} {count}"));
    let last = format!("SELECT name FROM t{}", count - 1);
    assert_eq!(P::ask(&mut connection, &last), "first");
    P::close(connection);
}
