//! The engine on a real MariaDB server.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use switchy_schema::layout::{Entry, migrations};
use switchy_schema::{
    Atomicity, ErrorKind, Lock, LogEntryKind, Migration, MigrationRunner, Mysql, Policy, ProblemKind,
    Recovery, Signature, Target, TransactionMode,
};

use crate::servers::{self, MysqlDatabase};

type Runner = MigrationRunner<Mysql>;

fn runner(set: impl IntoIterator<Item = Migration<Mysql>>) -> Runner {
    Runner::for_backend(set.into_iter().collect::<Vec<_>>()).unwrap()
}

fn users() -> Migration<Mysql> {
    Migration::reversible("1_users", "CREATE TABLE users (name VARCHAR(50) PRIMARY KEY)", "DROP TABLE users")
}

fn email() -> Migration<Mysql> {
    Migration::reversible(
        "2_email",
        "ALTER TABLE users ADD email TEXT",
        "ALTER TABLE users DROP COLUMN email",
    )
}

/// The result of a query: one string for each row, with the values separated by `|`.
pub(crate) fn rows(conn: &mut Conn, sql: &str) -> Vec<String> {
    let row = |row: mysql::Row| {
        let value = |value: mysql::Value| match value {
            mysql::Value::NULL => "NULL".to_owned(),
            mysql::Value::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            other => other.as_sql(true),
        };
        row.unwrap().into_iter().map(value).collect::<Vec<_>>().join("|")
    };
    conn.query_map(sql, row).unwrap()
}

fn tables(conn: &mut Conn) -> Vec<String> {
    rows(
        conn,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
        AND table_name NOT LIKE '\\_\\_switchy%' ORDER BY 1",
    )
}

/// The statement that an unfinished migration reached, and the number of its statements.
fn reached(it: &Runner, conn: &mut Conn) -> (Option<u32>, Option<u32>) {
    let history = it.history(&mut *conn).unwrap();
    let dirty = history.records().last().unwrap().dirty.clone().unwrap();
    (dirty.statement, dirty.of)
}

/// Runs a test with its own database, if there is a server.
pub(crate) fn with(test: impl FnOnce(&MysqlDatabase, &mut Conn)) {
    if let Some(database) = servers::mysql() {
        test(&database, &mut database.connect());
    }
}

/// Makes a table whose only row is locked, so that `UPDATE gate SET x = 1` waits until [`open`] is called or this connection ends.
pub(crate) fn gate(database: &MysqlDatabase) -> Conn {
    let mut gate = database.connect();
    gate.query_drop("CREATE TABLE gate (x INT); INSERT INTO gate VALUES (0)").unwrap();
    gate.query_drop("START TRANSACTION; SELECT * FROM gate FOR UPDATE").unwrap();
    gate
}

/// Opens a [`gate`].
pub(crate) fn open(gate: &mut Conn) {
    gate.query_drop("ROLLBACK").unwrap();
}

#[test]
fn migrations_are_applied_once_and_undone_with_a_line_in_the_log() {
    with(|_, conn| {
        let it = runner([users(), email()]).program("notes 1.2");
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 2);
        assert!(it.run(&mut *conn).unwrap().is_up_to_date());
        assert_eq!(it.redo(&mut *conn).unwrap().applied.len(), 2);
        assert_eq!(it.rollback(&mut *conn, 2).unwrap().applied.len(), 2);
        assert_eq!(tables(conn), Vec::<String>::new());
        let history = it.history(&mut *conn).unwrap();
        assert_eq!(history.records(), []);
        let lines: Vec<_> = history.log().iter().map(|trace| (trace.id.as_str(), &trace.kind)).collect();
        let undone = &LogEntryKind::RolledBack;
        assert_eq!(lines, [("2_email", undone), ("2_email", undone), ("1_users", undone)]);
        assert_eq!(history.log()[0].program.as_deref(), Some("notes 1.2"));
        assert_eq!(history.log()[0].logged_on.len(), "2026-11-22T19:09:07.132".len());
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 2);
    });
}

