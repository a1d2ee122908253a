//! Runs on servers that are cancelled from another thread.

mod late;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use postgres::Client;
use switchy_schema::backend::Backend;
use switchy_schema::{
    BoxError, CancelToken, ErrorKind, Event, Lock, Migration, MigrationRunner, Mysql, Postgres,
};

fn statements<B: Backend>(runner: MigrationRunner<B>) -> (MigrationRunner<B>, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&log);
    let runner = runner.observe(move |event| {
        if let Event::Statement { step, number, of } = event {
            told.lock().unwrap().push(format!("{} {number}/{}", step.id, of.unwrap_or_default()));
        }
    });
    (runner, log)
}

mod on_postgres {
    use super::*;
    use crate::postgres::{rows, with};
    use crate::servers::PostgresDatabase;

    pub(super) fn runner(set: impl IntoIterator<Item = Migration<Postgres>>) -> MigrationRunner<Postgres> {
        MigrationRunner::for_backend(set.into_iter().collect::<Vec<_>>()).unwrap()
    }

    pub(super) fn first() -> Migration<Postgres> {
        Migration::sql("1_first", "CREATE TABLE first (x INT)")
    }

    pub(super) fn records(client: &mut Client) -> Vec<String> {
        rows(client, "SELECT name, dirty, statement FROM __switchy_migrations ORDER BY place")
    }

    pub(super) const SLEEPS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep' AND state = 'active')";

    /// Cancels from a thread of its own as soon as this query says, in another session, that the statement has come as far.
    fn cancel_once(query: &'static str, mut other: Client, token: &CancelToken) {
        let token = token.clone();
        thread::spawn(move || {
            while rows(&mut other, query) != ["t"] {
                thread::sleep(Duration::from_millis(10));
            }
            token.cancel();
        });
    }

    /// A runner that is cancelled while the second migration's statement with this number runs.
    pub(super) fn cancelled_in(
        runner: MigrationRunner<Postgres>,
        at: u32,
        query: &'static str,
        database: &PostgresDatabase,
    ) -> MigrationRunner<Postgres> {
        let token = CancelToken::new();
        let (stop, other) = (token.clone(), Mutex::new(Some(database.connect())));
        let runner = runner.observe(move |event| match event {
            Event::Statement { number, step, .. } if *number == at && step.id == "2_it" => {
                cancel_once(query, other.lock().unwrap().take().unwrap(), &stop);
            }
            _ => {}
        });
        runner.cancel_with(&token)
    }

    /// Nothing is on its way to the session: its statements run.
    pub(super) fn assert_usable(client: &mut Client) {
        for _ in 0..5 {
            assert_eq!(rows(client, "SELECT pg_sleep(0.1) IS NULL"), ["f"]);
        }
    }

    #[test]
    fn a_statement_is_interrupted_and_rolled_back() {
        for lock in [Lock::default(), Lock::Row] {
            with(|database, client| {
                let script = "SET search_path = pg_catalog, public; CREATE TABLE public.a (x INT); SELECT pg_sleep(600)";
                let it = runner([first(), Migration::sql("2_it", script)]).lock(lock.clone());
                let before = rows(client, "SHOW search_path");
                let error = cancelled_in(it, 3, SLEEPS, database).run(&mut *client).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
                assert!(
                    error.to_string().contains("; nothing of it was kept, 1 step before it was done"),
                    "{error}"
                );
                assert_eq!(error.report().applied.len(), 1);
                assert_eq!(records(client), ["1_first|0|NULL"]);
                assert_eq!(rows(client, "SELECT to_regclass('public.a') IS NULL"), ["t"]);
                assert_eq!(rows(client, "SHOW search_path"), before);
                assert_usable(client);
                let rest =
                    runner([first(), Migration::sql("2_it", "CREATE TABLE a (x INT)")]).lock(lock.clone());
                assert_eq!(rest.run(&mut *client).unwrap().applied.len(), 1);
            });
        }
    }

