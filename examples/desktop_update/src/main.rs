//! One file in the hands of three versions of an application: `cargo run -p desktop_update [FOLDER]`.

use std::error::Error;
use std::path::PathBuf;

use desktop_update::{Trouble, Version, explain, update};
use switchy_schema::rusqlite::Connection;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let file = folder.join("switchy_schema_notes.db");
    if file.exists() {
        println!("{} is there already; name another folder", file.display());
        return Ok(());
    }
    for (version, trouble) in [
        (Version::One, Trouble::None),
        (Version::Two, Trouble::None),
        (Version::Three, Trouble::LastStep),
        (Version::Three, Trouble::None),
        (Version::One, Trouble::None),
    ] {
        println!("\n== {}", version.name());
        match update(&Connection::open(&file)?, version, trouble) {
            Ok(report) => println!("{report}"),
            Err(error) => println!("{}\n(for the developer: {error})", explain(&error)),
        }
    }
    Ok(())
}
