//! Steps that wait for a lock of another session: the limit of the wait, and what is left of a step that reaches it.

use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use switchy_schema::{
    Backend, ErrorKind, FaultKind, Lock, Migration, MigrationRunner, Mysql, Postgres, State,
};

use crate::{mysql as on_mysql, postgres as on_postgres};

const SHORT: Duration = Duration::from_millis(200);

fn set<B: Backend>(scripts: &[&str]) -> Vec<Migration<B>> {
    let migration = |(number, script): (usize, &&str)| {
        Migration::from_scripts(format!("{number}_it"), (*script).to_owned(), None)
    };
    (1..).zip(scripts).map(migration).collect()
}

fn runner<B: Backend>(set: Vec<Migration<B>>) -> MigrationRunner<B> {
    MigrationRunner::for_backend(set).unwrap()
}

/// Checks each case in a thread of its own, since it waits most of the time.
fn at_once<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// Runs a script against the locks of another session, and checks that nothing of it is left.
fn gives_up<B: Backend>(
    script: &str,
    conn: &mut B::Conn<'_>,
    lend: impl for<'c> Fn(&'c mut B::Conn<'_>) -> B::Conn<'c>,
) {
    let of_runner = runner::<B>(set(&[script])).statement_lock_timeout(SHORT);
    // The one in the metadata has precedence.
    let own = set(&[script]).into_iter().map(|migration| migration.lock_timeout(SHORT)).collect();
    let of_metadata = runner::<B>(own).statement_lock_timeout(Duration::from_secs(3600));
    for it in [of_runner, of_metadata] {
        let error = it.run(lend(conn)).unwrap_err();
        assert_eq!(
            (error.kind(), error.fault()),
            (ErrorKind::Step, Some(FaultKind::Busy)),
            "{script}: {error}"
        );
        assert!(error.to_string().contains("nothing of it was kept"), "{script}: {error}");
        assert_eq!(it.status(lend(conn)).unwrap().entries[0].state, State::Pending, "{script}");
    }
}

#[test]
fn a_step_on_postgres_does_not_wait_longer_than_it_may() {
    let cases = [
        ("UPDATE t SET a = 2", "CREATE TABLE u (a INT); UPDATE t SET a = 3"),
        ("SELECT * FROM t", "CREATE TABLE u (a INT); ALTER TABLE t ADD b INT"),
        ("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "INSERT INTO t VALUES (4)"),
        ("SELECT * FROM t", "DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$"),
    ];
    at_once(&cases, |(held, script)| {
        on_postgres::with(|database, client| {
            client.batch_execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").unwrap();
            let mut other = database.connect();
            other.batch_execute(&format!("BEGIN; {held}")).unwrap();
            gives_up::<Postgres>(script, &mut &mut *client, |client| client);
            other.batch_execute("ROLLBACK").unwrap();
            assert_eq!(on_postgres::rows(client, "SELECT a FROM t"), ["1"]);
            assert_eq!(on_postgres::rows(client, "SHOW lock_timeout"), ["0"]);
            let it = runner::<Postgres>(set(&[script])).statement_lock_timeout(SHORT);
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
        });
    });
}

#[test]
fn a_step_on_mariadb_does_not_wait_longer_than_it_may() {
    let cases = [
        ("UPDATE t SET a = 2", "UPDATE t SET a = 3"),
        ("SELECT * FROM t", "ALTER TABLE t ADD b INT"),
        ("SELECT * FROM t", "SET NAMES utf8mb4; ALTER TABLE t ADD b INT"),
        ("LOCK TABLES t WRITE", "ALTER TABLE t ADD b INT"),
    ];
    at_once(&cases, |(held, script)| {
        on_mysql::with(|database, conn| {
            conn.query_drop("CREATE TABLE t (a INT)").unwrap();
            conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
            let limits = "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout";
            conn.query_drop("SET SESSION innodb_lock_wait_timeout = 77").unwrap();
            let before = on_mysql::rows(conn, limits);
            let mut other = database.connect();
            other.query_drop("START TRANSACTION").unwrap();
            let _: Vec<mysql::Row> = other.query(held).unwrap();
            gives_up::<Mysql>(script, &mut &mut *conn, |conn| conn);
            other.query_drop("ROLLBACK").unwrap();
            other.query_drop("UNLOCK TABLES").unwrap();
            assert_eq!(on_mysql::rows(conn, "SELECT a FROM t"), ["1"]);
            assert_eq!(on_mysql::rows(conn, limits), before);
            // A change of a definition may wait for one of another test, in the tables of InnoDB itself.
            let it = runner::<Mysql>(set(&[script])).statement_lock_timeout(Duration::from_secs(600));
            assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1);
            assert_eq!(on_mysql::rows(conn, limits), before);
        });
    });
}

