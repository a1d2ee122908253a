//! [`SqliteState`]: the state in a file, over `rusqlite`.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hyperchad_state::{Error, StatePersistence, StateStore};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use switchy_schema::Sqlite;

use crate::error::OpenError;
use crate::set::{FIRST, Table, runner};

/// Opens the state in a file. The file and its folder are created if they do not exist. The store is returned only if its table is as this
/// program expects it.
///
/// # Errors
/// [`OpenError`]: the folder or the file cannot be created or opened, a migration fails, or the file does not belong to HyperChad, or to a
/// newer version of this program. The content of the file is kept.
pub fn open(path: impl AsRef<Path>) -> Result<StateStore<SqliteState>, OpenError> {
    SqliteState::open(path).map(StateStore::new)
}

/// State in a SQLite file, the persistence of a [`StateStore`].
///
/// Its functions block on the file and never await anything, so they need no runtime. An application with threads that must not block on a
/// disk calls them from another thread.
#[derive(Debug)]
pub struct SqliteState {
    conn: Mutex<Connection>,
}

impl SqliteState {
    /// Opens a file like [`open`], without the cache of a store.
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
        if table(&conn).map_err(failed)? == Table::Other {
            return Err(OpenError::NotState { place: path.display().to_string() });
        }
        // A file that `hyperchad_state` wrote has the table and no migrations.
        runner::<Sqlite>()?.baseline_if(|conn| Ok(table(conn)? == Table::State), FIRST).run(&conn)?;
        Ok(Self { conn: Mutex::new(conn) })
    }

    /// Locks the connection. A panic leaves no transaction open, so the poisoning of the mutex is ignored.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn table(conn: &Connection) -> rusqlite::Result<Table> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info('state') ORDER BY cid")?;
    let columns: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Table::with_columns(columns.iter().map(String::as_str)))
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

    /// `null` counts as no value, as in HyperChad's own persistence.
    async fn get<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        key: impl AsRef<str> + Send + Sync,
    ) -> Result<Option<T>, Error> {
        let text = text_of(&self.lock(), key.as_ref()).map_err(of_sqlite)?;
        Ok(text.as_deref().map(serde_json::from_str::<Option<T>>).transpose()?.flatten())
    }

    /// Removes any value, even one that cannot be deserialized.
    async fn remove(&self, key: impl AsRef<str> + Send + Sync) -> Result<(), Error> {
        delete(&self.lock(), key.as_ref()).map_err(of_sqlite)
    }

    /// Keeps a value that cannot be deserialized as the requested type.
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

/// Without HyperChad's own persistence, its error type has one variant, which holds text.
#[allow(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
fn of_sqlite(error: rusqlite::Error) -> Error {
    Error::Serde(serde_json::Error::custom(format!("the state cannot be read or written: {error}")))
}
