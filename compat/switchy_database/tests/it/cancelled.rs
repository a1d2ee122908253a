//! A future that is dropped at any point leaves nothing half done, and a connection as it was.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use switchy_database::Database;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Migration, MigrationRunner};
use switchy_schema_database::{Runs, Sqlite};

use crate::kit::{DRIVERS, Driver, RUNTIME, applied, memory, open, runner, texts};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future so many times, and drops it if it is not done.
pub(crate) fn poll<R>(future: impl Future<Output = R>, times: usize) -> Option<R> {
    let _entered = RUNTIME.enter();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        thread::park();
    }
    None
}

/// Runs again until the connection is there again: a pool of rusqlite does not wait for one.
fn run_again(db: &dyn Database, runner: &Arc<MigrationRunner<Sqlite>>) {
    let began = Instant::now();
    loop {
        match RUNTIME.block_on(runner.run_on(db)) {
            Ok(_) => return,
            Err(error) if error.to_string().contains("every connection of the pool is in use") => {
                assert!(began.elapsed() < Duration::from_secs(120), "{error}");
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error:#}"),
        }
    }
}

/// What must hold of each step: it is done with its record, or neither.
fn check(db: &dyn Database, at: &str) {
    RUNTIME.block_on(async {
        let applied = applied(db).await;
        assert!(
            ["1_tables", "2_rebuild", "3_index"].iter().zip(&applied).all(|(one, other)| one == other),
            "{at}"
        );
        let tables =
            texts(db, "SELECT name FROM sqlite_master WHERE name LIKE '%artists%' ORDER BY name").await;
        let expected: &[&str] = match applied.len() {
            0 => &[],
            3 => &["albums_artist", "artists"],
            _ => &["artists"],
        };
        let tables: Vec<_> = tables.iter().map(String::as_str).collect();
        let expected: Vec<_> = expected.iter().copied().filter(|name| name.contains("artists")).collect();
        assert_eq!(tables, expected, "{at}: {applied:?}");
        if !applied.is_empty() {
            let rows = texts(db, "SELECT count(*) FROM albums JOIN artists ON artists.id = artist").await;
            assert_eq!(rows, ["3"], "{at}");
        }
        assert_eq!(texts(db, "PRAGMA foreign_keys").await, ["1"], "{at}");
        assert_ne!(texts(db, "PRAGMA cache_size").await, ["77"], "{at}");
    });
}

fn dropped_everywhere(open: impl Fn() -> Box<dyn Database>) {
    let runner = runner::<Sqlite>();
    for times in 0.. {
        let db = open();
        let done = poll(runner.run_on(&*db), times);
        // The engine's thread has a runner until it ends.
        let began = Instant::now();
        while Arc::strong_count(&runner) > 1 {
            assert!(began.elapsed() < Duration::from_secs(120), "the engine hangs after {times} polls");
            thread::sleep(Duration::from_millis(1));
        }
        run_again(&*db, &runner);
        check(&*db, &format!("after {times} polls"));
        if let Some(done) = done {
            assert!(times > 5, "only {times} polls");
            assert_eq!(done.unwrap().applied.len(), 3);
            return;
        }
    }
}

#[test]
fn a_file_through_rusqlite() {
    let database = std::cell::RefCell::new(None);
    dropped_everywhere(|| {
        let file = database.borrow_mut().insert(TestDatabase::new()).path();
        RUNTIME.block_on(open(Driver::Rusqlite, &file))
    });
}

#[test]
fn a_file_through_sqlx() {
    let database = std::cell::RefCell::new(None);
    dropped_everywhere(|| {
        let file = database.borrow_mut().insert(TestDatabase::new()).path();
        RUNTIME.block_on(open(Driver::Sqlx, &file))
    });
}

#[test]
fn the_only_connection() {
    for driver in DRIVERS {
        dropped_everywhere(|| RUNTIME.block_on(memory(driver)));
    }
}

/// A dropped run is not waited for: what it has done is seen at once, in whole steps.
#[test]
fn what_is_seen_meanwhile_is_whole() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        let db = RUNTIME.block_on(open(driver, &database.path()));
        for times in (0..60).step_by(7) {
            let runner = runner::<Sqlite>();
            drop(poll(runner.run_on(&*db), times));
            check(
                &*RUNTIME.block_on(open(driver, &database.path())),
                &format!("{driver:?} after {times} polls"),
            );
        }
    }
}

/// Outside a transaction the statement that was running may have been done. The next run says so, and repeats nothing.
#[test]
fn outside_a_transaction_the_interrupted_statement_is_named() {
    let steps = || {
        let vacuum =
            Migration::<Sqlite>::sql("1_outside", "CREATE TABLE a (b); INSERT INTO a VALUES (1); VACUUM;");
        vec![vacuum.outside_transaction()]
    };
    for driver in DRIVERS {
        let runner = Arc::new(MigrationRunner::for_backend(steps()).unwrap());
        for times in 0.. {
            let database = TestDatabase::new();
            let db = RUNTIME.block_on(open(driver, &database.path()));
            let done = poll(runner.run_on(&*db), times);
            while Arc::strong_count(&runner) > 1 {
                thread::sleep(Duration::from_millis(1));
            }
            let rows = RUNTIME.block_on(async {
                if texts(&*db, "SELECT name FROM sqlite_master WHERE name = 'a'").await.is_empty() {
                    return 0;
                }
                texts(&*db, "SELECT count(*) FROM a").await[0].parse::<u32>().unwrap()
            });
            assert!(rows <= 1);
            if let Err(error) = RUNTIME.block_on(runner.run_on(&*db)) {
                assert!(error.to_string().contains("1_outside"), "{error}");
            } else {
                assert_eq!(RUNTIME.block_on(texts(&*db, "SELECT count(*) FROM a")), ["1"]);
            }
            if done.is_some() {
                break;
            }
        }
    }
}