    #[test]
    fn code_is_interrupted_and_rolled_back() {
        with(|database, client| {
            let token = CancelToken::new();
            let (stop, other) = (token.clone(), Mutex::new(Some(database.connect())));
            let code =
                Migration::<Postgres>::function("2_it", move |client: &mut Client| -> Result<(), BoxError> {
                    client.batch_execute("CREATE TABLE a (x INT)")?;
                    cancel_once(SLEEPS, other.lock().unwrap().take().unwrap(), &stop);
                    Ok(client.batch_execute("SELECT pg_sleep(600)")?)
                });
            let error = runner([first(), code]).cancel_with(&token).run(&mut *client).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert_eq!(records(client), ["1_first|0|NULL"]);
            assert_usable(client);
        });
    }

    #[test]
    fn a_step_outside_a_transaction_is_recorded_where_it_stopped() {
        with(|database, client| {
            let script =
                "CREATE TABLE a (x INT); SELECT pg_sleep(CASE WHEN count(*) = 0 THEN 600 ELSE 0 END) FROM a;
                INSERT INTO a VALUES (1)";
            let it = || Migration::sql("2_it", script).outside_transaction();
            let cancelled = cancelled_in(runner([first(), it()]), 2, SLEEPS, database);
            let error = cancelled.run(&mut *client).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert_eq!(records(client), ["1_first|0|NULL", "2_it|4|2"]);
            assert_usable(client);
            client.batch_execute("INSERT INTO a VALUES (0)").unwrap();
            let again = runner([first(), it()]);
            again.run(&mut *client).unwrap();
            assert_eq!(rows(client, "SELECT x FROM a ORDER BY 1"), ["0", "1"]);
        });
    }

    /// The server leaves an index that it could not finish, so a person decides.
    #[test]
    fn an_index_that_is_half_built_leaves_the_step_dirty() {
        with(|database, client| {
            let mut other = database.connect();
            let script = "CREATE TABLE a (x INT); CREATE INDEX CONCURRENTLY i ON a (x)";
            let it = || runner([first(), Migration::sql("2_it", script).outside_transaction()]);
            // The index waits for this transaction, which has a snapshot.
            other.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").unwrap();
            let error = cancelled_in(it(), 2, "SELECT to_regclass('i') IS NOT NULL", database)
                .run(&mut *client)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert!(error.to_string().contains("it is marked dirty"), "{error}");
            other.batch_execute("ROLLBACK").unwrap();
            assert_eq!(records(client), ["1_first|0|NULL", "2_it|1|2"]);
            assert_eq!(it().run(&mut *client).unwrap_err().kind(), ErrorKind::Refused);
            assert_usable(client);
        });
    }

    /// The cancel comes at any moment. What follows on the session is never interrupted.
    #[test]
    fn nothing_is_interrupted_after_the_run() {
        with(|_, client| {
            for round in 0..20_u64 {
                let token = CancelToken::new();
                let stop = token.clone();
                let script = "CREATE TEMP TABLE t (x INT) ON COMMIT DROP; INSERT INTO t SELECT generate_series(1, 20000)";
                let it = Migration::from_scripts(format!("{round}_it"), script, None);
                let it = runner([it]).table_name(&format!("migrations_{round}")).unwrap().cancel_with(&token);
                let canceller = thread::spawn(move || {
                    thread::sleep(Duration::from_millis(round * 3));
                    stop.cancel();
                });
                let outcome = it.run(&mut *client);
                assert_eq!(rows(client, "SELECT pg_sleep(0.2) IS NULL"), ["f"], "{round}");
                canceller.join().unwrap();
                assert_eq!(rows(client, "SELECT pg_sleep(0.2) IS NULL"), ["f"], "{round}");
                if let Err(error) = outcome {
                    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
                }
            }
        });
    }

