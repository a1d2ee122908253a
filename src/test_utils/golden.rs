//! A schema compared with a file.

use std::path::Path;
use std::{env, fs};

use rusqlite::Connection;

use crate::diff::lines;

use super::assertions::printable;
use super::query::definitions;

/// The environment variable with which the file is written and not compared.
const UPDATE: &str = "SWITCHY_UPDATE_GOLDEN";

/// Asserts that the schema of a database is the same as the text in a file. The tables of the engine are left out. The command
/// `switchy-schema schema` and [`dump_schema`](crate::MigrationRunner::dump_schema) write the same text.
///
/// If the environment variable `SWITCHY_UPDATE_GOLDEN` is `1`, this function compares nothing and writes the file. Do not set it where
/// the tests must find mistakes, such as in continuous integration. A relative path starts at the folder of the package, where
/// `cargo test` runs.
///
/// ```
/// use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::{TestMigrationBuilder, assert_schema_file};
///
/// let folder = TestMigrationBuilder::new().file("schema.sql", "CREATE TABLE users (name TEXT);\n");
/// let conn = Connection::open_in_memory().unwrap();
/// conn.execute_batch("CREATE TABLE users (name TEXT)").unwrap();
/// assert_schema_file(&conn, folder.path().join("schema.sql"));
/// ```
///
/// # Panics
/// If the texts differ. The message shows the difference. Line ends are not compared. If the file does not exist, cannot be read, or cannot
/// be written.
#[track_caller]
pub fn assert_schema_file(conn: &Connection, path: impl AsRef<Path>) {
    let schema = definitions(conn);
    if let Err(message) = compare(path.as_ref(), &schema.to_string()) {
        panic!("{message}");
    }
}

/// Compares a text with a file, or writes the file if the environment asks for it.
///
/// # Errors
/// What to show to the author.
pub(super) fn compare(path: &Path, found: &str) -> Result<(), String> {
    let shown = path.display();
    if env::var(UPDATE).is_ok_and(|value| value == "1") {
        let folder = path.parent().unwrap_or(path);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, found));
        return written.map_err(|error| format!("{shown} cannot be written: {error}"));
    }
    let hint = format!("to write it, run the test with {UPDATE}=1");
    let expected =
        fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}; {hint}"))?;
    if expected.replace("\r\n", "\n") == found {
        return Ok(());
    }
    let difference = printable(&lines(&expected, found).unwrap_or_default());
    Err(format!("the schema is not the one in {shown}; {hint}\n{difference}"))
}
