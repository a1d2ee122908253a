//! Steps that are tried again because another session was in their way.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use switchy_schema::{
    Backend, ErrorKind, Event, FaultKind, Hooks, Lock, Migration, MigrationRunner, Mysql, Postgres, State,
};

use crate::servers::{MysqlDatabase, PostgresDatabase};
use crate::{mysql as on_mysql, postgres as on_postgres};

const SHORT: Duration = Duration::from_millis(200);

/// A runner whose observer calls a function before each further attempt, and what it hears of the attempts.
fn watched<B: Backend>(
    set: Vec<Migration<B>>,
    on_retry: impl FnMut() + Send + 'static,
) -> (MigrationRunner<B>, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (log, on_retry) = (Arc::clone(&heard), Mutex::new(on_retry));
    let runner =
        MigrationRunner::for_backend(set).unwrap().statement_lock_timeout(SHORT).observe(move |event| {
            let line = match event {
                Event::Started { step, .. } => format!("started {}", step.id),
                Event::Finished { step, .. } => format!("finished {}", step.id),
                Event::Failed { step, .. } => format!("failed {}", step.id),
                Event::Retrying { step, attempt, of, error, .. } => {
                    assert_eq!(error.fault(), Some(FaultKind::Busy), "{error}");
                    (on_retry.lock().unwrap())();
                    format!("{attempt}/{of} {}", step.id)
                }
                _ => return,
            };
            log.lock().unwrap().push(line);
        });
    (runner, heard)
}

fn migration<B: Backend>(script: &str) -> Migration<B> {
    Migration::from_scripts("1_it", script.to_owned(), None)
}

const ONCE_AGAIN: [&str; 4] = ["started 1_it", "2/4 1_it", "started 1_it", "finished 1_it"];

/// A session of PostgreSQL that holds something.
fn holding(database: &PostgresDatabase, held: &str) -> postgres::Client {
    let mut other = database.connect();
    other.batch_execute(&format!("BEGIN; {held}")).unwrap();
    other
}

/// Ends what a session holds, and returns when it has ended: a session whose connection is closed ends a little later.
fn release(other: Option<postgres::Client>) {
    if let Some(mut other) = other {
        other.batch_execute("ROLLBACK").unwrap();
    }
}

/// The same on MariaDB.
fn release_on_mysql(other: Option<mysql::Conn>) {
    if let Some(mut other) = other {
        other.query_drop("ROLLBACK").unwrap();
    }
}

/// A session of MariaDB that holds something.
fn holding_on_mysql(database: &MysqlDatabase, held: &str) -> mysql::Conn {
    let mut other = database.connect();
    other.query_drop("START TRANSACTION").unwrap();
    let _: Vec<mysql::Row> = other.query(held).unwrap();
    other
}

