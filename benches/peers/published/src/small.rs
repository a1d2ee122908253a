//! The smallest program that has two migrations.

use std::sync::Arc;

use include_dir::{Dir, include_dir};
use switchy_database::rusqlite::RusqliteDatabase;
use switchy_schema::runner::MigrationRunner;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/generated/2");

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let conn = rusqlite::Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    let database = RusqliteDatabase::new(vec![Arc::new(switchy_async::sync::Mutex::new(conn))]);
    runtime.block_on(MigrationRunner::new_embedded(&MIGRATIONS).run(&database)).unwrap();
}
