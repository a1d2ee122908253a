//! `drift`, `schema`, and the file with the schema that a run keeps up to date.

use std::fs;

use rusqlite::Connection;

use crate::shell::Shell;

fn with_objects() -> Shell {
    let shell = Shell::with_set();
    shell.migration(
        "2025-01-04-000000_more",
        "CREATE INDEX by_name ON users (name);
CREATE TRIGGER on_users AFTER INSERT ON users BEGIN
    INSERT INTO notes VALUES (new.name);
END;
CREATE VIEW names AS SELECT name FROM users;",
        Some("DROP VIEW names; DROP TRIGGER on_users; DROP INDEX by_name;"),
    );
    shell
}

#[test]
fn drift_shows_what_differs_and_puts_it_back() {
    let mut shell = with_objects();
    shell.runs(&["drift", "migrate -q", "drift", "drift --json"]);
    shell.sql(
        "DROP INDEX by_name; DROP TRIGGER on_users;
        CREATE TRIGGER on_users AFTER INSERT ON users BEGIN
    INSERT INTO notes VALUES ('somebody');
END;
        ALTER TABLE notes ADD COLUMN day TEXT; CREATE INDEX mine ON notes (text); CREATE TABLE cache_names (name TEXT)",
    );
    shell.runs(&[
        "drift",
        "drift --sql",
        "drift --json",
        "drift --ignore 'cache_*' --ignore mine --ignore notes",
        "validate",
        "drift --repair nothing",
        "drift mine",
        "drift --repair --who ada --why 'somebody tried something'",
        "drift --repair mine -q",
        "history",
    ]);
    shell.write(
        "switchy-schema.toml",
        "database-url = 'sqlite:app.db'\ndrift-ignore = ['cache_*', 'notes']\n",
    );
    shell.runs(&["drift", "validate --strict -q", "config"]);
    shell.assert("drift");
}

#[test]
fn drift_that_is_not_known_is_an_error_of_its_own() {
    let mut shell = with_objects();
    shell.non_transactional(
        "2025-01-05-000000_half",
        "CREATE TABLE half (a);\nINSERT INTO nothing VALUES (1);",
    );
    shell.runs(&["migrate -q", "drift", "drift --json", "drift --repair"]);
    shell.assert("drift_unknown");
}

#[test]
fn the_schema_is_printed_written_and_compared() {
    let mut shell = with_objects();
    shell.runs(&["schema", "schema --write schema.sql", "migrate -q", "schema", "schema --json"]);
    shell.runs(&["schema --check schema.sql", "schema --write schema.sql", "schema --check schema.sql"]);
    shell.sql("ALTER TABLE users ADD age INTEGER; DROP VIEW names");
    shell.runs(&[
        "schema --check schema.sql",
        "schema --check schema.sql --json",
        "schema --write nowhere/schema.sql",
        "schema --check . ",
        "schema --check a --write b",
    ]);
    shell.assert("schema");

    // The file is a script that makes the same schema.
    let again = Connection::open_in_memory().unwrap();
    again.execute_batch(&fs::read_to_string(shell.path().join("schema.sql")).unwrap()).unwrap();
    let count: i64 = again.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 5);
}

#[test]
fn a_run_that_did_something_writes_the_schema_to_the_file_in_the_settings() {
    let shell = with_objects();
    fs::create_dir(shell.path().join("db")).unwrap();
    shell.write("switchy-schema.toml", "database-url = 'sqlite:app.db'\nschema-file = 'db/schema.sql'\n");
    let file = || fs::read_to_string(shell.path().join("db/schema.sql")).ok();
    let has = |part: &str| file().is_some_and(|text| text.contains(part));
    let run = |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        let output = shell.command(&args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    run("migrate --dry-run");
    assert_eq!(file(), None);
    let (code, said) = run("migrate --steps 2");
    assert!(code == Some(0) && said.contains("the schema is in db/schema.sql"), "{said}");
    assert!(has("email") && !has("notes"));
    run("migrate");
    assert!(has("CREATE VIEW names"));
    run("rollback");
    assert!(!has("CREATE VIEW names") && has("notes"));
    run("redo");
    assert!(has("notes"));

    // Nothing was done, so nothing is written.
    shell.write("db/schema.sql", "mine");
    run("migrate --steps 0");
    run("rollback --steps 0");
    assert_eq!(file().as_deref(), Some("mine"));

    // What was done before an error is in the file.
    shell.migration("2025-01-05-000000_fails", "SELECT nothing", None);
    let (code, _) = run("migrate");
    assert_eq!(code, Some(1));
    assert!(has("CREATE VIEW names"));
    shell.remove("migrations/2025-01-05-000000_fails");

    // A repair changes the schema too.
    shell.database().execute_batch("DROP VIEW names").unwrap();
    assert_eq!(run("schema --check db/schema.sql").0, Some(4));
    fs::remove_file(shell.path().join("db/schema.sql")).unwrap();
    assert_eq!(run("drift --repair").0, Some(0));
    assert!(has("CREATE VIEW names"));

    // A file that cannot be written does not hide what was done.
    fs::remove_file(shell.path().join("db/schema.sql")).unwrap();
    shell.write("db/schema.sql/in_the_way", "");
    let output = shell.command(&["rollback"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("undone  2025-01-04-000000_more"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the schema file was not written: cannot write"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_file_keeps_its_permissions_and_a_link_stays_a_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let shell = with_objects();
    let path = |name: &str| shell.path().join(name);
    let write = |file: &str| {
        let output = shell.command(&["schema", "--write", file]).output().unwrap();
        assert!(output.status.success());
    };
    assert!(shell.command(&["migrate"]).output().unwrap().status.success());
    write("new.sql");
    assert_eq!(fs::metadata(path("new.sql")).unwrap().permissions().mode() & 0o777, 0o644);
    shell.write("old.sql", "");
    fs::set_permissions(path("old.sql"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink(path("old.sql"), path("link.sql")).unwrap();
    write("link.sql");
    assert!(fs::symlink_metadata(path("link.sql")).unwrap().is_symlink());
    assert_eq!(fs::metadata(path("old.sql")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(path("old.sql")).unwrap(), fs::read(path("new.sql")).unwrap());
    let files: Vec<_> = shell.files().into_iter().map(|(path, _)| path).collect();
    assert!(
        files.iter().all(|path| !path.file_name().unwrap().to_string_lossy().starts_with(".tmp")),
        "{files:?}"
    );
}
