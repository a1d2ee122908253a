//! Regressions on PostgreSQL.

use std::thread;
use std::time::Duration;

use postgres::Client;
use switchy_schema::{Lock, Migration, MigrationRunner, Postgres, Recovery};

use super::{ada, retry, wait_until};
use crate::postgres::{gate, open, rows, with};
use crate::servers::{PATIENCE, patiently};

fn outside(script: &str) -> MigrationRunner<Postgres> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(PATIENCE)
}

/// Waits for a session on the database whose statement is like this and waits for a lock, and returns its id.
#[track_caller]
fn waiting(client: &mut Client, statement: &str) -> String {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '{statement}' AND wait_event_type = 'Lock'
        AND datname = current_database()"
    );
    let look = || rows(client, &sql).pop().ok_or_else(|| format!("nobody waits in {statement}"));
    patiently(look, || Ok(())).unwrap()
}

/// Ends a session, and waits until it has ended.
#[track_caller]
fn terminate(client: &mut Client, session: &str) {
    rows(client, &format!("SELECT pg_terminate_backend({session})"));
    let it = format!("SELECT pid FROM pg_stat_activity WHERE pid = {session}");
    wait_until("the session ends", || rows(client, &it).is_empty());
}

#[test]
fn a_procedure_that_committed_and_then_failed_does_not_run_again_by_itself() {
    with(|_, client| {
        client
            .batch_execute(
                "CREATE TABLE t (x int); CREATE PROCEDURE p() LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM 1/0; END $$",
            )
            .unwrap();
        let it = outside("CALL p()");
        let first = it.run(&mut *client).unwrap_err();
        let second = it.run(&mut *client).unwrap_err();
        assert_eq!(rows(client, "SELECT x FROM t"), ["1"], "\n1st: {first}\n2nd: {second}");
    });
}

#[test]
fn a_retry_asks_a_person_about_a_procedure_that_committed_and_then_failed() {
    with(|_, client| {
        client.batch_execute("CREATE TABLE t (x int)").unwrap();
        let it = outside(
            "SELECT 1; DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM 1/(SELECT count(*) - 1 FROM t); END $$",
        );
        it.run(&mut *client).unwrap_err();
        if it.recover(&mut *client, retry(), ada()).is_ok() {
            it.run(&mut *client).ok();
        }
        assert_eq!(rows(client, "SELECT x FROM t"), ["1"]);
    });
}

#[test]
fn an_index_that_failed_in_another_schema_is_not_taken_for_nothing() {
    with(|_, client| {
        client
            .batch_execute(
                "CREATE SCHEMA other; CREATE TABLE other.t (x int); INSERT INTO other.t VALUES (1), (1)",
            )
            .unwrap();
        let it = outside("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS u ON other.t (x)");
        let first = it.run(&mut *client).unwrap_err();
        let second = it.run(&mut *client);
        assert!(
            second.is_err(),
            "the second start says that all is well with an invalid index: {:?}\n1st: {first}",
            rows(client, "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE NOT indisvalid")
        );
    });
}

#[test]
fn an_index_of_the_same_name_elsewhere_is_not_taken_for_ours() {
    with(|database, client| {
        client
            .batch_execute(
                "CREATE TABLE public.o (x int); CREATE INDEX i ON public.o (x);
                CREATE SCHEMA other; CREATE TABLE other.t (x int)",
            )
            .unwrap();
        let it = outside("SELECT 1; CREATE INDEX CONCURRENTLY i ON other.t (x); SELECT 2");
        let mut other = database.connect();
        other.batch_execute("BEGIN; INSERT INTO other.t VALUES (1)").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let session = waiting(client, "CREATE INDEX CONC%");
            terminate(client, &session);
            run.join().unwrap();
        });
        other.batch_execute("ROLLBACK").unwrap();
        // Either a person must decide, or the index is created.
        if it.recover(&mut *client, retry(), ada()).is_ok() && it.run(&mut *client).is_ok() {
            assert_eq!(
                rows(
                    client,
                    "SELECT count(*) FROM pg_index WHERE indrelid = 'other.t'::regclass AND indisvalid"
                ),
                ["1"]
            );
        }
    });
}

