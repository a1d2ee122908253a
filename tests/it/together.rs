//! Steps between which rows would reference missing ones are committed together, or not at all.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use switchy_schema::test_utils::rows;
use switchy_schema::{
    ErrorKind, Event, ForeignKeys, Migration, MigrationRunner, Policy, ProblemKind, Target, Verdict,
};

use crate::execution::{applied, memory};

/// A database of a customer: a trip with two legs and a photo.
const CUSTOMER: &str = "
    CREATE TABLE trip (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE leg (id INTEGER PRIMARY KEY, trip INTEGER REFERENCES trip (id) ON DELETE CASCADE);
    CREATE TABLE photo (trip INTEGER NOT NULL REFERENCES trip (id));
    INSERT INTO trip VALUES (1, 'a'), (2, 'b');
    INSERT INTO leg VALUES (1, 1), (2, 2), (3, NULL);
    INSERT INTO photo VALUES (1)";

const COUNTS: &str =
    "SELECT (SELECT count(*) FROM trip), (SELECT count(trip) FROM leg), (SELECT count(*) FROM photo)";

const COPY: &str = "CREATE TABLE trip_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO trip_new SELECT * FROM trip";
const DROP: &str = "DROP TABLE trip";
const RENAME: &str = "ALTER TABLE trip_new RENAME TO trip";

fn customer() -> Connection {
    let conn = memory();
    conn.execute_batch(CUSTOMER).unwrap();
    conn
}

fn set<const N: usize>(scripts: [&'static str; N]) -> Vec<Migration> {
    (1..)
        .zip(scripts)
        .map(|(number, script)| Migration::from_scripts(format!("{number}_it"), script, None))
        .collect()
}

fn runner(set: impl Into<Vec<Migration>>) -> MigrationRunner {
    MigrationRunner::new(set.into()).unwrap()
}

/// Twelve public sets drop a table in one file and rename its rebuilt copy in the next; one does so 25 files later. On an empty database it
/// does not matter that the rows of other tables have dangling references in between, but the start failed on each customer's database.
#[test]
fn a_rebuild_over_several_files_is_one_transaction() {
    let sets: [(Vec<Migration>, usize); 5] = [
        (set([COPY, DROP, RENAME]), 2),
        (set([COPY, DROP, "CREATE TABLE a (b)", "CREATE INDEX i ON leg (trip)", RENAME, "SELECT 1"]), 4),
        (
            set([
                "CREATE TABLE keep AS SELECT * FROM trip; DELETE FROM trip",
                "INSERT INTO trip SELECT * FROM keep",
            ]),
            2,
        ),
        (
            set([
                "UPDATE trip SET id = id + 10",
                "UPDATE leg SET trip = trip + 10; UPDATE photo SET trip = trip + 10",
            ]),
            2,
        ),
        (
            vec![
                Migration::sql("1_it", "UPDATE trip SET id = -id"),
                Migration::code("2_it", |conn: &Connection| {
                    conn.execute_batch("UPDATE leg SET trip = -trip")
                }),
                Migration::sql("3_it", "UPDATE photo SET trip = -trip"),
            ],
            3,
        ),
    ];
    for (migrations, together) in sets {
        let conn = customer();
        let count = migrations.len();
        let report = runner(migrations.clone()).run(&conn).unwrap();
        assert_eq!(report.applied.len(), count);
        assert_eq!(rows(&conn, COUNTS), ["2|2|1"], "{report}");
        assert_eq!(rows(&conn, "PRAGMA foreign_key_check"), Vec::<String>::new(), "{report}");
        assert_eq!(report.together.len(), 1, "{report}");
        assert_eq!(report.together[0].steps.len(), together, "{report}");
        assert!(report.to_string().contains("are one transaction, since in between"), "{report}");
        assert!(
            report.together[0].why.contains("rows of `leg` reference missing rows of `trip`"),
            "{report}"
        );
        assert!(runner(migrations).run(&conn).unwrap().is_up_to_date());

        // Without rows, a key still names a table that is missing in between.
        let empty = memory();
        empty.execute_batch(CUSTOMER).unwrap();
        empty.execute_batch("DELETE FROM leg; DELETE FROM photo; DELETE FROM trip").unwrap();
        let report = runner(set([COPY, DROP, RENAME])).run(&empty).unwrap();
        assert_eq!(report.together[0].steps, ["2_it", "3_it"]);
        assert!(
            report.together[0].why.contains("a foreign key of `leg` references the missing table `trip`"),
            "{report}"
        );
    }
}

#[test]
fn what_stays_broken_is_refused_by_the_first_step_and_nothing_of_it_is_kept() {
    let twins: [(Vec<Migration>, &str); 6] = [
        (
            set([COPY, DROP]),
            "reference missing rows of `trip`, and 1 row of `photo` missing rows of `trip`; nothing",
        ),
        (set([COPY, DROP, "SELECT 1"]), "of `trip`, and the step after it does not fix that; nothing"),
        (
            set([COPY, DROP, "SELECT 1", "SELECT 2"]),
            "of `trip`, and the 2 steps after it do not fix that; nothing",
        ),
        (
            set([COPY, "DELETE FROM trip_new WHERE id = 2; DROP TABLE trip", RENAME]),
            "1 row of `leg` would reference missing rows of `trip`, and the step after it does not fix that",
        ),
        (
            set([COPY, DROP, "VACUUM", RENAME]),
            "of `trip`, and `3_it` cannot be in one transaction with it; nothing",
        ),
        (
            [set([COPY, DROP]), vec![Migration::sql("3_it", RENAME).foreign_keys(ForeignKeys::Unchecked)]]
                .concat(),
            "of `trip`, and `3_it` cannot be in one transaction with it; nothing",
        ),
    ];
    for (migrations, said) in twins {
        let conn = customer();
        let error = runner(migrations.clone()).run(&conn).unwrap_err();
        assert_eq!((error.kind(), error.migration().unwrap().as_str()), (ErrorKind::Step, "2_it"), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.to_string().contains("; give `trip` the rows that they need"), "{error}");
        assert_eq!(applied(&conn), ["1_it"]);
        assert_eq!(rows(&conn, COUNTS), ["2|2|1"]);
        assert!(conn.is_autocommit());
        // With the missing migrations, the run succeeds.
        if migrations.len() == 2 {
            runner(set([COPY, DROP, RENAME])).run(&conn).unwrap();
            assert_eq!(rows(&conn, COUNTS), ["2|2|1"]);
        }
    }
}

#[test]
fn a_later_step_that_fails_takes_the_earlier_ones_with_it_and_says_so() {
    let conn = customer();
    let migrations = set([COPY, DROP, "SELECT 1", "INSERT INTO missing VALUES (1)", RENAME]);
    let error = runner(migrations).run(&conn).unwrap_err();
    assert_eq!(error.migration().unwrap(), &"4_it");
    let said = "no such table: missing; nothing of it was kept, `2_it` and those after it are one transaction with it and undone too, \
                1 step before it was done and kept";
    assert!(error.to_string().contains(said), "{error}");
    assert_eq!(error.report().applied.len(), 1);
    assert_eq!(applied(&conn), ["1_it"]);
    assert_eq!(rows(&conn, COUNTS), ["2|2|1"]);
}

#[test]
fn going_back_is_no_different() {
    let up = || {
        runner([
            Migration::reversible("1_it", "CREATE TABLE a (b)", "ALTER TABLE trip_new RENAME TO trip"),
            Migration::reversible("2_it", COPY, DROP),
        ])
    };
    let conn = customer();
    up().run(&conn).unwrap();
    let report = up().rollback(&conn, 2).unwrap();
    assert_eq!(report.together[0].steps, ["2_it", "1_it"]);
    assert_eq!(rows(&conn, COUNTS), ["2|2|1"]);
    up().run(&conn).unwrap_err();
    let conn = customer();
    up().run(&conn).unwrap();
    assert_eq!(up().rollback(&conn, 1).unwrap_err().migration().unwrap(), &"2_it");
    assert_eq!(applied(&conn), ["1_it", "2_it"]);
}

/// The check must know which rows were orphans before, so the step is run twice, but it is reported only once.
#[test]
fn rows_that_were_orphans_before_neither_hinder_nor_hide_others() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let observed = |migrations: Vec<Migration>| {
        heard.lock().unwrap().clear();
        let heard = Arc::clone(&heard);
        runner(migrations).observe(move |event| {
            let said = match event {
                Event::Started { step, .. } => format!("begin {}", step.id),
                Event::Finished { step, .. } => format!("end {}", step.id),
                _ => return,
            };
            heard.lock().unwrap().push(said);
        })
    };
    let conn = customer();
    conn.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO leg VALUES (9, 99)").unwrap();
    let report =
        observed(set(["UPDATE leg SET id = id + 10", COPY, DROP, "SELECT 1", RENAME])).run(&conn).unwrap();
    assert_eq!(report.together[0].steps, ["3_it", "4_it", "5_it"]);
    assert!(report.together[0].why.starts_with("2 rows of `leg`"), "{report}");
    let expected: Vec<String> =
        (1..=5).flat_map(|n| [format!("begin {n}_it"), format!("end {n}_it")]).collect();
    assert_eq!(*heard.lock().unwrap(), expected);
    assert_eq!(rows(&conn, "SELECT trip FROM leg WHERE id = 19"), ["99"]);
    let error = observed(set(["", "", "", "", "", "INSERT INTO leg VALUES (7, 77)"])).run(&conn).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Refused,
        "the scripts before are not those that were applied: {error}"
    );
}

