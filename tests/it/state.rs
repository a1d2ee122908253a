//! The state of a database, without the migrations of a program.

use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, schema};
use switchy_schema::{
    ErrorKind, LogEntryKind, Migration, MigrationRunner, MigrationState, Recovery, Signature, Target,
};

use crate::execution::{memory, outside};
use crate::rollback::five;
use crate::start::statements;
use crate::tracking_table::FORMS;

/// Five migrations that can be undone.
fn runner() -> MigrationRunner {
    MigrationRunner::new(five(9)).unwrap()
}

#[test]
fn an_empty_database_has_no_migrations_and_gets_no_table() {
    let conn = memory();
    let mut state = MigrationState::of(&conn);
    assert!(!state.is_applied("1_a").unwrap());
    assert_eq!((state.applied().unwrap().len(), state.dirty().unwrap().len()), (0, 0));
    assert_eq!((state.last().unwrap(), state.history().unwrap().log().len()), (None, 0));
    assert_eq!(schema(&conn), Vec::<String>::new());
    let named = MigrationState::of(&conn).table("its table").unwrap();
    assert!(format!("{named:?}").contains("its table"), "{named:?}");
}

#[test]
fn it_says_what_is_applied_in_order_and_what_was_undone_by_whom() {
    let conn = memory();
    let runner = runner();
    runner.run(&conn).unwrap();
    runner.rollback(&conn, 1).unwrap();
    let set: Vec<_> = runner.list().iter().map(|meta| meta.id.clone()).collect();
    runner.recover(&conn, Recovery::Forget(set[3].clone()), Signature::of("ada").because("by hand")).unwrap();

    let mut state = MigrationState::of(&conn);
    let applied: Vec<_> = state.applied().unwrap().into_iter().map(|record| record.id).collect();
    assert_eq!(applied, set[..3]);
    assert_eq!(state.last().unwrap().unwrap().id, set[2]);
    assert!(state.is_applied(set[2].clone()).unwrap() && !state.is_applied(set[4].clone()).unwrap());
    let history = state.history().unwrap();
    assert_eq!(history, runner.history(&conn).unwrap());
    let log: Vec<_> = history.log().iter().map(|entry| (&entry.kind, entry.who.as_deref())).collect();
    assert_eq!(log, [(&LogEntryKind::RolledBack, None), (&LogEntryKind::Forgotten, Some("ada"))]);
}

#[test]
fn an_unfinished_step_is_dirty_and_not_applied() {
    let conn = memory();
    let runner = outside("CREATE TABLE a (x); INSERT INTO missing VALUES (1)");
    runner.run(&conn).unwrap_err();
    let mut state = MigrationState::of(&conn);
    assert!(!state.is_applied("1_it").unwrap());
    let dirty = state.dirty().unwrap().remove(0);
    assert_eq!((dirty.id.as_str(), dirty.dirty.unwrap().statement), ("1_it", Some(2)));
    assert_eq!((state.applied().unwrap().len(), state.last().unwrap()), (0, None));
}

#[test]
fn whether_a_migration_is_applied_is_one_statement() {
    let mut conn = memory();
    runner().run(&conn).unwrap();
    let id = runner().list()[1].id.clone();
    let asked = |conn: &Connection| assert!(MigrationState::of(conn).is_applied(id.clone()).unwrap());
    assert_eq!(statements(&mut conn, asked).len(), 1);
}

#[test]
fn it_reads_another_table_and_a_database_that_is_read_only() {
    let database = TestDatabase::new();
    let set = [Migration::sql("1_a", "CREATE TABLE a (b)")];
    MigrationRunner::new(set).unwrap().table_name("their's").unwrap().run(&database.connect()).unwrap();
    let conn = Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert!(!MigrationState::of(&conn).is_applied("1_a").unwrap());
    assert!(MigrationState::of(&conn).table("their's").unwrap().is_applied("1_a").unwrap());
    assert_eq!(MigrationState::of(&conn).table("").unwrap_err().kind(), ErrorKind::TableName);
}

/// It says the same as a runner, for each form that a version wrote.
#[test]
fn it_reads_the_tables_of_older_versions() {
    for (name, script) in FORMS {
        let conn = memory();
        conn.execute_batch(script).unwrap();
        let runner = runner();
        let history = runner.history(&conn).unwrap();
        let mut state = MigrationState::of(&conn);
        assert_eq!(state.history().unwrap().records().len(), history.records().len(), "{name}");
        for record in history.records() {
            let is_applied = state.is_applied(record.id.clone()).unwrap();
            assert_eq!(is_applied, record.dirty.is_none(), "{name}: {}", record.id);
        }
        assert!(!state.is_applied("9_missing").unwrap(), "{name}");
        drop(runner.plan(&conn, Target::Latest).unwrap());
    }
}

#[test]
fn a_table_of_another_program_is_an_error() {
    let conn = memory();
    conn.execute_batch("CREATE TABLE __switchy_migrations (a)").unwrap();
    let mut state = MigrationState::of(&conn);
    let error = state.is_applied("1_a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert!(error.to_string().contains("__switchy_migrations"), "{error}");
    assert_eq!(state.history().unwrap_err().kind(), ErrorKind::Database);
}
