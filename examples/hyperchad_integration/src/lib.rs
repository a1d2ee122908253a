//! The state of a HyperChad application in a SQLite file under migrations.
//!
//! [`open`] is what an application calls. It takes over files that `hyperchad_state` wrote with its own SQLite persistence, and that still
//! opens them afterwards.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("state/app.db");
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = hyperchad_integration::open(path)?;
//! store.set("theme", &"dark").await?;
//! assert_eq!(store.get::<String>("theme").await?.as_deref(), Some("dark"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hyperchad_state::{Error, StatePersistence, StateStore};
use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use switchy_schema::{ErrorKind, MigrationError, MigrationRunner, Recovery, Signature};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// The migration that makes what `hyperchad_state` makes by itself.
const FIRST: &str = "2026-11-23-000000_state";

/// Opens the state in a file, which is made if it is missing, as is its folder. The store is given out only when its table is as this
/// program expects it.
///
/// # Errors
/// [`OpenError`]: the folder or the file cannot be made or opened, a migration fails, or the file is not one of HyperChad, or of a
/// newer version of this program. What was in it is still there then.
pub fn open(path: impl AsRef<Path>) -> Result<StateStore<SqliteState>, OpenError> {
    SqliteState::open(path).map(StateStore::new)
}

/// Why the state in a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the file cannot be made.
    #[error("the folder {} cannot be made; check that this user may do so", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite cannot open or read the file.
    #[error("the state in {} cannot be opened", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// It has a table of the right name with other columns.
    #[error("the table `state` in {} is not HyperChad's; choose another file", path.display())]
    NotState {
        /// Which file.
        path: PathBuf,
    },
    /// The table could not be brought up to date, or the file is newer than the program
    /// ([`is_database_ahead`](MigrationError::is_database_ahead)).
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

/// State in a SQLite file: what [`StateStore`] writes to.
///
/// Its functions wait for the file and never for anything else, so that they need no runtime. An application whose threads must not
/// wait for a disk calls them from one that may.
#[derive(Debug)]
pub struct SqliteState {
    conn: Mutex<Connection>,
}

impl SqliteState {
    /// Opens a file, as [`open`] does, without the cache of a store.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            let made = fs::create_dir_all(folder);
            made.map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        }
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let conn = Connection::open(path).map_err(failed)?;
        let runner = MigrationRunner::new_embedded(&MIGRATIONS)?.program("hyperchad_integration");
        match table(&conn).map_err(failed)? {
            Table::Missing => {}
            Table::State => take_over(&runner, &conn)?,
            Table::Other => return Err(OpenError::NotState { path: path.to_owned() }),
        }
        runner.run(&conn)?;
        Ok(Self { conn: Mutex::new(conn) })
    }

    /// The connection. A panic while it was held left no transaction open, so what it meant to others does not matter.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file has under the name of HyperChad's table.
enum Table {
    Missing,
    State,
    Other,
}

fn table(conn: &Connection) -> rusqlite::Result<Table> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info('state') ORDER BY cid")?;
    let columns: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(match columns.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Table::Missing,
        ["key", "value"] => Table::State,
        _ => Table::Other,
    })
}

/// Records that a file which is older than its migrations has the first of them. If it is recorded, by whomever, all is well.
fn take_over(runner: &MigrationRunner, conn: &Connection) -> Result<(), MigrationError> {
    if !runner.history(conn)?.records().is_empty() {
        return Ok(());
    }
    let signature = Signature::of("hyperchad_integration").because("the file was written by hyperchad_state");
    match runner.recover(conn, Recovery::Baseline(FIRST.into()), signature) {
        // Another program opened the same file and was faster.
        Err(error) if error.kind() == ErrorKind::Recovery && runner.is_applied(conn, FIRST)? => Ok(()),
        recovered => recovered.map(drop),
    }
}

#[async_trait]
impl StatePersistence for SqliteState {
    async fn set<T: Serialize + Send + Sync>(
        &self,
        key: impl Into<String> + Send + Sync,
        value: &T,
    ) -> Result<(), Error> {
        let text = serde_json::to_string(value)?;
        let sql = "INSERT INTO state (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.lock().execute(sql, [key.into(), text]).map(drop).map_err(of_sqlite)
    }

    /// `null` is no value, as in HyperChad's own persistence.
    async fn get<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        key: impl AsRef<str> + Send + Sync,
    ) -> Result<Option<T>, Error> {
        let text = text_of(&self.lock(), key.as_ref()).map_err(of_sqlite)?;
        Ok(text.as_deref().map(serde_json::from_str::<Option<T>>).transpose()?.flatten())
    }

    /// Whatever the value is: who removes it need not be able to read it.
    async fn remove(&self, key: impl AsRef<str> + Send + Sync) -> Result<(), Error> {
        delete(&self.lock(), key.as_ref()).map_err(of_sqlite)
    }

    /// A value that cannot be read as what is asked for is not taken: it stays where it is.
    async fn take<T: DeserializeOwned + Send + Sync>(
        &self,
        key: impl AsRef<str> + Send + Sync,
    ) -> Result<Option<T>, Error> {
        let mut conn = self.lock();
        let transaction =
            conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(of_sqlite)?;
        let text = text_of(&transaction, key.as_ref()).map_err(of_sqlite)?;
        let value = text.as_deref().map(serde_json::from_str).transpose()?;
        delete(&transaction, key.as_ref()).map_err(of_sqlite)?;
        transaction.commit().map_err(of_sqlite)?;
        Ok(value)
    }

    async fn clear(&self) -> Result<(), Error> {
        self.lock().execute("DELETE FROM state", []).map(drop).map_err(of_sqlite)
    }
}

fn text_of(conn: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    conn.query_row("SELECT value FROM state WHERE key = ?1", [key], |row| row.get(0)).optional()
}

fn delete(conn: &Connection, key: &str) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM state WHERE key = ?1", [key]).map(drop)
}

/// Without HyperChad's own persistence its error has one variant, which carries text.
#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn of_sqlite(error: rusqlite::Error) -> Error {
    Error::Serde(serde_json::Error::custom(format!("the state cannot be read or written: {error}")))
}
