//! What is replayed, and when it is not known what the migrations make.

use super::*;
use crate::execution::{memory, outside, set};

const FIRST: (&str, &str) = ("1_a", "CREATE TABLE a (b)");

fn said(runner: &MigrationRunner, conn: &Connection) -> String {
    let text = runner.drift(conn).unwrap().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn scripts_that_the_set_has_no_longer_come_out_of_the_database() {
    let conn = memory();
    let newer = set([
        FIRST,
        ("2_c", "ALTER TABLE a ADD c; CREATE INDEX i ON a (c)"),
        ("3_d", "CREATE VIEW d AS SELECT c FROM a"),
    ]);
    newer.run(&conn).unwrap();
    let older = set([FIRST]);
    assert_eq!(short(&older.drift(&conn).unwrap()), "");
    conn.execute_batch("DROP INDEX i").unwrap();
    assert_eq!(short(&older.drift(&conn).unwrap()), "-index i");
    // A changed script is compared as it ran.
    let changed = set([("1_a", "CREATE TABLE a (b, z)"), ("2_c", "SELECT 1")]);
    assert_eq!(short(&changed.drift(&conn).unwrap()), "-index i");
    older.repair_drift(&conn, older.drift(&conn).unwrap(), Signature::of("ada")).unwrap().unwrap();
    assert_eq!(short(&newer.drift(&conn).unwrap()), "");
}

#[test]
fn migrations_are_replayed_in_the_order_in_which_they_were_applied() {
    let conn = memory();
    set([FIRST, ("3_c", "ALTER TABLE a ADD c")]).run(&conn).unwrap();
    let all = set([FIRST, ("2_b", "ALTER TABLE a ADD bb"), ("3_c", "ALTER TABLE a ADD c")]);
    all.run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT sql FROM sqlite_master WHERE name = 'a'"), ["CREATE TABLE a (b, c, bb)"]);
    assert_eq!(short(&all.drift(&conn).unwrap()), "");
}

#[test]
fn a_migration_that_is_for_another_environment_now_ran_here_all_the_same() {
    let conn = memory();
    let of =
        || MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)").environments(["dev"])]).unwrap();
    of().environment("dev").run(&conn).unwrap();
    assert_eq!(short(&of().drift(&conn).unwrap()), "");
    assert_eq!(short(&of().environment("production").drift(&conn).unwrap()), "");
}

#[test]
fn code_and_functions_of_the_application_run_in_memory() {
    let conn = memory();
    let prepare = |conn: &Connection| -> Result<(), BoxError> {
        let flags = rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC;
        Ok(conn.create_scalar_function("shout", 1, flags, |context| {
            Ok(context.get::<String>(0)?.to_uppercase())
        })?)
    };
    prepare(&conn).unwrap();
    let runner = || {
        MigrationRunner::new([
            Migration::sql(
                "1_a",
                "CREATE TABLE a (b); INSERT INTO a VALUES (shout('x')); CREATE INDEX i ON a (shout(b))",
            ),
            Migration::code("2_code", |conn| conn.execute_batch("CREATE TABLE made_by_code (a)")),
        ])
        .unwrap()
    };
    runner().run(&conn).unwrap();
    assert_eq!(short(&runner().prepare_connection(prepare).drift(&conn).unwrap()), "");
    let drift = runner().drift(&conn).unwrap();
    let said = drift.to_string();
    assert!(!drift.is_empty() && drift.changes.is_empty());
    assert!(
        said.starts_with(
            "drift cannot be determined: `1_a` fails in an empty database in memory, at tests/it/drift/replays.rs"
        ),
        "{said}"
    );
    assert!(said.contains("no such function: shout; if the application defines it, register it"), "{said}");
    let error = runner().repair_drift(&conn, drift, Signature::of("ada")).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot repair the drift: drift cannot be determined: `1_a` fails"),
        "{error}"
    );
    // A program without the code.
    assert_eq!(
        super::replays::said(&set([]), &conn),
        "drift cannot be determined: `2_code` is not in the set, and the database has no copy of its script; use the program that applied it"
    );
}

