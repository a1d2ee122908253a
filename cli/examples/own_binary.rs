//! An application's own binary with the commands of `switchy-schema`, for migrations of which one is code and one uses a function of the
//! application: `cargo run -p switchy_schema_cli --example own_binary -- migrate --database-url notes.db`

use std::process::ExitCode;

use rusqlite::functions::FunctionFlags;
use switchy_schema::{BoxError, Migration, MigrationRunner, rusqlite};

fn lower_names(conn: &rusqlite::Connection) -> rusqlite::Result<()> {
    let mut names = conn.prepare("SELECT rowid, name FROM users")?;
    let mut rows = names.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        conn.execute("UPDATE users SET name = ?1 WHERE rowid = ?2", (name.to_lowercase(), id))?;
    }
    Ok(())
}

/// The function `initial`, which the commands register on each connection.
fn prepare(conn: &rusqlite::Connection) -> Result<(), BoxError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    Ok(conn.create_scalar_function("initial", 1, flags, |context| {
        Ok(context.get::<String>(0)?.chars().next().map(String::from))
    })?)
}

fn main() -> ExitCode {
    let runner = MigrationRunner::new([
        Migration::reversible(
            "2025-01-01-000000_users",
            "CREATE TABLE users (name TEXT)",
            "DROP TABLE users",
        ),
        Migration::code("2025-01-02-000000_lower_names", lower_names)
            .describe("What SQLite cannot do by itself."),
        Migration::reversible(
            "2025-01-03-000000_initials",
            "CREATE INDEX initials ON users (initial(name))",
            "DROP INDEX initials",
        ),
    ]);
    let is_older = |conn: &rusqlite::Connection| Ok(conn.table_exists(None, "users")?);
    let runner = runner.map(|runner| {
        let runner = runner.program("notes 1.2").prepare_connection(prepare);
        runner.baseline_if(is_older, "2025-01-01-000000_users")
    });
    switchy_schema_cli::run(runner, std::env::args_os())
}
