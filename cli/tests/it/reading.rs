//! Commands that only read change nothing.

use crate::shell::Shell;

const READING: [&str; 15] = [
    "status",
    "status --exit-code",
    "list",
    "manifest --check",
    "plan",
    "plan --sql",
    "plan --back 1",
    "migrate --dry-run",
    "rollback --dry-run",
    "redo --dry-run",
    "downgrade --dry-run",
    "validate",
    "history",
    "graph",
    "unlock",
];

fn check(shell: &mut Shell) {
    let before = shell.files();
    for line in READING {
        shell.run(line);
        let after = shell.files();
        let names = |files: &[(std::path::PathBuf, Vec<u8>)]| {
            files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&after), names(&before), "{line}: {}", shell.log);
        assert!(after == before, "{line} changed a file: {}", shell.log);
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    check(&mut Shell::with_set());
}

#[test]
fn a_database_is_left_as_it_is() {
    for mode in ["DELETE", "WAL"] {
        let mut shell = Shell::with_set();
        shell.database().pragma_update(None, "journal_mode", mode).unwrap();
        shell.sql("CREATE TABLE mine (x)");
        check(&mut shell);
        shell.run("migrate --steps 2");
        check(&mut shell);
    }
}

#[test]
fn a_table_of_an_older_form_is_left_as_it_is() {
    let mut shell = Shell::with_set();
    shell.sql("CREATE TABLE __switchy_migrations (name TEXT, run_on TEXT)");
    shell.sql("INSERT INTO __switchy_migrations VALUES ('2025-01-01-000000_users', '2025-01-01T00:00:00')");
    check(&mut shell);
}

/// A writer that was killed left its last transactions in the WAL. A command that only reads must not move them to the database.
#[test]
fn what_a_crash_left_in_the_wal_stays_there() {
    let mut shell = Shell::with_set();
    let conn = shell.database();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.execute_batch("CREATE TABLE mine (x)").unwrap();
    let crashed = Shell::with_set();
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        std::fs::copy(shell.path().join(name), crashed.path().join(name)).unwrap();
    }
    drop(conn);
    shell.log.clear();
    let mut crashed = crashed;
    let before: Vec<_> =
        crashed.files().into_iter().filter(|(path, _)| !path.ends_with("app.db-shm")).collect();
    for line in READING {
        crashed.run(line);
        let after: Vec<_> =
            crashed.files().into_iter().filter(|(path, _)| !path.ends_with("app.db-shm")).collect();
        assert!(after == before, "{line} changed a file: {}", crashed.log);
    }
    assert!(crashed.run("migrate").status.success(), "{}", crashed.log);
}

#[test]
fn commands_that_undo_make_no_database() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "rollback",
        "rollback --all -y",
        "redo",
        "downgrade -y",
        "repair forget 2025-01-01-000000_users",
    ]);
    assert!(!shell.path().join("app.db").exists(), "{}", shell.log);
}
