//! One database, migrated through `switchy_database` and through the engine's own adapter.

use switchy_schema::test_utils::TestDatabase;
use switchy_schema_database::{Runs, Sqlite};

use crate::kit::{DRIVERS, RUNTIME, open, runner, steps};

/// The definitions of all objects, and the records without their dates.
fn content(database: &TestDatabase) -> Vec<String> {
    let mut content = database.rows("SELECT sql FROM sqlite_master ORDER BY name");
    content.extend(database.rows(
        "SELECT quote(name) || quote(checksum) || quote(dirty) || quote(basis) || quote(statement) || quote(up_sql) || quote(program)
        FROM __switchy_migrations ORDER BY rowid",
    ));
    content
}

#[test]
fn both_ways_write_the_same_and_continue_each_other() {
    let own = TestDatabase::new();
    let native = runner::<switchy_schema::Sqlite>();
    native.run(&own.connect()).unwrap();
    for driver in DRIVERS {
        let bridged = TestDatabase::new();
        let db = RUNTIME.block_on(open(driver, &bridged.path()));
        assert_eq!(RUNTIME.block_on(runner::<Sqlite>().run_on(&*db)).unwrap().applied.len(), 3);
        assert_eq!(content(&bridged), content(&own), "{driver:?}");
        assert!(native.run(&bridged.connect()).unwrap().applied.is_empty());
        assert!(native.pending(&bridged.connect()).unwrap().is_empty());

        let db = RUNTIME.block_on(open(driver, &own.path()));
        assert!(RUNTIME.block_on(runner::<Sqlite>().run_on(&*db)).unwrap().applied.is_empty());
    }
}

#[test]
fn each_continues_where_the_other_stopped() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        let db = RUNTIME.block_on(open(driver, &database.path()));
        let bridged = runner::<Sqlite>();
        let native = runner::<switchy_schema::Sqlite>();
        let to =
            |steps: usize| switchy_schema::Target::Through(self::steps::<Sqlite>()[steps - 1].id().clone());
        RUNTIME.block_on(bridged.run_on_to(&*db, to(1))).unwrap();
        assert_eq!(native.run_to(&database.connect(), to(2)).unwrap().applied.len(), 1);
        assert_eq!(RUNTIME.block_on(bridged.run_on(&*db)).unwrap().applied.len(), 1);
        assert!(native.pending(&database.connect()).unwrap().is_empty());
    }
}
