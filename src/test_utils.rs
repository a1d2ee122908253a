//! Databases and folders of migrations for tests. They are in temporary folders, which are removed when the values are dropped. Everything
//! here panics on failure.
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
//! [`conformance`] has the tests for a backend of your own.

#![allow(clippy::expect_used, reason = "tests panic on failure")]

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
    /// Creates a folder for a database file that does not exist yet.
    ///
    /// # Panics
    /// If the temporary folder cannot be created.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The path of the database file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// Opens a new connection to the database.
    ///
    /// # Panics
    /// If the database cannot be opened.
    pub fn connect(&self) -> Connection {
        Connection::open(self.path()).expect("a database in the temporary folder")
    }

    /// The definitions of everything in the database except the tables of the engine and of SQLite, sorted.
    ///
    /// # Panics
    /// If the database cannot be read.
    pub fn schema(&self) -> Vec<String> {
        schema(&self.connect())
    }

    /// The result of a query: one string for each row, with the values separated by `|`.
    ///
    /// # Panics
    /// If the query fails.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.connect(), sql)
    }
}

/// The definitions of everything in a database except the tables of the engine and of SQLite, sorted.
///
/// # Panics
/// If the database cannot be read.
pub fn schema(conn: &Connection) -> Vec<String> {
    rows(
        conn,
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
        AND tbl_name NOT IN ('__switchy_migrations', '__switchy_migrations_log') ORDER BY type, name",
    )
}

/// The result of a query: one string for each row, with the values separated by `|`.
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

/// Builds a folder of migrations, file by file.
#[derive(Debug)]
pub struct TestMigrationBuilder {
    folder: TempDir,
}

impl TestMigrationBuilder {
    /// Creates an empty folder.
    ///
    /// # Panics
    /// If the temporary folder cannot be created.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Adds a file, at a path inside the folder.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file in the folder")).expect("its folders");
        std::fs::write(path, content).expect("its content");
        self
    }

    /// Adds a migration without a down script.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn migration(self, id: &str, up: &str) -> Self {
        self.file(format!("{id}/up.sql"), up)
    }

    /// Adds a migration with a down script.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn reversible(self, id: &str, up: &str, down: &str) -> Self {
        self.migration(id, up).file(format!("{id}/down.sql"), down)
    }

    /// Adds the `metadata.toml` of a migration.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn metadata(self, id: &str, toml: &str) -> Self {
        self.file(format!("{id}/metadata.toml"), toml)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Creates a runner for the current content of the folder.
    ///
    /// # Panics
    /// If the content is not a valid set of migrations.
    pub fn runner(&self) -> MigrationRunner {
        MigrationRunner::new_directory(self.path()).expect("a set of migrations")
    }
}