#[test]
fn a_run_with_one_step_pending_may_not_leave_it_half_done() {
    let conn = customer();
    let migrations = || runner(set([COPY, DROP, RENAME]));
    let error = migrations().run_to(&conn, Target::Steps(2)).unwrap_err();
    assert!(error.to_string().contains("1 row of `photo` missing rows of `trip`"), "{error}");
    assert_eq!(migrations().run(&conn).unwrap().together.len(), 1);
}

#[test]
fn a_plan_and_a_validation_foresee_it() {
    // A set that creates everything, because a validation replays it.
    let (tables, customers_rows) = CUSTOMER.split_at(CUSTOMER.find("INSERT").unwrap());
    let runner = |set: Vec<Migration>| {
        let set: Vec<Migration> = [vec![Migration::from_scripts("0_it", tables, None)], set].concat();
        runner(set)
    };
    let conn = memory();
    let together = runner(set([COPY, DROP, "SELECT 1", RENAME]));
    together.run_to(&conn, Target::Steps(1)).unwrap();
    conn.execute_batch(customers_rows).unwrap();
    let plan = together.plan(&conn, Target::Latest).unwrap();
    let said = "note, together: `2_it` will be one transaction with the 2 steps after it, since in between 2 rows of `leg` reference missing rows \
                of `trip`, and 1 row of `photo` missing rows of `trip` until `4_it` is done";
    assert!(plan.to_string().contains(said), "{plan}");
    let found = together.validate(&conn).unwrap();
    assert!(found.iter().any(|problem| problem.kind == ProblemKind::Together), "{found:#?}");
    assert!(found.iter().all(|problem| problem.verdict == Verdict::Warn), "{found:#?}");
    assert_eq!(rows(&conn, COUNTS), ["2|2|1"]);

    for broken in [set([COPY, DROP]), set([COPY, DROP, "VACUUM", RENAME])] {
        let plan = runner(broken.clone()).plan(&conn, Target::Latest).unwrap();
        let problem = &plan.problems()[0];
        assert_eq!((problem.kind, problem.migration.as_str()), (ProblemKind::Fails, "2_it"), "{plan}");
        assert!(problem.finding.contains("2 rows of `leg` would reference missing rows of `trip`"), "{plan}");
        assert!(plan.to_string().contains("; give `trip` the rows that they need"), "{plan}");
        let found = runner(broken.clone()).validate(&conn).unwrap();
        assert!(found.iter().any(|problem| problem.verdict == Verdict::Deny), "{found:#?}");
        // The run fails as predicted.
        runner(broken).run(&conn).unwrap_err();
        conn.execute_batch("DELETE FROM __switchy_migrations WHERE name <> '0_it'; DROP TABLE trip_new")
            .unwrap();
    }
    // An empty table references nothing, and a parent table that was already missing is not a problem of this set.
    conn.execute_batch(
        "DELETE FROM leg; DELETE FROM photo; CREATE TABLE old (gone REFERENCES gone); PRAGMA foreign_keys = OFF;
        INSERT INTO old VALUES (1)",
    )
    .unwrap();
    assert_eq!(runner(set([COPY, DROP, RENAME])).plan(&conn, Target::Latest).unwrap().problems(), []);
}

