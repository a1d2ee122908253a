//! switchy_schema, with a set that the build script read.

use std::path::Path;

use rusqlite::Connection;
use switchy_schema::{CompiledMigrations, MigrationRunner};

#[path = "../../peer.rs"]
mod peer;

macro_rules! sets {
    ($($module:ident $name:literal),*) => {
        $(mod $module {
            switchy_schema::embedded!($name);
        })*
        static SETS: &[(&str, CompiledMigrations)] = &[$(($name, $module::MIGRATIONS)),*];
    };
}

sets!(m10 "10", m11 "11", m100 "100", m101 "101", m1000 "1000", m1001 "1001");

struct Ours;

impl peer::Peer for Ours {
    type Connection = Connection;
    type Set = MigrationRunner;

    fn open(file: &Path) -> Connection {
        let conn = Connection::open(file).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    }

    fn set(count: usize) -> MigrationRunner {
        let (_, set) = SETS.iter().find(|set| set.0 == count.to_string()).unwrap();
        MigrationRunner::new(*set).unwrap()
    }

    fn run(conn: &mut Connection, runner: &MigrationRunner) {
        runner.run(conn).unwrap();
    }

    fn ask(conn: &mut Connection, query: &str) -> String {
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

fn main() {
    peer::main::<Ours>();
}
