//! The smallest program that has two migrations.

use rusqlite::Connection;

refinery::embed_migrations!("generated/2");

fn main() {
    let mut conn = Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    migrations::runner().run(&mut conn).unwrap();
}
