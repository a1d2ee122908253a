//! MoosicBox on PostgreSQL.

use include_dir::{Dir, include_dir};
use switchy_schema::{Migration, Postgres, postgres::Client};

use crate::{MigrateError, Migrations};

pub(crate) static CONFIG: Dir<'static> = include_dir!("$MOOSICBOX_SCRIPTS/config/postgres");
pub(crate) static LIBRARY: Dir<'static> = include_dir!("$MOOSICBOX_SCRIPTS/library/postgres");

/// The migrations of the config.
pub static POSTGRES_CONFIG_MIGRATIONS: Migrations<Postgres> = Migrations::new(&CONFIG).beside(&LIBRARY);

/// The migrations of the library.
pub static POSTGRES_LIBRARY_MIGRATIONS: Migrations<Postgres> = Migrations::new(&LIBRARY).beside(&CONFIG);

/// Migrates the config on PostgreSQL.
///
/// ```no_run
/// use switchy_schema::postgres::{Client, NoTls};
///
/// let mut client = Client::connect("host=localhost user=moosicbox", NoTls)?;
/// moosicbox_schema::blocking::migrate_config_postgres(&mut client)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_config_postgres(client: &mut Client) -> Result<(), MigrateError> {
    POSTGRES_CONFIG_MIGRATIONS.run(client)
}

/// Migrates the library on PostgreSQL.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_library_postgres(client: &mut Client) -> Result<(), MigrateError> {
    migrate_library_postgres_until(client, None)
}

/// Migrates the library on PostgreSQL up to but not including a migration.
///
/// # Errors
/// The same as [`Migrations::run_until`].
pub fn migrate_library_postgres_until(
    client: &mut Client,
    migration_name: Option<&str>,
) -> Result<(), MigrateError> {
    POSTGRES_LIBRARY_MIGRATIONS.run_until(client, migration_name)
}

/// The migrations of the config on PostgreSQL, in the order in which they run.
///
/// # Errors
/// The same as [`Migrations::list`].
pub fn get_postgres_config_migrations() -> Result<Vec<Migration<Postgres>>, MigrateError> {
    POSTGRES_CONFIG_MIGRATIONS.list()
}

/// The migrations of the library on PostgreSQL, in the order in which they run.
///
/// # Errors
/// The same as [`Migrations::list`].
pub fn get_postgres_library_migrations() -> Result<Vec<Migration<Postgres>>, MigrateError> {
    POSTGRES_LIBRARY_MIGRATIONS.list()
}
