//! Real processes: many that start at once, and some that are killed during a run.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{Event, Hooks, Lock, Migration, MigrationRunner, ProblemKind, TransactionMode};

use crate::children::{say, wait_for};
use crate::execution::applied;
use crate::start::sample_set;

/// The environment variable with the job of a process that a test starts. Without it, the process does nothing.
const JOB: &str = "SWITCHY_SCHEMA_TEST_JOB";
const DATABASE: &str = "SWITCHY_SCHEMA_TEST_DATABASE";
const MOMENT: &str = "SWITCHY_SCHEMA_TEST_MOMENT";

/// Starts this test binary again, for one job on one database.
fn start(job: &str, database: &TestDatabase, moment: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::the_job_of_a_process_that_another_test_started", "--nocapture"])
        .env(JOB, job)
        .env(DATABASE, database.path())
        .env(MOMENT, moment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn the_job_of_a_process_that_another_test_started() {
    let Ok(job) = std::env::var(JOB) else { return };
    let path = std::env::var_os(DATABASE).unwrap();
    let moment = std::env::var(MOMENT).unwrap();
    let together = |runner: MigrationRunner| {
        say("ready");
        // The signal to start is the end of the input.
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let report = runner.run(&Connection::open(&path).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        say(&format!("applied {}", report.applied.len()));
    };
    match &*job {
        "sample set" => together(sample_set()),
        "counting" => together(counting()),
        "counting without a lock" => together(counting().lock(Lock::Off)),
        "counting in a batch" => together(counting().transaction(TransactionMode::Batch)),
        "counting in a batch without a lock" => {
            together(counting().transaction(TransactionMode::Batch).lock(Lock::Off));
        }
        "ticking" | "ticking outside" | "ticking in a batch" => {
            let mut conn = Connection::open(&path).unwrap();
            let runner = dying(ticking(job == "ticking outside"), &mut conn, &moment);
            let is_batch = job == "ticking in a batch";
            let mode = if is_batch { TransactionMode::Batch } else { TransactionMode::PerMigration };
            runner.transaction(mode).run(&conn).unwrap_or_else(|error| panic!("{error}"));
        }
        other => panic!("{other} is no job"),
    }
}

/// Migrations of data, each of which must run exactly once.
fn counting() -> MigrationRunner {
    let mut set =
        vec![Migration::sql("00_counter", "CREATE TABLE counter (n); INSERT INTO counter VALUES (0)")];
    let step =
        |n: usize| Migration::from_scripts(format!("{n:02}_count"), "UPDATE counter SET n = n + 1", None);
    set.extend((1..=12).map(step));
    MigrationRunner::new(set).unwrap()
}

/// Runs this many processes at once, and returns the number of steps that each applied.
fn at_once(processes: usize, job: &str, database: &TestDatabase) -> Vec<usize> {
    let mut children: Vec<Child> = (0..processes).map(|_| start(job, database, "")).collect();
    for child in &mut children {
        wait_for(child, "ready");
    }
    for child in &mut children {
        drop(child.stdin.take());
    }
    let outputs = children.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let applied = text.lines().find_map(|line| line.strip_prefix("applied ")).unwrap();
        applied.parse().unwrap()
    });
    outputs.collect()
}

fn check_at_once(processes: usize, job: &str, steps: usize) -> TestDatabase {
    let database = TestDatabase::new();
    let done = at_once(processes, job, &database);
    assert_eq!(done.iter().sum::<usize>(), steps, "{job}, {processes} processes: {done:?}");
    assert_eq!(applied(&database.connect()).len(), steps, "{job}, {processes} processes");
    database
}

/// The sample set switches to WAL mode in the middle, outside a transaction.
#[test]
fn processes_that_start_at_once_on_a_new_file_all_succeed() {
    for processes in [2, 8, 32] {
        let database = check_at_once(processes, "sample set", 14);
        assert_eq!(database.rows("PRAGMA journal_mode"), ["wal"]);
        assert_eq!(database.rows("SELECT count(*) FROM notebooks"), ["1"], "seeded once");
        assert!(sample_set().run(&database.connect()).unwrap().is_up_to_date());
    }
}

#[test]
fn processes_that_start_at_once_migrate_data_once() {
    for (processes, job) in [
        (2, "counting"),
        (8, "counting"),
        (32, "counting"),
        (2, "counting without a lock"),
        (8, "counting without a lock"),
        (8, "counting in a batch"),
        (8, "counting in a batch without a lock"),
    ] {
        let database = check_at_once(processes, job, 13);
        assert_eq!(database.rows("SELECT n FROM counter"), ["12"], "{job}, {processes} processes");
    }
}

#[test]
fn processes_that_start_at_once_on_a_wal_without_a_lock_migrate_data_once() {
    let database = TestDatabase::new();
    assert_eq!(database.rows("PRAGMA journal_mode = WAL"), ["wal"]);
    let done = at_once(8, "counting without a lock", &database);
    assert_eq!(done.iter().sum::<usize>(), 13, "{done:?}");
    assert_eq!(database.rows("SELECT n FROM counter"), ["12"]);
}

/// Four migrations with four ticks each, the third of them code. Migration `n` fills the table `tn`.
fn ticking(outside: bool) -> Vec<Migration> {
    let script = |n: usize| {
        let insert = format!("INSERT INTO t{n} VALUES (tick());\n");
        format!("CREATE TABLE t{n} (tick);\n{}", insert.repeat(4))
    };
    let migration = |n: usize| match n {
        3 => Migration::code("3_it", move |conn| conn.execute_batch(&script(3))),
        n => Migration::from_scripts(format!("{n}_it"), script(n), None),
    };
    let set = (1..=4).map(migration);
    if outside { set.map(Migration::outside_transaction).collect() } else { set.collect() }
}

fn die() -> ! {
    say("dying");
    loop {
        std::thread::park();
    }
}

/// A function to call at each event of a kind. It stops the process at a moment such as `tick 7`.
pub(crate) fn dying_at(moment: &str, which: &str) -> impl Fn() + Send + Sync + use<> {
    let (kind, number) = moment.split_once(' ').unwrap_or(("never", "0"));
    let (left, is_it) = (AtomicUsize::new(number.parse().unwrap()), which == kind);
    move || {
        if is_it && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            die();
        }
    }
}