#[test]
fn a_chained_transaction_is_kept_whole_when_it_goes_on() {
    with(|_, client| {
        let script = "CREATE TABLE t (x int); BEGIN; INSERT INTO t VALUES (1); COMMIT AND CHAIN;
            INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1); ROLLBACK; INSERT INTO t VALUES (3)";
        let it = outside(script);
        it.run(&mut *client).unwrap_err();
        client.batch_execute("CREATE TABLE missing (x int)").unwrap();
        if it.recover(&mut *client, retry(), ada()).is_ok() && it.run(&mut *client).is_ok() {
            assert_eq!(rows(client, "SELECT x FROM t ORDER BY 1"), ["1", "3"]);
        }
    });
}

#[test]
fn a_note_that_fails_behind_a_statement_does_not_make_it_undone() {
    with(|database, client| {
        // The procedure commits, so it must run as a separate statement.
        client
            .batch_execute(
                "CREATE TABLE t (x int); CREATE PROCEDURE p() LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM x FROM gate FOR SHARE; END $$",
            )
            .unwrap();
        let mut gate = gate(database);
        let it = outside("CALL p()");
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()));
            waiting(client, "CALL%");
            client.batch_execute("BEGIN; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
            open(&mut gate);
            let session = waiting(&mut gate, "UPDATE%");
            let began = format!("SELECT query_start, state FROM pg_stat_activity WHERE pid = {session}");
            let cancelled = rows(&mut gate, &began);
            rows(&mut gate, &format!("SELECT pg_cancel_backend({session})"));
            wait_until("the statement ends", || rows(&mut gate, &began) != cancelled);
            client.batch_execute("ROLLBACK").unwrap();
            run.join().unwrap().unwrap_err();
        });
        let again = it.run(&mut *client);
        assert_eq!(rows(client, "SELECT x FROM t"), ["1"], "{again:?}");
    });
}

#[test]
fn a_setting_of_the_application_is_set_back() {
    with(|_, client| {
        client.batch_execute("SET app.tenant = '3'").unwrap();
        outside("SET app.tenant = '7'; CREATE TABLE t (x int)").run(&mut *client).unwrap();
        assert_eq!(rows(client, "SHOW app.tenant"), ["3"]);
    });
}

#[test]
fn session_authorization_is_set_back() {
    with(|_, client| {
        client.batch_execute("DO $$ BEGIN CREATE ROLE somebody; EXCEPTION WHEN OTHERS THEN NULL; END $$; CREATE SCHEMA s; GRANT ALL ON SCHEMA s TO somebody").unwrap();
        let set = vec![
            Migration::sql("1_it", "GRANT ALL ON ALL TABLES IN SCHEMA public TO somebody"),
            Migration::sql("2_it", "SET SESSION AUTHORIZATION somebody; CREATE TABLE s.t (x int)"),
        ];
        let it = MigrationRunner::<Postgres>::for_backend(set).unwrap().lock(Lock::Row);
        let _ = it.run_to(&mut *client, switchy_schema::Target::Through("1_it".into()));
        client.batch_execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO somebody; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO somebody").unwrap();
        let outcome = it.run(&mut *client);
        assert_eq!(rows(client, "SELECT session_user = 'somebody'"), ["f"], "{outcome:?}");
        outcome.unwrap();
    });
}

#[test]
fn a_transaction_of_the_script_can_say_how_it_is_isolated() {
    with(|_, client| {
        let script = "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE t (x int); COMMIT";
        outside(script).run(&mut *client).unwrap();
    });
}