/// What the migrations saw, and what the session has after them. With a row as the lock, a proxy may give each statement another session:
/// outside a transaction the limit would stay in a session of others.
#[test]
fn a_limit_on_postgres_ends_with_its_migration() {
    let seen = "INSERT INTO seen VALUES (current_setting('lock_timeout'))";
    let (local, of_session) =
        (format!("SET LOCAL lock_timeout = '5s'; {seen}"), format!("SET lock_timeout = '6s'; {seen}"));
    for (lock, session, outside) in
        [(Lock::default(), "0", "3s"), (Lock::default(), "7s", "3s"), (Lock::Row, "7s", "7s")]
    {
        on_postgres::with(|_, client| {
            client
                .batch_execute(&format!("CREATE TABLE seen (it TEXT); SET lock_timeout = '{session}'"))
                .unwrap();
            let quiet = "INSERT INTO seen SELECT current_setting('lock_timeout')";
            let mut migrations =
                set::<Postgres>(&[seen, &local, &of_session, seen, quiet, seen, "SELECT nothing"]);
            for at in [0, 1, 2] {
                migrations[at] = migrations[at].clone().lock_timeout(Duration::from_secs(2));
            }
            migrations[3] = migrations[3].clone().lock_timeout(Duration::from_secs(3)).outside_transaction();
            migrations[5] = migrations[5].clone().lock_timeout(Duration::ZERO);
            let last = migrations.len() - 1;
            migrations[last] =
                migrations[last].clone().lock_timeout(Duration::from_secs(8)).outside_transaction();
            let error = runner(migrations).lock(lock.clone()).run(&mut *client).unwrap_err();
            assert_eq!(error.report().applied.len(), 6, "{error}");
            let expected = ["2s", "5s", "6s", outside, session, "1ms"];
            assert_eq!(on_postgres::rows(client, "SELECT it FROM seen"), expected);
            assert_eq!(on_postgres::rows(client, "SHOW lock_timeout"), [session]);
        });
    }
}

#[test]
fn a_limit_on_mariadb_ends_with_its_migration() {
    on_mysql::with(|_, conn| {
        let seen = "INSERT INTO seen SELECT CONCAT(@@innodb_lock_wait_timeout, ' ', @@lock_wait_timeout)";
        let own = format!("SET SESSION lock_wait_timeout = 9; {seen}");
        conn.query_drop("CREATE TABLE seen (n INT AUTO_INCREMENT PRIMARY KEY, it TEXT)").unwrap();
        conn.query_drop("SET SESSION innodb_lock_wait_timeout = 40, SESSION lock_wait_timeout = 41").unwrap();
        let seen = seen.replace("seen SELECT", "seen (it) SELECT");
        let own = own.replace("seen SELECT", "seen (it) SELECT");
        let mut migrations = set::<Mysql>(&[&seen, &own, &seen, &seen, &seen, "SELECT nothing"]);
        for (at, limit) in [(0, 2000), (1, 3000), (2, 0), (3, 1001), (5, 4000)] {
            migrations[at] = migrations[at].clone().lock_timeout(Duration::from_millis(limit));
        }
        migrations[3] = migrations[3].clone().outside_transaction();
        let error = runner(migrations).run(&mut *conn).unwrap_err();
        assert_eq!(error.report().applied.len(), 5, "{error}");
        assert_eq!(
            on_mysql::rows(conn, "SELECT it FROM seen ORDER BY n"),
            ["2 2", "3 9", "1 1", "2 2", "40 41"]
        );
        let limits = "SELECT CONCAT(@@innodb_lock_wait_timeout, ' ', @@lock_wait_timeout)";
        assert_eq!(on_mysql::rows(conn, limits), ["40 41"]);
    });
}

/// The step takes the limit of the session with it if it panics.
#[test]
fn a_limit_ends_with_code_that_panics() {
    on_postgres::with(|_, client| {
        for is_outside in [false, true] {
            let code = |_: &mut postgres::Client| -> Result<(), String> { panic!("on purpose") };
            let migration = Migration::<Postgres>::function("1_code", code).lock_timeout(SHORT);
            let migration = if is_outside { migration.outside_transaction() } else { migration };
            let it = runner(vec![migration]);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| it.run(&mut *client))).unwrap_err();
            assert_eq!(on_postgres::rows(client, "SHOW lock_timeout"), ["0"], "{is_outside}");
        }
    });
}
