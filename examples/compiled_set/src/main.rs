//! Opens a database and applies the pending migrations: `cargo run -p compiled_set -- notes.db`.

use compiled_set::schema;
use switchy_schema::rusqlite::Connection;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| ":memory:".to_owned());
    println!("{}", schema::migrate(&Connection::open(path)?)?);
    Ok(())
}
