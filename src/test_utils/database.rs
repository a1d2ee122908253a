//! [`TestDatabase`]: a database that one test uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

use super::query::{rows, schema};

/// A database that one test uses: a file in a temporary folder, or a database in memory. It is removed when this value is dropped.
///
/// Its connections have the settings that `rusqlite` gives to every connection. If your application sets others, such as
/// `PRAGMA foreign_keys` or `PRAGMA journal_mode`, set them in [`prepare_connection`](crate::MigrationRunner::prepare_connection), and test
/// the runner with [`TestMigrations::new`](super::TestMigrations::new).
///
/// ```
/// use switchy_schema::test_utils::TestDatabase;
///
/// let database = TestDatabase::in_memory();
/// database.connect().execute_batch("CREATE TABLE users (name); INSERT INTO users VALUES ('Ada')").unwrap();
/// assert_eq!(database.rows("SELECT * FROM users"), ["Ada"]);
/// ```
#[derive(Debug)]
pub struct TestDatabase {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(TempDir),
    Memory {
        uri: String,
        /// A database in memory ends with its last connection.
        _keeper: Mutex<Connection>,
    },
}

impl TestDatabase {
    /// Creates a temporary folder for a database file. The first connection creates the file.
    ///
    /// # Panics
    /// If the temporary folder cannot be created.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { place: Place::Folder(tempfile::tempdir().expect("a temporary folder")) }
    }

    /// Creates an empty database in memory. All its connections see the same data. One of them can write at a time, as with a file. The
    /// database has no file, so the engine uses no lock file and no snapshot, and `PRAGMA journal_mode = WAL` has no effect.
    ///
    /// # Panics
    /// If SQLite is older than 3.36, which does not have such databases.
    pub fn in_memory() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // https://sqlite.org/src/file/src/memdb.c (2026): a name that begins with a slash is shared by the connections of a process.
        let uri = format!("file:/switchy-schema-test-{number}?vfs=memdb");
        let keeper = Connection::open(&uri).expect("a database in memory, which SQLite has from 3.36 on");
        Self { place: Place::Memory { uri, _keeper: Mutex::new(keeper) } }
    }

    /// Creates a copy of a database. The test can change the copy, and the original stays as it is.
    ///
    /// The original is a database file. If it has a journal or a write-ahead log, that is copied too. If the name ends with `.sql`, the file is
    /// a script, and the copy is the database that the script creates.
    ///
    /// ```
    /// use switchy_schema::test_utils::TestDatabase;
    ///
    /// let fixture = TestDatabase::new();
    /// fixture.connect().execute_batch("CREATE TABLE users (name); INSERT INTO users VALUES ('Ada')").unwrap();
    ///
    /// let copy = TestDatabase::copy_of(fixture.path());
    /// copy.connect().execute_batch("DELETE FROM users").unwrap();
    /// assert_eq!(fixture.rows("SELECT * FROM users"), ["Ada"]);
    /// ```
    ///
    /// # Panics
    /// If the file cannot be read or copied. If the script fails, or ends inside a transaction.
    #[track_caller]
    pub fn copy_of(fixture: impl AsRef<Path>) -> Self {
        let fixture = fixture.as_ref();
        let copy = Self::new();
        if let Err(error) = fill_from(fixture, &copy) {
            panic!("the fixture {} cannot be copied: {error}", fixture.display());
        }
        copy
    }

    /// The path of the database file. For a database in memory, it is a URI. [`Connection::open`] accepts both.
    pub fn path(&self) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.path().join("test.db"),
            Place::Memory { uri, .. } => PathBuf::from(uri),
        }
    }

    /// Opens a new connection to the database.
    ///
    /// # Panics
    /// If the database cannot be opened.
    pub fn connect(&self) -> Connection {
        Connection::open(self.path())
            .unwrap_or_else(|error| panic!("the database of the test cannot be opened: {error}"))
    }

    /// The definitions of all tables, indexes, triggers and views, sorted. The tables of the engine and of SQLite are left out.
    ///
    /// # Panics
    /// If the database cannot be read.
    pub fn schema(&self) -> Vec<String> {
        schema(&self.connect())
    }

    /// The result of a query: one string for each row, with the values separated by `|`, as [`rows`](super::rows()) writes them.
    ///
    /// # Panics
    /// If the query fails.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.connect(), sql)
    }
}

/// Makes an empty database the copy of a fixture. The fixture is not opened, since SQLite might write to it.
fn fill_from(fixture: &Path, copy: &TestDatabase) -> Result<(), Box<dyn std::error::Error>> {
    if fixture.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
        let conn = copy.connect();
        conn.execute_batch(&fs::read_to_string(fixture)?)?;
        if !conn.is_autocommit() {
            let what =
                "the script ends inside a transaction, so nothing of it would be kept; is its end missing?";
            return Err(what.into());
        }
        return Ok(());
    }
    for end in ["", "-wal", "-journal"] {
        let with_end = |path: &Path| {
            let mut path = path.as_os_str().to_owned();
            path.push(end);
            PathBuf::from(path)
        };
        let from = with_end(fixture);
        if end.is_empty() || from.exists() {
            // `fs::copy` would copy the permissions too, and a fixture may be read-only.
            fs::write(with_end(&copy.path()), fs::read(from)?)?;
        }
    }
    // A text file or a damaged fixture is an error here, and not in the middle of the test.
    copy.connect().query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(())
}
