//! The smallest program that has two migrations.

use rusqlite::Connection;

const SCRIPTS: [&str; 2] = ["CREATE TABLE a (x)", "CREATE TABLE b (x)"];

fn main() {
    let conn = Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    let applied: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    for (number, script) in SCRIPTS.iter().enumerate().skip(applied as usize) {
        conn.execute_batch(&format!("BEGIN; {script}; PRAGMA user_version = {}; COMMIT", number + 1))
            .unwrap();
    }
}
