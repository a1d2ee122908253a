//! Neighbouring statements that only change rows share a transaction on MySQL, although their step runs outside one.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;
use switchy_schema::{
    CancelToken, Event, Migration, MigrationError, MigrationRunner, Mysql, Recovery, Signature,
};

use crate::mysql::{rows, with};

fn runner(script: &str) -> MigrationRunner<Mysql> {
    MigrationRunner::for_backend([Migration::from_scripts("1_it", script.to_owned(), None)]).unwrap()
}

/// A script with `INSERT`s into the table `t`; the row 3 is there twice.
const TWICE: &str = "CREATE TABLE x (a INT);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (3);\n\
                     INSERT INTO t VALUES (2);\nINSERT INTO t VALUES (3);\nINSERT INTO t VALUES (4);\nDROP TABLE x";

fn fails(conn: &mut Conn, script: &str) -> MigrationError {
    runner(script).run(conn).unwrap_err()
}

/// The rows of `t`, in the order in which they were added.
fn of_t(conn: &mut Conn) -> String {
    rows(conn, "SELECT GROUP_CONCAT(a ORDER BY place) FROM t").concat()
}

/// The statement that the unfinished migration reached, and the reason of its failure.
fn reached(conn: &mut Conn) -> (u32, String) {
    let history = runner("").history(conn).unwrap();
    let dirty = history.records()[0].dirty.clone().unwrap();
    (dirty.statement.unwrap(), dirty.failure.unwrap())
}

/// Runs a test in a new database. A group also ends after a second, so a test that fails and took as long says nothing, and is repeated.
fn whole_groups(test: impl Fn(&mut Conn)) {
    const MOST_TIME: Duration = Duration::from_secs(1);
    const TRIES: usize = 30;
    for number in 1..=TRIES {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| with(|_, conn| test(conn))));
        match outcome {
            Ok(()) => return,
            Err(failure) if began.elapsed() < MOST_TIME || number == TRIES => resume_unwind(failure),
            Err(_) => {}
        }
    }
}

const T: &str = "CREATE TABLE t (a INT UNIQUE, place INT AUTO_INCREMENT PRIMARY KEY)";

/// The same script with the columns of `t`.
fn twice() -> String {
    TWICE.replace("t VALUES", "t (a) VALUES")
}

