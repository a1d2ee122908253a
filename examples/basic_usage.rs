//! Migrates a SQLite file with the set in `migrations/`. A second run has nothing to do.
//!
//! `cargo run --example basic_usage [FOLDER]`

use std::path::PathBuf;

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use switchy_schema::{MigrationRunner, Report};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// An application calls this at every start.
fn migrate(conn: &Connection) -> switchy_schema::Result<Report> {
    MigrationRunner::new_embedded(&MIGRATIONS)?.run(conn)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("switchy_schema_basic_usage"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("notes.db");
    println!("database: {}", file.display());

    let conn = Connection::open(&file)?;
    let report = migrate(&conn).map_err(|error| format!("{error:#}"))?;
    println!("{report}");

    let mut overview = conn.prepare("SELECT title, notebook, tags FROM note_overview")?;
    let mut notes = overview.query([])?;
    while let Some(note) = notes.next()? {
        let (title, notebook, tags): (String, String, Option<String>) =
            (note.get("title")?, note.get("notebook")?, note.get("tags")?);
        println!("note: {title} (in {notebook}, tagged {})", tags.unwrap_or_default());
    }
    Ok(())
}
