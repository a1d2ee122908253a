//! The published switchy_schema, on `switchy_database` and its rusqlite driver. It uses no transactions.

use std::path::Path;
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use switchy_database::Database;
use switchy_database::rusqlite::RusqliteDatabase;
use switchy_schema::runner::MigrationRunner;
use tokio::runtime::{Builder, Runtime};

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

thread_local! {
    /// The runtime is not timed: a program already has one when it opens its database.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

fn wait<R>(future: impl Future<Output = R>) -> R {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

struct Published;

impl peer::Peer for Published {
    type Connection = RusqliteDatabase;
    type Set = MigrationRunner<'static>;

    fn open(file: &Path) -> RusqliteDatabase {
        let conn = Connection::open(file).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        RusqliteDatabase::new(vec![Arc::new(switchy_async::sync::Mutex::new(conn))])
    }

    fn set(count: usize) -> MigrationRunner<'static> {
        MigrationRunner::new_embedded(&SETS.iter().find(|set| set.0 == count).unwrap().1)
    }

    fn run(database: &mut RusqliteDatabase, runner: &MigrationRunner<'static>) {
        wait(runner.run(database)).unwrap();
    }

    fn ask(database: &mut RusqliteDatabase, query: &str) -> String {
        let rows = wait(database.query_raw(query)).unwrap();
        rows[0].columns[0].1.as_str().unwrap().to_owned()
    }
}

fn main() {
    RUNTIME.with(|_| ());
    peer::main::<Published>();
}
