//! refinery, with the folder that its macro embeds.

use std::path::Path;

use refinery::Runner;
use rusqlite::Connection;

#[path = "../../peer.rs"]
mod peer;

macro_rules! sets {
    ($($name:ident $folder:literal),*) => { $(mod $name { refinery::embed_migrations!($folder); })* };
}
sets!(
    s10 "generated/10", s11 "generated/11", s100 "generated/100",
    s101 "generated/101", s1000 "generated/1000", s1001 "generated/1001"
);

struct Refinery;

impl peer::Peer for Refinery {
    type Connection = Connection;
    type Set = Runner;

    fn open(file: &Path) -> Connection {
        let conn = Connection::open(file).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    }

    fn set(count: usize) -> Runner {
        match count {
            10 => s10::migrations::runner(),
            11 => s11::migrations::runner(),
            100 => s100::migrations::runner(),
            101 => s101::migrations::runner(),
            1000 => s1000::migrations::runner(),
            1001 => s1001::migrations::runner(),
            other => panic!("no set of {other}"),
        }
    }

    fn run(conn: &mut Connection, runner: &Runner) {
        runner.run(conn).unwrap();
    }

    fn ask(conn: &mut Connection, query: &str) -> String {
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

fn main() {
    peer::main::<Refinery>();
}
