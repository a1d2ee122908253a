//! What operators ask for by environment variables, in processes of their own.

use std::path::Path;
use std::process::{Command, Output};

use moosicbox_schema::TABLE;
use moosicbox_schema::blocking::{
    SQLITE_LIBRARY_MIGRATIONS, migrate_config, migrate_library, migrate_library_until,
};
use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};

use crate::content::{content, names, open, records};

/// The database that this test is started again for; without it there is nothing to do.
const DATABASE: &str = "MOOSICBOX_SCHEMA_TEST_DATABASE";
const UNTIL: &str = "MOOSICBOX_SCHEMA_TEST_UNTIL";
/// Stands for the config in the place of a migration.
const CONFIG: &str = "the config";
const DROP: (&str, &str) = ("MOOSICBOX_DROP_MIGRATIONS_TABLE", "1");
const SKIP: (&str, &str) = ("MOOSICBOX_SKIP_MIGRATION_EXECUTION", "1");
const LAST: &str = "2025-06-03-211603_cache_api_sources_on_tables";

#[test]
fn the_job_of_a_process_that_another_test_started() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let until = std::env::var(UNTIL).ok();
    let conn = Connection::open(Path::new(&path)).unwrap();
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let outcome = match until.as_deref() {
        Some(CONFIG) => migrate_config(&conn),
        until => migrate_library_until(&conn, until),
    };
    if let Err(error) = outcome {
        println!("failed: {error}");
        std::process::exit(3);
    }
    println!("migrated");
}

/// Migrates the library in a process with these variables; gives what it said.
fn migrate(database: &TestDatabase, variables: &[(&str, &str)], until: Option<&str>) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "environment::the_job_of_a_process_that_another_test_started", "--nocapture"])
        .env(DATABASE, database.path())
        .envs(variables.iter().copied());
    if let Some(until) = until {
        command.env(UNTIL, until);
    }
    let Output { status, stdout, .. } = command.output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    match status.code() {
        Some(0) if said.contains("\nmigrated\n") => Ok(()),
        _ => Err(said),
    }
}

#[test]
fn what_is_skipped_is_recorded_and_not_run() {
    let database = TestDatabase::new();
    migrate(&database, &[SKIP], Some(LAST)).unwrap();
    let conn = open(&database);
    assert_eq!((content(&conn), names(&conn).len()), (Vec::new(), 42));
    migrate(&database, &[SKIP], None).unwrap();
    // Nothing is left to skip.
    migrate(&database, &[SKIP], None).unwrap();
    assert_eq!((content(&conn), names(&conn).len()), (Vec::new(), 43));
    // And it is known for what it is.
    let history = SQLITE_LIBRARY_MIGRATIONS.runner().unwrap().history(&conn).unwrap();
    assert_eq!(history.log().len(), 43);
    assert_eq!(history.log()[0].who.as_deref(), Some("MOOSICBOX_SKIP_MIGRATION_EXECUTION"));
    migrate_library(&conn).unwrap();
    assert_eq!(content(&conn), Vec::<String>::new());
}

#[test]
fn only_what_is_pending_is_skipped() {
    let database = TestDatabase::new();
    migrate_library_until(&open(&database), Some(LAST)).unwrap();
    let before = records(&open(&database));
    migrate(&database, &[SKIP], None).unwrap();
    assert_eq!(records(&open(&database))[..42], before);
    assert_eq!(
        database.rows("SELECT count(*) FROM pragma_table_info('tracks') WHERE name = 'api_sources'"),
        ["0"]
    );
}

/// The way out of a tracking table that is damaged, over a database that is not.
#[test]
fn a_table_that_is_dropped_is_made_again() {
    let database = TestDatabase::new();
    let conn = open(&database);
    migrate_library(&conn).unwrap();
    conn.execute_batch("INSERT INTO artists (title) VALUES ('Ada')").unwrap();
    let before = content(&conn);
    conn.execute_batch(&format!("ALTER TABLE {TABLE} RENAME COLUMN basis TO base")).unwrap();
    let error = migrate(&database, &[], None).unwrap_err();
    assert!(error.contains("is not a tracking table"), "{error}");
    let error = migrate(&database, &[SKIP], None).unwrap_err();
    assert!(error.contains("is not a tracking table"), "{error}");

    migrate(&database, &[DROP, SKIP], None).unwrap();
    assert_eq!((content(&conn), names(&conn).len()), (before, 43));
    migrate_library(&conn).unwrap();

    // Without the other one everything runs again, over the tables that there are.
    let error = migrate(&database, &[DROP], None).unwrap_err();
    assert!(error.contains("duplicate column name: audio_bitrate; nothing of it was kept"), "{error}");
    assert_eq!(database.rows("SELECT title FROM artists"), ["Ada"]);
    migrate(&database, &[DROP, SKIP], None).unwrap();
    assert_eq!(names(&conn).len(), 43);

    // It is one table for both: the library's start drops what the config's has recorded.
    migrate_config(&conn).unwrap();
    let before = content(&conn);
    for (variables, count) in [(&[DROP, SKIP][..], 43), (&[SKIP], 43 + 10 - 1)] {
        migrate(&database, variables, Some(CONFIG)).unwrap();
        migrate(&database, variables, None).unwrap();
        assert_eq!((content(&conn), names(&conn).len()), (before.clone(), count));
    }
    migrate_config(&conn).unwrap();
    migrate_library(&conn).unwrap();
    assert_eq!(content(&conn), before);
}

#[test]
fn a_table_that_cannot_be_dropped_is_an_error_with_the_variable() {
    let database = TestDatabase::new();
    let conn = open(&database);
    conn.execute_batch(&format!("CREATE VIEW {TABLE} AS SELECT 1 AS name")).unwrap();
    let error = migrate(&database, &[DROP], None).unwrap_err();
    let sentence = "`MOOSICBOX_DROP_MIGRATIONS_TABLE` is set, and the table cannot be dropped: use DROP VIEW";
    assert!(error.contains(sentence), "{error}");
    assert_eq!(rows(&conn, "SELECT type FROM sqlite_master"), ["view"]);
}

#[test]
fn any_other_value_asks_for_nothing() {
    let database = TestDatabase::new();
    migrate(&database, &[(DROP.0, "true"), (SKIP.0, "0")], Some(LAST)).unwrap();
    migrate(&database, &[(DROP.0, ""), (SKIP.0, "yes")], None).unwrap();
    assert_eq!(names(&open(&database)).len(), 43);
    assert_eq!(database.rows("SELECT count(*) FROM artists"), ["0"]);
}
