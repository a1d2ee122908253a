//! Hooks, which are code of the application inside a run, and observers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{
    BoxError, Direction, ErrorKind, Event, Hooks, Migration, MigrationRunner, Step, Target, TransactionMode,
};

use crate::execution::{applied, memory, set};

/// The calls, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Adds hooks and an observer that note every call. Hooks also note the number of tables.
    fn on(&self, runner: MigrationRunner) -> MigrationRunner {
        let [before, after, second, failed, seen] = [(); 5].map(|()| self.clone());
        let tables = |conn: &Connection| {
            rows(conn, "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE '\\_\\_%' ESCAPE '\\' AND type = 'table'")
                .remove(0)
        };
        let hooks = Hooks::new()
            .before(move |step, conn| {
                before.note(format!("before {} {}: {}", step.direction, step.id, tables(conn)));
                Ok(())
            })
            .after(move |step, conn| {
                after.note(format!("after {} {}: {}", step.direction, step.id, tables(conn)));
                Ok(())
            })
            .after(move |step, _| {
                second.note(format!("second after {}", step.id));
                Ok(())
            })
            .on_error(move |step, error, conn| {
                failed.note(format!("on_error {}, {:?}: {}", step.id, error.kind(), tables(conn)));
            });
        runner.hooks(hooks).observe(move |event| {
            seen.note(match event {
                Event::Planned { .. } | Event::Statement { .. } => return,
                Event::Started { step, number, of, .. } => format!("started {} {number}/{of}", step.id),
                Event::Finished { step, .. } => format!("finished {}", step.id),
                Event::Failed { step, error, .. } => format!("failed {}, {:?}", step.id, error.kind()),
                event => format!("{event:?}"),
            });
        })
    }
}

fn two(second: &'static str) -> MigrationRunner {
    MigrationRunner::new([
        Migration::reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a"),
        Migration::reversible("2_b", second, "DROP TABLE b"),
    ])
    .unwrap()
}

#[test]
fn hooks_surround_every_step_in_its_order() {
    for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
        let (log, conn) = (Log::default(), memory());
        let runner = log.on(two("CREATE TABLE b (c)")).transaction(mode);
        runner.run(&conn).unwrap();
        assert_eq!(
            log.take(),
            [
                "started 1_a 1/2",
                "before up 1_a: 0",
                "after up 1_a: 1",
                "second after 1_a",
                "finished 1_a",
                "started 2_b 2/2",
                "before up 2_b: 1",
                "after up 2_b: 2",
                "second after 2_b",
                "finished 2_b",
            ]
        );
        runner.run(&conn).unwrap();
        assert_eq!(log.take(), Vec::<String>::new(), "nothing pending, nothing called");
        runner.plan(&conn, Target::Empty).unwrap();
        assert_eq!(log.take(), Vec::<String>::new(), "a plan calls nothing");
        runner.run_to(&conn, Target::Back(1)).unwrap();
        assert_eq!(
            log.take(),
            [
                "started 2_b 1/1",
                "before down 2_b: 2",
                "after down 2_b: 1",
                "second after 2_b",
                "finished 2_b"
            ]
        );
    }
}

#[test]
fn a_step_that_fails_is_told_to_everybody_before_it_is_undone() {
    for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
        let (log, conn) = (Log::default(), memory());
        log.on(two("CREATE TABLE b (c); SELEKT")).transaction(mode).run(&conn).unwrap_err();
        assert_eq!(
            log.take()[5..],
            ["started 2_b 2/2", "before up 2_b: 1", "on_error 2_b, Step: 2", "failed 2_b, Step"]
        );
        let kept = usize::from(mode != TransactionMode::Batch);
        assert_eq!((schema(&conn).len(), applied(&conn).len()), (kept, kept));
    }
}

