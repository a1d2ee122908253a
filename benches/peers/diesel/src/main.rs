//! diesel_migrations, with the folder that its macro embeds.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

#[path = "../../peer.rs"]
mod peer;

const SETS: [(usize, EmbeddedMigrations); 6] = [
    (10, embed_migrations!("generated/10")),
    (11, embed_migrations!("generated/11")),
    (100, embed_migrations!("generated/100")),
    (101, embed_migrations!("generated/101")),
    (1000, embed_migrations!("generated/1000")),
    (1001, embed_migrations!("generated/1001")),
];

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Text)]
    answer: String,
}

struct Diesel;

impl peer::Peer for Diesel {
    type Connection = SqliteConnection;
    /// The constant cannot be cloned, so it is named where it is used.
    type Set = usize;

    fn open(file: &Path) -> SqliteConnection {
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    }

    fn set(count: usize) -> usize {
        SETS.iter().position(|set| set.0 == count).unwrap()
    }

    fn run(conn: &mut SqliteConnection, set: &usize) {
        let (_, migrations) = SETS.into_iter().nth(*set).unwrap();
        conn.run_pending_migrations(migrations).unwrap();
    }

    fn ask(conn: &mut SqliteConnection, query: &str) -> String {
        let query = diesel::sql_query(format!("SELECT ({query}) AS answer"));
        query.get_result::<Answer>(conn).unwrap().answer
    }
}

fn main() {
    peer::main::<Diesel>();
}
