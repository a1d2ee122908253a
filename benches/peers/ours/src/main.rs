//! switchy_schema, with the folder that `include_dir` embeds.

use std::path::Path;

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use switchy_schema::{MigrationRunner, TransactionMode};

#[path = "../../peer.rs"]
mod peer;

static SETS: [(usize, Dir<'_>); 6] = [
    (10, include_dir!("$CARGO_MANIFEST_DIR/generated/10")),
    (11, include_dir!("$CARGO_MANIFEST_DIR/generated/11")),
    (100, include_dir!("$CARGO_MANIFEST_DIR/generated/100")),
    (101, include_dir!("$CARGO_MANIFEST_DIR/generated/101")),
    (1000, include_dir!("$CARGO_MANIFEST_DIR/generated/1000")),
    (1001, include_dir!("$CARGO_MANIFEST_DIR/generated/1001")),
];

/// `BATCH`: all migrations in one transaction.
struct Ours<const BATCH: bool>;

impl<const BATCH: bool> peer::Peer for Ours<BATCH> {
    type Connection = Connection;
    type Set = MigrationRunner;

    fn open(file: &Path) -> Connection {
        let conn = Connection::open(file).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    }

    fn set(count: usize) -> MigrationRunner {
        let (_, folder) = SETS.iter().find(|set| set.0 == count).unwrap();
        let runner = MigrationRunner::new_embedded(folder).unwrap();
        if BATCH { runner.transaction(TransactionMode::Batch) } else { runner }
    }

    fn run(conn: &mut Connection, runner: &MigrationRunner) {
        runner.run(conn).unwrap();
    }

    fn ask(conn: &mut Connection, query: &str) -> String {
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

fn main() {
    if std::env::args().nth(4).is_some() { peer::main::<Ours<true>>() } else { peer::main::<Ours<false>>() }
}
