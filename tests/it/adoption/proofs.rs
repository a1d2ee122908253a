//! The schema must match the history.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::{Adopt, Doubt, Migration, MigrationRunner, Proof, Signature};

use super::{adopted, database, refused, set};

const DBMATE: &str = "CREATE TABLE schema_migrations (version varchar(128) primary key);
    INSERT INTO schema_migrations VALUES ('1'), ('2');";

fn two() -> MigrationRunner {
    set(&[
        ("1_users", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"),
        ("2_index", "CREATE INDEX by_name ON users (name); CREATE VIEW names AS SELECT name FROM users"),
    ])
}

/// (SQL for a different database, the message)
#[test]
fn a_schema_that_is_another_one_is_refused_and_its_objects_are_named() {
    let right =
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by_name ON users (name);
        CREATE VIEW names AS SELECT name FROM users;";
    let rows: &[(&str, &str, &str)] = &[
        ("name TEXT)", "name TEXT, email)", "the table `users` is another one here"),
        ("name TEXT)", "name TEXT NOT NULL)", "the table `users` is another one here"),
        ("name TEXT)", "name TEXT CHECK (name <> ''))", "the table `users` is another one here"),
        (
            "by_name ON",
            "other ON",
            "the index `by_name` is missing here, the index `other` is made by none of them",
        ),
        ("(name)", "(name DESC)", "the index `by_name` is another one here"),
        ("CREATE VIEW names AS SELECT name FROM users", "SELECT 1", "the view `names` is missing here"),
        (
            "SELECT name FROM users",
            "SELECT name FROM users; CREATE TABLE other (x)",
            "the table `other` is made by none of them",
        ),
    ];
    let runner = two();
    for (from, to, said) in rows {
        let conn = database(&format!("{DBMATE}{}", right.replacen(from, to, 1)));
        let error = refused(&runner, &conn, &Adopt::new());
        assert!(error.contains(said), "{to}: {error}");
        assert!(error.contains("accept `Doubt::Unproven`"), "{error}");
        assert_eq!(adopted(&runner, &conn, &Adopt::new().accept(Doubt::Unproven)).to_record().count(), 2);
    }
    let conn = database(&format!("{DBMATE}{right}"));
    assert_eq!(adopted(&runner, &conn, &Adopt::new()).proof, Proof::Same(2));
}

/// Comments, white space, quotes and letter case are not differences.
#[test]
fn a_script_that_was_only_written_differently_makes_the_same_schema() {
    let conn = database(&format!(
        "{DBMATE}create table \"users\" (\n  id integer primary key, -- its number\n  [name] text\n);
        CREATE INDEX by_name ON users(name); CREATE VIEW names AS\nSELECT name FROM users"
    ));
    assert_eq!(adopted(&two(), &conn, &Adopt::new()).proof, Proof::Same(2));
}

/// Only applied migrations are replayed, in the order of the set, including those recorded before.
#[test]
fn a_gap_is_pending_and_not_part_of_the_proof() {
    let conn = database(
        "CREATE TABLE schema_migrations (version varchar(128) primary key); INSERT INTO schema_migrations VALUES ('1'), ('3');
        CREATE TABLE a (x); CREATE TABLE c (x);",
    );
    let runner =
        set(&[("1_a", "CREATE TABLE a (x)"), ("2_b", "CREATE TABLE b (x)"), ("3_c", "CREATE TABLE c (x)")]);
    let adoption = adopted(&runner, &conn, &Adopt::new());
    assert_eq!(
        (adoption.proof.clone(), super::shape(&adoption)),
        (Proof::Same(2), "~ 1 is 1_a; ~ 3 is 3_c; + 2_b".into())
    );
    let report = runner.run(&conn).unwrap();
    assert_eq!(report.applied[0].id, "2_b");
    assert_eq!(report.notes.len(), 1, "it comes late, and the report says so");
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let conn = database(&format!("{DBMATE}CREATE TABLE a (x); CREATE TABLE c (x);"));
    let runner = set(&[("1_a", "CREATE TABLE a (x)"), ("2_b", "INSERT INTO missing VALUES (1)")]);
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("cannot be replayed in an empty database: migration `2_b` failed"), "{error}");
    assert!(error.contains("no such table: missing"), "{error}");
}

/// A function of the application is available in the replay if the runner registers it.
#[test]
fn a_replay_has_what_the_application_registers() {
    fn register(conn: &Connection) -> rusqlite::Result<()> {
        conn.create_scalar_function("shout", 1, FunctionFlags::SQLITE_UTF8, |context| {
            Ok(context.get::<String>(0)?.to_uppercase())
        })
    }
    let set = || {
        MigrationRunner::new([
            Migration::sql("1_a", "CREATE TABLE a (x)"),
            Migration::sql("2_b", "INSERT INTO a VALUES (shout('b'))"),
        ])
        .unwrap()
    };
    let conn = database(&format!("{DBMATE}CREATE TABLE a (x);"));
    assert!(refused(&set(), &conn, &Adopt::new()).contains("no such function: shout"));
    let runner = set().prepare_connection(|conn| Ok(register(conn)?));
    assert_eq!(adopted(&runner, &conn, &Adopt::new()).proof, Proof::Same(2));
}

/// The proof covers what would be recorded, so an index that another program adds in the meantime is detected.
#[test]
fn a_plan_that_was_made_for_another_database_is_stale() {
    let runner = set(&[("1_a", "CREATE TABLE a (x)"), ("2_b", "")]);
    for change in [
        "DELETE FROM schema_migrations WHERE version = '2'",
        "INSERT INTO schema_migrations VALUES ('3')",
        "CREATE TABLE other (x)",
        "DROP TABLE schema_migrations",
    ] {
        let conn = database(&format!("{DBMATE}CREATE TABLE a (x);"));
        let adoption = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
        assert_eq!(adoption.objections, []);
        conn.execute_batch(change).unwrap();
        let error = runner.adopt(&conn, adoption, Signature::of("ada")).unwrap_err();
        assert_eq!(runner.status(&conn).unwrap().entries.len(), 2);
        assert_eq!(runner.pending(&conn).unwrap().len(), 2, "{change}: {error}");
        let tables = switchy_schema::test_utils::rows(
            &conn,
            "SELECT name FROM sqlite_master WHERE name LIKE '%switchy%'",
        );
        assert_eq!(tables, Vec::<String>::new(), "{change}");
    }
}