#[test]
fn waiting_for_the_tracking_table_has_an_end() {
    with(|database, client| {
        outside("CREATE TABLE a (x int)").run(&mut *client).unwrap();
        client.batch_execute("BEGIN; UPDATE __switchy_migrations SET failure = failure").unwrap();
        let set = vec![
            Migration::sql("1_it", "CREATE TABLE a (x int)").outside_transaction(),
            Migration::sql("2_it", "CREATE TABLE b (x int)"),
        ];
        let it =
            MigrationRunner::<Postgres>::for_backend(set).unwrap().lock_timeout(Duration::from_millis(300));
        thread::scope(|scope| {
            let run = scope
                .spawn(|| it.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            let has_ended = patiently(|| run.is_finished().then_some(()).ok_or_else(String::new), || Ok(()));
            client.batch_execute("ROLLBACK").unwrap();
            let outcome = run.join().unwrap();
            assert!(has_ended.is_ok(), "it waits for ever where lock_timeout is 300 ms: {outcome:?}");
        });
    });
}

#[test]
fn programs_at_once_with_a_stricter_isolation_apply_each_once() {
    with(|database, client| {
        let name = rows(client, "SELECT current_database()").remove(0);
        client
            .batch_execute(&format!(
                "ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
            ))
            .unwrap();
        let set = || {
            let number = |number: usize| {
                Migration::from_scripts(
                    format!("{number}_t"),
                    format!("CREATE TABLE t{number} (x int); SELECT pg_sleep(0.02)"),
                    None,
                )
            };
            let outside = |place: usize| number(place).outside_transaction();
            let set = (0..4).map(number).chain((4..8).map(outside));
            MigrationRunner::<Postgres>::for_backend(set.collect::<Vec<_>>()).unwrap().lock(Lock::Row)
        };
        let outcomes: Vec<Result<usize, String>> = thread::scope(|scope| {
            let starts: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        set()
                            .run(&mut database.connect())
                            .map(|it| it.applied.len())
                            .map_err(|error| error.to_string())
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:#?}");
    });
}

#[test]
fn what_discarded_the_settings_is_done_again_too() {
    with(|_, client| {
        let script =
            "SET search_path = s; CREATE TABLE a (x int); DISCARD ALL; SELECT 1/count(*) FROM public.missing;
            CREATE TABLE b (x int)";
        client.batch_execute("CREATE SCHEMA s; CREATE TABLE missing (x int)").unwrap();
        let it = outside(script).lock(Lock::Off);
        let first = it.run(&mut *client).unwrap_err();
        client.batch_execute("INSERT INTO missing VALUES (1)").unwrap();
        it.recover(&mut *client, retry(), ada()).unwrap();
        it.run(&mut *client).unwrap();
        assert_eq!(
            rows(client, "SELECT schemaname FROM pg_tables WHERE tablename = 'b'"),
            ["public"],
            "{first}"
        );
    });
}

#[test]
fn rows_of_a_real_table_are_not_taken_for_those_of_a_temporary_one() {
    for temporary in ["SELECT 9 AS x INTO TEMP t", "CREATE TABLE pg_temp.t AS SELECT 9 AS x"] {
        with(|database, client| {
            client.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)").unwrap();
            let it = outside(&format!("{temporary}; SELECT 1 FROM missing; DELETE FROM t"));
            it.run(&mut database.connect()).unwrap_err();
            client.batch_execute("CREATE TABLE missing (x int)").unwrap();
            it.recover(&mut *client, retry(), ada()).unwrap();
            let _ = it.run(&mut *client);
            assert_eq!(rows(client, "SELECT x FROM public.t"), ["1"], "{temporary}");
        });
    }
}

#[test]
fn what_a_statement_is_refused_for_in_its_transaction_is_said() {
    with(|_, client| {
        let error =
            outside("BEGIN; CREATE DATABASE reviewed; COMMIT").run(&mut *client).unwrap_err().to_string();
        assert!(error.contains("cannot run in a transaction, at "), "{error}");
    });
}

#[test]
fn an_index_without_a_name_that_failed_is_not_taken_for_nothing() {
    with(|_, client| {
        client.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)").unwrap();
        let it = outside("CREATE UNIQUE INDEX CONCURRENTLY ON t (x)");
        let error = it.run(&mut *client).unwrap_err().to_string();
        assert!(!error.contains("nothing of it was kept"), "{error}");
    });
}

#[test]
fn a_retry_of_an_index_that_is_done_elsewhere_goes_on() {
    with(|database, client| {
        client
            .batch_execute("CREATE SCHEMA other; CREATE TABLE other.t (x int); CREATE TABLE u (x int)")
            .unwrap();
        let it = outside("SELECT 1; CREATE INDEX CONCURRENTLY i ON other.t (x); SELECT 2");
        let blocker = &mut database.connect();
        // The index is built. The program is killed while its progress record waits.
        blocker.batch_execute("BEGIN; INSERT INTO other.t VALUES (1)").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            waiting(client, "CREATE INDEX CONC%");
            client.batch_execute("BEGIN; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
            blocker.batch_execute("COMMIT").unwrap();
            let session = waiting(blocker, "UPDATE%");
            terminate(blocker, &session);
            run.join().unwrap();
            client.batch_execute("ROLLBACK").unwrap();
        });
        it.recover(&mut *client, retry(), ada()).unwrap();
        it.run(&mut *client).unwrap();
    });
}

