//! The proof that the down scripts undo what the up scripts do.

use rusqlite::Connection;
use switchy_schema::test_utils::rows;
use switchy_schema::{ForeignKeys, Migration, MigrationRunner, Policy, Problem, ProblemKind, Verdict};

const BASE: &str =
    "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, tag TEXT); CREATE INDEX by_tag ON note (tag)";

fn base() -> Migration {
    Migration::reversible("1_base", BASE, "DROP TABLE note")
}

/// A database with the base and three notes.
fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    MigrationRunner::new([base()]).unwrap().run(&conn).unwrap();
    conn.execute_batch("INSERT INTO note (text, tag) VALUES ('a', 'x'), ('b', NULL), ('c', 'x')").unwrap();
    conn
}

/// The findings about a migration, each as its kind and its words.
fn about(found: &[Problem], id: &str) -> Vec<String> {
    let found = found.iter().filter(|problem| problem.migration == *id);
    found.map(|problem| format!("{}: {}", problem.kind, problem.finding)).collect()
}

#[test]
fn what_a_down_script_does_not_undo_is_found() {
    let rows_lost = "rows not back: loses data: ";
    let table: [(&str, &str, Vec<String>); 14] = [
        ("CREATE TABLE a (b)", "DROP TABLE a", vec![]),
        ("ALTER TABLE note ADD COLUMN age", "ALTER TABLE note DROP COLUMN age", vec![]),
        ("CREATE TABLE a (b)", "SELECT 1", vec![
            "down leaves behind: leaves the table `a` behind when it is undone".into(),
            "down leaves behind: fails when it is applied again after it was undone, at HERE in `CREATE TABLE a (b)`: table a already exists".into(),
        ]),
        ("CREATE TABLE IF NOT EXISTS a (b)", "SELECT 1", vec!["down leaves behind: leaves the table `a` behind when it is undone".into()]),
        ("CREATE TABLE a (b)", "DROP TABLE b", vec!["down fails: fails when it is undone, at HERE in `DROP TABLE b`: no such table: b".into()]),
        ("CREATE TABLE a (b)", "DROP TABLE a; DROP INDEX by_tag", vec![
            "down leaves behind: does not restore the index `by_tag` when it is undone".into(),
        ]),
        ("DROP INDEX by_tag", "CREATE INDEX by_tag ON note (tag, text)", vec![
            "down leaves behind: changes the index `by_tag` when it is undone".into(),
        ]),
        // Rows.
        ("DELETE FROM note WHERE id = 1", "SELECT 1", vec![format!("{rows_lost}1 row of `note` is gone after it is undone")]),
        ("UPDATE note SET tag = 'y'", "UPDATE note SET tag = NULL", vec![format!("{rows_lost}2 rows of `note` are different after it is undone")]),
        ("ALTER TABLE note DROP COLUMN text", "ALTER TABLE note ADD COLUMN text TEXT", vec![
            "down leaves behind: changes the table `note` when it is undone".into(),
            format!("{rows_lost}3 rows of `note` are different after it is undone"),
        ]),
        ("ALTER TABLE note RENAME TO memo", "ALTER TABLE memo RENAME TO note", vec![]),
        // Only rows make it fail.
        ("ALTER TABLE note ADD COLUMN age", "ALTER TABLE note DROP COLUMN age; CREATE UNIQUE INDEX u ON note (tag)", vec![
            "down leaves behind: leaves the index `u` behind when it is undone".into(),
            "down fails: fails when it is undone, at HERE in `CREATE UNIQUE INDEX u ON note (tag)`: UNIQUE constraint failed".into(),
        ]),
        // It has no way back.
        ("CREATE TABLE a (b)", "-- undo it here", vec![]),
        ("SELECT 1", "", vec![]),
    ];
    for (up, down, expected) in table {
        let conn = database();
        let step = Migration::reversible("2_step", up, down).allow_destructive();
        let runner = MigrationRunner::new([base(), step]).unwrap();
        let before = (rows(&conn, "SELECT * FROM note"), rows(&conn, "SELECT sql FROM sqlite_master"));
        let found = about(&runner.prove_reversible(&conn).unwrap(), "2_step");
        let here = |text: &String| {
            let Some((start, rest)) = text.split_once(", at ") else { return text.clone() };
            let Some((_, end)) = rest.split_once(" in `") else { return text.clone() };
            format!("{start}, at HERE in `{end}")
        };
        let found: Vec<String> = found.iter().map(here).collect();
        assert_eq!(found.len(), expected.len(), "{up} | {down}: {found:#?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.starts_with(expected), "{up} | {down}: {found}");
        }
        assert_eq!((rows(&conn, "SELECT * FROM note"), rows(&conn, "SELECT sql FROM sqlite_master")), before);
    }
}