#[test]
fn a_non_transactional_step_calls_the_same_hooks() {
    let (log, conn) = (Log::default(), memory());
    let it = |script| MigrationRunner::new([Migration::sql("1_a", script).outside_transaction()]).unwrap();
    log.on(it("CREATE TABLE a (b)")).run(&conn).unwrap();
    assert_eq!(
        log.take(),
        ["started 1_a 1/1", "before up 1_a: 0", "after up 1_a: 1", "second after 1_a", "finished 1_a"]
    );
    let conn = memory();
    log.on(it("CREATE TABLE a (b); SELEKT")).run(&conn).unwrap_err();
    assert_eq!(
        log.take(),
        ["started 1_a 1/1", "before up 1_a: 0", "on_error 1_a, Step: 1", "failed 1_a, Step"]
    );
    assert_eq!(applied(&conn), ["1_a (dirty)"]);
}

#[test]
fn what_a_hook_writes_is_part_of_the_step() {
    let writes = |text: &'static str| {
        move |_: &Step, conn: &Connection| -> Result<(), BoxError> { Ok(conn.execute_batch(text)?) }
    };
    let hooks = || {
        Hooks::new()
            .before(writes("CREATE TABLE log (text); INSERT INTO log VALUES ('before')"))
            .after(writes("INSERT INTO log SELECT 'after, with ' || count(*) FROM a"))
    };
    let conn = memory();
    set([("1_a", "CREATE TABLE a (b)")]).hooks(hooks()).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT text FROM log"), ["before", "after, with 0"]);

    let conn = memory();
    set([("1_a", "CREATE TABLE a (b); SELEKT")]).hooks(hooks()).run(&conn).unwrap_err();
    assert_eq!(schema(&conn), Vec::<String>::new());
}

#[test]
fn what_on_error_writes_is_undone_with_the_step() {
    let hooks = Hooks::new().on_error(|_, _, conn| conn.execute_batch("CREATE TABLE log (text)").unwrap());
    let conn = memory();
    set([("1_a", "CREATE TABLE a (b); SELEKT")]).hooks(hooks).run(&conn).unwrap_err();
    assert_eq!(schema(&conn), Vec::<String>::new());
}

#[test]
fn what_on_error_attaches_is_detached_with_the_step() {
    let hooks = Hooks::new().on_error(|_, _, conn| conn.execute_batch("ATTACH ':memory:' AS log").unwrap());
    let (conn, set) = (memory(), set([("1_a", "CREATE TABLE a (b); SELEKT")]).hooks(hooks));
    for _ in 0..2 {
        set.run(&conn).unwrap_err();
        assert_eq!(rows(&conn, "SELECT name FROM pragma_database_list WHERE name <> 'temp'"), ["main"]);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Veto(u8);

impl std::fmt::Display for Veto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "reason {}", self.0)
    }
}

impl std::error::Error for Veto {}

#[test]
fn a_veto_undoes_the_step_and_says_who_and_why() {
    for (name, mode) in [("before", TransactionMode::PerMigration), ("after", TransactionMode::Batch)] {
        for down in [false, true] {
            let conn = memory();
            if down {
                two("CREATE TABLE b (c)").run(&conn).unwrap();
            }
            let start = applied(&conn);
            let veto = |_: &Step, _: &Connection| -> Result<(), BoxError> { Err(Box::new(Veto(7))) };
            let hooks = if name == "before" { Hooks::new().before(veto) } else { Hooks::new().after(veto) };
            let (log, runner) = (Log::default(), two("CREATE TABLE b (c)").hooks(hooks).transaction(mode));
            let seen = log.clone();
            let runner = runner.observe(move |event| {
                if let Event::Failed { step, error, .. } = event {
                    seen.note(format!("{} {:?}", step.id, error.kind()));
                }
            });
            let target = if down { Target::Empty } else { Target::Latest };
            let error = runner.run_to(&conn, target).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Hook);
            let id = if down { "2_b" } else { "1_a" };
            assert_eq!(error.migration().unwrap(), &id);
            assert_eq!(error.cause().unwrap().downcast_ref::<Veto>(), Some(&Veto(7)));
            assert!(error.to_string().contains(&format!("`{name}` hook of migration `{id}`")), "{error}");
            assert!(error.to_string().contains("reason 7"), "{error}");
            assert!(error.report().applied.is_empty());
            assert_eq!(applied(&conn), start);
            assert_eq!(schema(&conn).len(), start.len());
            assert_eq!(log.take(), [format!("{id} Hook")]);
        }
    }
}

