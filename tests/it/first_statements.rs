//! A step outside a transaction that fails before it did anything is not dirty, and one that is dirty is corrected in its script.

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner, ProblemKind, Recovery, Signature, State};

fn outside(script: &str) -> MigrationRunner {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::new(set).unwrap()
}

fn state(it: &MigrationRunner, conn: &Connection) -> State {
    it.status(conn).unwrap().entries.remove(0).state
}

#[test]
fn what_ends_with_the_connection_does_not_make_a_step_dirty() {
    for (before, is_dirty) in [
        ("", false),
        ("PRAGMA foreign_keys = OFF", false),
        ("-- so\nPRAGMA foreign_keys(0); PRAGMA main.cache_size = 9", false),
        ("PRAGMA busy_timeout = 9; BEGIN IMMEDIATE", false),
        ("PRAGMA journal_mode = WAL", true),
        ("PRAGMA user_version = 7", true),
        ("PRAGMA wal_checkpoint", true),
        ("PRAGMA foreign_keys = OFF; CREATE TABLE kept (a)", true),
        ("SELECT 1", true),
        ("VACUUM", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let conn = Connection::open(folder.path().join("app.db")).unwrap();
        let end = if before.contains("BEGIN") { "; COMMIT" } else { "" };
        let it = outside(&format!("{before}; INSERT INTO nothing VALUES (1){end}"));
        let error = it.run(&conn).unwrap_err();
        assert_eq!(matches!(state(&it, &conn), State::Dirty(_)), is_dirty, "{before}: {error}");
        assert_eq!(error.outcome().unwrap() == "nothing of it was kept", !is_dirty, "{before}: {error}");
    }
}

/// The next run said both at once: correct the script, and put the old text back.
#[test]
fn nobody_is_asked_for_the_old_text_of_a_dirty_step() {
    let conn = Connection::open_in_memory().unwrap();
    outside("CREATE TABLE a (b); CREATE TABL c (d)").run(&conn).unwrap_err();
    let corrected = outside("CREATE TABLE a (b); CREATE TABLE c (d)");
    let error = corrected.run(&conn).unwrap_err();
    let kinds: Vec<ProblemKind> = error.problems().iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Dirty], "{error}");
    corrected.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    assert_eq!(corrected.run(&conn).unwrap().applied.len(), 1);
    // The part that is done must stay as it was.
    let conn = Connection::open_in_memory().unwrap();
    outside("CREATE TABLE a (b); CREATE TABL c (d)").run(&conn).unwrap_err();
    let other = outside("CREATE TABLE aa (b); CREATE TABLE c (d)");
    other.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    let error = other.run(&conn).unwrap_err();
    assert!(error.to_string().contains("the part of its script that is done was changed"), "{error}");
}
