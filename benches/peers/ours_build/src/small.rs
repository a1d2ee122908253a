//! The smallest program that has two migrations.

use rusqlite::Connection;
use switchy_schema::MigrationRunner;

switchy_schema::embedded!("2");

fn main() {
    let conn = Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    MigrationRunner::new(MIGRATIONS).unwrap().run(&conn).unwrap();
}
