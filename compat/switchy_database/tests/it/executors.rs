//! Runtimes of one thread, of many, and none of tokio.

use std::sync::Arc;

use async_executor::{Executor, LocalExecutor};
use futures::future::join_all;
use switchy_database::Database;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{MigrationRunner, Report};
use switchy_schema_database::{Runs, Sqlite, with_session};
use tokio::runtime::Builder;

use crate::kit::{DRIVERS, Driver, open, runner, without_runtime};

/// Several runs at once, of which each waits for the others.
async fn crowd(db: Arc<dyn Database>, runner: Arc<MigrationRunner<Sqlite>>) -> Vec<Report> {
    let runs = (0..4).map(|_| runner.run_on(&*db));
    join_all(runs).await.into_iter().map(Result::unwrap).collect()
}

fn check(reports: &[Report]) {
    let applied: usize = reports.iter().map(|report| report.applied.len()).sum();
    assert_eq!((reports.len(), applied), (4, 3));
}

#[test]
fn tokio_with_one_thread() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        check(&runtime.block_on(async {
            let db: Arc<dyn Database> = open(driver, &database.path()).await.into();
            crowd(db, runner()).await
        }));
    }
}

#[test]
fn tokio_with_many_threads_and_tasks() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        let runtime = Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
        check(&runtime.block_on(async {
            let db: Arc<dyn Database> = open(driver, &database.path()).await.into();
            // The future is `Send`, so it may move between threads.
            tokio::spawn(crowd(db, runner())).await.unwrap()
        }));
    }
}

#[test]
fn another_executor_with_the_driver_that_needs_no_runtime() {
    let database = TestDatabase::new();
    let local = LocalExecutor::new();
    check(&without_runtime(local.run(async {
        let db: Arc<dyn Database> = open(Driver::Rusqlite, &database.path()).await.into();
        crowd(db, runner()).await
    })));
    let database = TestDatabase::new();
    let executor = Executor::new();
    check(&without_runtime(executor.run(async {
        let db: Arc<dyn Database> = open(Driver::Rusqlite, &database.path()).await.into();
        executor.spawn(crowd(db, runner())).await
    })));
}

#[test]
fn a_panic_of_the_function_is_one_of_the_future() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let db: Arc<dyn Database> = open(driver, &database.path()).await.into();
            let other = Arc::clone(&db);
            let local = tokio::task::LocalSet::new();
            let panicked = local.run_until(async move {
                let task = async move { with_session(&*other, |_| -> () { panic!("on purpose") }).await };
                tokio::task::spawn_local(task).await
            });
            assert!(panicked.await.unwrap_err().is_panic());
            assert_eq!(runner::<Sqlite>().run_on(&*db).await.unwrap().applied.len(), 3);
        });
    }
}
