//! The suite that every backend runs, on each of them.

use std::sync::{Mutex, PoisonError};

use ::mysql::Conn;
use ::mysql::prelude::Queryable;
use ::postgres::Client;
use rusqlite::Connection;
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{Migration, Mysql, Postgres, Sqlite, TableName};

use crate::other_backends::toy::{Toy, Toys};
use crate::servers::{self, MysqlDatabase, PostgresDatabase};

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

/// SQLite as a database that can roll nothing back: no step runs in a transaction.
struct Eager;

impl Testbed<Sqlite> for Eager {
    type Database = TestDatabase;

    fn create(&self) -> TestDatabase {
        TestDatabase::new()
    }

    fn connect<R>(&self, database: &TestDatabase, body: impl FnOnce(&Connection) -> R) -> R {
        let conn = database.connect();
        // Each step is several transactions, and nobody pulls the plug.
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

    /// Without a transaction to end, SQLite would say that there is none.
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

struct Server;

impl Testbed<Postgres> for Server {
    type Database = PostgresDatabase;

    fn create(&self) -> PostgresDatabase {
        servers::postgres().unwrap()
    }

    fn connect<R>(&self, database: &PostgresDatabase, body: impl FnOnce(&mut Client) -> R) -> R {
        let mut client = database.connect();
        // Dates are UTC wherever the session is.
        client.batch_execute("SET TimeZone = 'Asia/Kathmandu'").unwrap();
        body(&mut client)
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

    fn things(&self, client: &mut Client) -> Vec<String> {
        let sql = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname LIKE 'thing%'";
        client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn abilities(&self) -> Abilities {
        Abilities { forecast: false, ..Abilities::default() }
    }
}

#[test]
fn postgres() {
    if servers::postgres().is_some() {
        conformance::<Postgres>(&Server);
    }
}

struct MariaDb;

impl Testbed<Mysql> for MariaDb {
    type Database = MysqlDatabase;

    fn create(&self) -> MysqlDatabase {
        servers::mysql().unwrap()
    }

    fn connect<R>(&self, database: &MysqlDatabase, body: impl FnOnce(&mut Conn) -> R) -> R {
        let mut conn = database.connect();
        conn.query_drop("SET time_zone = '+05:45'").unwrap();
        body(&mut conn)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INT)", backticked(name))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", backticked(name))
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, conn: &mut Conn) -> Vec<String> {
        let sql = "SELECT table_name FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_name LIKE 'thing%'";
        conn.query(sql).unwrap()
    }

    fn tampers(&self, table: &TableName) -> Option<String> {
        Some(format!("DELETE FROM {}", table.quoted_in('`')))
    }

    fn abilities(&self) -> Abilities {
        Abilities { rollback: false, forecast: false, ..Abilities::default() }
    }
}

fn backticked(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[test]
fn mariadb() {
    if servers::mysql().is_some() {
        conformance::<Mysql>(&MariaDb);
    }
}

#[test]
fn the_backend_of_the_examples() {
    conformance::<Toy>(&Toys);
}