/// The log is made before the transaction that writes to it, whichever step is the first that is undone.
#[test]
fn a_step_inside_or_outside_a_transaction_can_be_the_first_that_is_undone() {
    for (down, left) in [
        ("CREATE TABLE archive (a INT)", vec!["archive", "notes"]),
        ("INSERT INTO notes VALUES (1)", vec!["notes"]),
    ] {
        with(|_, conn| {
            conn.query_drop("CREATE TABLE notes (a INT)").unwrap();
            let it = runner([Migration::reversible("1_it", "DO 1", down)]);
            it.run(&mut *conn).unwrap();
            assert_eq!(rows(conn, "SHOW TABLES LIKE '%\\_log'"), Vec::<String>::new(), "nothing was undone");
            it.rollback(&mut *conn, 1).unwrap();
            assert_eq!(tables(conn), left, "{down}");
            let history = it.history(&mut *conn).unwrap();
            assert_eq!(history.log()[0].kind, LogEntryKind::RolledBack, "{down}");
        });
    }
}

#[test]
fn a_script_that_changes_rows_only_is_one_transaction() {
    with(|_, conn| {
        let script = "INSERT INTO users VALUES ('a');\nINSERT INTO users VALUES ('b');\nINSERT INTO users VALUES ('a');";
        let it = runner([users(), Migration::sql("2_rows", script)]);
        let error = it.run(&mut *conn).unwrap_err();
        assert_eq!(error.location().unwrap().position.unwrap().line, 3);
        assert!(error.to_string().contains("nothing of it was kept"), "{error}");
        assert_eq!(rows(conn, "SELECT * FROM users"), Vec::<String>::new());
        assert_eq!(it.history(&mut *conn).unwrap().records().len(), 1);
        let plan = it.plan(&mut *conn, Target::Latest).unwrap();
        assert_eq!(plan.steps()[0].atomicity, Atomicity::Transaction);
    });
}