#[test]
fn a_step_on_postgres_is_done_when_the_other_session_has_ended() {
    for (held, script) in [
        ("UPDATE t SET a = a + 1", "INSERT INTO u VALUES (1); UPDATE t SET a = a + 1"),
        ("SELECT * FROM t", "INSERT INTO u VALUES (1); ALTER TABLE t ADD b INT; UPDATE t SET a = 2"),
        ("LOCK TABLE t", "INSERT INTO u VALUES (1); UPDATE t SET a = 2"),
        ("SELECT 1", "INSERT INTO u VALUES (1); UPDATE t SET a = 2;
            DO $$ BEGIN IF nextval('s') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END $$"),
        // It fails in the commit.
        ("SELECT 1", "INSERT INTO u VALUES (1); UPDATE t SET a = 2; INSERT INTO late VALUES (1)"),
    ] {
        on_postgres::with(|database, client| {
            client
                .batch_execute(
                    "CREATE TABLE t (a INT); INSERT INTO t VALUES (1); CREATE TABLE u (a INT); CREATE TABLE late (a INT);
                    CREATE SEQUENCE s;
                    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        IF nextval('s') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN NULL;
                    END $$;
                    CREATE CONSTRAINT TRIGGER f AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()",
                )
                .unwrap();
            let mut other = Some(holding(database, held));
            let (it, heard) = watched(vec![migration::<Postgres>(script)], move || release(other.take()));
            let report = it.run(&mut *client).unwrap();
            assert_eq!(report.applied.len(), 1, "{script}");
            let heard = heard.lock().unwrap();
            if script.contains("late") {
                assert!(heard.contains(&"2/4 1_it".to_owned()), "{script}: {heard:?}");
            } else {
                assert_eq!(*heard, ONCE_AGAIN, "{script}");
            }
            assert_eq!(on_postgres::rows(client, "SELECT a FROM u"), ["1"], "{script}");
            assert_eq!(on_postgres::rows(client, "SELECT a FROM t"), ["2"], "{script}");
            assert_eq!(on_postgres::rows(client, "SHOW lock_timeout"), ["0"], "{script}");
        });
    }
}

#[test]
fn a_step_on_mariadb_is_done_when_the_other_session_has_ended() {
    on_mysql::with(|database, conn| {
        for sql in ["CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "CREATE TABLE u (a INT)"] {
            conn.query_drop(sql).unwrap();
        }
        let mut other = Some(holding_on_mysql(database, "UPDATE t SET a = a + 1"));
        let script = "INSERT INTO u VALUES (1); UPDATE t SET a = a + 1";
        let (it, heard) = watched(vec![migration::<Mysql>(script)], move || release_on_mysql(other.take()));
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(*heard.lock().unwrap(), ONCE_AGAIN);
        assert_eq!(on_mysql::rows(conn, "SELECT a FROM u"), ["1"]);
        assert_eq!(on_mysql::rows(conn, "SELECT a FROM t"), ["2"]);
    });
}

/// The server ends the run's transaction, since the other session does not look for deadlocks or has done more.
#[test]
fn a_step_that_loses_a_deadlock_is_tried_again() {
    on_postgres::with(|database, client| {
        client
            .batch_execute(
                "CREATE TABLE a (n INT); CREATE TABLE b (n INT); INSERT INTO a VALUES (0); INSERT INTO b VALUES (0);
                CREATE TABLE gate (n INT)",
            )
            .unwrap();
        let mut other = holding(database, "SET LOCAL deadlock_timeout = '1h'; UPDATE b SET n = n + 1");
        let mut gate = holding(database, "LOCK TABLE gate");
        let mut looking = database.connect();
        let crossing = thread::spawn(move || {
            // The server looks for a deadlock once in each wait, so the script begins the wait that completes it.
            let mut wait_for = |statement: &str| {
                let waits = format!(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                    AND query LIKE '{statement}%'"
                );
                while on_postgres::rows(&mut looking, &waits).is_empty() {
                    thread::sleep(Duration::from_millis(20));
                }
            };
            wait_for("%gate");
            let crosses = thread::spawn(move || other.batch_execute("UPDATE a SET n = n + 1; COMMIT"));
            wait_for("UPDATE a SET n = n + 1; COMMIT");
            gate.batch_execute("ROLLBACK").unwrap();
            crosses.join().unwrap().unwrap();
        });
        let script = "UPDATE a SET n = n + 1; SELECT count(*) FROM gate; UPDATE b SET n = n + 1";
        let script = migration::<Postgres>(script).lock_timeout(Duration::from_secs(600));
        let (it, heard) = watched(vec![script], || ());
        it.run(&mut *client).unwrap();
        crossing.join().unwrap();
        assert_eq!(*heard.lock().unwrap(), ONCE_AGAIN);
        assert_eq!(on_postgres::rows(client, "SELECT a.n, b.n FROM a, b"), ["2|2"]);
    });
    on_mysql::with(|database, conn| {
        let script = "UPDATE a SET n = n + 1; UPDATE b SET n = n + 1";
        let (outcome, heard) = deadlocked(database, conn, script, |it| it);
        outcome.unwrap();
        assert_eq!(heard, ONCE_AGAIN);
        assert_eq!(on_mysql::rows(conn, "SELECT a.n, b.n FROM a, b"), ["2|2"]);
    });
    // With a row as the lock, the other session may be another run, so the history is read again. That is no retry.
    on_mysql::with(|database, conn| {
        let script = "UPDATE a SET n = n + 1; UPDATE b SET n = n + 1";
        let (outcome, heard) = deadlocked(database, conn, script, |it| it.lock(Lock::Row).lock_retries(0));
        outcome.unwrap();
        assert_eq!(heard, ["started 1_it", "started 1_it", "finished 1_it"]);
        assert_eq!(on_mysql::rows(conn, "SELECT a.n, b.n FROM a, b"), ["2|2"]);
    });
}

/// Runs a script on MariaDB that changes `a` and then `b`, while another session changes them the other way round, which wins.
fn deadlocked(
    database: &MysqlDatabase,
    conn: &mut mysql::Conn,
    script: &str,
    change: fn(MigrationRunner<Mysql>) -> MigrationRunner<Mysql>,
) -> (Result<(), String>, Vec<String>) {
    for sql in [
        "CREATE TABLE a (n INT)",
        "CREATE TABLE b (n INT)",
        "INSERT INTO a VALUES (0)",
        "INSERT INTO b VALUES (0)",
        "CREATE TABLE c (n INT)",
        "CREATE TABLE kept (n INT) ENGINE=MyISAM",
        "CREATE TABLE others (n INT) ENGINE=MyISAM",
    ] {
        conn.query_drop(sql).unwrap();
    }
    let mut other = holding_on_mysql(database, "UPDATE b SET n = n + 1");
    other.query_drop("INSERT INTO c SELECT seq FROM seq_1_to_1000").unwrap();
    // The server lets a transaction win that has changed such a table, unless both have.
    other.query_drop("INSERT INTO others VALUES (1)").unwrap();
    let mut looking = database.connect();
    let crossing = thread::spawn(move || {
        // While other tests create tables, a session may wait for a table of InnoDB itself.
        let waits = "SELECT 1 FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id
            WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE 'UPDATE b %' AND DB = DATABASE()";
        while on_mysql::rows(&mut looking, waits).is_empty() {
            // InnoDB does not renew the table while it is read more often.
            thread::sleep(Duration::from_millis(300));
        }
        other.query_drop("UPDATE a SET n = n + 1").unwrap();
        other.query_drop("COMMIT").unwrap();
    });
    let script = migration::<Mysql>(script).lock_timeout(Duration::from_secs(600));
    let (it, heard) = watched(vec![script], || ());
    let outcome = change(it).run(&mut *conn).map(drop).map_err(|error| error.to_string());
    crossing.join().unwrap();
    let heard = heard.lock().unwrap().clone();
    (outcome, heard)
}

/// The server has rolled back when it reports a deadlock, so it does not warn of the table at the rollback that follows.
#[test]
fn a_script_on_mariadb_that_loses_a_deadlock_is_tried_once_if_a_table_keeps_its_rows() {
    on_mysql::with(|database, conn| {
        let script = "INSERT INTO kept VALUES (1); UPDATE a SET n = n + 1; UPDATE b SET n = n + 1";
        let (outcome, heard) = deadlocked(database, conn, script, |it| it);
        assert_eq!(heard, ["started 1_it", "failed 1_it"]);
        assert_eq!(on_mysql::rows(conn, "SELECT n FROM kept"), ["1"]);
        let said = outcome.unwrap_err();
        assert!(!said.contains("nothing of it was kept"), "{said}");
    });
}

/// Steps that are tried once, or only so often.
#[test]
fn who_stays_in_the_way_is_given_up_on() {
    type Change = fn(MigrationRunner<Postgres>) -> MigrationRunner<Postgres>;
    type Make = fn(&str) -> Migration<Postgres>;

    let script: Make = migration::<Postgres>;
    let outside: Make = |script| migration(script).outside_transaction();
    let code: Make = |script| {
        let script = script.to_owned();
        Migration::function("1_it", move |client: &mut postgres::Client| client.batch_execute(&script))
    };
    let stays: Make = |script| migration(&format!("LOAD 'plpgsql'; {script}"));
    let rows: [(Make, Change, u32); 8] = [
        (script, |it| it.lock_retries(2), 3),
        (script, |it| it.lock_retries(1).transaction(switchy_schema::TransactionMode::Batch), 2),
        (script, |it| it.lock_retries(0), 1),
        (script, |it| it.lock_timeout(Duration::ZERO), 1),
        (outside, |it| it, 1),
        (code, |it| it, 1),
        (stays, |it| it, 1),
        (script, |it| it.hooks(Hooks::for_backend().before(|_, _| Ok(()))), 1),
    ];
    for (row, (make, change, tries)) in rows.into_iter().enumerate() {
        on_postgres::with(|database, client| {
            client.batch_execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").unwrap();
            let other = holding(database, "SELECT * FROM t");
            let (it, heard) = watched(vec![make("ALTER TABLE t ADD b INT; CREATE TABLE u (a INT)")], || ());
            let it = change(it);
            let error = it.run(&mut *client).unwrap_err();
            let attempts = heard.lock().unwrap().iter().filter(|line| line.starts_with("started")).count();
            assert_eq!(attempts, tries as usize, "row {row}: {error}");
            assert_eq!(heard.lock().unwrap().last().unwrap(), "failed 1_it", "row {row}");
            assert_eq!(error.kind(), ErrorKind::Step, "row {row}");
            let said = error.to_string();
            assert!(said.contains("nothing of it was kept"), "row {row}: {said}");
            assert_eq!(said.contains(&format!("it was tried {tries} times")), tries > 1, "row {row}: {said}");
            assert_eq!(it.status(&mut *client).unwrap().entries[0].state, State::Pending, "row {row}");
            assert_eq!(on_postgres::rows(client, "SELECT to_regclass('u')::text IS NULL"), ["t"]);
            release(Some(other));
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1, "row {row}");
        });
    }
}

