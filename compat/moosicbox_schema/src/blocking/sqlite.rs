//! MoosicBox on SQLite.

use include_dir::{Dir, include_dir};
use switchy_schema::{Migration, Sqlite, rusqlite::Connection};

use crate::{MigrateError, Migrations};

pub(crate) static CONFIG: Dir<'static> = include_dir!("$MOOSICBOX_SCRIPTS/config/sqlite");
pub(crate) static LIBRARY: Dir<'static> = include_dir!("$MOOSICBOX_SCRIPTS/library/sqlite");

/// The migrations of the config.
pub static SQLITE_CONFIG_MIGRATIONS: Migrations<Sqlite> = Migrations::new(&CONFIG).beside(&LIBRARY);

/// The migrations of the library.
pub static SQLITE_LIBRARY_MIGRATIONS: Migrations<Sqlite> = Migrations::new(&LIBRARY).beside(&CONFIG);

/// Migrates the config, as [`migrate_config_sqlite`] does.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_config(conn: &Connection) -> Result<(), MigrateError> {
    migrate_config_sqlite(conn)
}

/// Migrates the library, as [`migrate_library_sqlite`] does.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_library(conn: &Connection) -> Result<(), MigrateError> {
    migrate_library_sqlite(conn)
}

/// Migrates the library up to but not including a migration, as [`migrate_library_sqlite_until`] does.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_library_until(conn: &Connection, migration_name: Option<&str>) -> Result<(), MigrateError> {
    migrate_library_sqlite_until(conn, migration_name)
}

/// Migrates the config on SQLite.
///
/// ```
/// let conn = rusqlite::Connection::open_in_memory()?;
/// moosicbox_schema::blocking::migrate_config_sqlite(&conn)?;
/// conn.execute("INSERT INTO profiles (name) VALUES ('master')", [])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_config_sqlite(conn: &Connection) -> Result<(), MigrateError> {
    SQLITE_CONFIG_MIGRATIONS.run(conn)
}

/// Migrates the library on SQLite.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_library_sqlite(conn: &Connection) -> Result<(), MigrateError> {
    migrate_library_sqlite_until(conn, None)
}

/// Migrates the library on SQLite up to but not including a migration.
///
/// ```
/// use moosicbox_schema::blocking::{SQLITE_LIBRARY_MIGRATIONS, migrate_library_sqlite_until};
///
/// let conn = rusqlite::Connection::open_in_memory()?;
/// migrate_library_sqlite_until(&conn, Some("2025-05-31-110603_update_api_source_id_structure"))?;
///
/// let pending = SQLITE_LIBRARY_MIGRATIONS.runner()?.pending(&conn)?;
/// assert_eq!(pending[0], "2025-05-31-110603_update_api_source_id_structure");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_library_sqlite_until(
    conn: &Connection,
    migration_name: Option<&str>,
) -> Result<(), MigrateError> {
    SQLITE_LIBRARY_MIGRATIONS.run_until(conn, migration_name)
}

/// The migrations of the config on SQLite, in the order in which they run.
///
/// # Errors
/// The same as [`Migrations::list`].
pub fn get_sqlite_config_migrations() -> Result<Vec<Migration<Sqlite>>, MigrateError> {
    SQLITE_CONFIG_MIGRATIONS.list()
}

/// The migrations of the library on SQLite, in the order in which they run.
///
/// # Errors
/// The same as [`Migrations::list`].
pub fn get_sqlite_library_migrations() -> Result<Vec<Migration<Sqlite>>, MigrateError> {
    SQLITE_LIBRARY_MIGRATIONS.list()
}