#[test]
fn a_script_that_changes_the_schema_is_dirty_where_it_stopped_and_goes_on_there() {
    with(|_, conn| {
        let broken = "CREATE TABLE a (b INT);\nINSERT INTO a VALUES (1);\nINSERT INTO missing VALUES (1);\nCREATE TABLE c (d INT)";
        let it = runner([Migration::sql("1_it", broken)]);
        let error = it.run(&mut *conn).unwrap_err();
        assert_eq!(error.location().unwrap().position.unwrap().line, 3);
        let refused = it.run(&mut *conn).unwrap_err();
        assert_eq!(refused.problems()[0].kind, ProblemKind::Dirty);
        assert!(refused.to_string().contains("at statement 3 of 4 of its script"), "{refused}");
        // After the failed statement is corrected, the run resumes there.
        let corrected = runner([Migration::from_scripts("1_it", broken.replace("missing", "a"), None)]);
        corrected.recover(&mut *conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        assert_eq!(corrected.pending(&mut *conn).unwrap(), ["1_it"]);
        let plan = corrected.plan(&mut *conn, Target::Latest).unwrap().to_string();
        assert!(plan.contains("continues at statement 3"), "{plan}");
        assert_eq!(corrected.run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(rows(conn, "SELECT b FROM a"), ["1", "1"]);
        assert_eq!(tables(conn), ["a", "c"]);
        assert!(corrected.run(&mut *conn).unwrap().is_up_to_date());
    });
}

#[test]
fn what_is_done_may_not_be_changed_before_it_goes_on() {
    with(|_, conn| {
        let set = |script: &'static str| runner([Migration::sql("1_it", script)]);
        set("CREATE TABLE a (b INT); SELEKT").run(&mut *conn).unwrap_err();
        let other = set("CREATE TABLE other (b INT); SELECT 1");
        other.recover(&mut *conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        let error = other.run(&mut *conn).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Changed);
        assert!(error.to_string().contains("Recovery::RetryFrom"), "{error}");
        let from = |statement| Recovery::RetryFrom { migration: "1_it".into(), statement };
        let error = other.recover(&mut *conn, from(9), Signature::of("ada")).unwrap_err();
        assert!(error.to_string().contains("it has no statement 9"), "{error}");
        other.recover(&mut *conn, from(2), Signature::of("ada")).unwrap();
        assert_eq!(other.run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(tables(conn), ["a"]);
    });
}

#[test]
fn the_place_of_an_error_is_line_and_column() {
    // (script, line, column, the message of the server)
    let table = [
        (
            "CREATE TABLE a (b int);\nCREATE TABLE c (\n  d int,\n  e int int);",
            4,
            9,
            "error in your SQL syntax",
        ),
        ("CREATE TABLE a (b int);\n\n  INSERT INTO missing VALUES (1);", 3, 3, "missing' doesn't exist"),
        (
            "CREATE TABLE a (b int);\nLOAD DATA LOCAL INFILE 'x' INTO TABLE a;",
            2,
            1,
            "it reads a file of the client",
        ),
        ("CREATE TABLE a (b int);\nsource other.sql;", 2, 1, "`source` is a command of the mysql client"),
        ("INSERT INTO users VALUES ('a');\nCOMMIT;", 2, 1, "would end the transaction that it runs in"),
        (
            "CREATE PROCEDURE p() BEGIN SELECT 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no way'; END;\nCALL p();",
            2,
            1,
            "no way",
        ),
    ];
    for (script, line, column, told) in table {
        with(|_, conn| {
            let error = runner([users(), Migration::sql("2_it", script)]).run(&mut *conn).unwrap_err();
            let is_read = ["would end", "it reads", "`source`"].iter().any(|start| told.starts_with(start));
            assert_eq!(error.kind(), if is_read { ErrorKind::Refused } else { ErrorKind::Step }, "{script}");
            let position = error.location().unwrap().position.unwrap();
            assert_eq!((position.line, position.column), (line, column), "{script}: {error}");
            assert!(error.to_string().contains(told), "{error}");
        });
    }
}

#[test]
fn routines_are_not_cut_with_or_without_delimiter() {
    with(|_, conn| {
        let script = "CREATE TABLE t (a INT, b INT);
            CREATE TRIGGER plain BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.b = NEW.a; SET NEW.b = NEW.b + 1; END;
            DELIMITER
            //
            CREATE PROCEDURE p(n INT) BEGIN
                DECLARE i INT DEFAULT 0;
                WHILE i < n DO INSERT INTO t (a) VALUES (i); SET i = i + 1; END WHILE;
            END//
            DELIMITER ;
            /*!50003 CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 7 */;
            CALL p(2);";
        let down = "DROP FUNCTION f; DROP PROCEDURE p; DROP TABLE t;";
        let it = runner([Migration::reversible("1_it", script, down)]);
        it.run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT a, b, f() FROM t ORDER BY a"), ["0|1|7", "1|2|7"]);
        it.rollback(&mut *conn, 1).unwrap();
        assert_eq!(tables(conn), Vec::<String>::new());
    });
}

#[test]
fn what_a_script_sets_is_set_back() {
    with(|_, conn| {
        conn.query_drop("CREATE DATABASE IF NOT EXISTS elsewhere; SET SESSION sort_buffer_size = 1048576")
            .unwrap();
        let settings = "SELECT @@sql_mode, @@foreign_key_checks, @@character_set_client, @@collation_connection, @@autocommit,
            @@time_zone, DATABASE(), @@sort_buffer_size, @@unique_checks";
        let before = rows(conn, settings);
        let scripts = [
            "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; SET FOREIGN_KEY_CHECKS = 0; SET NAMES latin1",
            "/*!40101 SET @OLD=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */; SET time_zone = '+05:00'; CREATE TABLE ünï (a INT);",
            "USE elsewhere; CREATE TABLE IF NOT EXISTS there (a INT); SET SESSION sort_buffer_size = 2097152; SET sql_mode = ''",
            "SET autocommit = 0; CREATE TABLE x (a INT); INSERT INTO x VALUES (1); COMMIT; SET UNIQUE_CHECKS = 1",
        ];
        let set = scripts.map(str::to_owned);
        let it = runner(
            (0..).zip(set).map(|(n, script)| Migration::from_scripts(format!("{n}_sets_ü"), script, None)),
        );
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 4);
        assert_eq!(rows(conn, settings), before);
        assert_eq!(rows(conn, "SELECT a FROM x"), ["1"]);
        assert!(it.run(&mut *conn).unwrap().is_up_to_date());
    });
}

#[test]
fn a_dump_with_locked_tables_runs() {
    with(|_, conn| {
        let dump = "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
            CREATE TABLE `t` (`a` int);
            LOCK TABLES `t` WRITE;
            /*!40000 ALTER TABLE `t` DISABLE KEYS */;
            INSERT INTO `t` VALUES (1),(2);
            /*!40000 ALTER TABLE `t` ENABLE KEYS */;
            UNLOCK TABLES;
            /*!40101 SET SQL_MODE=@OLD_SQL_MODE */;";
        runner([Migration::sql("1_dump", dump)]).run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT a FROM t"), ["1", "2"]);

        let broken = "CREATE TABLE u (a INT); LOCK TABLES u WRITE; INSERT INTO u VALUES (1); INSERT INTO u VALUES ('x')";
        let it = runner([Migration::sql("1_dump", dump), Migration::sql("2_broken", broken)]);
        it.run(&mut *conn).unwrap_err();
        assert_eq!(reached(&it, conn), (Some(2), Some(4)));
        // The engine cannot record progress while other tables are locked, so a person must check.
        let error =
            it.recover(&mut *conn, Recovery::Retry("2_broken".into()), Signature::of("ada")).unwrap_err();
        assert!(error.to_string().contains("with `Recovery::RetryFrom`"), "{error}");
    });
}

#[test]
fn a_batch_is_for_rows_only() {
    with(|_, conn| {
        let batch = |set: Vec<Migration<Mysql>>| runner(set).transaction(TransactionMode::Batch);
        let error = batch(vec![users(), email()]).run(&mut *conn).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::NotInBatch);
        runner([users()]).run(&mut *conn).unwrap();
        let rows_of = |last: &'static str| {
            vec![
                users(),
                Migration::sql("2_a", "INSERT INTO users VALUES ('a')"),
                Migration::sql("3_b", last),
            ]
        };
        batch(rows_of("SELEKT")).run(&mut *conn).unwrap_err();
        assert_eq!(rows(conn, "SELECT * FROM users"), Vec::<String>::new());
        assert_eq!(
            batch(rows_of("INSERT INTO users VALUES ('b')")).run(&mut *conn).unwrap().applied.len(),
            2
        );
    });
}

