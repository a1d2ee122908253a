//! Databases of the tests, and the steps that they apply.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;

use futures::executor::block_on;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use switchy_async::sync::Mutex;
use switchy_database::Database;
use switchy_database::rusqlite::RusqliteDatabase;
use switchy_database::sqlx::sqlite::SqliteSqlxDatabase;
use switchy_schema::backend::Backend;
use switchy_schema::{Migration, MigrationRunner};
use switchy_schema_database::{Session, session_of};
use tokio::runtime::{Builder, Runtime};

/// The runtime of the tests that need just any.
pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap());

/// A driver for SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    Rusqlite,
    Sqlx,
}

pub(crate) const DRIVERS: [Driver; 2] = [Driver::Rusqlite, Driver::Sqlx];

/// Opens a file with several connections, as `switchy_database_connection` does.
pub(crate) async fn open(driver: Driver, file: &Path) -> Box<dyn Database> {
    match driver {
        Driver::Rusqlite => rusqlite_pool(file.to_str().unwrap(), 5),
        Driver::Sqlx => {
            let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
            sqlx_pool(options, 5).await
        }
    }
}

/// Opens a new database in memory.
pub(crate) async fn memory(driver: Driver) -> Box<dyn Database> {
    match driver {
        Driver::Rusqlite => rusqlite_pool(":memory:", 1),
        Driver::Sqlx => sqlx_pool(SqliteConnectOptions::new().in_memory(true), 1).await,
    }
}

fn rusqlite_pool(name: &str, connections: usize) -> Box<dyn Database> {
    let connect = |_| {
        let conn = rusqlite::Connection::open(name).unwrap();
        conn.busy_timeout(std::time::Duration::from_millis(10)).unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        Arc::new(Mutex::new(conn))
    };
    Box::new(RusqliteDatabase::new((0..connections).map(connect).collect()))
}

async fn sqlx_pool(options: SqliteConnectOptions, connections: u32) -> Box<dyn Database> {
    // Nothing that a test makes has to outlive a power failure.
    let options = options.synchronous(sqlx::sqlite::SqliteSynchronous::Off);
    let pool = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await.unwrap();
    Box::new(SqliteSqlxDatabase::new(Arc::new(Mutex::new(pool))))
}

/// Calls a function with a session, on this thread.
pub(crate) fn in_session<R>(db: &dyn Database, function: impl FnOnce(&mut Session) -> R) -> R {
    let (mut session, serving) = session_of(db);
    thread::scope(|scope| {
        scope.spawn(|| RUNTIME.block_on(serving));
        let returned = function(&mut session);
        drop(session);
        returned
    })
}

/// Steps with everything that may be left behind: rows, keys that are not enforced meanwhile, settings.
pub(crate) fn steps<B: Backend>() -> Vec<Migration<B>> {
    vec![
        Migration::sql(
            "1_tables",
            "CREATE TABLE artists (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE albums (id INTEGER PRIMARY KEY, artist INTEGER NOT NULL REFERENCES artists (id));
            INSERT INTO artists VALUES (1, 'Ada'), (2, 'Grace');
            INSERT INTO albums VALUES (10, 1), (20, 2), (21, 2);",
        ),
        Migration::sql(
            "2_rebuild",
            "PRAGMA cache_size = 77;
            CREATE TABLE new_artists (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
            INSERT INTO new_artists SELECT id, name FROM artists;
            DROP TABLE artists;
            ALTER TABLE new_artists RENAME TO artists;",
        ),
        Migration::sql("3_index", "CREATE INDEX albums_artist ON albums (artist);"),
    ]
}

pub(crate) fn runner<B: Backend>() -> Arc<MigrationRunner<B>> {
    Arc::new(MigrationRunner::for_backend(steps::<B>()).unwrap())
}

/// The first column of a query, as texts.
pub(crate) async fn texts(db: &dyn Database, sql: &str) -> Vec<String> {
    let rows = db.query_raw(sql).await.unwrap();
    let text = |(_, value): (String, switchy_database::DatabaseValue)| match value {
        switchy_database::DatabaseValue::String(text) => text,
        switchy_database::DatabaseValue::Int64(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    rows.into_iter().filter_map(|row| row.columns.into_iter().next().map(text)).collect()
}

/// The names of the applied migrations.
pub(crate) async fn applied(db: &dyn Database) -> Vec<String> {
    let table = "SELECT name FROM sqlite_master WHERE name = '__switchy_migrations'";
    if texts(db, table).await.is_empty() {
        return Vec::new();
    }
    texts(db, "SELECT name FROM __switchy_migrations WHERE dirty = 0 ORDER BY rowid").await
}

/// Waits for a future without any runtime.
pub(crate) fn without_runtime<R>(future: impl Future<Output = R>) -> R {
    block_on(future)
}