/// Ways to delete a referenced row that cannot be detected from the statement alone.
#[test]
fn a_row_that_goes_by_the_side_door_is_missed() {
    let schema = "
        CREATE TABLE p (id INTEGER PRIMARY KEY, u UNIQUE, r UNIQUE ON CONFLICT REPLACE);
        CREATE TABLE c (p REFERENCES p (id));
        CREATE TABLE other (id INTEGER PRIMARY KEY, n);
        CREATE TABLE late (id INTEGER PRIMARY KEY, code TEXT);
        CREATE TRIGGER other_n AFTER UPDATE OF n ON other BEGIN DELETE FROM p WHERE id = new.n; END;
        INSERT INTO p VALUES (1, 'a', 'a'), (2, 'b', 'b'); INSERT INTO c VALUES (1); INSERT INTO other VALUES (1, 0)";
    for script in [
        "INSERT OR REPLACE INTO p VALUES (3, 'a', 'c')",
        "REPLACE INTO p SELECT 3, 'a', 'c'",
        "UPDATE OR REPLACE p SET u = 'a' WHERE id = 2",
        "INSERT INTO p VALUES (3, 'c', 'a')",
        "UPDATE p SET r = 'a' WHERE id = 2",
        "UPDATE p SET u = 'c' WHERE id = 2; UPDATE p SET id = 9 WHERE id = 1",
        "UPDATE other SET id = 2; UPDATE other SET n = 1",
        "WITH gone AS (SELECT 1 AS id) DELETE FROM p WHERE id IN (SELECT id FROM gone)",
        "PRAGMA case_sensitive_like = ON; DELETE FROM P WHERE id = 1",
    ] {
        let conn = memory();
        conn.execute_batch(schema).unwrap();
        let declared = Migration::sql("1_it", script).allow_destructive();
        let error = runner([declared]).run(&conn).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Step, "{script}: {error}");
        assert!(
            error.to_string().contains("1 row of `c` would reference missing rows of `p`"),
            "{script}: {error}"
        );
        assert_eq!(rows(&conn, "SELECT count(*), min(u) FROM p"), ["2|a"], "{script}");
    }
    // `LIKE` may be set to be case sensitive.
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE p (u TEXT); create unique index p_u ON p (u); CREATE TABLE c (p REFERENCES p (u)); INSERT INTO p VALUES ('x');
        INSERT INTO c VALUES ('x'); PRAGMA case_sensitive_like = ON",
    )
    .unwrap();
    let error = runner(set(["DROP INDEX p_u"])).run(&conn).unwrap_err();
    assert!(
        error.to_string().contains("the rows of `c` reference columns that are not there or not unique"),
        "{error}"
    );
    // A statement that makes the key of a parent unique makes its children checkable.
    let conn = memory();
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF; CREATE TABLE p (u TEXT); CREATE TABLE c (p REFERENCES p (u)); INSERT INTO c VALUES ('x')",
    )
    .unwrap();
    let error = runner(set(["CREATE UNIQUE INDEX p_u ON p (u)"])).run(&conn).unwrap_err();
    assert!(error.to_string().contains("1 row of `c` would reference missing rows of `p`"), "{error}");
}

