//! `diesel_writer <migrations> <url>`: what `diesel migration run` does, and a program with embedded migrations.

use std::error::Error;

use diesel::migration::MigrationConnection;
use diesel::{Connection, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

// Named so that it is linked.
use libsqlite3_sys as _;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [migrations, url] = &arguments[..] else {
        return Err("two arguments are needed: a folder of migrations and a URL".into());
    };
    let migrations = FileBasedMigrations::from_path(migrations)?;
    #[cfg(feature = "servers")]
    match url.split_once("://") {
        Some(("postgres", _)) => return run::<diesel::PgConnection>(url, migrations),
        Some(("mysql", _)) => return run::<diesel::MysqlConnection>(url, migrations),
        _ => {}
    }
    run::<SqliteConnection>(url, migrations)
}

fn run<C>(url: &str, migrations: FileBasedMigrations) -> Outcome
where
    C: MigrationConnection + MigrationHarness<C::Backend> + Connection,
{
    C::establish(url)?.run_pending_migrations(migrations)?;
    Ok(())
}
