//! A step outside a transaction that fails behind statements that only set the session has done nothing, and is not dirty.

use switchy_schema::{
    Backend, FaultKind, Migration, MigrationError, MigrationRunner, Mysql, Postgres, State,
};

use crate::servers::PATIENCE;
use crate::{mysql as on_mysql, postgres as on_postgres};

fn outside<B: Backend>(script: &str) -> MigrationRunner<B> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(PATIENCE)
}

/// What a run says, and the state of its migration afterwards.
fn run<B: Backend>(
    script: &str,
    conn: &mut B::Conn<'_>,
    lend: impl for<'c> Fn(&'c mut B::Conn<'_>) -> B::Conn<'c>,
) -> (MigrationError, State) {
    let it = outside::<B>(script);
    let error = it.run(lend(conn)).unwrap_err();
    let state = it.status(lend(conn)).unwrap().entries.remove(0).state;
    (error, state)
}

const CLEAN: &str = "; nothing of it was kept; ";
const DIRTY: &str = " it is marked dirty; ";

#[test]
fn a_first_statement_that_fails_on_mariadb_leaves_nothing_dirty() {
    on_mysql::with(|_, mut conn| {
        for clean in [
            "SET NAMES utf8mb4; CREATE TABL t (a INT)",
            "SET @old = @@sql_mode, sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES'); USE mysql; CREATE TABL t (a INT)",
            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n-- so\nSET FOREIGN_KEY_CHECKS = 0; DROP TABLE nothing",
            "SET autocommit = 0; START TRANSACTION; SET time_zone = '+00:00'; CREATE TABL t (a INT)",
            "SET SESSION lock_wait_timeout = 1; CALL nothing(); SELEKT",
            "BEGIN; ALTER TABLE nothing ADD a INT",
        ] {
            // What `CALL` leaves behind is unknown, unless the server could not even find the procedure.
            let (error, state) = run::<Mysql>(clean, &mut conn, |conn| conn);
            let is_call = clean.contains("CALL");
            let (expected, is_dirty) = if is_call { (DIRTY, true) } else { (CLEAN, false) };
            assert!(error.to_string().contains(expected), "{clean}: {error}");
            assert_eq!(matches!(state, State::Dirty(_)), is_dirty, "{clean}: {state:?}");
            if is_call {
                on_mysql::rows(conn, "DELETE FROM __switchy_migrations");
            }
        }
        for dirty in [
            "SET GLOBAL max_connections = 201; CREATE TABL t (a INT)",
            "SET NAMES utf8mb4; CREATE TABLE kept (a INT); CREATE TABL t (a INT)",
            "SET NAMES utf8mb4; INSERT INTO kept VALUES (1); CREATE TABL t (a INT)",
            "SET NAMES utf8mb4; DROP TABLE kept, nothing",
        ] {
            let (error, state) = run::<Mysql>(dirty, &mut conn, |conn| conn);
            assert!(error.to_string().contains(DIRTY), "{dirty}: {error}");
            assert!(matches!(state, State::Dirty(_)), "{dirty}: {state:?}");
            on_mysql::rows(conn, "DELETE FROM __switchy_migrations");
        }
    });
}

/// The field bounds the wait in the session, so that an `ALTER` does not wait for ever.
#[test]
fn a_lock_timeout_on_mariadb_is_a_plain_retry() {
    on_mysql::with(|database, conn| {
        use mysql::prelude::Queryable;

        conn.query_drop("CREATE TABLE t (a INT)").unwrap();
        let mut other = database.connect();
        other.query_drop("START TRANSACTION; SELECT * FROM t").unwrap();
        let it = outside::<Mysql>("SET SESSION lock_wait_timeout = 1;\nALTER TABLE t ADD COLUMN b INT;");
        let error = it.run(&mut *conn).unwrap_err();
        assert_eq!(error.fault(), Some(FaultKind::Busy));
        assert!(
            error
                .to_string()
                .ends_with("; nothing of it was kept; try again when the other connection has finished"),
            "{error}"
        );
        other.query_drop("COMMIT").unwrap();
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1);
    });
}

#[test]
fn a_first_statement_that_fails_on_postgres_leaves_nothing_dirty() {
    on_postgres::with(|_, mut client| {
        client.batch_execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (1)").unwrap();
        for clean in [
            "SET lock_timeout = '1s'; CREATE TABL u (a INT)",
            "SELECT pg_catalog.set_config('search_path', '', false); RESET search_path; INSERT INTO nothing VALUES (1)",
            "SET lock_timeout = '1s'; CREATE INDEX CONCURRENTLY i ON t (nothing)",
            "SET lock_timeout = '1s'; BEGIN; CREATE TABL u (a INT); COMMIT",
        ] {
            let (error, state) = run::<Postgres>(clean, &mut client, |client| client);
            assert!(error.to_string().contains(CLEAN), "{clean}: {error}");
            assert_eq!(state, State::Pending, "{clean}");
        }
        for dirty in [
            // It leaves an invalid index.
            "SET lock_timeout = '1s'; CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
            "SET lock_timeout = '1s'; CREATE TABLE kept (a INT); CREATE TABL u (a INT)",
        ] {
            let (error, state) = run::<Postgres>(dirty, &mut client, |client| client);
            assert!(error.to_string().contains(DIRTY), "{dirty}: {error}");
            assert!(matches!(state, State::Dirty(_)), "{dirty}: {state:?}");
            client.batch_execute("DELETE FROM __switchy_migrations").unwrap();
        }
    });
}
