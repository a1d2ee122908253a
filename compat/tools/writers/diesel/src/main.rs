//! `diesel_writer <migrations> <database>`: what `diesel migration run` does, and a program with embedded migrations.

use std::error::Error;

use diesel::{Connection, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

// Named so that it is linked.
use libsqlite3_sys as _;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [migrations, database] = &arguments[..] else {
        return Err("two arguments are needed: a folder of migrations and a database".into());
    };
    let migrations = FileBasedMigrations::from_path(migrations)?;
    SqliteConnection::establish(database)?.run_pending_migrations(migrations)?;
    Ok(())
}
