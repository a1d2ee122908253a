//! MoosicBox on SQLite, through `&dyn Database`.

use switchy_database::Database;
use switchy_schema::Migration;
use switchy_schema_database::{Sqlite, with_session};

use crate::blocking::sqlite::{CONFIG, LIBRARY};
use crate::{MigrateError, Migrations};

static CONFIG_MIGRATIONS: Migrations<Sqlite> = Migrations::new(&CONFIG).beside(&LIBRARY);
static LIBRARY_MIGRATIONS: Migrations<Sqlite> = Migrations::new(&LIBRARY).beside(&CONFIG);

/// Migrates the config on SQLite.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub async fn migrate_config_sqlite(db: &dyn Database) -> Result<(), MigrateError> {
    with_session(db, |session| CONFIG_MIGRATIONS.run(session)).await
}

/// Migrates the library on SQLite.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub async fn migrate_library_sqlite(db: &dyn Database) -> Result<(), MigrateError> {
    migrate_library_sqlite_until(db, None).await
}

/// Migrates the library on SQLite up to but not including a migration: see [`migrate_library_until`](crate::migrate_library_until).
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub async fn migrate_library_sqlite_until(
    db: &dyn Database,
    migration_name: Option<&str>,
) -> Result<(), MigrateError> {
    let until = migration_name.map(str::to_owned);
    with_session(db, move |session| LIBRARY_MIGRATIONS.run_until(session, until.as_deref())).await
}

/// The migrations of the config on SQLite, in the order in which they run. It is `async` as it was; nothing is waited for.
///
/// # Errors
/// The same as [`Migrations::list`].
#[allow(clippy::unused_async, reason = "callers await it")]
pub async fn get_sqlite_config_migrations() -> Result<Vec<Migration<Sqlite>>, MigrateError> {
    CONFIG_MIGRATIONS.list()
}

/// The migrations of the library on SQLite, in the order in which they run. It is `async` as it was; nothing is waited for.
///
/// # Errors
/// The same as [`Migrations::list`].
#[allow(clippy::unused_async, reason = "callers await it")]
pub async fn get_sqlite_library_migrations() -> Result<Vec<Migration<Sqlite>>, MigrateError> {
    LIBRARY_MIGRATIONS.list()
}