#[test]
fn tables_that_keep_what_is_rolled_back_are_noticed() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE old (a INT PRIMARY KEY) ENGINE=MyISAM").unwrap();
        let it = runner([Migration::sql("1_it", "INSERT INTO old VALUES (1); INSERT INTO old VALUES (1)")]);
        let error = it.run(&mut *conn).unwrap_err();
        assert!(!error.to_string().contains("nothing of it was kept"), "{error}");
        assert!(error.to_string().contains("what it committed by itself stays"), "{error}");
    });
}

#[test]
fn code_is_outside_a_transaction() {
    with(|_, conn| {
        let code: Migration<Mysql> = Migration::function("1_code", |conn: &mut Conn| {
            conn.query_drop("CREATE TABLE a (b INT)")?;
            conn.query_drop("INSERT INTO missing VALUES (1)")
        });
        let it = runner([code]);
        it.run(&mut *conn).unwrap_err();
        assert_eq!(it.run(&mut *conn).unwrap_err().problems()[0].kind, ProblemKind::Dirty);
    });
}

#[test]
fn programs_that_start_at_once_apply_each_migration_once() {
    for lock in [Lock::Sidecar, Lock::Row] {
        with(|database, conn| {
            let set = || {
                let number = |number: usize| {
                    let script = format!(
                        "CREATE TABLE t{number} (x int); DO SLEEP(0.01); INSERT INTO t{number} VALUES (1)"
                    );
                    Migration::from_scripts(format!("{number}_t"), script, None)
                };
                let rows = |number: usize| {
                    Migration::from_scripts(format!("{number}_r"), "INSERT INTO t0 VALUES (2)", None)
                };
                runner((0..6).map(number).chain((6..9).map(rows))).lock(lock.clone())
            };
            let applied: Vec<usize> = thread::scope(|scope| {
                let starts: Vec<_> = (0..12)
                    .map(|_| scope.spawn(|| set().run(&mut database.connect()).unwrap().applied.len()))
                    .collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            assert_eq!(applied.iter().sum::<usize>(), 9, "{lock:?}");
            assert_eq!(tables(conn).len(), 6);
            assert_eq!(rows(conn, "SELECT x, COUNT(*) FROM t0 GROUP BY x"), ["1|1", "2|3"]);
        });
    }
}

#[test]
fn whoever_waits_for_the_lock_is_told_who_holds_it() {
    with(|database, conn| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let mut gate = gate(database);
        let slow = runner([Migration::sql("1_slow", "UPDATE gate SET x = 1")]);
        let it = runner([users()]).lock_timeout(Duration::from_millis(200)).observe(move |event| {
            if let switchy_schema::Event::Waiting { holder, .. } = event {
                notes.lock().unwrap().push((*holder).to_owned());
            }
        });
        thread::scope(|scope| {
            let slow = scope.spawn(|| slow.run(&mut database.connect()).unwrap());
            let working = "SELECT ID FROM information_schema.PROCESSLIST
                WHERE INFO = 'UPDATE gate SET x = 1' AND DB = DATABASE()";
            let session = loop {
                match rows(conn, working).pop() {
                    Some(session) => break session,
                    None => assert!(!slow.is_finished(), "{:?}", slow.join()),
                }
                thread::sleep(Duration::from_millis(10));
            };
            let error = it.run(&mut *conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LockTimeout);
            let said = error.to_string();
            for part in [
                &*format!(
                    "(session {session} of the server, from localhost as root, running `UPDATE gate SET x = 1` since "
                ),
                &*format!(" UTC; `KILL {session}` ends it); waited "),
            ] {
                assert!(said.contains(part), "{part} is not in {said}");
            }
            open(&mut gate);
            slow.join().unwrap();
        });
        assert!(heard.lock().unwrap()[0].contains("since "), "{heard:?}");
        assert!(it.run(&mut *conn).unwrap_err().is_database_ahead(), "the lock is free");
    });
}

#[test]
fn the_lock_is_given_back_on_every_path() {
    with(|database, _| {
        let mut conn = database.connect();
        runner([Migration::sql("1_it", "SELEKT")]).run(&mut conn).unwrap_err();
        let mut other = database.connect();
        let it = runner([users()]).lock_timeout(Duration::from_millis(100));
        assert_eq!(it.run(&mut other).unwrap().applied.len(), 1);
        let panics: Migration<Mysql> =
            Migration::function("2_it", |_: &mut Conn| -> Result<(), std::fmt::Error> {
                panic!("on purpose")
            });
        let both = runner([users(), panics]);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| both.run(&mut conn)));
        assert!(panicked.is_err());
        let error = it.policy(Policy::DEVELOPMENT).run(&mut other).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Dirty, "it did not wait: {error}");
    });
}

