//! What is refused, with a sentence that says what to do.

use std::sync::Arc;
use std::time::Duration;

use switchy_database::Database;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Migration, MigrationRunner, Policy, ProblemKind, Verdict};
use switchy_schema_database::{Runs, Server, Sqlite, server_of};

use crate::kit::{DRIVERS, Driver, RUNTIME, open, runner, texts};

#[test]
fn a_transaction_is_no_database() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        RUNTIME.block_on(async {
            let db = open(driver, &database.path()).await;
            let transaction = db.begin_transaction().await.unwrap();
            let refused = runner::<Sqlite>().run_on(&*transaction as &dyn Database).await.unwrap_err();
            let said = format!("{refused:#}");
            assert!(
                said.contains("this is a transaction, and migrations need a connection of their own"),
                "{said}"
            );
            assert!(said.contains("call it with the database"), "{said}");
            transaction.rollback().await.unwrap();
        });
    }
}

#[test]
fn a_pool_without_a_free_connection_is_named() {
    let database = TestDatabase::new();
    RUNTIME.block_on(async {
        let db = open(Driver::Rusqlite, &database.path()).await;
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(db.begin_transaction().await.unwrap());
        }
        // It waits for one as it waits for a lock.
        let impatient = MigrationRunner::<Sqlite>::for_backend(crate::kit::steps()).unwrap();
        let impatient = Arc::new(impatient.lock_timeout(Duration::from_millis(50)));
        let refused = impatient.run_on(&*db).await.unwrap_err();
        assert!(refused.to_string().contains("every connection of the pool is in use"), "{refused}");
        drop(held);
        runner::<Sqlite>().run_on(&*db).await.unwrap();
    });
}

/// The gate of the engine is the same: what a script takes away is found before it runs.
#[test]
fn what_a_script_takes_away_needs_a_permission() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        RUNTIME.block_on(async {
            let db = open(driver, &database.path()).await;
            runner::<Sqlite>().run_on(&*db).await.unwrap();
            let mut steps = crate::kit::steps::<Sqlite>();
            steps.push(Migration::sql("4_away", "DELETE FROM albums WHERE id > 10; DROP TABLE albums"));
            let cautious = MigrationRunner::for_backend(steps)
                .unwrap()
                .policy(Policy::default().with(ProblemKind::Destructive, Verdict::Deny));
            let refused = Arc::new(cautious).run_on(&*db).await.unwrap_err();
            let said = format!("{refused:#}");
            assert!(said.contains("albums` with 3 rows"), "{said}");
            assert_eq!(texts(&*db, "SELECT count(*) FROM albums").await, ["3"]);
        });
    }
}

#[test]
fn a_database_says_what_it_is() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        RUNTIME.block_on(async {
            let db = open(driver, &database.path()).await;
            assert_eq!(server_of(&*db).await.unwrap(), Server::Sqlite);
        });
    }
}
