//! rusqlite_migration, with a constant list. It applies all pending migrations in one transaction.

use std::path::Path;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

#[path = "../../peer.rs"]
mod peer;

const SETS: &[(usize, &[M<'static>])] = include!(concat!(env!("OUT_DIR"), "/sets.rs"));

struct RusqliteMigration;

impl peer::Peer for RusqliteMigration {
    type Connection = Connection;
    type Set = Migrations<'static>;

    fn open(file: &Path) -> Connection {
        let conn = Connection::open(file).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    }

    fn set(count: usize) -> Migrations<'static> {
        Migrations::from_slice(SETS.iter().find(|set| set.0 == count).unwrap().1)
    }

    fn run(conn: &mut Connection, migrations: &Migrations<'static>) {
        migrations.to_latest(conn).unwrap();
    }

    fn ask(conn: &mut Connection, query: &str) -> String {
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

fn main() {
    peer::main::<RusqliteMigration>();
}
