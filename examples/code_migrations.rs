//! Migrations in code, next to migrations in SQL: one is a function, and one is a type.
//!
//! `cargo run --example code_migrations`

use rusqlite::Connection;
use switchy_schema::{
    BoxError, CodeMigration, CodeMigrations, Migration, MigrationId, MigrationRunner, Target,
};

/// Splits `full_name` at its last space, which is cumbersome in SQL.
struct SplitNames;

impl CodeMigration for SplitNames {
    fn id(&self) -> MigrationId {
        MigrationId::from_static("2026-03-02-100000_split_names")
    }

    fn description(&self) -> Option<&str> {
        Some("First and last names in columns of their own.")
    }

    fn depends_on(&self) -> Vec<MigrationId> {
        vec!["2026-03-01-100000_people".into()]
    }

    fn up(&self, conn: &Connection) -> Result<(), BoxError> {
        conn.execute_batch(
            "ALTER TABLE people ADD COLUMN first TEXT; ALTER TABLE people ADD COLUMN last TEXT",
        )?;
        let mut read = conn.prepare("SELECT id, full_name FROM people")?;
        let mut people = read.query([])?;
        while let Some(person) = people.next()? {
            let (id, name): (i64, String) = (person.get(0)?, person.get(1)?);
            let (first, last) =
                name.rsplit_once(' ').ok_or_else(|| format!("person {id} has one name only: {name}"))?;
            conn.execute("UPDATE people SET first = ?1, last = ?2 WHERE id = ?3", (first, last, id))?;
        }
        Ok(())
    }

    fn down(&self, conn: &Connection) -> Result<(), BoxError> {
        conn.execute_batch("ALTER TABLE people DROP COLUMN first; ALTER TABLE people DROP COLUMN last")?;
        Ok(())
    }

    fn reversible(&self) -> bool {
        true
    }
}

fn seed(conn: &Connection) -> rusqlite::Result<()> {
    for name in ["Ada Lovelace", "Grace Brewster Hopper"] {
        conn.execute("INSERT INTO people (full_name) VALUES (?1)", [name])?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = CodeMigrations::new()
        .register(SplitNames)
        .register_migration(Migration::sql(
            "2026-03-01-100000_people",
            "CREATE TABLE people (id INTEGER PRIMARY KEY, full_name TEXT NOT NULL)",
        ))
        .register_migration(Migration::code("2026-03-01-110000_seed", seed).revision("1"));
    let runner = MigrationRunner::new_code(registry)?;

    let conn = Connection::open_in_memory()?;
    println!("{}", runner.plan(&conn, Target::Latest)?);
    println!("{}", runner.run(&conn)?);

    let last: String = conn.query_row("SELECT group_concat(last, ', ') FROM people", [], |row| row.get(0))?;
    println!("last names: {last}");
    println!("{}", runner.run_to(&conn, Target::Back(1))?);
    Ok(())
}
