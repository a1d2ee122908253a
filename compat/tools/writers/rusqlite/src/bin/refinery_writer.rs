//! `refinery_writer <migrations> <database>`: what `refinery::embed_migrations!` does at the start of a program.

use std::error::Error;
use std::path::Path;

use refinery::{Migration, Runner};
use rusqlite::Connection;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [migrations, database] = &arguments[..] else {
        return Err("two arguments are needed: a folder of migrations and a database".into());
    };
    let migrations: Vec<Migration> = refinery::load_sql_migrations(Path::new(migrations))?;
    Runner::new(&migrations).run(&mut Connection::open(database)?)?;
    Ok(())
}
