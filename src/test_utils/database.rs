//! [`TestDatabase`]: a database that one test uses.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use crate::backend::{Sqlite, TestServer};

use super::backend::TestBackend;
use super::place::Place;
use super::server::{self, ServerDatabase};

/// A database that one test uses. It is removed when this value is dropped, also when the test panics. For SQLite it is a file in a
/// temporary folder, or a database in memory. For PostgreSQL and MySQL it is a new database on a server: see [`on_server`](Self::on_server).
///
/// The connections to SQLite have the settings that `rusqlite` gives to every connection. If your application sets others, such as
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
pub struct TestDatabase<B: TestBackend = Sqlite> {
    place: B::Place,
}

impl TestDatabase {
    /// Creates a temporary folder for a database file. The first connection creates the file.
    ///
    /// # Panics
    /// If the temporary folder cannot be created.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { place: Place::in_folder() }
    }

    /// Creates an empty database in memory. All its connections see the same data. One of them can write at a time, as with a file. The
    /// database has no file, so the engine uses no lock file and no snapshot, and `PRAGMA journal_mode = WAL` has no effect.
    ///
    /// # Panics
    /// If SQLite is older than 3.36, which does not have such databases.
    pub fn in_memory() -> Self {
        Self { place: Place::in_memory() }
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

    /// The path of the database file. For a database in memory, it is a URI. `Connection::open` accepts both.
    pub fn path(&self) -> PathBuf {
        self.place.path()
    }
}

impl<B: TestServer> TestDatabase<B> {
    /// Creates an empty database on a server. Its name begins with `switchy_test_`, and no other database has it.
    ///
    /// The server is the one at the address in `SWITCHY_TEST_POSTGRES_URL` or `SWITCHY_TEST_MYSQL_URL`. The user of that address must have
    /// the right to create databases. Without the variable, a server is started from the installed programs (`initdb` and `postgres`, or
    /// `mariadb-install-db` and `mariadbd`) in a temporary folder. All tests of the process share it, and it is removed when the process
    /// ends.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")] {
    /// use switchy_schema::Postgres;
    /// use switchy_schema::test_utils::TestDatabase;
    ///
    /// let database = TestDatabase::<Postgres>::on_server();
    /// database.connect().batch_execute("CREATE TABLE users (name text); INSERT INTO users VALUES ('Ada')").unwrap();
    /// assert_eq!(database.rows("SELECT * FROM users"), ["Ada"]);
    /// # }
    /// ```
    ///
    /// # Panics
    /// If there is no server, or if it cannot be used. The message says what to install or to set.
    #[track_caller]
    pub fn on_server() -> Self {
        Self { place: ServerDatabase::shared() }
    }

    /// Creates an empty database as [`on_server`](Self::on_server) does, or prints that there is no server and returns `None`. A test can
    /// then end. With `SWITCHY_REQUIRE_SERVERS=1` in the environment it panics instead: set this where all tests must run.
    ///
    /// # Panics
    /// If there is a server that cannot be used, or that is installed and cannot be started.
    #[track_caller]
    pub fn if_available() -> Option<Self> {
        server::is_available::<B>().then(Self::on_server)
    }

    /// Creates an empty database on the server at this address.
    ///
    /// # Panics
    /// If the server cannot be used.
    #[track_caller]
    pub fn on_server_at(address: &str) -> Self {
        Self { place: ServerDatabase::at(address) }
    }

    /// The address of the database, for example for a program that the test starts. It contains the password, if the server has one.
    pub fn address(&self) -> &str {
        self.place.address()
    }
}

impl<B: TestBackend> TestDatabase<B> {
    /// Creates an empty database: a file for SQLite, or a database on a server.
    #[track_caller]
    pub(super) fn fresh() -> Self {
        Self { place: B::new_place() }
    }

    /// Opens a new connection to the database.
    ///
    /// # Panics
    /// If the database cannot be opened.
    #[track_caller]
    pub fn connect(&self) -> B::Connection {
        B::open(&self.place)
    }

    /// Opens a connection to a database whose content need not survive a crash.
    #[track_caller]
    pub(super) fn connect_quick(&self) -> B::Connection {
        B::open_quick(&self.place)
    }

    /// The definitions of all tables, indexes, triggers and views, and on a server of everything else that has one. Those of the engine
    /// and of the database itself are left out. They are always in the same order.
    ///
    /// # Panics
    /// If the database cannot be read.
    #[track_caller]
    pub fn schema(&self) -> Vec<String> {
        B::schema_lines(&mut self.connect())
    }

    /// The result of a query: one string for each row, with the values separated by `|`, as [`rows`](super::rows()) writes them for
    /// SQLite, and [`server::rows`](super::server::rows()) for a server.
    ///
    /// # Panics
    /// If the query fails.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let mut conn = self.connect();
        B::rows(&mut B::borrow(&mut conn), sql)
            .unwrap_or_else(|error| panic!("the query `{sql}` fails: {error}"))
    }
}

impl<B: TestBackend> fmt::Debug for TestDatabase<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase").field("place", &self.place).finish()
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
