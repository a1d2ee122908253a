//! [`DatabaseState`]: the state in a `Database` of HyperChad.

use std::sync::Arc;

use async_trait::async_trait;
use hyperchad_state::{Error, StatePersistence, StateStore};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use switchy_database::query::FilterableQuery as _;
use switchy_database::{Database, DatabaseError, DatabaseValue};
use switchy_schema_database::{Runs as _, Sqlite};

use crate::error::OpenError;
use crate::set::{FIRST, Table, runner};

/// Migrates the state in a `Database` that the application holds: a SQLite database, through either of its drivers, in a file or in memory.
/// The store is returned only if its table is as this program expects it.
///
/// # Errors
/// [`OpenError`]: the database cannot be read, a migration fails, or the table does not belong to HyperChad, or to a newer version of this
/// program. The content of the database is kept.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let db = switchy_database_connection::init_sqlite_sqlx(None).await?;
/// let store = hyperchad_integration::open_database(db).await?;
/// store.set("theme", &"dark").await?;
/// assert_eq!(store.get::<String>("theme").await?.as_deref(), Some("dark"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn open_database(db: Box<dyn Database>) -> Result<StateStore<DatabaseState>, OpenError> {
    DatabaseState::open(db).await.map(StateStore::new)
}

/// State in a `Database`, the persistence of a [`StateStore`].
#[derive(Debug)]
pub struct DatabaseState {
    db: Box<dyn Database>,
}

impl DatabaseState {
    /// Opens a database like [`open_database`], without the cache of a store.
    ///
    /// # Errors
    /// As [`open_database`].
    pub async fn open(db: Box<dyn Database>) -> Result<Self, OpenError> {
        if table(&*db).await? == Table::Other {
            return Err(OpenError::NotState { place: "the database".to_owned() });
        }
        // A database that `hyperchad_state` wrote has the table and no migrations.
        let runner = runner::<Sqlite>()?.baseline_if(
            |session| Ok(session.with_database(|db| Box::pin(table(db)))? == Table::State),
            FIRST,
        );
        Arc::new(runner).run_on(&*db).await?;
        Ok(Self { db })
    }
}

async fn table(db: &dyn Database) -> Result<Table, DatabaseError> {
    let columns = db.get_table_columns("state").await?;
    Ok(Table::with_columns(columns.iter().map(|column| &*column.name)))
}

#[async_trait]
impl StatePersistence for DatabaseState {
    async fn set<T: Serialize + Send + Sync>(
        &self,
        key: impl Into<String> + Send + Sync,
        value: &T,
    ) -> Result<(), Error> {
        let values = [key.into(), serde_json::to_string(value)?].map(DatabaseValue::String);
        // Not `upsert`: with the driver of sqlx, it returns before SQLite has committed.
        let sql = "INSERT INTO state (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.db.exec_raw_params(sql, &values).await.map(drop).map_err(of_database)
    }

    /// `null` counts as no value, as in HyperChad's own persistence.
    async fn get<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        key: impl AsRef<str> + Send + Sync,
    ) -> Result<Option<T>, Error> {
        Ok(value(&*self.db, key.as_ref()).await?.flatten())
    }

    /// Removes any value, even one that cannot be deserialized.
    async fn remove(&self, key: impl AsRef<str> + Send + Sync) -> Result<(), Error> {
        delete(&*self.db, key.as_ref()).await
    }

    /// Keeps a value that cannot be deserialized as the requested type.
    async fn take<T: DeserializeOwned + Send + Sync>(
        &self,
        key: impl AsRef<str> + Send + Sync,
    ) -> Result<Option<T>, Error> {
        let transaction = self.db.begin_transaction().await.map_err(of_database)?;
        let taken = take(&*transaction, key.as_ref()).await;
        let end = if taken.is_ok() { transaction.commit() } else { transaction.rollback() };
        end.await.map_err(of_database)?;
        taken
    }

    async fn clear(&self) -> Result<(), Error> {
        self.db.delete("state").execute(&*self.db).await.map(drop).map_err(of_database)
    }
}

async fn take<T: DeserializeOwned>(db: &dyn Database, key: &str) -> Result<Option<T>, Error> {
    let value = value(db, key).await?;
    delete(db, key).await?;
    Ok(value)
}

async fn value<T: DeserializeOwned>(db: &dyn Database, key: &str) -> Result<Option<T>, Error> {
    let select = db.select("state").columns(&["value"]).where_eq("key", key);
    let row = select.execute_first(db).await.map_err(of_database)?;
    let Some(row) = row else { return Ok(None) };
    let text = row.get("value").and_then(|value| value.as_str().map(str::to_owned));
    let text = text.ok_or_else(|| Error::Serde(serde_json::Error::custom("the value is not a text")))?;
    Ok(Some(serde_json::from_str(&text)?))
}

async fn delete(db: &dyn Database, key: &str) -> Result<(), Error> {
    db.delete("state").where_eq("key", key).execute(db).await.map(drop).map_err(of_database)
}

/// Without HyperChad's own persistence, its error type has one variant, which holds text.
#[allow(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
fn of_database(error: DatabaseError) -> Error {
    Error::Serde(serde_json::Error::custom(format!("the state cannot be read or written: {error}")))
}
