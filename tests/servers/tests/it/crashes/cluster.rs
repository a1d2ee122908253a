//! Programs and nodes of a cluster.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use switchy_schema::{Direction, Lock, Migration, MigrationRunner, Mysql, Recovery, Signature};

use super::crowd::begin;
use super::kills::{hold, left, wait_until};
use super::{Kind, Program, Script, check, go, runner};
use crate::servers::{MysqlDatabase, NODES, galera};

/// The number of programs that start at once.
const PROGRAMS: usize = 6;

/// A connection that waits until its node has applied everything that the other nodes committed.
fn connect(database: &MysqlDatabase) -> Conn {
    let mut conn = database.connect();
    conn.query_drop("SET SESSION wsrep_sync_wait = 15").unwrap();
    conn
}

#[test]
fn programs_that_start_at_once_through_different_nodes_apply_each_migration_once() {
    let Some(cluster) = galera() else { return };
    Mysql::prepare(cluster.database(0));
    let set = Mysql::set();
    let program = |number: usize| {
        let node = cluster.database(number % NODES);
        Program::start::<Mysql>(node, &set, Direction::Up, &Lock::Row, "never")
    };
    assert_eq!(begin((0..PROGRAMS).map(program)), set.len());
    for node in 0..NODES {
        let context = format!("node {node}");
        assert_eq!(check::<Mysql>(&set, &mut connect(cluster.database(node)), Direction::Up, &context), None);
    }
}

/// Another node repeatedly changes the definition of the tracking table, which aborts concurrent transactions on it.
#[test]
fn what_another_node_interrupts_is_done_once() {
    let Some(cluster) = galera() else { return };
    let set = [
        Migration::sql("1_it", "CREATE TABLE a (n INT)"),
        Migration::sql("2_it", "INSERT INTO a VALUES (1)"),
    ];
    let it = MigrationRunner::<Mysql>::for_backend(set).unwrap().lock(Lock::Row);
    let (mut conn, mut other) = (cluster.connect(0), cluster.connect(1));
    it.run(&mut conn).unwrap();
    let (is_done, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let told = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                // This statement may be aborted too.
                if other.query_drop("ALTER TABLE __switchy_migrations COMMENT = 'it'").is_ok() {
                    changes.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let again = |conn: &mut Conn| {
            it.status(conn)?;
            it.recover(conn, Recovery::Forget("2_it".into()), Signature::of("ada"))?;
            it.run(conn).map(|report| report.applied.len())
        };
        let mut told = Vec::new();
        while told.len() < 100 || (told.len() < 10_000 && changes.load(Ordering::Relaxed) <= 20) {
            told.push(again(&mut conn).map_err(|error| error.to_string()));
        }
        is_done.store(true, Ordering::Relaxed);
        told
    });
    assert!(changes.load(Ordering::Relaxed) > 20, "{changes:?}");
    assert!(told.iter().all(|told| *told == Ok(1)), "{told:?}");
    assert_eq!(Mysql::rows(&mut conn, "SELECT COUNT(*) FROM a"), [(told.len() + 1).to_string()]);
}

/// The second of two conflicting transactions gets its error after the rows of a result.
#[test]
fn programs_at_different_nodes_do_each_of_many_migrations_once() {
    let Some(cluster) = galera() else { return };
    cluster.connect(0).query_drop("CREATE TABLE a (n INT)").unwrap();
    let rows: Vec<_> = (1..=150)
        .map(|number| (format!("{number:03}_it"), format!("INSERT INTO a VALUES ({number})")))
        .collect();
    for until in 1..=rows.len() {
        thread::scope(|scope| {
            for node in 0..NODES {
                let (mut conn, rows) = (cluster.connect(node), &rows[..until]);
                scope.spawn(move || {
                    let set: Vec<_> = rows
                        .iter()
                        .map(|(id, sql)| Migration::from_scripts(&**id, sql.clone(), None))
                        .collect();
                    let it = MigrationRunner::<Mysql>::for_backend(set).unwrap().lock(Lock::Row);
                    it.run(&mut conn).unwrap_or_else(|error| panic!("{until}: {error}"));
                });
            }
        });
    }
    let counts = "SELECT COUNT(*), COUNT(DISTINCT n) FROM a";
    assert_eq!(crate::mysql::rows(&mut connect(cluster.database(0)), counts), ["150|150"]);
}

#[test]
fn a_killed_node_leaves_records_that_are_true() {
    let Some(cluster) = galera() else { return };
    let rows = [Script::atomic::<Mysql>(
        "1_it",
        &["row 1", "CREATE TABLE a (n int) => table a", "row 2", "row 3"],
        &[],
    )];
    let slow = "ALTER TABLE big ADD INDEX (n), ALGORITHM = COPY => index big.n n";
    let definitions = [Script::atomic::<Mysql>("1_it", &["row 1", slow, "row 2"], &[])];
    let [first, second] = [0, 1].map(|_| Mysql::fresh(cluster.database(2)));
    Mysql::prepare(&first);
    Mysql::prepare(&second);
    connect(&second).query_drop("INSERT INTO big SELECT seq FROM seq_1_to_200000").unwrap();

    let start = |database, set: &[Script]| {
        let mut program = Program::start::<Mysql>(database, set, Direction::Up, &Lock::Row, "never");
        program.hear("ready").unwrap();
        program
    };
    let mut programs = [start(&first, &rows), start(&second, &definitions)];
    let (gate, _) = hold::<Mysql>(&mut programs[0], &first, "row 3");
    programs[1].go_on();
    let mut conn = second.connect();
    wait_until(slow, || !Mysql::rows(&mut conn, &Mysql::BUSY.replace("{}", "^ALTER")).is_empty());
    cluster.kill(2);
    drop((gate, programs, conn));

    for (set, database, expected) in [(&definitions, &second, "1_it 2?"), (&rows, &first, "1_it 4")] {
        let elsewhere = cluster.beside(0, database);
        // It is unknown whether another program still works on the step, so a run waits first.
        let it = runner::<Mysql>(set, Lock::Row).lock_timeout(Duration::from_millis(100));
        let mut conn = elsewhere.connect();
        let error = it.run(&mut conn).unwrap_err();
        let record = check::<Mysql>(set, &mut conn, Direction::Up, expected).unwrap();
        assert_eq!(left(Some(&record)), expected, "{error}");
        let it = runner::<Mysql>(set, Lock::Row);
        it.recover(&mut conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        assert_eq!(go(&it, &mut conn, Direction::Up).unwrap_or_else(|error| panic!("{error}")), 1);
        for node in [0, 1] {
            let mut conn = connect(&cluster.beside(node, database));
            assert_eq!(check::<Mysql>(set, &mut conn, Direction::Up, expected), None);
            let indexes = "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'big'";
            assert!(Mysql::rows(&mut conn, indexes).len() <= 1);
        }
    }
}
