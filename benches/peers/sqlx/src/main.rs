//! sqlx, with the folder that its macro embeds. It runs SQLite in a thread of its own.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, migrate};
use tokio::runtime::{Builder, Runtime};

#[path = "../../peer.rs"]
mod peer;

static SETS: [(usize, Migrator); 6] = [
    (10, migrate!("generated/10")),
    (11, migrate!("generated/11")),
    (100, migrate!("generated/100")),
    (101, migrate!("generated/101")),
    (1000, migrate!("generated/1000")),
    (1001, migrate!("generated/1001")),
];

thread_local! {
    /// The runtime is not timed: a program already has one when it opens its database.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

fn wait<R>(future: impl Future<Output = R>) -> R {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

struct Sqlx;

impl peer::Peer for Sqlx {
    type Connection = SqliteConnection;
    type Set = &'static Migrator;

    fn open(file: &Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
        wait(options.connect()).unwrap()
    }

    fn set(count: usize) -> &'static Migrator {
        &SETS.iter().find(|set| set.0 == count).unwrap().1
    }

    fn run(conn: &mut SqliteConnection, migrator: &&'static Migrator) {
        wait(migrator.run(conn)).unwrap();
    }

    fn ask(conn: &mut SqliteConnection, query: &str) -> String {
        wait(sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(conn)).unwrap()
    }

    fn close(conn: SqliteConnection) {
        wait(conn.close()).unwrap();
    }
}

fn main() {
    RUNTIME.with(|_| ());
    peer::main::<Sqlx>();
}
