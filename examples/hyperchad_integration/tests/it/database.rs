//! A state over a `Database` of HyperChad, with both drivers.

use std::path::Path;

use hyperchad_integration::{DatabaseState, OpenError, SqliteState, open_database};
use hyperchad_state::sqlite::SqlitePersistence;
use hyperchad_state::{Error, StatePersistence, StateStore};
use rusqlite::Connection;
use serde_json::Value;
use switchy_database::Database;
use switchy_database_connection::{init_sqlite_rusqlite, init_sqlite_sqlx};
use tempfile::TempDir;

use crate::kit::{execute, exercise, published_file, rows, schema, values, wait};

#[derive(Debug, Clone, Copy)]
enum Driver {
    Rusqlite,
    Sqlx,
}

const DRIVERS: [Driver; 2] = [Driver::Rusqlite, Driver::Sqlx];

/// Opens a file as HyperChad does, or a new database in memory.
async fn database(driver: Driver, path: Option<&Path>) -> Box<dyn Database> {
    match driver {
        Driver::Rusqlite => init_sqlite_rusqlite(path).unwrap(),
        Driver::Sqlx => init_sqlite_sqlx(path).await.unwrap(),
    }
}

async fn state(driver: Driver, path: &Path) -> DatabaseState {
    DatabaseState::open(database(driver, Some(path)).await).await.unwrap()
}

#[test]
fn a_file_of_the_published_version_is_taken_over_with_every_value() {
    for driver in DRIVERS {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state.db");
        wait(published_file(&path));
        let before = rows(&path);
        wait(async {
            for _ in 0..2 {
                drop(state(driver, &path).await);
                assert_eq!(rows(&path), before, "{driver:?}");
                assert!(schema(&path).contains("PRIMARY KEY"), "{driver:?}");
            }
            exercise(async || state(driver, &path).await).await;
        });
    }
}

#[test]
fn a_file_may_be_opened_in_either_way_and_by_the_published_version() {
    for driver in DRIVERS {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state.db");
        wait(async {
            let store = open_database(database(driver, Some(&path)).await).await.unwrap();
            store.set("theme", &"dark").await.unwrap();
            let file = SqliteState::open(&path).unwrap();
            assert_eq!(file.get::<String>("theme").await.unwrap().as_deref(), Some("dark"), "{driver:?}");
            file.set("theme", &"light").await.unwrap();
            let published = SqlitePersistence::new(&path).await.unwrap();
            assert_eq!(published.get::<String>("theme").await.unwrap().as_deref(), Some("light"));
            let again = state(driver, &path).await;
            assert_eq!(again.take::<String>("theme").await.unwrap().as_deref(), Some("light"));
        });
        let conn = Connection::open(&path).unwrap();
        let records: u32 =
            conn.query_row("SELECT count(*) FROM __switchy_migrations", [], |row| row.get(0)).unwrap();
        assert_eq!(records, 2, "{driver:?}");
    }
}

/// A second connection to such a database does not exist for others.
#[test]
fn a_database_in_memory_has_a_state() {
    for driver in DRIVERS {
        wait(async {
            let store = StateStore::new(DatabaseState::open(database(driver, None).await).await.unwrap());
            for (key, value) in values() {
                store.set(key, &value).await.unwrap();
            }
            assert_eq!(store.get::<Value>("1").await.unwrap(), Some(values()["1"].clone()), "{driver:?}");
        });
    }
}

#[test]
fn a_value_that_cannot_be_read_is_not_taken() {
    for driver in DRIVERS {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state.db");
        wait(async {
            let state = state(driver, &path).await;
            execute(&path, "INSERT INTO state VALUES ('half', '{\"a\": ')");
            assert!(matches!(state.take::<Value>("half").await, Err(Error::Serde(_))), "{driver:?}");
            assert_eq!(rows(&path).len(), 1, "nothing was lost");
            // A value that cannot be read can still be removed.
            state.remove("half").await.unwrap();
            assert_eq!(rows(&path), []);
        });
    }
}

#[test]
fn what_cannot_be_opened_stays_as_it_was() {
    for driver in DRIVERS {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        execute(
            &path("other.db"),
            "CREATE TABLE state (id INTEGER, name TEXT); INSERT INTO state VALUES (1, 'Ohio')",
        );
        drop(wait(state(driver, &path("newer.db"))));
        execute(
            &path("newer.db"),
            "INSERT INTO __switchy_migrations (name) VALUES ('2999-01-01-000000_future')",
        );
        for (name, expected) in
            [("other.db", "the table `state` in the database"), ("newer.db", "2999-01-01-000000_future")]
        {
            let before = schema(&path(name));
            let error = wait(async {
                let db = database(driver, Some(&path(name))).await;
                DatabaseState::open(db).await.map(drop).unwrap_err()
            });
            assert!(error.to_string().contains(expected), "{driver:?}, {name}: {error}");
            let is_ahead = matches!(&error, OpenError::Migration(error) if error.is_database_ahead());
            assert_eq!(is_ahead, name == "newer.db", "{driver:?}, {name}");
            assert_eq!(schema(&path(name)), before, "{driver:?}, {name}");
        }
    }
}
