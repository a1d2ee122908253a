//! Scripts that begin and end transactions themselves, and statements that cannot run in one: some run unchanged, and some are refused with
//! a remedy that works.

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{
    Atomicity, Backend, Checksum, ErrorKind, Migration, MigrationError, MigrationRunner, ProblemKind, Sqlite,
    Target, TransactionMode,
};

use crate::execution::{applied, memory};

fn it<B: Backend>(script: &str) -> Migration<B> {
    Migration::from_scripts("1_it", script.to_owned(), None)
}

fn runner<B: Backend>(set: impl Into<Vec<Migration<B>>>) -> MigrationRunner<B> {
    MigrationRunner::for_backend(set.into()).unwrap()
}

/// 342 files of 94 public sets contain their own BEGIN and COMMIT.
#[test]
fn a_script_that_is_one_transaction_is_the_engines() {
    let spellings = [
        ("BEGIN;", "COMMIT;"),
        ("begin transaction;", "end transaction"),
        ("BEGIN IMMEDIATE;", "END;"),
        ("-- a dump\n;;\nBEGIN EXCLUSIVE TRANSACTION;\r\n", "\r\n/* done */ COMMIT TRANSACTION; -- so\r\n;"),
        ("PRAGMA foreign_keys = OFF;\nBEGIN;", "COMMIT;\nPRAGMA foreign_keys = ON;"),
        ("\u{feff}BEGIN\n;", "COMMIT\n;"),
    ];
    for (begin, commit) in spellings {
        let body = "CREATE TABLE a (b); CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END;
            SAVEPOINT s; INSERT INTO a VALUES (1); RELEASE s;";
        let script = format!("{begin} {body} {commit}");
        for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
            let conn = memory();
            let set = runner::<Sqlite>([it(&script), Migration::sql("2_more", "INSERT INTO a VALUES (2)")]);
            let set = set.transaction(mode);
            set.run(&conn).unwrap_or_else(|error| panic!("{script}: {error}"));
            assert_eq!(rows(&conn, "SELECT b FROM a"), ["1", "2"], "{script}");
            assert_eq!(applied(&conn), ["1_it", "2_more"]);
            let history = set.history(&conn).unwrap();
            assert_eq!(
                history.records()[0].checksum,
                Some(Checksum::of(&script)),
                "the text is hashed as it is"
            );
            assert!(set.run(&conn).unwrap().is_up_to_date());
        }
        // A statement that fails in it leaves nothing, and the error has its position in the file.
        let conn = memory();
        let broken = format!("{begin}\n{body}\nINSERT INTO missing VALUES (1);\n{commit}");
        let error = runner::<Sqlite>([it(&broken)]).run(&conn).unwrap_err();
        let line =
            broken.trim_start_matches('\u{feff}').lines().position(|line| line.contains("missing")).unwrap()
                + 1;
        assert_eq!(error.location().unwrap().position.unwrap().line, line, "{error}");
        assert!(error.to_string().contains("nothing of it was kept"), "{error}");
        assert!(
            conn.is_autocommit()
                && applied(&conn).is_empty()
                && rows(&conn, "SELECT * FROM sqlite_master").is_empty()
        );
        // Outside a transaction, the script has its own transaction.
        runner::<Sqlite>([it(&script).outside_transaction()]).run(&memory()).unwrap();
    }
}