/// The current table after a program that uses the column `id` renamed `name` and applied a migration.
const TAKEN_OVER: &str = "CREATE TABLE __switchy_migrations (place BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        id VARCHAR(700) NOT NULL, run_on DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), checksum CHAR(64), dirty INT NOT NULL DEFAULT 0,
        duration_ms BIGINT, basis CHAR(64), statement INT UNSIGNED, statements INT UNSIGNED, mark TEXT, failure MEDIUMTEXT,
        up_sql MEDIUMTEXT, down_sql LONGTEXT, down_options TEXT, down_checksum CHAR(64), finished_on DATETIME(3),
        up_checksum VARCHAR(64) NOT NULL, status VARCHAR(20) NOT NULL, failure_reason TEXT);
    INSERT INTO __switchy_migrations (id, run_on, finished_on, up_checksum, status)
        VALUES ('1_users', '2024-03-04 05:06:07', '2024-03-04 05:06:08', REPEAT('0', 64), 'completed')";

#[test]
fn a_table_that_an_older_program_left_is_brought_up_to_date() {
    let forms = [
        "CREATE TABLE __switchy_migrations (name TEXT NOT NULL, run_on DATETIME NOT NULL DEFAULT NOW());
        INSERT INTO __switchy_migrations VALUES ('1_users', '2024-03-04 05:06:07')",
        "CREATE TABLE __switchy_migrations (id VARCHAR(255) NOT NULL, run_on TIMESTAMP(3) NOT NULL);
        SET time_zone = '+01:00'; INSERT INTO __switchy_migrations VALUES ('1_users', '2024-03-04 06:06:07'), ('1_users', '2024-03-05 00:00:00')",
        TAKEN_OVER,
    ];
    for form in forms {
        with(|database, conn| {
            database.connect().query_drop(form).unwrap();
            conn.query_drop("CREATE TABLE users (name VARCHAR(50))").unwrap();
            let it = runner([users(), email()]);
            assert!(it.is_applied(&mut *conn, "1_users").unwrap());
            assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1, "{form}");
            let history = it.history(&mut *conn).unwrap();
            assert_eq!(history.records()[0].run_on, "2024-03-04T05:06:07.000", "{form}");
            assert!(history.records()[0].checksum.is_some());
            assert!(it.run(&mut *conn).unwrap().is_up_to_date());
        });
    }
}

