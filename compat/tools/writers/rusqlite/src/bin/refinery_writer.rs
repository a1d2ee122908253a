//! `refinery_writer <migrations> <url>`: what `refinery::embed_migrations!` does at the start of a program.

use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use refinery::config::Config;
use refinery::{Migration, Runner};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [migrations, url] = &arguments[..] else {
        return Err("two arguments are needed: a folder of migrations and a URL".into());
    };
    let migrations: Vec<Migration> = refinery::load_sql_migrations(Path::new(migrations))?;
    Runner::new(&migrations).run(&mut Config::from_str(url)?)?;
    Ok(())
}