/// `ROLLBACK` does not detach a database, so the corrected script would fail because the database is in use.
#[test]
fn what_a_failed_script_attached_is_detached() {
    let conn = customer();
    conn.execute_batch("ATTACH ':memory:' AS mine").unwrap();
    let attach = "ATTACH ':memory:' AS other; CREATE TABLE other.x (y); INSERT INTO missing VALUES (1)";
    runner(set([attach])).run(&conn).unwrap_err();
    let databases = "SELECT name FROM pragma_database_list WHERE name <> 'temp'";
    assert_eq!(rows(&conn, databases), ["main", "mine"]);
    runner(set(["ATTACH ':memory:' AS other; CREATE TABLE other.x (y)"])).run(&conn).unwrap();
    // A second check of a step that left orphans runs it once more.
    let conn = customer();
    let again = "ATTACH ':memory:' AS other; CREATE TABLE trip_new AS SELECT * FROM trip; DROP TABLE trip";
    runner(set([again, RENAME])).run(&conn).unwrap_err();
    let keyed = "ATTACH ':memory:' AS other; CREATE TABLE trip_new (id INTEGER PRIMARY KEY, name); \
                 INSERT INTO trip_new SELECT * FROM trip; DROP TABLE trip";
    runner(set([keyed, RENAME])).run(&conn).unwrap();
    assert_eq!(rows(&conn, COUNTS), ["2|2|1"]);
}