#[test]
fn why_drift_is_not_known_is_said_with_the_migration() {
    let long = || format!("CREATE TABLE a (b); -- {}", "x".repeat(70_000));
    let with_long =
        |text: String| MigrationRunner::new([Migration::from_scripts("1_long", text, None)]).unwrap();
    let conn = memory();
    with_long(long()).run(&conn).unwrap();
    assert_eq!(
        said(&with_long(long()), &conn),
        "no drift: the schema is the one that the applied migrations produce"
    );
    assert_eq!(
        said(&with_long(long() + "y"), &conn),
        "drift cannot be determined: `1_long` was changed since it ran here, and the database has no copy of the script that ran; use the program that applied it"
    );
    assert!(said(&set([]), &conn).contains("`1_long` is not in the set, and the database has no copy"));

    let conn = memory();
    let coded = |revision| {
        MigrationRunner::new([Migration::code("1_code", |_| Ok::<(), BoxError>(())).revision(revision)])
            .unwrap()
    };
    coded("1").run(&conn).unwrap();
    assert!(
        said(&coded("2"), &conn).contains("`1_code` is code that was changed since it ran here"),
        "{}",
        said(&coded("2"), &conn)
    );

    // Outside a transaction, a step that failed leaves a part.
    let conn = memory();
    let half = outside("CREATE TABLE a (b); SELECT * FROM missing");
    half.run(&conn).unwrap_err();
    assert_eq!(
        said(&half, &conn),
        "drift cannot be determined: `1_it` did not finish, so it is not known what it has done; call `recover` with `Recovery::Retry` to continue where it stopped"
    );

    let conn = memory();
    conn.execute_batch("CREATE TABLE a (b)").unwrap();
    assert!(said(&set([FIRST]), &conn).starts_with(
        "drift cannot be determined: no migration is recorded here, and the database is not empty"
    ));
    assert_eq!(short(&set([FIRST]).drift(&memory()).unwrap()), "", "an empty database has no drift");

    // Rows that only the live database had.
    let conn = memory();
    let needy = set([
        FIRST,
        (
            "2_need",
            "CREATE TABLE c AS SELECT b FROM a; INSERT INTO a SELECT json(b) FROM (SELECT 'x' AS b WHERE NOT EXISTS (SELECT 1 FROM a))",
        ),
    ]);
    set([FIRST]).run(&conn).unwrap();
    conn.execute_batch("INSERT INTO a VALUES (1)").unwrap();
    needy.run(&conn).unwrap();
    assert!(
        said(&needy, &conn)
            .starts_with("drift cannot be determined: `2_need` fails in an empty database in memory"),
        "{}",
        said(&needy, &conn)
    );
}

/// Whoever can write to the file can write the script in it.
#[test]
fn a_stored_script_may_not_do_what_only_the_program_may() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stolen.db");
    let attach = format!("ATTACH '{}' AS x; CREATE TABLE x.y (z)", file.display());
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for (script, part) in [
        (&*attach, "has a stored script that"),
        (endless, "it runs too long"),
        ("DELETE FROM __switchy_migrations", "has a stored script that"),
    ] {
        let conn = memory();
        set([FIRST]).run(&conn).unwrap();
        conn.execute("INSERT INTO __switchy_migrations (name, up_sql) VALUES ('2_evil', ?1)", [script])
            .unwrap();
        let said = said(&set([FIRST]), &conn);
        assert!(
            said.starts_with("drift cannot be determined: `2_evil` has a stored script")
                && said.contains(part),
            "{said}"
        );
        assert!(!file.exists());
    }
    let conn = memory();
    set([FIRST, ("2_b", "CREATE TABLE b (c)")]).run(&conn).unwrap();
    conn.execute_batch("UPDATE __switchy_migrations SET up_sql = 'CREATE TABLE b (d)' WHERE name = '2_b'")
        .unwrap();
    assert!(said(&set([FIRST]), &conn).contains("`2_b` has a stored script that is damaged"));
}

