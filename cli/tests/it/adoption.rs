//! `adopt`, on databases that other tools created.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::Shell;

/// A folder of files and databases that a tool created.
pub(crate) fn fixture(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/tools/fixtures").join(folder)
}

/// A folder with the migrations of a tool that has the same layout as the engine, and one of its databases.
fn of(folder: &str, database: &str) -> Shell {
    let shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    for entry in fs::read_dir(fixture(folder).join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        shell.write(&format!("migrations/{name}"), &fs::read_to_string(&path).unwrap());
    }
    fs::copy(fixture(folder).join(database), shell.path().join("app.db")).unwrap();
    shell
}

#[test]
fn a_history_is_shown_and_then_taken_over() {
    let mut shell = of("sqlx", "partial.db");
    let bytes = |shell: &Shell| fs::read(shell.path().join("app.db")).unwrap();
    let before = bytes(&shell);
    shell.runs(&["adopt --dry-run", "adopt --dry-run --json"]);
    assert_eq!(bytes(&shell), before);
    shell.runs(&[
        "adopt --why 'we use it now'",
        "adopt",
        "adopt --json",
        "status",
        "history",
        "migrate",
        "adopt --dry-run",
    ]);
    shell.assert("adopt");
}

#[test]
fn what_is_assumed_wants_a_yes() {
    let mut shell = of("golang-migrate", "partial.db");
    shell.runs(&["adopt --dry-run", "adopt", "adopt --json", "adopt --yes", "adopt --dry-run"]);
    let mut again = of("golang-migrate", "partial.db");
    again.runs(&["adopt --accept lost"]);
    shell.log += &again.log;
    let mut failed = of("golang-migrate", "failed.db");
    failed.runs(&["adopt --yes"]);
    shell.log += &failed.log;
    shell.assert("adopt_lossy");
}

#[test]
fn what_speaks_against_it_is_said() {
    let mut shell = of("sqlx", "complete.db");
    shell.runs(&[
        "adopt --from goose",
        "adopt --from-table versions",
        "adopt --from nothing",
        "adopt --accept everything",
    ]);
    shell.runs(&["adopt --from tauri-plugin-sql --dry-run -q"]);
    shell.remove("migrations/20240405060708_pinned_notes.sql");
    shell.write(
        "migrations/20240102030405_create_users.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);",
    );
    shell.runs(&["adopt", "adopt --json", "adopt --accept orphaned,changed,unproven", "status"]);
    // If there is no database, there is no history.
    fs::remove_file(shell.path().join("app.db")).unwrap();
    shell.runs(&["adopt"]);
    assert!(!shell.path().join("app.db").exists());
    shell.assert("adopt_refused");
}
