//! The functions that find out which kind of database they are given.

use switchy_database::Database;
use switchy_schema::FaultKind;
use switchy_schema::backend::Fault;
use switchy_schema_database::{Server, server_of};

use crate::MigrateError;

/// Migrates the config.
///
/// The published function ran the scripts for PostgreSQL and then those for SQLite on every database, and what failed of those for PostgreSQL
/// was only a line of the log. This one asks the database what it is, and an error of its scripts is an error. On PostgreSQL one is certain:
/// `README.md` says what to do.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let db = switchy_database_connection::init_sqlite_sqlx(None).await?;
/// moosicbox_schema::migrate_config(&*db).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MigrateError::Unsuitable`] if it is another kind of database; otherwise the same as
/// [`Migrations::run_until`](crate::Migrations::run_until).
pub async fn migrate_config(db: &dyn Database) -> Result<(), MigrateError> {
    match server_of(db).await.map_err(MigrateError::Unsuitable)? {
        #[cfg(feature = "sqlite")]
        Server::Sqlite => crate::migrate_config_sqlite(db).await,
        #[cfg(feature = "postgres")]
        Server::Postgres => crate::migrate_config_postgres(db).await,
        other => Err(without_scripts(other)),
    }
}

/// Migrates the library, as [`migrate_library_until`] does without a name.
///
/// # Errors
/// The same as [`migrate_library_until`].
pub async fn migrate_library(db: &dyn Database) -> Result<(), MigrateError> {
    migrate_library_until(db, None).await
}

/// Migrates the library up to but *not including* a migration.
///
/// | version | with the name of a pending migration | with a name that does not exist |
/// |---|---|---|
/// | 0.1 | ran those before it; it stayed pending | ran everything |
/// | 0.4, 0.5 | ran it too (`ExecutionStrategy::UpTo`) | ran everything |
/// | this | runs those before it; it stays pending, as in 0.1 | runs everything, with a warning in the log |
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let db = switchy_database_connection::init_sqlite_rusqlite(None)?;
/// moosicbox_schema::migrate_library_until(&*db, Some("2025-05-31-110603_update_api_source_id_structure")).await?;
/// moosicbox_schema::migrate_library(&*db).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The same as [`migrate_config`].
pub async fn migrate_library_until(
    db: &dyn Database,
    migration_name: Option<&str>,
) -> Result<(), MigrateError> {
    match server_of(db).await.map_err(MigrateError::Unsuitable)? {
        #[cfg(feature = "sqlite")]
        Server::Sqlite => crate::migrate_library_sqlite_until(db, migration_name).await,
        #[cfg(feature = "postgres")]
        Server::Postgres => crate::migrate_library_postgres_until(db, migration_name).await,
        other => Err(without_scripts(other)),
    }
}

/// The error about a database for which there are no scripts.
fn without_scripts(server: Server) -> MigrateError {
    let what = match server {
        Server::Sqlite => {
            "this program was built without the scripts for SQLite: enable the feature `sqlite` of moosicbox_schema"
        }
        Server::Postgres => {
            "this program was built without the scripts for PostgreSQL: enable the feature `postgres` of moosicbox_schema"
        }
        _ => "MoosicBox has scripts for SQLite and PostgreSQL, and this database is neither",
    };
    MigrateError::Unsuitable(Fault::new(FaultKind::Other, what))
}
