//! `rusqlite_migration_writer <count> <database>`: brings a database to the first so many migrations of the fixtures.

use std::error::Error;

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use rusqlite_migration::Migrations;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/rusqlite_migration/migrations");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, database] = &arguments[..] else {
        return Err("two arguments are needed: a number of migrations and a database".into());
    };
    let migrations = Migrations::from_directory(&MIGRATIONS)?;
    migrations.to_version(&mut Connection::open(database)?, count.parse()?)?;
    Ok(())
}
