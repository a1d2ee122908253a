//! What the engine asks of a backend, and what it makes of the answers that only a server gives: a toy that notes the calls.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchy_schema::backend::{
    Catalog, Dangling, Driver, Execution, Fault, Head, Locks, Progress, Records, Scope, Script, Touched,
    TrackingTable, atomically,
};
use switchy_schema::test_utils::rows;
use switchy_schema::{
    BoxError, CancelToken, Dialect, Dirty, ErrorKind, Event, FaultKind, ForeignKeys, HistoryDigest, Hooks,
    Lock, LogEntry, Migration, MigrationId, MigrationRunner, Notice, Record, Recovery, Remedy, Severity,
    Signature, TableName, TransactionMode,
};

use crate::execution::{memory, outside};
use crate::other_backends::toy::{Settings, Toy};

type Conn<'s, 'c> = &'s mut &'c mut Settings;

thread_local! {
    static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// How often a record is said to have moved.
    static MOVES: Cell<u32> = const { Cell::new(0) };
    /// What goes wrong when the record of a step that begins is appended.
    static FAILS: Cell<Option<fn() -> Fault>> = const { Cell::new(None) };
    static TOKEN: CancelToken = CancelToken::new();
}

fn note(call: impl Into<String>) {
    CALLS.with_borrow_mut(|calls| calls.push(call.into()));
}

/// The calls that begin with this word, without it.
fn calls(word: &str) -> Vec<String> {
    let calls = CALLS.take();
    calls.iter().filter_map(|call| call.strip_prefix(word)).map(|call| call.trim().to_owned()).collect()
}

/// The toy, as a backend that looks at what refers to the touched tables before a step too, like those for servers.
enum Noting {}

impl Driver for Noting {
    type Conn<'c> = &'c mut Settings;
    const DIALECT: Dialect = Toy::DIALECT;
    const STATEMENTS_ARE_ATOMIC: bool = true;
    const LOOKS_BEFORE: bool = true;