#[test]
fn a_folder_has_its_scripts_for_this_database() {
    with(|_, conn| {
        let files = [
            Entry::new("1_it/up.sql", b"CREATE TABLE common (x int)".as_slice()),
            Entry::new("1_it/up.mysql.sql", b"CREATE TABLE own (x int)".as_slice()),
            Entry::new("2_it/up.sqlite.sql", b"CREATE TABLE elsewhere (x)".as_slice()),
        ];
        let it = Runner::for_backend(migrations::<Mysql>("", files).unwrap()).unwrap();
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(tables(conn), ["own"]);
    });
}

#[test]
fn a_transaction_of_the_caller_is_refused() {
    with(|_, conn| {
        conn.query_drop("START TRANSACTION").unwrap();
        assert_eq!(runner([users()]).run(&mut *conn).unwrap_err().kind(), ErrorKind::OpenTransaction);
        conn.query_drop("ROLLBACK; SET autocommit = 0").unwrap();
        let error = runner([users()]).run(&mut *conn).unwrap_err();
        assert!(error.to_string().contains("autocommit is off on this connection; switch it on"), "{error}");
        conn.query_drop("SET autocommit = 1").unwrap();
        assert_eq!(runner([users()]).run(&mut *conn).unwrap().applied.len(), 1);
    });
}

#[test]
fn the_record_has_the_program_and_an_older_one_is_told_which_it_needs() {
    with(|_, conn| {
        runner([users()]).program("notes 1.0").run(&mut *conn).unwrap();
        runner([users(), email()]).program("notes 1.1").run(&mut *conn).unwrap();
        assert_eq!(
            rows(conn, "SELECT name, program FROM __switchy_migrations ORDER BY place"),
            ["1_users|notes 1.0", "2_email|notes 1.1"]
        );
        let error = runner([users()]).program("notes 1.0").run(&mut *conn).unwrap_err();
        assert_eq!(error.newer_program(), Some("notes 1.1"), "{error}");
    });
}

/// A program without the column made the table. It is read as it is, and the next run that writes adds the column.
#[test]
fn a_table_without_the_column_of_the_program_gets_it() {
    for lock in [Lock::default(), Lock::Row, Lock::Off] {
        with(|_, conn| {
            let first = || runner([users()]).lock(lock.clone());
            first().run(&mut *conn).unwrap();
            rows(conn, "ALTER TABLE __switchy_migrations DROP COLUMN program");
            let has_column = "SELECT count(*) FROM information_schema.columns
                WHERE table_name = '__switchy_migrations' AND column_name = 'program' AND table_schema = DATABASE()";
            assert!(first().run(&mut *conn).unwrap().is_up_to_date());
            assert_eq!(first().history(&mut *conn).unwrap().records()[0].program, None);
            assert_eq!(rows(conn, has_column), ["0"]);
            let both = runner([users(), email()]).program("notes 1.1").lock(lock.clone());
            assert_eq!(both.run(&mut *conn).unwrap().applied.len(), 1, "{lock:?}");
            assert_eq!(
                rows(conn, "SELECT name, program FROM __switchy_migrations ORDER BY place"),
                ["1_users|NULL", "2_email|notes 1.1"]
            );
            assert!(both.run(&mut *conn).unwrap().is_up_to_date());
        });
    }
}