#[test]
fn a_veto_on_a_guarded_step_leaves_it_clean_before_and_dirty_after() {
    let it =
        || MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)").outside_transaction()]).unwrap();
    let veto = |_: &Step, _: &Connection| -> Result<(), BoxError> { Err("no".into()) };
    let conn = memory();
    it().hooks(Hooks::new().before(veto)).run(&conn).unwrap_err();
    assert_eq!((applied(&conn).len(), schema(&conn).len()), (0, 0), "nothing was done yet");
    it().hooks(Hooks::new().after(veto)).run(&conn).unwrap_err();
    assert_eq!(applied(&conn), ["1_a (dirty)"]);
    let dirty = it().history(&conn).unwrap().records()[0].dirty.clone().unwrap();
    assert!(dirty.failure.unwrap().contains("no"));
}

#[test]
fn a_second_hook_is_not_called_after_a_veto_of_the_first() {
    let log = Log::default();
    let [first, second] = [(); 2].map(|()| log.clone());
    let hooks = Hooks::new()
        .before(move |_, _| {
            first.note("first");
            Err("no".into())
        })
        .before(move |_, _| {
            second.note("second");
            Ok(())
        });
    set([("1_a", "SELECT 1")]).hooks(hooks).run(&memory()).unwrap_err();
    assert_eq!(log.take(), ["first"]);
}

/// A hook that ends the transaction would leave the script without its record, or the record without its script.
#[test]
fn a_hook_that_ends_the_transaction_is_caught() {
    for when in ["before", "after"] {
        for ending in ["COMMIT", "COMMIT; BEGIN IMMEDIATE", "ROLLBACK", "ROLLBACK; BEGIN"] {
            for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
                let context = format!("{ending} {when}");
                let conn = memory();
                let end = move |_: &Step, conn: &Connection| -> Result<(), BoxError> {
                    Ok(conn.execute_batch(ending)?)
                };
                let hooks = if when == "before" { Hooks::new().before(end) } else { Hooks::new().after(end) };
                let runner = set([("1_a", "CREATE TABLE a (b)")]).hooks(hooks).transaction(mode);
                let error = runner.run(&conn).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Hook, "{context}: {error}");
                assert!(error.to_string().contains("ended the transaction"), "{context}: {error}");
                assert!(conn.is_autocommit(), "{context}");
                assert_eq!(applied(&conn), Vec::<String>::new(), "no record of it: {context}");
            }
        }
    }
}

#[test]
fn a_hook_or_observer_that_panics_undoes_the_step() {
    let runners: [MigrationRunner; 4] = [
        set([("1_a", "CREATE TABLE a (b)")]).hooks(Hooks::new().before(|_, _| panic!("on purpose"))),
        set([("1_a", "CREATE TABLE a (b)")]).hooks(Hooks::new().after(|_, _| panic!("on purpose"))),
        set([("1_a", "SELEKT")]).hooks(Hooks::new().on_error(|_, _, _| panic!("on purpose"))),
        set([("1_a", "CREATE TABLE a (b)")]).observe(|event| {
            assert!(!matches!(event, Event::Finished { .. }), "on purpose");
        }),
    ];
    for runner in runners {
        let database = TestDatabase::new();
        let conn = database.connect();
        catch_unwind(AssertUnwindSafe(|| runner.run(&conn))).unwrap_err();
        assert!(conn.is_autocommit());
        assert_eq!((schema(&conn).len(), applied(&conn).len()), (0, 0));
        let next = set([("1_a", "SELECT 1")]).lock_timeout(Duration::ZERO);
        assert_eq!(next.run(&database.connect()).unwrap().applied.len(), 1);
    }
}

#[test]
fn a_step_tells_hooks_what_the_plan_says_of_it() {
    let log = Log::default();
    let seen = log.clone();
    let it = Migration::reversible("2_b", "SELECT 1", "SELECT 2").describe("What it does").depends_on("1_a");
    let hooks = Hooks::new().before(move |step, _| {
        let direction = if step.direction == Direction::Up { "up" } else { "down" };
        seen.note(format!("{direction} {:?} {:?} {}", step.description, step.needs, step.origin));
        Ok(())
    });
    let runner = MigrationRunner::new([Migration::sql("1_a", ""), it]).unwrap().hooks(hooks);
    runner.run(&memory()).unwrap();
    let told = log.take().remove(1);
    assert!(told.starts_with("up Some(\"What it does\") [\"1_a\"] "), "{told}");
    assert!(told.contains("hooks.rs:"), "{told}");
}