#[test]
fn a_script_that_undoes_may_be_one_transaction_too_also_for_an_older_program() {
    let it = || {
        Migration::<Sqlite>::reversible(
            "2_it",
            "BEGIN; CREATE TABLE b (c); COMMIT;",
            "BEGIN; DROP TABLE b; COMMIT;",
        )
    };
    let first = || Migration::sql("1_a", "CREATE TABLE a (b)");
    let conn = memory();
    runner([first(), it()]).run(&conn).unwrap();
    runner([first(), it()]).rollback(&conn, 1).unwrap();
    assert_eq!(applied(&conn), ["1_a"]);
    runner([first(), it()]).run(&conn).unwrap();
    assert_eq!(runner([first()]).downgrade(&conn).unwrap().applied.len(), 1);
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_master WHERE name = 'b'"), Vec::<String>::new());
    // Other scripts that end the transaction are refused as before.
    for down in ["DROP TABLE b; COMMIT", "BEGIN; DROP TABLE b; COMMIT; DROP TABLE a", "BEGIN; DROP TABLE b"] {
        let newer = Migration::from_scripts("2_it", "CREATE TABLE b (c)", Some(down.to_owned()));
        let conn = memory();
        runner([first(), newer]).run(&conn).unwrap();
        let error = runner([first()]).downgrade(&conn).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Untrusted, "{down}: {error}");
        assert_eq!(applied(&conn), ["1_a", "2_it"]);
    }
}

/// Some scripts are refused, and their remedies work: to add the metadata, and to remove the lines.
#[test]
fn every_remedy_that_is_offered_works() {
    let own = "BEGIN; CREATE TABLE a (b); COMMIT; INSERT INTO a VALUES (1); BEGIN; INSERT INTO a VALUES (2); COMMIT";
    // (script, whether the remedy is `run_in_transaction = false`, whether it is to remove lines)
    let table = [
        (own, true, true),
        (
            "CREATE TABLE a (b); BEGIN; INSERT INTO a VALUES (1); COMMIT; INSERT INTO a VALUES (2);",
            true,
            true,
        ),
        (
            "CREATE TABLE a (b); BEGIN; INSERT INTO a VALUES (1); ROLLBACK; INSERT INTO a VALUES (2);",
            true,
            false,
        ),
        (
            "CREATE TABLE a (b); INSERT INTO a VALUES (1); COMMIT; PRAGMA foreign_keys = OFF; BEGIN; INSERT INTO a VALUES (2)",
            true,
            true,
        ),
        ("COMMIT; CREATE TABLE a (b); INSERT INTO a VALUES (1), (2); BEGIN;", true, true),
        (
            "COMMIT; VACUUM; BEGIN; CREATE TABLE a (b); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)",
            true,
            false,
        ),
        (
            "COMMIT; PRAGMA journal_mode = MEMORY; BEGIN; CREATE TABLE a (b); COMMIT; INSERT INTO a VALUES (1), (2); BEGIN",
            true,
            false,
        ),
        ("CREATE TABLE a (b); INSERT INTO a VALUES (1), (2); VACUUM", true, false),
        ("BEGIN; CREATE TABLE a (b); COMMIT; VACUUM; INSERT INTO a VALUES (1), (2)", true, false),
        ("PRAGMA synchronous = OFF; CREATE TABLE a (b); INSERT INTO a VALUES (1), (2)", true, false),
        ("BEGIN; CREATE TABLE a (b); INSERT INTO a VALUES (1), (2)", false, true),
        ("CREATE TABLE a (b); COMMIT; INSERT INTO a VALUES (1), (2)", false, true),
        ("COMMIT; CREATE TABLE a (b); INSERT INTO a VALUES (1), (2)", false, true),
        ("CREATE TABLE a (b); BEGIN; BEGIN; INSERT INTO a VALUES (1), (2); COMMIT; COMMIT", false, true),
    ];
    for (script, outside, removing) in table {
        let database = TestDatabase::new();
        let conn = database.connect();
        let refused = |error: MigrationError| {
            assert_eq!(error.kind(), ErrorKind::Refused, "{script}: {error}");
            assert_eq!(error.problems()[0].kind, ProblemKind::NotInTransaction, "{script}");
            assert_eq!(rows(&conn, "SELECT name FROM sqlite_master"), Vec::<String>::new(), "{script}");
            error.to_string()
        };
        let said = refused(runner::<Sqlite>([it(script)]).run(&conn).unwrap_err());
        assert_eq!(said.contains("run_in_transaction = false"), outside, "{script}: {said}");
        assert_eq!(said.contains("remove its"), removing, "{script}: {said}");
        let plan = runner::<Sqlite>([it(script)]).plan(&conn, Target::Latest).unwrap();
        assert_eq!(plan.problems()[0].kind, ProblemKind::NotInTransaction, "{plan}");

        let counts = |conn: &Connection| rows(conn, "SELECT count(*) > 0 FROM a");
        if removing {
            let control = |statement: &&str| {
                let first = statement.split_whitespace().next().unwrap_or_default();
                !["BEGIN", "COMMIT", "ROLLBACK"].contains(&first)
            };
            let without: Vec<&str> = script.split("; ").filter(control).collect();
            let without = without.join("; ").replace("BEGIN;", "");
            let conn = memory();
            runner::<Sqlite>([it(&without)]).run(&conn).unwrap_or_else(|error| panic!("{without}: {error}"));
            assert_eq!(counts(&conn), ["1"], "{script}");
        }
        let run = runner::<Sqlite>([it(script).outside_transaction()]).run(&conn);
        if outside {
            run.unwrap_or_else(|error| panic!("{script}: {error}"));
            assert_eq!(
                (counts(&conn), applied(&conn)),
                (vec!["1".to_owned()], vec!["1_it".to_owned()]),
                "{script}"
            );
            assert!(conn.is_autocommit(), "{script}");
        } else {
            // This remedy is not offered, and would not work. Nothing is left dirty.
            refused(run.unwrap_err());
        }
    }
}