#[test]
fn applied_migrations_are_undone_on_the_copy_with_their_rows() {
    let conn = database();
    let set = || {
        [
            base(),
            Migration::reversible(
                "2_kind",
                "ALTER TABLE note ADD COLUMN kind DEFAULT 'k'",
                "ALTER TABLE note DROP COLUMN kind",
            ),
            // It fails over rows that came later.
            Migration::reversible("3_tag", "DROP INDEX by_tag", "CREATE UNIQUE INDEX by_tag ON note (tag)"),
            Migration::reversible("4_more", "CREATE TABLE more (x)", "DROP TABLE more"),
            Migration::code("5_code", |conn| conn.execute_batch("INSERT INTO more VALUES (1)"))
                .undo(|conn: &Connection| conn.execute_batch("DELETE FROM more WHERE x = 1")),
        ]
    };
    let runner = || MigrationRunner::new(set()).unwrap();
    runner().run(&conn).unwrap();
    conn.execute_batch("INSERT INTO more VALUES (2), (3); UPDATE note SET kind = 'own' WHERE id = 1")
        .unwrap();
    let found = runner().prove_reversible(&conn).unwrap();
    assert_eq!(about(&found, "5_code"), Vec::<String>::new());
    assert_eq!(
        about(&found, "4_more"),
        ["rows not back: loses data: 2 rows of `more` are gone after it is undone and applied again"]
    );
    // Below what cannot be undone, nothing is known of the rows.
    let failing = about(&found, "3_tag");
    assert_eq!(failing.len(), 2, "{failing:?}");
    assert!(failing[0].starts_with("down leaves behind: changes the index `by_tag`"), "{failing:?}");
    assert_eq!(about(&found, "2_kind"), Vec::<String>::new());

    // The verdicts are those of the policy.
    let verdict = |policy: Policy, kind| {
        let found = runner().policy(policy).prove_reversible(&conn).unwrap();
        found.iter().find(|problem| problem.kind == kind).unwrap().verdict
    };
    assert_eq!(verdict(Policy::STRICT, ProblemKind::DownLeavesBehind), Verdict::Deny);
    assert_eq!(verdict(Policy::DEFAULT, ProblemKind::RowsNotBack), Verdict::Warn);
    // Without a database, only the schema is known.
    let source = runner().prove_source_reversible().unwrap();
    assert_eq!(
        source.iter().map(|problem| problem.kind).collect::<Vec<_>>(),
        [ProblemKind::DownLeavesBehind]
    );
    assert_eq!(
        source[0].detail.as_deref().unwrap().lines().last(),
        Some("+CREATE UNIQUE INDEX by_tag ON note (tag)")
    );
}

#[test]
fn steps_that_are_valid_only_together_are_tried_together() {
    const KEEP: &str = "CREATE TABLE keep AS SELECT * FROM note; DROP TABLE note";
    const NEW: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, tag TEXT); INSERT INTO note SELECT * FROM keep; DROP TABLE keep";
    let child = "CREATE TABLE child (of REFERENCES note (id)); INSERT INTO child VALUES (1)";
    let set = [
        base(),
        Migration::reversible("2_child", child, "DROP TABLE child").foreign_keys(ForeignKeys::Unchecked),
        Migration::reversible("3_drop", KEEP, NEW).allow_destructive(),
        Migration::reversible("4_new", NEW, KEEP).allow_destructive(),
    ];
    let found = MigrationRunner::new(set).unwrap().prove_reversible(&database()).unwrap();
    let expected = "down leaves behind: does not restore the index `by_tag` when it is undone";
    assert_eq!(about(&found, "4_new"), [expected], "{found:#?}");
    assert_eq!(about(&found, "2_child"), Vec::<String>::new());
}