#[test]
fn what_did_not_run_here_is_doubted_and_repaired_only_by_name() {
    let (_database, conn) = migrated();
    conn.execute_batch("DELETE FROM __switchy_migrations").unwrap();
    runner().recover(&conn, Recovery::Baseline("2_colour".into()), Signature::of("ada")).unwrap();
    runner().recover(&conn, Recovery::AssumeApplied("3_renamed".into()), Signature::of("ada")).unwrap();
    assert!(runner().drift(&conn).unwrap().is_empty(), "what is the same needs no doubt");
    conn.execute_batch("DROP INDEX by_date; DROP VIEW newest").unwrap();
    let drift = || runner().drift(&conn).unwrap();
    let text = drift().to_string();
    assert!(text.contains("note: `1_notes` was baselined, so its script did not run here, so the difference may be older than the records"), "{text}");
    assert!(text.contains("note: `3_renamed` was assumed applied"), "{text}");
    assert!(text.contains("to recreate `by_date`, `newest`: name it with `Drift::including`"), "{text}");
    assert_eq!(runner().repair_drift(&conn, drift(), Signature::of("ada")).unwrap(), None);
    runner().repair_drift(&conn, drift().including("by_date"), Signature::of("ada")).unwrap().unwrap();
    assert_eq!(short(&drift()), "-view newest");
    // The repair is in the log under the migration that was assumed applied last, which stays in doubt.
    let doubted: Vec<String> = drift().doubts.iter().map(ToString::to_string).collect();
    assert!(doubted.iter().any(|doubt| doubt.starts_with("`3_renamed` was assumed applied")), "{doubted:?}");
}

#[test]
fn what_a_person_settled_is_doubted() {
    let two = || set([FIRST, ("2_b", "CREATE VIEW v AS SELECT b FROM a")]);
    for (recovery, doubt) in [
        (Recovery::Forget("2_b".into()), "`2_b` was forgotten, and what it made may still be there"),
        (
            Recovery::Accept("2_b".into()),
            "`2_b` had another script when it ran here, and its change was accepted",
        ),
    ] {
        let conn = memory();
        set([FIRST, ("2_b", "CREATE VIEW v AS SELECT 1")]).run(&conn).unwrap();
        two().recover(&conn, recovery, Signature::of("ada")).unwrap();
        let drift = two().drift(&conn).unwrap();
        assert_eq!(drift.doubts.iter().map(ToString::to_string).collect::<Vec<_>>(), [doubt]);
        assert_eq!(drift.changes.len(), 1);
    }
}

#[test]
fn hooks_that_could_have_made_the_difference_are_mentioned() {
    let conn = memory();
    let hooks =
        || Hooks::new().after(|_, conn| Ok(conn.execute_batch("CREATE TABLE IF NOT EXISTS by_hook (a)")?));
    set([FIRST]).hooks(hooks()).run(&conn).unwrap();
    let drift = set([FIRST]).hooks(hooks()).drift(&conn).unwrap();
    assert_eq!(short(&drift), "+table by_hook");
    assert!(drift.to_string().contains("this program has hooks, which the replay does not run"));
}

#[cfg(feature = "adopt")]
#[test]
fn the_table_of_an_adopted_tool_is_no_drift() {
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE users (name TEXT); CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP);
        INSERT INTO __diesel_schema_migrations VALUES ('20240101000000', '2024-01-01 00:00:00')",
    )
    .unwrap();
    let runner = || {
        set([
            ("2024-01-01-000000_users", "CREATE TABLE users (name TEXT)"),
            ("2025-01-01-000000_i", "CREATE INDEX i ON users (name)"),
        ])
    };
    let adoption = runner().plan_adoption(&conn, &switchy_schema::Adopt::new()).unwrap();
    runner().adopt(&conn, adoption, Signature::of("ada")).unwrap();
    runner().run(&conn).unwrap();
    assert_eq!(short(&runner().drift(&conn).unwrap()), "");
    conn.execute_batch("DROP INDEX i").unwrap();
    let drift = runner().drift(&conn).unwrap();
    assert_eq!(short(&drift), "-index i");
    assert!(
        drift.to_string().contains("`2024-01-01-000000_users` was adopted, so its script did not run here")
    );
}

#[test]
fn a_rollback_and_a_second_attempt_leave_no_drift() {
    let conn = memory();
    let runner = || {
        MigrationRunner::new([
            Migration::reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a"),
            Migration::reversible(
                "2_c",
                "ALTER TABLE a ADD COLUMN c; CREATE INDEX i ON a (c)",
                "DROP INDEX i; ALTER TABLE a DROP COLUMN c",
            ),
        ])
        .unwrap()
    };
    runner().run(&conn).unwrap();
    runner().run_to(&conn, Target::Back(1)).unwrap();
    assert_eq!(short(&runner().drift(&conn).unwrap()), "");
    runner().run(&conn).unwrap();
    assert_eq!(short(&runner().drift(&conn).unwrap()), "");
    runner().run_to(&conn, Target::Empty).unwrap();
    assert!(runner().drift(&conn).unwrap().is_empty());
}