#[test]
fn statements_before_the_failed_one_are_undone_with_it_and_run_again() {
    whole_groups(|conn| {
        conn.query_drop(T).unwrap();
        let error = fails(conn, &twice());
        assert_eq!(error.location().unwrap().position.unwrap().line, 5);
        let said = error.to_string();
        assert!(said.contains("Duplicate entry '3'"), "{said}");
        let outcome = "it runs outside a transaction: statements 2 to 4 were undone with it, the statements before them stay, and it is marked dirty at statement 2";
        assert!(said.contains(outcome), "{said}");
        assert_eq!(of_t(conn), "NULL");
        let (statement, failure) = reached(conn);
        assert_eq!(statement, 2);
        assert!(failure.starts_with("statement 5 failed: Duplicate entry '3'"), "{failure}");
        // The corrected script continues with the first statement that is not done.
        let it = runner(
            &twice().replace("(2);\nINSERT INTO t (a) VALUES (3)", "(2);\nINSERT INTO t (a) VALUES (5)"),
        );
        it.recover(&mut *conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(of_t(conn), "1,3,2,5,4");
        assert_eq!(rows(conn, "SHOW TABLES LIKE 'x'"), Vec::<String>::new());
    });
}

#[test]
fn a_step_that_fails_in_its_first_group_has_not_begun() {
    whole_groups(|conn| {
        conn.query_drop(T).unwrap();
        let script = "INSERT INTO t (a) VALUES (1);\nINSERT INTO t (a) VALUES (1);\nCREATE TABLE x (a INT)";
        let error = fails(conn, script);
        assert_eq!(error.location().unwrap().position.unwrap().line, 2);
        assert!(error.to_string().contains("nothing of it was kept"), "{error}");
        assert_eq!(of_t(conn), "NULL");
        assert_eq!(runner("").history(&mut *conn).unwrap().records(), []);
    });
}

/// If a group with such a table were tried again, its rows would be there twice.
#[test]
fn rows_that_a_rollback_keeps_are_not_in_a_group() {
    let tables = [
        T.to_owned() + " ENGINE=MyISAM",
        T.to_owned() + " ENGINE=MEMORY",
        T.to_owned() + "; CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET @seen = 1",
        T.replace(" t ", " base ") + "; CREATE VIEW t AS SELECT * FROM base",
    ];
    for table in tables {
        with(|_, conn| {
            conn.query_drop(&table).unwrap();
            let error = fails(conn, &twice());
            let outcome = "so what it did before stays and it is marked dirty";
            assert!(error.to_string().contains(outcome), "{table}: {error}");
            assert_eq!(of_t(conn), "1,3,2", "{table}");
            assert_eq!(reached(conn).0, 5, "{table}");
        });
    }
}

#[test]
fn statements_that_may_do_more_are_not_in_a_group() {
    for (first, second) in [
        // A function of the database may write anywhere.
        ("INSERT INTO t (a) VALUES (f(1))", "INSERT INTO t (a) VALUES (f(3))"),
        // The author wants small transactions.
        ("DELETE FROM t WHERE a > 9 LIMIT 1000", "DELETE FROM t WHERE a > 9 LIMIT 1000"),
        ("INSERT INTO t (a) SELECT 1", "INSERT INTO t (a) SELECT 3"),
    ] {
        with(|_, conn| {
            conn.query_drop(T).unwrap();
            conn.query_drop("CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a").unwrap();
            fails(
                conn,
                &format!("CREATE TABLE x (a INT); {first}; {second}; INSERT INTO missing VALUES (1)"),
            );
            assert_eq!(reached(conn).0, 4, "{first}");
        });
    }
}

/// A user without the privilege `TRIGGER` cannot see whether a table has triggers.
#[test]
fn what_a_user_cannot_see_is_not_taken_to_be_absent() {
    with(|database, conn| {
        let name = rows(conn, "SELECT DATABASE()").concat();
        let user = format!("few_{}", &name[name.len().saturating_sub(20)..]);
        for sql in [
            T.to_owned(),
            format!("CREATE USER {user}"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON {name}.* TO {user}"),
        ] {
            conn.query_drop(sql).unwrap();
        }
        let mut few = Conn::new(&*database.url.replace("root@", &format!("{user}@"))).unwrap();
        fails(&mut few, &twice());
        assert_eq!(reached(conn).0, 5);
        conn.query_drop(format!("DROP USER {user}")).unwrap();
    });
}

#[test]
fn a_group_ends_before_it_is_large() {
    whole_groups(|conn| {
        conn.query_drop(T).unwrap();
        let many: Vec<String> = (1..=1_200).map(|row| format!("INSERT INTO t (a) VALUES ({row})")).collect();
        let script = format!("CREATE TABLE x (a INT); {}; INSERT INTO t (a) VALUES (7)", many.join("; "));
        fails(conn, &script);
        let (statement, failure) = reached(conn);
        assert!(failure.starts_with("statement 1202 failed"), "{statement}, {failure}");
        // The group that failed has no more statements, and fewer if a second was over.
        assert!(1_202 - statement < 500, "{statement}");
        let kept = rows(conn, "SELECT count(*) FROM t").concat();
        assert_eq!(kept, (statement - 2).to_string());
        // A statement that changes many rows is the last of its group.
        let digits = "(SELECT 0 x UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6
            UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
        conn.query_drop("CREATE TABLE big (a INT)").unwrap();
        let fill = "INSERT INTO big SELECT 1 + a.x + 10 * b.x + 100 * c.x + 1000 * d.x FROM";
        conn.query_drop(format!("{fill} {digits} a, {digits} b, {digits} c, {digits} d")).unwrap();
        runner("").recover(&mut *conn, Recovery::Forget("1_it".into()), Signature::of("ada")).unwrap();
        fails(
            conn,
            "DROP TABLE x; UPDATE big SET a = a + 1; DELETE FROM big WHERE a = 2; INSERT INTO t (a) VALUES (7)",
        );
        assert_eq!(reached(conn).0, 3);
        assert_eq!(rows(conn, "SELECT count(*) FROM big"), ["10000"]);
    });
}

#[test]
fn a_run_that_is_cancelled_in_a_group_continues_with_its_beginning() {
    whole_groups(|conn| {
        conn.query_drop(T).unwrap();
        let script = twice().replacen("(3)", "(5)", 1);
        let token = CancelToken::new();
        let (cancelled, heard) = (token.clone(), Arc::<Mutex<Vec<u32>>>::default());
        let kept = Arc::clone(&heard);
        let it = runner(&script).cancel_with(&token).observe(move |event| {
            if let Event::Statement { number, .. } = event {
                kept.lock().unwrap().push(*number);
                if *number == 4 {
                    cancelled.cancel();
                }
            }
        });
        it.run(&mut *conn).unwrap_err();
        assert_eq!(*heard.lock().unwrap(), [1, 2, 3, 4]);
        assert_eq!(of_t(conn), "NULL");
        assert_eq!(runner(&script).run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(of_t(conn), "1,5,2,3,4");
    });
}

#[test]
fn a_group_ends_before_its_text_is_long() {
    whole_groups(|conn| {
        conn.query_drop(T).unwrap();
        conn.query_drop("CREATE TABLE texts (b LONGTEXT)").unwrap();
        let long = format!("INSERT INTO texts VALUES ('{}');", "y".repeat(400 * 1024));
        fails(conn, &format!("CREATE TABLE x (a INT); {} INSERT INTO t (a) VALUES (7), (7)", long.repeat(3)));
        assert_eq!(reached(conn).0, 4);
        assert_eq!(rows(conn, "SELECT count(*) FROM texts"), ["2"]);
    });
}

/// `SET TRANSACTION` is about the next transaction, which is that of one statement.
#[test]
fn the_statement_after_a_set_transaction_is_not_in_a_group() {
    with(|_, conn| {
        conn.query_drop(T).unwrap();
        let script = "CREATE TABLE x (a INT); SET TRANSACTION ISOLATION LEVEL READ COMMITTED; INSERT INTO t (a) VALUES (1);
            INSERT INTO t (a) VALUES (2); INSERT INTO t (a) VALUES (2)";
        fails(conn, script);
        assert_eq!(reached(conn).0, 4);
        assert_eq!(of_t(conn), "1");
    });
}
