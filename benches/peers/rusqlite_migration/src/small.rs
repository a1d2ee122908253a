//! The smallest program that has two migrations.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

const MIGRATIONS: &[M<'static>] = &[M::up("CREATE TABLE a (x)"), M::up("CREATE TABLE b (x)")];

fn main() {
    let mut conn = Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    Migrations::from_slice(MIGRATIONS).to_latest(&mut conn).unwrap();
}
