//! Crashes that are specific to PostgreSQL.

use std::sync::mpsc;
use std::thread;

use postgres::Client;
use switchy_schema::{Direction, Event, Lock, Postgres, Recovery, Signature};

use super::kills::{hold, left, wait_until};
use super::{Kind, Program, Script, check, finish, go, runner};
use crate::servers::{PostgresDatabase, own_postgres, postgres};

/// A concurrent index build waits for all older snapshots, so a program that waits for the lock must not hold one.
#[test]
fn an_index_is_built_concurrently_while_another_run_waits() {
    let Some(database) = postgres() else { return };
    let build = "CREATE INDEX CONCURRENTLY i ON big (n) => index i";
    let set = [Script::outside::<Postgres>("1_index", &["row 1", build, "row 2"], &[])];
    for lock in [Lock::default(), Lock::Row] {
        Postgres::prepare(&database);
        let start = || {
            let mut program = Program::start::<Postgres>(&database, &set, Direction::Up, &lock, "never");
            program.hear("ready").unwrap();
            program
        };
        let mut first = start();
        let (gate, _) = hold::<Postgres>(&mut first, &database, "big: INDEX CONCURRENTLY");
        let (waits, waited) = mpsc::channel();
        let second = runner::<Postgres>(&set, lock.clone()).observe(move |event| {
            if let Event::Waiting { .. } = event {
                let _ = waits.send(());
            }
        });
        thread::scope(|scope| {
            let second = scope.spawn(|| go(&second, &mut database.connect(), Direction::Up));
            (0..3).for_each(|_| waited.recv().unwrap());
            drop(gate);
            assert_eq!(first.outcome(), Ok(1), "{lock:?}");
            assert_eq!(second.join().unwrap().unwrap(), 0, "{lock:?}");
        });
        assert_eq!(check::<Postgres>(&set, &mut database.connect(), Direction::Up, "both"), None);
    }
}

/// Waits until a session has committed and waits for a standby that does not exist, and then ends the wait or the session.
fn at_commit(client: &mut Client, end: &str) {
    let waiting = "SELECT query_start FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut since = Vec::new();
    wait_until("a commit", || {
        since = Postgres::rows(client, waiting);
        !since.is_empty()
    });
    Postgres::rows(client, &format!("SELECT {end}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
    wait_until("its end", || Postgres::rows(client, waiting) != since);
}

/// Makes commits wait for a standby that does not exist, in sessions that enable this.
fn wait_for_standby(client: &mut Client) {
    for sql in [
        "ALTER ROLE postgres SET synchronous_commit = local",
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).unwrap();
    }
}

#[test]
fn a_commit_whose_end_nobody_saw_is_not_said_to_be_taken_back() {
    let Some(server) = own_postgres() else { return };
    let database = &server.database;
    let set = [
        Script::atomic::<Postgres>("1_atomic", &["row 1"], &[]),
        Script::outside::<Postgres>("2_outside", &["row 2", "row 3"], &[]),
    ];
    let mut client = database.connect();
    wait_for_standby(&mut client);
    let unsure = "whether that was done is not known";
    let dirty = "it is marked dirty";
    // (what is committed, the unfinished step, the text of the error)
    let commits = [
        ("the first step", "", unsure),
        ("the record of the second", "2_outside 0", unsure),
        ("its first statement", "2_outside 2", dirty),
        ("its second statement", "2_outside 3", dirty),
        ("its end", "", unsure),
    ];
    for (number, (what, unfinished, told)) in commits.into_iter().enumerate() {
        Postgres::prepare(database);
        let mut victim = database.connect();
        victim.batch_execute("SET synchronous_commit = on").unwrap();
        let it = runner::<Postgres>(&set, Lock::default());
        let said = thread::scope(|scope| {
            let run = scope.spawn(|| go(&it, &mut victim, Direction::Up));
            (0..number).for_each(|_| at_commit(&mut client, "pg_cancel_backend"));
            at_commit(&mut client, "pg_terminate_backend");
            run.join().unwrap().unwrap_err().to_string()
        });
        assert!(said.contains(told), "{what}: {said}");
        let mut client = database.connect();
        let (record, _) = finish::<Postgres>(&set, &mut client, Direction::Up, "", what);
        assert_eq!(left(record.as_ref()), unfinished, "{what}");
    }
}

/// With `Lock::Row`, a recovery can run while the session of a killed program is still committing.
#[test]
fn a_recovery_waits_for_a_commit_that_is_under_way() {
    let Some(server) = own_postgres() else { return };
    let database = &server.database;
    let mut client = database.connect();
    wait_for_standby(&mut client);
    let set = [Script::outside::<Postgres>("1_it", &["row 1", "row 2"], &[])];
    Postgres::prepare(database);
    let on = PostgresDatabase::at(format!("{} options='-c synchronous_commit=on'", database.url));
    let mut program = Program::start::<Postgres>(&on, &set, Direction::Up, &Lock::Row, "never");
    program.hear("ready").unwrap();
    program.go_on();
    // The commits of the lock row, the record, and then the first statement.
    let is_first = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
        AND EXISTS (SELECT 1 FROM __switchy_migrations WHERE dirty <> 0 AND statement IS NULL)";
    let others = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
        AND NOT EXISTS (SELECT 1 FROM pg_locks JOIN pg_class ON pg_class.oid = relation
            WHERE relname = 'trace' AND pg_locks.pid = pg_stat_activity.pid)";
    wait_until(is_first, || {
        let is_so = Postgres::try_rows(&mut client, is_first).is_ok_and(|rows| rows != ["0"]);
        if !is_so {
            let _ = Postgres::try_rows(&mut client, others);
        }
        is_so
    });
    program.kill();
    let it = runner::<Postgres>(&set, Lock::Row);
    thread::scope(|scope| {
        let recovery = Recovery::Retry("1_it".into());
        let retried = scope.spawn(|| it.recover(&mut database.connect(), recovery, Signature::of("ada")));
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        wait_until("the recovery", || Postgres::rows(&mut client, waits) == ["1"]);
        at_commit(&mut client, "pg_cancel_backend");
        retried.join().unwrap().unwrap();
    });
    let mut client = database.connect();
    assert_eq!(go(&it, &mut client, Direction::Up).unwrap(), 1);
    assert_eq!(check::<Postgres>(&set, &mut client, Direction::Up, "retried"), None);
}
