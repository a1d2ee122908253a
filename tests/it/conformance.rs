//! The conformance suite, on each backend.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{Migration, Sqlite};

use crate::other_backends::toy::{Toy, Toys};

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'thing%'";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn make(name: &str) -> String {
    format!("CREATE TABLE {} (x INTEGER)", quoted(name))
}

fn unmake(name: &str) -> String {
    format!("DROP TABLE {}", quoted(name))
}

const FAILS: &str = "INSERT INTO missing VALUES (1)";

struct Files;

impl Testbed<Sqlite> for Files {
    type Database = TestDatabase;

    fn create(&self) -> TestDatabase {
        TestDatabase::new()
    }

    fn connect<R>(&self, database: &TestDatabase, body: impl FnOnce(&Connection) -> R) -> R {
        body(&database.connect())
    }

    fn make(&self, name: &str) -> String {
        make(name)
    }

    fn unmake(&self, name: &str) -> String {
        unmake(name)
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, conn: &Connection) -> Vec<String> {
        rows(conn, TABLES)
    }
}

#[test]
fn sqlite_in_a_file() {
    conformance::<Sqlite>(&Files);
}

struct Memory;

impl Testbed<Sqlite> for Memory {
    type Database = Mutex<Connection>;

    fn create(&self) -> Mutex<Connection> {
        Mutex::new(Connection::open_in_memory().unwrap())
    }

    fn connect<R>(&self, database: &Mutex<Connection>, body: impl FnOnce(&Connection) -> R) -> R {
        body(&database.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn make(&self, name: &str) -> String {
        make(name)
    }

    fn unmake(&self, name: &str) -> String {
        unmake(name)
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, conn: &Connection) -> Vec<String> {
        rows(conn, TABLES)
    }

    fn abilities(&self) -> Abilities {
        Abilities { connections: false, lock: false, ..Abilities::default() }
    }
}

#[test]
fn sqlite_in_memory() {
    conformance::<Sqlite>(&Memory);
}

/// SQLite as a database that cannot roll back: no step runs in a transaction.
struct Eager;

impl Testbed<Sqlite> for Eager {
    type Database = TestDatabase;

    fn create(&self) -> TestDatabase {
        TestDatabase::new()
    }

    fn connect<R>(&self, database: &TestDatabase, body: impl FnOnce(&Connection) -> R) -> R {
        let conn = database.connect();
        // Each step is several transactions, and the tests need no durability.
        conn.pragma_update(None, "synchronous", "off").unwrap();
        body(&conn)
    }

    fn make(&self, name: &str) -> String {
        make(name)
    }

    fn unmake(&self, name: &str) -> String {
        unmake(name)
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, conn: &Connection) -> Vec<String> {
        rows(conn, TABLES)
    }

    /// Outside a transaction, `COMMIT` is an error in SQLite.
    fn commits(&self) -> Option<String> {
        Some("BEGIN; COMMIT".to_owned())
    }

    fn abilities(&self) -> Abilities {
        Abilities { rollback: false, ..Abilities::default() }
    }

    fn adapt(&self, migration: Migration) -> Migration {
        migration.outside_transaction()
    }
}

#[test]
fn sqlite_without_transactions() {
    conformance::<Sqlite>(&Eager);
}

#[test]
fn the_backend_of_the_examples() {
    conformance::<Toy>(&Toys);
}