#[test]
fn whoever_was_given_up_cannot_finish_behind_a_retry() {
    with(|database, client| {
        client.batch_execute("CREATE TABLE t (x int)").unwrap();
        let mut gate = gate(database);
        let script = "SELECT 1; SELECT x FROM gate FOR SHARE; INSERT INTO t VALUES (1)";
        let slow = outside(script).lock(Lock::Row);
        let it = outside(script).lock(Lock::Row).lock_timeout(Duration::from_millis(50));
        let outcomes = thread::scope(|scope| {
            let slow = scope
                .spawn(|| slow.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            waiting(client, "SELECT x FROM gate%");
            it.run(&mut *client).unwrap_err();
            let recovery = Recovery::RetryFrom { migration: "1_it".into(), statement: 2 };
            let recovered = it.recover(&mut *client, recovery, ada()).map(drop);
            open(&mut gate);
            let slow = slow.join().unwrap();
            let outcome = recovered.and_then(|()| it.run(&mut *client).map(drop));
            (slow, outcome.map_err(|error| error.to_string()))
        });
        assert_eq!(rows(client, "SELECT count(*) FROM t"), ["1"], "{outcomes:?}");
        assert!(outcomes.0.is_err() || outcomes.1.is_err(), "{outcomes:?}");
        let _ = it.recover(&mut *client, retry(), ada());
        it.run(&mut *client).unwrap();
        assert_eq!(rows(client, "SELECT count(*) FROM t"), ["1"], "{outcomes:?}");
    });
}

#[test]
fn a_session_that_only_reads_is_told_how_to_write() {
    with(|_, client| {
        client.batch_execute("SET default_transaction_read_only = on").unwrap();
        let told = outside("CREATE TABLE t (x int)").run(&mut *client).unwrap_err().to_string();
        assert!(told.contains("; switch default_transaction_read_only off where it is set ("), "{told}");
    });
}

#[test]
fn a_recovery_that_is_kept_out_of_the_log_ends() {
    with(|database, client| {
        let it = outside("CREATE TABLE a (x int)").lock(Lock::Row).lock_timeout(Duration::from_secs(2));
        it.run(&mut *client).unwrap();
        it.recover(&mut *client, Recovery::Forget("1_it".into()), ada()).unwrap();
        client.batch_execute("BEGIN; LOCK TABLE __switchy_migrations_log IN SHARE MODE").unwrap();
        let mut other = database.connect();
        other.batch_execute("SET lock_timeout = '100ms'").unwrap();
        let error = it.recover(&mut other, Recovery::AssumeApplied("1_it".into()), ada()).unwrap_err();
        assert!(error.to_string().contains("lock timeout"), "{error}");
    });
}

#[test]
fn a_record_that_changed_since_the_snapshot_is_read_again() {
    with(|database, client| {
        outside("SELECT 1").lock(Lock::Row).run(&mut *client).unwrap();
        let set = ["1_it", "2_it"].map(|id| Migration::sql(id, "SELECT 1").outside_transaction());
        let it = MigrationRunner::<Postgres>::for_backend(set).unwrap().lock(Lock::Row);
        client.batch_execute("BEGIN; SELECT 1 FROM __switchy_locks FOR UPDATE").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                let mut other = database.connect();
                other.batch_execute("SET default_transaction_isolation = 'repeatable read'").unwrap();
                it.run(&mut other).map(|report| report.applied.len()).map_err(|error| error.to_string())
            });
            // In a transaction, `pg_stat_activity` keeps showing what its first query saw.
            waiting(&mut database.connect(), "%");
            client.batch_execute("UPDATE __switchy_migrations SET failure = failure; COMMIT").unwrap();
            assert_eq!(run.join().unwrap(), Ok(1));
        });
    });
}