/// A runner, and functions on the connection, that stop the process at a moment so that it can be killed there: `tick 7` is the seventh
/// tick, `commit 2` the second commit, `after 3` the third call of that hook.
fn dying(set: Vec<Migration>, conn: &mut Connection, moment: &str) -> MigrationRunner {
    let at = |which: &str| dying_at(moment, which);
    let (tick, commit, before, after) = (at("tick"), at("commit"), at("before"), at("after"));
    let (started, finished) = (at("started"), at("finished"));
    conn.create_scalar_function("tick", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        tick();
        Ok(1)
    })
    .unwrap();
    // The function returns `()` in older versions of the driver.
    #[allow(clippy::let_unit_value)]
    let _ = conn.commit_hook(Some(move || {
        commit();
        false
    }));
    let hooks = Hooks::new()
        .before(move |_, _| {
            before();
            Ok(())
        })
        .after(move |_, _| {
            after();
            Ok(())
        });
    MigrationRunner::new(set).unwrap().hooks(hooks).observe(move |event| match event {
        Event::Started { .. } => started(),
        Event::Finished { .. } => finished(),
        _ => {}
    })
}

/// Kills a process at a moment, without cleanup.
fn kill_at(job: &str, database: &TestDatabase, moment: &str) {
    let mut child = start(job, database, moment);
    wait_for(&mut child, "dying");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// How many of the five statements of a migration have taken effect.
fn statements_done(conn: &Connection, n: usize) -> usize {
    let exists = format!("SELECT name FROM sqlite_master WHERE name = 't{n}'");
    if rows(conn, &exists).is_empty() { 0 } else { 1 + rows(conn, &format!("SELECT * FROM t{n}")).len() }
}

fn moments(kinds: &[(&str, usize)]) -> Vec<String> {
    kinds.iter().flat_map(|&(kind, count)| (1..=count).map(move |n| format!("{kind} {n}"))).collect()
}

/// Runs the set in this process, which finds no lock and continues.
fn next_start(database: &TestDatabase, outside: bool) -> switchy_schema::Result<usize> {
    let mut conn = database.connect();
    let runner = dying(ticking(outside), &mut conn, "never 0").lock_timeout(std::time::Duration::ZERO);
    runner.run(&conn).map(|report| report.applied.len())
}

#[test]
fn a_process_killed_in_a_transaction_leaves_whole_migrations_with_their_records() {
    let kinds = [("tick", 16), ("commit", 4), ("started", 4), ("before", 4), ("after", 4), ("finished", 4)];
    for (number, moment) in moments(&kinds).iter().enumerate() {
        let mode = ["wal", "delete"][number % 2];
        let database = TestDatabase::new();
        assert_eq!(database.rows(&format!("PRAGMA journal_mode = {mode}")), [mode]);
        kill_at("ticking", &database, moment);

        let conn = database.connect();
        let done = applied(&conn);
        let expected: Vec<String> = (1..=done.len()).map(|n| format!("{n}_it")).collect();
        assert_eq!(done, expected, "{moment}, {mode}");
        for n in 1..=4 {
            let whole = if n <= done.len() { 5 } else { 0 };
            assert_eq!(statements_done(&conn, n), whole, "{moment}, {mode}: migration {n}");
        }
        let which: usize = moment.split_once(' ').unwrap().1.parse().unwrap();
        let committed = if moment.starts_with("tick") { (which - 1) / 4 } else { which - 1 };
        assert_eq!(done.len(), committed, "{moment}, {mode}");

        assert_eq!(next_start(&database, false).unwrap(), 4 - committed, "{moment}, {mode}");
        (1..=4).for_each(|n| assert_eq!(statements_done(&conn, n), 5, "{moment}, {mode}"));
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{moment}, {mode}");
    }
}

#[test]
fn a_process_killed_in_a_batch_leaves_nothing_of_it() {
    for moment in moments(&[("tick", 16), ("commit", 1), ("before", 4), ("finished", 4)]).iter().step_by(3) {
        let database = TestDatabase::new();
        kill_at("ticking in a batch", &database, moment);
        let conn = database.connect();
        assert_eq!(rows(&conn, "SELECT * FROM sqlite_master"), Vec::<String>::new(), "{moment}");
        assert_eq!(next_start(&database, false).unwrap(), 4, "{moment}");
    }
}

#[test]
fn a_process_killed_outside_a_transaction_leaves_a_dirty_record_or_a_whole_migration() {
    let kinds = [("tick", 16), ("commit", 24), ("before", 4), ("after", 4), ("finished", 4)];
    let mut was_dirty = 0;
    for (number, moment) in moments(&kinds).iter().enumerate() {
        let mode = ["wal", "delete"][number % 2];
        let database = TestDatabase::new();
        assert_eq!(database.rows(&format!("PRAGMA journal_mode = {mode}")), [mode]);
        kill_at("ticking outside", &database, moment);

        let conn = database.connect();
        let done = applied(&conn);
        for n in 1..=4 {
            let left = statements_done(&conn, n);
            let context = format!("{moment}, {mode}: {done:?}, {left} statements of migration {n}");
            match done.get(n - 1) {
                None => assert_eq!(left, 0, "{context}"),
                Some(id) if *id == format!("{n}_it") => assert_eq!(left, 5, "{context}"),
                Some(id) => {
                    assert_eq!(*id, format!("{n}_it (dirty)"), "{context}");
                    assert_eq!(done.len(), n, "nothing ran after it: {context}");
                }
            }
        }
        let is_dirty = done.last().is_some_and(|id| id.ends_with("(dirty)"));
        if !is_dirty {
            assert_eq!(next_start(&database, true).unwrap(), 4 - done.len(), "{moment}, {mode}");
            continue;
        }
        was_dirty += 1;
        let error = next_start(&database, true).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Dirty, "{moment}, {mode}: {error}");
        if let Some(tick) = moment.strip_prefix("tick ") {
            let tick: usize = tick.parse().unwrap();
            let (n, statement) = (1 + (tick - 1) / 4, 2 + (tick - 1) % 4);
            assert_eq!(done.len(), n, "{moment}, {mode}");
            assert_eq!(statements_done(&conn, n), statement - 1, "{moment}, {mode}");
            // The statements of code are not counted.
            let said = format!("at statement {statement} of 5 of its script");
            assert_eq!(error.to_string().contains(&said), n != 3, "{moment}, {mode}: {error}");
        }
    }
    assert!(was_dirty >= 16, "at every tick, if nowhere else");
}

