//! The suite for backends, over each driver.

use std::sync::{Mutex, PoisonError};

use switchy_database::Database;
use switchy_schema::backend::Statements;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema_database::{Session, Sqlite};

use crate::kit::{Driver, RUNTIME, in_session, memory, open};

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn tables(session: &mut Session) -> Vec<String> {
    let sql = "SELECT name AS c0 FROM sqlite_master WHERE type = 'table' AND name LIKE 'thing%'";
    session.rows(sql).unwrap().into_iter().flatten().flatten().collect()
}

struct Files(Driver);

impl Testbed<Sqlite> for Files {
    type Database = TestDatabase;

    fn create(&self) -> TestDatabase {
        TestDatabase::new()
    }

    fn connect<R>(&self, database: &TestDatabase, body: impl FnOnce(&mut Session) -> R) -> R {
        let db = RUNTIME.block_on(open(self.0, &database.path()));
        in_session(&*db, body)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INTEGER)", quoted(name))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name))
    }

    fn fails(&self) -> String {
        "INSERT INTO missing VALUES (1)".to_owned()
    }

    fn things(&self, session: &mut Session) -> Vec<String> {
        tables(session)
    }
}

struct Memory(Driver);

impl Testbed<Sqlite> for Memory {
    type Database = Mutex<Box<dyn Database>>;

    fn create(&self) -> Mutex<Box<dyn Database>> {
        Mutex::new(RUNTIME.block_on(memory(self.0)))
    }

    fn connect<R>(&self, database: &Self::Database, body: impl FnOnce(&mut Session) -> R) -> R {
        in_session(&**database.lock().unwrap_or_else(PoisonError::into_inner), body)
    }

    fn make(&self, name: &str) -> String {
        Files(self.0).make(name)
    }

    fn unmake(&self, name: &str) -> String {
        Files(self.0).unmake(name)
    }

    fn fails(&self) -> String {
        Files(self.0).fails()
    }

    fn things(&self, session: &mut Session) -> Vec<String> {
        tables(session)
    }

    fn abilities(&self) -> Abilities {
        Abilities { connections: false, lock: false, ..Abilities::default() }
    }
}

#[test]
fn sqlite_files_through_rusqlite() {
    conformance::<Sqlite>(&Files(Driver::Rusqlite));
}

#[test]
fn sqlite_files_through_sqlx() {
    conformance::<Sqlite>(&Files(Driver::Sqlx));
}

#[test]
fn sqlite_in_memory_through_rusqlite() {
    conformance::<Sqlite>(&Memory(Driver::Rusqlite));
}

#[test]
fn sqlite_in_memory_through_sqlx() {
    conformance::<Sqlite>(&Memory(Driver::Sqlx));
}