#[test]
fn an_application_that_keeps_its_connection_attaches_at_every_start() {
    let conn = memory();
    let it = runner(set(["CREATE TABLE other.x (y)"]))
        .session_sql("ATTACH ':memory:' AS other; PRAGMA recursive_triggers = ON");
    it.run(&conn).unwrap();
    conn.execute_batch("PRAGMA recursive_triggers = OFF").unwrap();
    assert!(it.run(&conn).unwrap().is_up_to_date());
    let more = runner(set(["CREATE TABLE other.x (y)", "INSERT INTO other.x VALUES (1)"]));
    more.session_sql("ATTACH ':memory:' AS other; PRAGMA recursive_triggers = ON").run(&conn).unwrap();
    assert_eq!(rows(&conn, "PRAGMA recursive_triggers"), ["1"]);
}

/// The copy of the schema has no rows of the children, so the effects of scripts on these rows are unknown there.
#[test]
fn what_a_script_does_to_the_children_itself_is_not_foreseen_wrongly() {
    for scripts in [
        ["SELECT 1", "UPDATE leg SET trip = NULL; DELETE FROM photo; DROP TABLE trip"],
        ["UPDATE leg SET trip = NULL; DELETE FROM photo", "DROP TABLE trip"],
        ["DROP TABLE trip", "UPDATE leg SET trip = NULL; DELETE FROM photo"],
    ] {
        let conn = customer();
        // The keys of both children name a table that is gone then.
        let policy = Policy::default().with(ProblemKind::BrokenReference, Verdict::Warn);
        let it = runner(set(scripts)).policy(policy);
        let plan = it.plan(&conn, Target::Latest).unwrap();
        let fails = plan.problems().iter().any(|problem| problem.kind == ProblemKind::Fails);
        assert!(!fails, "{scripts:?}: {plan}");
        it.run(&conn).unwrap_or_else(|error| panic!("{scripts:?}: {error}"));
        assert_eq!(rows(&conn, "SELECT count(*), count(trip) FROM leg"), ["3|0"]);
    }
}