/// A client runs no hooks and no code, so there is no script that does what the run would do.
#[test]
fn a_plan_with_hooks_or_code_is_no_script_for_a_client() {
    let conn = memory();
    let script = |runner: MigrationRunner| {
        let plan = runner.plan(&conn, Target::Latest).unwrap();
        runner.client_script(&conn, &plan).map_err(|error| error.to_string())
    };
    let users = || MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)")]).unwrap();
    assert!(script(users()).unwrap().contains("CREATE TABLE a (b)"));
    let with_hooks = script(users().hooks(Hooks::new().after(|_, _| Ok(()))));
    assert!(with_hooks.unwrap_err().contains("hooks, which no client runs"));
    let code = Migration::code("1_a", |conn| conn.execute_batch("CREATE TABLE a (b)"));
    let with_code = script(MigrationRunner::new([code]).unwrap());
    assert!(with_code.unwrap_err().contains("`1_a`: it is code, which only the program has"));

    // The plan is for the database as it was.
    let plan = users().plan(&conn, Target::Latest).unwrap();
    users().run(&conn).unwrap();
    assert_eq!(users().client_script(&conn, &plan).unwrap_err().kind(), ErrorKind::Stale);
    let nothing = users().plan(&conn, Target::Latest).unwrap();
    assert_eq!(users().client_script(&conn, &nothing).unwrap(), "");
}

/// Whoever changes the record of another migration, in whichever way and direction the step runs, the step is refused.
#[test]
fn a_hook_or_code_that_changes_the_record_of_another_migration_is_refused() {
    const TAMPER: &str = "UPDATE __switchy_migrations SET checksum = NULL WHERE name = '0_first'";
    const RECORD: &str = "SELECT name, checksum IS NULL FROM __switchy_migrations WHERE name = '0_first'";
    let tampering = |is_it: bool| {
        move |_: &Step, conn: &Connection| -> Result<(), BoxError> {
            if is_it {
                conn.execute_batch(TAMPER)?;
            }
            Ok(())
        }
    };
    let script = || Migration::reversible("1_it", "CREATE TABLE it (x)", "DROP TABLE it");
    let code = || {
        let change = |conn: &Connection| -> Result<(), BoxError> { Ok(conn.execute_batch(TAMPER)?) };
        Migration::code("1_it", change)
    };
    for direction in [Direction::Up, Direction::Down] {
        for is_outside in [false, true] {
            for (hooks, by_code) in [("B", false), ("A", false), ("Ba", false), ("bA", false), ("", true)] {
                let conn = memory();
                let first = Migration::sql("0_first", "CREATE TABLE first (x)");
                let it = if by_code { code() } else { script() };
                let it = if is_outside { it.outside_transaction() } else { it };
                let plain = MigrationRunner::new([first.clone(), script()]).unwrap();
                plain.run_to(&conn, Target::Steps(if direction == Direction::Up { 1 } else { 2 })).unwrap();
                // A hook before or after the step, or both; the one in capitals does it.
                let mut own = Hooks::new();
                for hook in hooks.chars() {
                    let does = tampering(hook.is_uppercase());
                    own = if hook.eq_ignore_ascii_case(&'b') { own.before(does) } else { own.after(does) };
                }
                let runner = MigrationRunner::new([first, it]).unwrap();
                let runner = runner.hooks(own);
                let what = format!("{direction} {is_outside} {hooks} {by_code}");
                let outcome = match direction {
                    Direction::Up => runner.run(&conn),
                    // Code has no way back here.
                    Direction::Down if by_code => continue,
                    Direction::Down => runner.rollback(&conn, 1),
                };
                let error = outcome.unwrap_err();
                assert!(error.to_string().contains("it changes the tracking table"), "{what}: {error}");
                // What was done outside a transaction stays, and is told.
                assert_eq!(rows(&conn, RECORD), [format!("0_first|{}", i32::from(is_outside))], "{what}");
            }
        }
    }
}