#[test]
fn a_process_killed_while_an_old_table_is_brought_up_to_date_leaves_the_old_one() {
    for moment in ["before 1", "tick 2", "commit 1"] {
        let database = TestDatabase::new();
        let old = "CREATE TABLE __switchy_migrations (name TEXT NOT NULL, run_on VARCHAR(23) NOT NULL);
            CREATE TABLE t1 (tick); INSERT INTO t1 VALUES (1), (1), (1), (1);
            INSERT INTO __switchy_migrations VALUES ('1_it', '2024-01-01T00:00:00.000')";
        database.connect().execute_batch(old).unwrap();
        let look = "SELECT *, (SELECT sql FROM sqlite_master WHERE name = '__switchy_migrations') FROM __switchy_migrations";
        let before = database.rows(look);
        kill_at("ticking", &database, moment);
        assert_eq!(database.rows(look), before, "{moment}");
        assert_eq!(next_start(&database, false).unwrap(), 3, "{moment}");
        assert_eq!(database.rows("SELECT run_on FROM __switchy_migrations")[0], "2024-01-01T00:00:00.000");
    }
}

/// The operating system releases the lock when the process ends, for any reason.
#[test]
fn the_lock_of_a_killed_process_is_free() {
    let database = TestDatabase::new();
    let mut child = start("ticking", &database, "tick 1");
    wait_for(&mut child, "dying");
    let error = next_start(&database, false).unwrap_err().to_string();
    assert!(error.contains(&format!("(pid {}", child.id())), "{error}");
    assert!(error.contains("applying `1_it`"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(next_start(&database, false).unwrap(), 4);
}