    #[test]
    fn a_wait_for_the_lock_ends() {
        with(|database, client| {
            let mut holder = database.connect();
            let token = CancelToken::new();
            let stop = token.clone();
            // Run inside the code of a migration of another session, which holds the lock.
            let code = {
                let error = Arc::new(Mutex::new(None));
                let told = Arc::clone(&error);
                let waiting = Mutex::new(database.connect());
                let code = Migration::<Postgres>::function(
                    "1_slow",
                    move |_: &mut Client| -> Result<(), BoxError> {
                        let stop = stop.clone();
                        let runner = runner([first()]).cancel_with(&token).observe(move |event| {
                            if let Event::Waiting { .. } = event {
                                stop.cancel();
                            }
                        });
                        let mut waiting = waiting.lock().unwrap();
                        *told.lock().unwrap() = runner.run(&mut waiting).err().map(|error| error.kind());
                        Ok(())
                    },
                );
                runner([code]).run(&mut holder).unwrap();
                *error.lock().unwrap()
            };
            assert_eq!(code, Some(ErrorKind::Stopped));
            assert_usable(client);
        });
    }

    #[test]
    fn each_statement_is_told() {
        with(|_, client| {
            let script = "CREATE TABLE a (x INT); INSERT INTO a VALUES (1); DO $$ BEGIN PERFORM 1; END $$";
            let (it, log) = statements(runner([Migration::sql("2_it", script)]));
            it.run(&mut *client).unwrap();
            assert_eq!(*log.lock().unwrap(), ["2_it 1/3", "2_it 2/3", "2_it 3/3"]);
        });
    }
}

mod on_mysql {
    use super::*;
    use crate::mysql::{rows, with};

    fn runner(set: impl IntoIterator<Item = Migration<Mysql>>) -> MigrationRunner<Mysql> {
        MigrationRunner::for_backend(set.into_iter().collect::<Vec<_>>()).unwrap()
    }

    fn first() -> Migration<Mysql> {
        Migration::sql("1_first", "CREATE TABLE first (x INT)")
    }

    /// A runner that is cancelled when the second migration's statement with this number begins.
    fn cancelled_at(runner: MigrationRunner<Mysql>, at: u32) -> MigrationRunner<Mysql> {
        let token = CancelToken::new();
        let stop = token.clone();
        let runner = runner.observe(move |event| match event {
            Event::Statement { number, step, .. } if *number == at && step.id == "2_it" => stop.cancel(),
            _ => {}
        });
        runner.cancel_with(&token)
    }

    /// It ends before the next statement.
    #[test]
    fn rows_are_rolled_back_and_definitions_go_on_where_they_stopped() {
        with(|_, conn| {
            let script = "INSERT INTO first VALUES (1); SELECT 1; INSERT INTO first VALUES (2)";
            let it = runner([first(), Migration::sql("2_it", script)]);
            let error = cancelled_at(it, 2).run(&mut *conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert_eq!(error.statement(), Some("INSERT INTO first VALUES (2)"));
            assert!(error.to_string().contains("; nothing of it was kept, 1 step before it"), "{error}");
            assert_eq!(rows(conn, "SELECT x FROM first"), Vec::<String>::new());
            assert_eq!(rows(conn, "SELECT name FROM __switchy_migrations"), ["1_first"]);

            let script = "CREATE TABLE a (x INT); SELECT 1; CREATE TABLE b (x INT)";
            let it = || runner([first(), Migration::sql("2_it", script)]);
            let error = cancelled_at(it(), 2).run(&mut *conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert!(
                error.to_string().contains("; what was done before stays, and it will continue here"),
                "{error}"
            );
            let record =
                "SELECT dirty, statement, statements, failure FROM __switchy_migrations WHERE name = '2_it'";
            assert_eq!(rows(conn, record), ["4|3|3|NULL"]);
            it().run(&mut *conn).unwrap();
            assert_eq!(rows(conn, "SELECT COUNT(*) FROM b"), ["0"]);
        });
    }

    #[test]
    fn a_cancel_before_the_run_ends_it_and_each_statement_is_told() {
        with(|_, conn: &mut Conn| {
            let token = CancelToken::new();
            token.cancel();
            let error = runner([first()]).cancel_with(&token).run(&mut *conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            assert_eq!(conn.query::<String, _>("SHOW TABLES").unwrap(), Vec::<String>::new());
            let script = "CREATE TABLE a (x INT); INSERT INTO a VALUES (1)";
            let (it, log) = statements(runner([Migration::sql("2_it", script)]));
            it.run(&mut *conn).unwrap();
            assert_eq!(*log.lock().unwrap(), ["2_it 1/2", "2_it 2/2"]);
        });
    }
}
