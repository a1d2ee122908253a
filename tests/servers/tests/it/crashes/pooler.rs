//! Runs through a pooler that assigns each transaction to another session.

use std::time::Duration;

use postgres::Client;
use switchy_schema::{Direction, Lock, Migration, MigrationRunner, Postgres, Recovery, Signature, State};

use super::crowd::begin;
use super::kills::{hold, left, wait_until};
use super::{Kind, Program, Script, check, go, runner};
use crate::servers::{OwnServer, PostgresDatabase, pgbouncer, postgres};

/// The number of programs that start at once.
const PROGRAMS: usize = 12;

/// Migrations that change no settings of the session outside a transaction.
fn set() -> Vec<Script> {
    vec![
        Script::atomic::<Postgres>(
            "1_atomic",
            &["SET statement_timeout = '77s'", "row 1", "CREATE TABLE a (n int) => table a"],
            &["SET search_path = s, public", "DROP TABLE a => no table a", "row 21"],
        ),
        Script::outside::<Postgres>(
            "2_outside",
            &[
                "row 2",
                "CREATE INDEX CONCURRENTLY of_big ON big (n) => index of_big",
                "BEGIN",
                "row 3",
                "row 4",
                "COMMIT",
                "CREATE TABLE b (n int) => table b",
            ],
            &["DROP INDEX CONCURRENTLY of_big => no index of_big", "row 22", "DROP TABLE b => no table b"],
        ),
        Script::atomic::<Postgres>("3_atomic", &["row 5", "SET application_name = 'nobody'"], &["row 23"]),
        Script::outside::<Postgres>("4_outside", &["row 6", "row 7"], &["row 24"]),
    ]
}

/// The state of each session that the pooler shares between programs.
fn sessions(pooler: &OwnServer<PostgresDatabase>) -> Vec<Vec<String>> {
    let mut clients = [pooler.connect(), pooler.connect()];
    for client in &mut clients {
        client.batch_execute("BEGIN").unwrap();
    }
    let look = |client: &mut Client| {
        Postgres::rows(
            client,
            "SELECT pg_backend_pid()::text UNION ALL SELECT name FROM pg_prepared_statements
            UNION ALL SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session'
            UNION ALL SELECT locktype FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'",
        )
    };
    clients.iter_mut().map(look).collect()
}

/// Checks that there are two sessions, in their initial state.
fn check_sessions(pooler: &OwnServer<PostgresDatabase>, what: &str) {
    let sessions = sessions(pooler);
    assert_ne!(sessions[0][0], sessions[1][0], "{what}");
    for session in sessions {
        let left: Vec<&String> =
            session[1..].iter().filter(|line| !line.starts_with("client_encoding")).collect();
        assert_eq!(left, Vec::<&String>::new(), "{what}: {session:?}");
    }
}

#[test]
fn behind_a_pooler_programs_that_start_at_once_apply_each_migration_once() {
    let Some(database) = postgres() else { return };
    let Some(pooler) = pgbouncer(&database) else { return };
    Postgres::prepare(&database);
    let set = set();
    let mut direct = database.connect();
    let program =
        |direction| Program::start::<Postgres>(&pooler.database, &set, direction, &Lock::Row, "never");
    assert_eq!(begin((0..PROGRAMS).map(|_| program(Direction::Up))), 4);
    assert_eq!(check::<Postgres>(&set, &mut direct, Direction::Up, "at once"), None);
    check_sessions(&pooler, "after runs");

    // All functions that a program can call, one after the other.
    let it = runner::<Postgres>(&set, Lock::Row);
    let mut client = pooler.connect();
    assert!(it.run(&mut client).unwrap().is_up_to_date());
    assert!(it.pending(&mut client).unwrap().is_empty());
    let entries = it.status(&mut client).unwrap().entries;
    assert!(entries.iter().all(|entry| matches!(entry.state, State::Applied(_))), "{entries:?}");
    it.recover(&mut client, Recovery::Forget("4_outside".into()), Signature::of("ada")).unwrap();
    it.recover(&mut client, Recovery::AssumeApplied("4_outside".into()), Signature::of("ada")).unwrap();
    assert_eq!(it.history(&mut client).unwrap().log().len(), 2);
    check_sessions(&pooler, "after recoveries");
    assert_eq!(go(&it, &mut client, Direction::Down).unwrap(), 4);
    assert_eq!(check::<Postgres>(&set, &mut direct, Direction::Down, "rolled back"), None);
    check_sessions(&pooler, "after a rollback");

    // A script that fails leaves no settings either.
    let fails = [Migration::sql("1_fails", "SET statement_timeout = '78s'; SELEKT")];
    let fails = MigrationRunner::<Postgres>::for_backend(fails).unwrap().lock(Lock::Row);
    fails.run(&mut client).unwrap_err();
    check_sessions(&pooler, "after a failure");
}

#[test]
fn behind_a_pooler_a_killed_program_leaves_records_that_are_true() {
    let Some(database) = postgres() else { return };
    let Some(pooler) = pgbouncer(&database) else { return };
    let set = set();
    let moments = [
        ("row 1", ""),
        ("row 2", "2_outside 0"),
        ("big: INDEX CONCURRENTLY", "2_outside 2?"),
        ("row 4", "2_outside 3"),
        ("row 7", "4_outside 2"),
    ];
    for (moment, expected) in moments {
        Postgres::prepare(&database);
        let mut program =
            Program::start::<Postgres>(&pooler.database, &set, Direction::Up, &Lock::Row, "never");
        program.hear("ready").unwrap();
        let (gate, session) = hold::<Postgres>(&mut program, &database, moment);
        program.kill();
        drop(gate);
        let mut direct = database.connect();
        let is_busy =
            format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {session} AND state <> 'idle'");
        wait_until(moment, || Postgres::rows(&mut direct, &is_busy) == ["0"]);
        let record = check::<Postgres>(&set, &mut direct, Direction::Up, moment);
        assert_eq!(left(record.as_ref()), expected, "{moment}");

        // It is unknown whether the program still works on the step, so a run waits first.
        let it = runner::<Postgres>(&set, Lock::Row);
        let mut client = pooler.connect();
        if let Some(record) = record {
            let soon = runner::<Postgres>(&set, Lock::Row).lock_timeout(Duration::from_millis(100));
            assert_eq!(soon.run(&mut client).unwrap_err().problems()[0].migration, record.id, "{moment}");
            it.recover(&mut client, Recovery::Retry(record.id), Signature::of("ada")).unwrap();
        }
        it.run(&mut client).unwrap();
        assert_eq!(check::<Postgres>(&set, &mut direct, Direction::Up, moment), None);
        check_sessions(&pooler, moment);
    }
}
