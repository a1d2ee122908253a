//! Steps whose record cannot be written, because another program changed the tracking table.

use rusqlite::Connection;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Event, Migration, MigrationRunner, TransactionMode};

use crate::execution::{memory, outside};

const GONE: &str = "the tracking table no longer has its record";
const DIRTY: &str = "marked dirty";

/// What another program does when a step outside a transaction has ended, and what the error says about the record.
#[test]
fn the_error_says_whether_the_record_is_still_there() {
    let works = "CREATE TABLE a (x); CREATE TABLE b (x)";
    let fails = "CREATE TABLE a (x); CREATE TABLE a (x)";
    let refuses_success = "CREATE TRIGGER t BEFORE UPDATE ON __switchy_migrations WHEN new.dirty = 0
        BEGIN SELECT RAISE(ABORT, 'no success'); END";
    let refuses_failure =
        "CREATE TRIGGER t BEFORE UPDATE ON __switchy_migrations WHEN new.failure IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'no failure'); END";
    for (script, other, left) in [
        (works, "DELETE FROM __switchy_migrations", GONE),
        (works, "DROP TABLE __switchy_migrations", GONE),
        (works, refuses_success, DIRTY),
        (fails, "DROP TABLE __switchy_migrations", GONE),
        (fails, refuses_failure, DIRTY),
    ] {
        let database = TestDatabase::new();
        let elsewhere = database.path();
        let runner = outside(script).observe(move |event| {
            if let Event::Finished { .. } | Event::Failed { .. } = event {
                // It is told of a failure a second time if the record of a success cannot be written.
                let _ = Connection::open(&elsewhere).unwrap().execute_batch(other);
            }
        });
        let error = runner.run(&database.connect()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(left), "{script} | {other}\n{said}");
        assert_eq!(said.contains("table a already exists"), script == fails, "{script} | {other}\n{said}");
        // It was no statement of the script.
        assert!(!said.contains("take that statement out"), "{script} | {other}\n{said}");
    }
}

#[test]
fn a_batch_says_that_a_record_could_not_be_written_and_not_that_its_steps_failed() {
    let conn = memory();
    let set = ["1_a", "2_b", "3_c"].map(|id| Migration::sql(id, "SELECT 1"));
    MigrationRunner::new([set[0].clone()]).unwrap().run(&conn).unwrap();
    conn.execute_batch(
        "CREATE TRIGGER t BEFORE INSERT ON __switchy_migrations WHEN new.name = '3_c'
        BEGIN SELECT RAISE(ABORT, 'no third'); END",
    )
    .unwrap();
    let error = MigrationRunner::new(set).unwrap().transaction(TransactionMode::Batch).run(&conn);
    let said = error.unwrap_err().to_string();
    assert!(said.contains("write the records") && said.contains("no third"), "{said}");
    assert!(!said.contains("after all"), "{said}");
}