    fn lend<'s>(conn: &'s mut &mut Settings) -> &'s mut Settings {
        conn
    }

    fn in_transaction(conn: Conn<'_, '_>) -> Result<bool, Fault> {
        Toy::in_transaction(conn)
    }

    fn execute(conn: Conn<'_, '_>, sql: &str) -> Result<(), Fault> {
        Toy::execute(conn, sql)
    }

    fn transaction<R, E: From<Fault>>(
        conn: Conn<'_, '_>,
        scope: &Scope,
        body: impl FnOnce(Conn<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        note(format!("inside {}", scope.is_script));
        atomically::<Self, R, E>(conn, scope, body)
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: Conn<'_, '_>,
        scope: &Scope,
        body: impl FnOnce(Conn<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        note(format!("outside {}", scope.is_script));
        body(conn)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        Toy::statements(script)
    }

    fn run_script(
        conn: Conn<'_, '_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        if script.text.starts_with("alone") {
            let (key, value) = ("run_in_transaction", "false".into());
            let fault = Fault::new(FaultKind::Other, "it cannot run in a transaction");
            return Err(fault.remedy(Remedy::SetMetadata { key, value, purpose: None }));
        }
        script.notices.add(Notice::new(Severity::Notice, "1", "a notice", 0));
        Toy::run_script(conn, script, &mut |conn, reached| progress(conn, reached))?;
        Ok(Touched::nothing().into())
    }

    /// A script touches the setting in its first line.
    fn may_touch(script: &str) -> Touched {
        let mut touched = Touched::nothing();
        touched.redefine(script.split(' ').next().unwrap_or_default());
        touched
    }

    fn dangling(_: Conn<'_, '_>, touched: &Touched, _: ForeignKeys) -> Result<Dangling, Fault> {
        let what = if touched.is_anything() { "anything".to_owned() } else { touched.redefined().collect() };
        note(format!("look {what}"));
        Ok(Dangling::default())
    }
}

impl Records for Noting {
    fn append_if_head(
        _: Conn<'_, '_>,
        _: &TableName,
        _: Head,
        record: &Record,
        _: HistoryDigest,
        _: Duration,
    ) -> Result<Option<bool>, Fault> {
        note(format!("append {}", record.id));
        FAILS.take().map_or(Ok(None), |fault| Err(fault()))
    }

    fn read(conn: Conn<'_, '_>, table: &TableName) -> Result<TrackingTable, Fault> {
        Toy::read(conn, table)
    }

    fn create_table(conn: Conn<'_, '_>, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        Toy::create_table(conn, table, records)
    }

    fn insert(conn: Conn<'_, '_>, table: &TableName, record: &Record) -> Result<(), Fault> {
        Toy::insert(conn, table, record)
    }

    fn update(conn: Conn<'_, '_>, table: &TableName, record: &Record) -> Result<(), Fault> {
        Toy::update(conn, table, record)
    }

    fn advance(
        conn: Conn<'_, '_>,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        note(format!("advance {id}"));
        match MOVES.get() {
            0 => Toy::advance(conn, table, id, from, to),
            left => {
                MOVES.set(left - 1);
                Ok(false)
            }
        }
    }

    fn delete(conn: Conn<'_, '_>, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        Toy::delete(conn, table, id)
    }

    fn stamp(conn: Conn<'_, '_>, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        Toy::stamp(conn, table, digest)
    }

    fn append_log(conn: Conn<'_, '_>, log: &TableName, entry: &LogEntry) -> Result<(), Fault> {
        Toy::append_log(conn, log, entry)
    }

    fn read_log(conn: Conn<'_, '_>, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        Toy::read_log(conn, log)
    }
}

impl Locks for Noting {}
impl Catalog for Noting {}

fn script(id: &'static str, text: &'static str) -> Migration<Noting> {
    Migration::from_scripts(id, text, None)
}

fn code(id: &'static str) -> Migration<Noting> {
    Migration::function(id, |_| Ok::<_, BoxError>(()))
}

fn runner(set: impl IntoIterator<Item = Migration<Noting>>) -> MigrationRunner<Noting> {
    CALLS.take();
    MigrationRunner::for_backend(set.into_iter().collect::<Vec<_>>()).unwrap().lock(Lock::Off)
}

#[test]
fn a_backend_is_told_whether_only_scripts_run() {
    let outside = |set: MigrationRunner<Noting>| {
        set.run(&mut Settings::default()).unwrap();
        calls("outside")
    };
    let hooks = || Hooks::<Noting>::for_backend().before(|_, _| Ok(()));
    assert_eq!(outside(runner([script("1_a", "a = 1").outside_transaction()])), ["true"]);
    assert_eq!(outside(runner([script("1_a", "a = 1").outside_transaction()]).hooks(hooks())), ["false"]);
    assert_eq!(outside(runner([code("1_a").outside_transaction()])), ["false"]);

    let inside = |set: MigrationRunner<Noting>| {
        set.run(&mut Settings::default()).unwrap();
        calls("inside")
    };
    assert_eq!(inside(runner([script("1_a", "a = 1"), script("2_b", "b = 1")])), ["true", "true"]);
    assert_eq!(inside(runner([script("1_a", "a = 1"), code("2_b")])), ["false", "false"]);
}

/// What a step outside a transaction may have broken is looked for where it may have, before and after it, and not everywhere.
#[test]
fn a_backend_that_looks_before_a_step_looks_at_what_the_step_touches() {
    runner([script("1_a", "a = 1").outside_transaction()]).run(&mut Settings::default()).unwrap();
    assert_eq!(calls("look"), ["a", "a"]);
    let batch = runner([script("1_a", "a = 1"), script("2_b", "b = 1")]).transaction(TransactionMode::Batch);
    batch.run(&mut Settings::default()).unwrap();
    assert_eq!(calls("look"), ["ab", "ab"]);
}

/// The first step compares the whole table, and a step that continues has a record.
#[test]
fn a_record_is_appended_in_one_statement_only_where_the_head_is_enough() {
    let mut settings = Settings::default();
    let step = |id, text| script(id, text).outside_transaction();
    let broken = [step("1_a", "a = 1"), step("2_b", "b = 1\nno setting"), step("3_c", "c = 1")];
    runner(broken).run(&mut settings).unwrap_err();
    assert_eq!(calls("append"), ["2_b"]);

    let right = runner([step("1_a", "a = 1"), step("2_b", "b = 1\nd = 1"), step("3_c", "c = 1")]);
    right
        .recover(
            &mut settings,
            Recovery::RetryFrom { migration: "2_b".into(), statement: 2 },
            Signature::of("ada"),
        )
        .unwrap();
    right.run(&mut settings).unwrap();
    assert_eq!(calls("append"), ["3_c"]);
}

/// The statement that appends it is a transaction of its own, and waits like one.
#[test]
fn a_record_that_could_not_be_appended_may_be_there_or_the_run_was_cancelled() {
    let error = |fails: fn() -> Fault| {
        FAILS.set(Some(fails));
        let steps = ["1_a", "2_b"].map(|id| script(id, "a = 1").outside_transaction());
        runner(steps).cancel_with(&TOKEN.with(Clone::clone)).run(&mut Settings::default()).unwrap_err()
    };
    let lost = error(|| Fault::new(FaultKind::Disconnected, "the connection was lost").in_doubt());
    assert!(lost.to_string().contains("whether that was done is not known"), "{lost}");
    let busy = error(|| {
        TOKEN.with(CancelToken::cancel);
        Fault::new(FaultKind::Busy, "another session has locked it")
    });
    assert_eq!(busy.kind(), ErrorKind::Stopped, "{busy}");
}

/// A run that is still working on the step may have moved its record since it was read.
#[test]
fn a_recovery_decides_again_if_the_record_moved() {
    let mut settings = Settings::default();
    let set = runner([script("1_a", "a = 1\nno setting").outside_transaction()]);
    set.run(&mut settings).unwrap_err();
    CALLS.take();
    MOVES.set(1);
    set.recover(&mut settings, Recovery::MarkDone("1_a".into()), Signature::of("ada")).unwrap();
    assert_eq!(calls("advance").len(), 2);
    assert!(set.is_applied(&mut settings, "1_a").unwrap());
}

#[test]
fn an_observer_hears_what_the_database_says_once() {
    let heard = Arc::<Mutex<u32>>::default();
    let ear = Arc::clone(&heard);
    let set = runner([script("1_a", "a = 1")]).observe(move |event| {
        if let Event::Notice { .. } = event {
            *ear.lock().unwrap() += 1;
        }
    });
    let report = set.run(&mut Settings::default()).unwrap();
    assert_eq!((report.applied[0].notices.len(), *heard.lock().unwrap()), (1, 1));
}

/// A process that dies when a step continues, before its next statement, has not forgotten which statements are done.
#[test]
fn a_step_that_continues_and_does_not_come_far_continues_at_the_same_statement() {
    let conn = memory();
    let broken = outside("CREATE TABLE a (x); INSERT INTO b VALUES (1)");
    broken.run(&conn).unwrap_err();
    conn.execute_batch("CREATE TABLE b (x)").unwrap();
    broken.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    let dying = outside("CREATE TABLE a (x); INSERT INTO b VALUES (1)").observe(|event| {
        assert!(!matches!(event, Event::Started { .. }), "it dies");
    });
    catch_unwind(AssertUnwindSafe(|| dying.run(&conn))).unwrap_err();
    let history = broken.history(&conn).unwrap();
    assert_eq!(history.records()[0].dirty.as_ref().unwrap().statement, Some(2));
    broken.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    broken.run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT x FROM b"), ["1"]);
}

/// The check at the end of a transaction is about all its steps only if it has several.
#[test]
fn an_error_of_a_batch_names_the_batch_only_if_it_has_several_steps() {
    let tables = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p)";
    let run = |set: Vec<Migration>| {
        let conn = memory();
        conn.execute_batch(tables).unwrap();
        let runner = MigrationRunner::new(set).unwrap().transaction(TransactionMode::Batch);
        runner.run(&conn).unwrap_err().to_string()
    };
    let orphan = || Migration::sql("1_orphan", "INSERT INTO c VALUES (1)");
    let one = run(vec![orphan()]);
    assert!(!one.contains("of the batch"), "{one}");
    let two = run(vec![orphan(), Migration::sql("2_a", "CREATE TABLE a (b)")]);
    assert!(two.contains("after all 2 steps of the batch: "), "{two}");
}

/// A server says of a statement that it cannot run in a transaction.
#[test]
fn a_step_alone_is_not_told_to_be_committed_apart_from_others() {
    let run = |set: Vec<Migration<Noting>>| {
        let batch = runner(set).transaction(TransactionMode::Batch);
        batch.run(&mut Settings::default()).unwrap_err().to_string()
    };
    let one = run(vec![script("1_alone", "alone = 1")]);
    assert!(one.contains("run_in_transaction = false") && !one.contains("PerMigration"), "{one}");
    let two = run(vec![script("1_alone", "alone = 1"), script("2_b", "b = 1")]);
    assert!(two.contains("run_in_transaction = false") && two.contains("PerMigration"), "{two}");
}