/// All such scripts are reported at once and before anything is applied. Previously each was found only after those before it were applied.
#[test]
fn everything_that_does_not_fit_is_listed_before_the_first_step() {
    let set = || {
        runner::<Sqlite>([
            Migration::sql("1_a", "CREATE TABLE a (b)"),
            Migration::sql("2_b", "CREATE TABLE b (c); VACUUM"),
            Migration::sql("3_c", "VACUUM"),
            Migration::sql("4_d", "BEGIN; CREATE TABLE d (e)"),
            Migration::reversible("5_e", "CREATE TABLE e (f)", "DROP TABLE e; COMMIT"),
        ])
    };
    let conn = memory();
    let error = set().run(&conn).unwrap_err();
    let ids: Vec<_> = error.problems().iter().map(|problem| problem.migration.as_str()).collect();
    assert_eq!((error.kind(), ids), (ErrorKind::Refused, vec!["2_b", "4_d"]), "{error}");
    assert_eq!(applied(&conn), Vec::<String>::new());
    let found = |problems: Vec<switchy_schema::Problem>| -> Vec<String> {
        let problems = problems.into_iter().filter(|problem| problem.kind == ProblemKind::NotInTransaction);
        problems.map(|problem| problem.migration.to_string()).collect()
    };
    assert_eq!(found(set().validate_source()), ["5_e", "2_b", "4_d"], "and what would undo");
    let plan = set().plan(&conn, Target::Latest).unwrap();
    assert_eq!(found(plan.problems().to_vec()), ["2_b", "4_d"]);
    assert_eq!(plan.steps()[2].atomicity, Atomicity::NonTransactional);
    assert!(plan.to_string().contains("3. up 3_c; outside a transaction"), "{plan}");
}

#[test]
fn what_cannot_be_in_a_transaction_and_is_alone_needs_no_metadata() {
    for (script, check, expected) in [
        ("VACUUM", "SELECT 1", "1"),
        ("-- once\nvacuum main;\n", "SELECT 1", "1"),
        ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode", "wal"),
        (
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;",
            "PRAGMA journal_mode",
            "wal",
        ),
    ] {
        let database = TestDatabase::new();
        let conn = database.connect();
        runner::<Sqlite>([it(script)]).run(&conn).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(
            (rows(&conn, check), applied(&conn)),
            (vec![expected.to_owned()], vec!["1_it".to_owned()])
        );
    }
}
