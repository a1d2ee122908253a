//! Databases and folders of migrations for tests, this crate's and yours. They live in temporary folders, which are removed
//! when they are dropped. Being for tests, everything here panics where something goes wrong.
//!
//! # A migration keeps the rows
//!
//! ```
//! use switchy_schema::Target;
//! use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder};
//!
//! let set = TestMigrationBuilder::new()
//!     .migration("1_users", "CREATE TABLE users (name TEXT)")
//!     .migration("2_index", "CREATE INDEX users_by_name ON users (name)");
//! let database = TestDatabase::new();
//! let conn = database.connect();
//!
//! set.runner().run_to(&conn, Target::Steps(1)).unwrap();
//! conn.execute("INSERT INTO users VALUES ('Ada')", []).unwrap();
//! set.runner().run(&conn).unwrap();
//!
//! assert_eq!(database.rows("SELECT name FROM users"), ["Ada"]);
//! assert_eq!(database.schema().len(), 2);
//! ```
//!
//! A backend of your own has its tests in [`conformance`].

#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

use crate::runner::MigrationRunner;

pub mod conformance;

/// A database file in a temporary folder of its own.
#[derive(Debug)]
pub struct TestDatabase {
    folder: TempDir,
}

impl TestDatabase {
    /// A folder for a database that does not exist yet.
    ///
    /// # Panics
    /// If there can be no temporary folder.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// A new connection to it.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn connect(&self) -> Connection {
        Connection::open(self.path()).expect("a database in the temporary folder")
    }

    /// The definitions of everything in it but the engine's tables and SQLite's own, sorted.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn schema(&self) -> Vec<String> {
        schema(&self.connect())
    }

    /// What a query gives: a text for each row, its values separated by `|`.
    ///
    /// # Panics
    /// If the query fails.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.connect(), sql)
    }
}

/// The definitions of everything in a database but the engine's tables and SQLite's own, sorted.
///
/// # Panics
/// If it cannot be read.
pub fn schema(conn: &Connection) -> Vec<String> {
    rows(
        conn,
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
        AND tbl_name NOT IN ('__switchy_migrations', '__switchy_migrations_log') ORDER BY type, name",
    )
}

/// What a query gives: a text for each row, its values separated by `|`.
///
/// # Panics
/// If the query fails.
pub fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).expect("a query");
    let columns = statement.column_count();
    let mut rows = statement.query([]).expect("a query without parameters");
    let mut texts = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let value = |column| match row.get_ref(column).expect("a column") {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => value.to_string(),
            ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
        };
        texts.push((0..columns).map(value).collect::<Vec<_>>().join("|"));
    }
    texts
}

/// A folder of migrations, built file by file.
#[derive(Debug)]
pub struct TestMigrationBuilder {
    folder: TempDir,
}

impl TestMigrationBuilder {
    /// An empty folder.
    ///
    /// # Panics
    /// If there can be no temporary folder.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With this file, at a path inside the folder.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file in the folder")).expect("its folders");
        std::fs::write(path, content).expect("its content");
        self
    }

    /// With a migration that cannot be undone.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn migration(self, id: &str, up: &str) -> Self {
        self.file(format!("{id}/up.sql"), up)
    }

    /// With a migration that can.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn reversible(self, id: &str, up: &str, down: &str) -> Self {
        self.migration(id, up).file(format!("{id}/down.sql"), down)
    }

    /// With the `metadata.toml` of a migration.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn metadata(self, id: &str, toml: &str) -> Self {
        self.file(format!("{id}/metadata.toml"), toml)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A runner for what the folder holds now.
    ///
    /// # Panics
    /// If that is not a set of migrations.
    pub fn runner(&self) -> MigrationRunner {
        MigrationRunner::new_directory(self.path()).expect("a set of migrations")
    }
}
