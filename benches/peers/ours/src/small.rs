//! The smallest program that has two migrations.

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use switchy_schema::MigrationRunner;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/generated/2");

fn main() {
    let conn = Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    MigrationRunner::new_embedded(&MIGRATIONS).unwrap().run(&conn).unwrap();
}
