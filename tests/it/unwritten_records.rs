//! A step outside a transaction whose record cannot be written when it ends, because another program changed the tracking table.

use rusqlite::Connection;
use switchy_schema::Event;
use switchy_schema::test_utils::TestDatabase;

use crate::execution::outside;

const GONE: &str = "the tracking table no longer has its record";
const DIRTY: &str = "marked dirty";

/// What the other program does when the step has ended, and what the error says about the record.
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