/// Only the failed step of a run is repeated, and it is compared with the history again.
#[test]
fn an_attempt_finds_what_another_program_did_meanwhile() {
    on_postgres::with(|database, client| {
        client.batch_execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").unwrap();
        let set = || {
            vec![
                Migration::<Postgres>::from_scripts("0_first", "CREATE TABLE u (a INT)", None),
                migration("UPDATE t SET a = a + 1"),
            ]
        };
        let mut other = Some(holding(database, "LOCK TABLE t"));
        let mut faster = database.connect();
        let (it, heard) = watched(set(), move || {
            release(other.take());
            // Without the lock of runs.
            let it = MigrationRunner::for_backend(set()).unwrap().lock(Lock::Off);
            assert_eq!(it.run(&mut faster).unwrap().applied.len(), 1);
        });
        let report = it.run(&mut *client).unwrap();
        assert_eq!(report.applied.len(), 1, "{report}");
        assert_eq!(heard.lock().unwrap().iter().filter(|line| *line == "started 0_first").count(), 1);
        assert_eq!(on_postgres::rows(client, "SELECT a FROM t"), ["2"]);
        assert!(it.run(&mut *client).unwrap().is_up_to_date());
    });
}

/// What stays in the session would make the second attempt another script.
#[test]
fn a_script_on_mariadb_with_something_that_stays_is_tried_once() {
    for (script, tries) in [
        ("UPDATE t SET a = 3", 2),
        ("SET @a = 3; UPDATE t SET a = @a", 2),
        ("SELECT 1 INTO @n; UPDATE t SET a = @n", 1),
        ("SET @n = @n + LAST_INSERT_ID(); UPDATE t SET a = 3", 1),
        ("CREATE TEMPORARY TABLE x (a INT); UPDATE t SET a = 3", 1),
    ] {
        on_mysql::with(|database, conn| {
            conn.query_drop("CREATE TABLE t (a INT)").unwrap();
            conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
            let _other = holding_on_mysql(database, "UPDATE t SET a = 2");
            let (it, heard) = watched(vec![migration::<Mysql>(script)], || ());
            let error = it.lock_retries(1).run(&mut *conn).unwrap_err();
            assert!(error.to_string().contains("nothing of it was kept"), "{script}: {error}");
            let attempts = heard.lock().unwrap().iter().filter(|line| line.starts_with("started")).count();
            assert_eq!(attempts, tries, "{script}: {error}");
        });
    }
}
