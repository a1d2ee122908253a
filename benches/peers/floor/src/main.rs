//! By hand: reads what is applied, then runs each script with its record in a transaction. No library can do less.

use std::path::Path;

use rusqlite::Connection;

#[path = "../../peer.rs"]
mod peer;

type Scripts = &'static [(&'static str, &'static str)];
const SETS: &[(usize, Scripts)] = include!(concat!(env!("OUT_DIR"), "/sets.rs"));

/// `BATCH`: all migrations in one transaction.
struct Floor<const BATCH: bool>;

impl<const BATCH: bool> peer::Peer for Floor<BATCH> {
    type Connection = Connection;
    type Set = Scripts;

    fn open(file: &Path) -> Connection {
        let conn = Connection::open(file).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    }

    fn set(count: usize) -> Scripts {
        SETS.iter().find(|set| set.0 == count).unwrap().1
    }

    fn run(conn: &mut Connection, set: &Scripts) {
        let applied = conn.query_row("SELECT count(*) FROM history", [], |row| row.get::<_, u32>(0));
        let applied = applied.unwrap_or_else(|_| {
            conn.execute_batch("CREATE TABLE history (id TEXT PRIMARY KEY, at TEXT NOT NULL)").unwrap();
            0
        });
        let pending = &set[applied as usize..];
        for some in pending.chunks(if BATCH { pending.len().max(1) } else { 1 }) {
            conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            for (id, script) in some {
                conn.execute_batch(script).unwrap();
                conn.execute("INSERT INTO history VALUES (?1, datetime('now'))", [id]).unwrap();
            }
            conn.execute_batch("COMMIT").unwrap();
        }
    }

    fn ask(conn: &mut Connection, query: &str) -> String {
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

fn main() {
    if std::env::args().nth(4).is_some() { peer::main::<Floor<true>>() } else { peer::main::<Floor<false>>() }
}
