//! Regressions on both servers and SQLite.

use std::time::Duration;

use switchy_schema::{Migration, MigrationRunner, Recovery, Signature};

fn retry() -> Recovery {
    Recovery::Retry("1_it".into())
}

fn ada() -> Signature {
    Signature::of("ada")
}

fn outside(script: &str) -> MigrationRunner {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::new(set).unwrap().lock_timeout(Duration::from_secs(2))
}

#[test]
fn what_statements_before_left_in_the_session_is_not_forgotten_silently() {
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let script = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a INT);
        INSERT INTO a VALUES (77); SELECT 1 FROM missing; INSERT INTO b VALUES (last_insert_rowid())";
    let it = outside(script);
    it.run(&conn).unwrap_err();
    conn.execute_batch("CREATE TABLE missing (x)").unwrap();
    it.recover(&conn, retry(), ada()).unwrap();
    if it.run(&conn).is_ok() {
        let found: i64 = conn.query_row("SELECT a FROM b", [], |row| row.get(0)).unwrap();
        assert_eq!(found, 77);
    }
}

#[test]
fn what_a_note_would_change_is_not_asked_for() {
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let script = "CREATE TABLE t (x); CREATE TABLE said (n); INSERT INTO t VALUES (1), (2), (3);
        INSERT INTO said VALUES (changes())";
    let error = outside(script).run(&conn).unwrap_err();
    assert!(error.to_string().contains("a note of the engine stands between them"), "{error}");
}

#[test]
fn an_attached_file_does_not_keep_a_script_from_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    let other = folder.path().join("other.db");
    let script = format!(
        "ATTACH '{}' AS aux1; CREATE TABLE aux1.t (x); SELECT 1 FROM missing; CREATE TABLE u (x)",
        other.display()
    );
    let it = outside(&script);
    it.run(&conn).unwrap_err();
    conn.execute_batch("CREATE TABLE missing (x)").unwrap();
    it.recover(&conn, retry(), ada()).unwrap();
    it.run(&conn).unwrap();
}

#[test]
fn rows_of_a_real_table_are_not_taken_for_those_of_a_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let open = || rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    open().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    let it = outside("CREATE TABLE temp.t AS SELECT 9 AS x; SELECT 1 FROM missing; DELETE FROM t");
    it.run(&open()).unwrap_err();
    let conn = open();
    conn.execute_batch("CREATE TABLE missing (x)").unwrap();
    it.recover(&conn, retry(), ada()).unwrap();
    let _ = it.run(&conn);
    let found: i64 = conn.query_row("SELECT count(*) FROM main.t", [], |row| row.get(0)).unwrap();
    assert_eq!(found, 1);
}

#[test]
fn a_step_that_was_taken_over_is_left_to_the_other_run() {
    let (begun, taken) = ("1", "4");
    for (state, is_ours) in [(begun, true), (taken, false)] {
        for fails in [false, true] {
            let code = Migration::code("1_it", move |conn: &rusqlite::Connection| {
                conn.execute_batch(&format!(
                    "CREATE TABLE a (b); UPDATE __switchy_migrations SET dirty = {state} WHERE name = '1_it'"
                ))?;
                if fails { conn.execute_batch("INSERT INTO missing VALUES (1)") } else { Ok(()) }
            });
            let conn = rusqlite::Connection::open_in_memory().unwrap();
            let set = vec![Migration::sql("0_it", "SELECT 1"), code.outside_transaction()];
            let outcome = MigrationRunner::new(set).unwrap().run(&conn);
            let dirty: String = conn
                .query_row("SELECT dirty FROM __switchy_migrations WHERE name = '1_it'", [], |row| {
                    row.get::<_, i64>(0)
                })
                .unwrap()
                .to_string();
            match (is_ours, fails) {
                (true, false) => assert_eq!((outcome.is_ok(), &*dirty), (true, "0")),
                (true, true) => assert_eq!((outcome.is_ok(), &*dirty), (false, begun)),
                (false, _) => {
                    let error = outcome.unwrap_err().to_string();
                    assert!(error.contains("another run continued it"), "{error}");
                    assert_eq!(dirty, taken, "{error}");
                }
            }
        }
    }
}
