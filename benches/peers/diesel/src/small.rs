//! The smallest program that has two migrations.

use diesel::{Connection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("generated/2");

fn main() {
    let mut conn = SqliteConnection::establish(&std::env::args().nth(1).unwrap()).unwrap();
    conn.run_pending_migrations(MIGRATIONS).unwrap();
}
