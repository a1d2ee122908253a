//! A database belongs to its test.

use std::fs;

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder};

use super::message;

#[test]
fn a_database_in_memory_is_shared_by_its_connections_and_by_nobody_else() {
    let (one, other) = (TestDatabase::in_memory(), TestDatabase::in_memory());
    let writer = one.connect();
    writer.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1)").unwrap();
    drop(writer);
    assert_eq!(one.rows("SELECT * FROM a"), ["1"]);
    assert_eq!(
        Connection::open(one.path()).unwrap().query_row("SELECT b FROM a", [], |row| row.get(0)),
        Ok(1)
    );
    assert!(other.schema().is_empty());
}

#[test]
fn a_database_in_memory_is_migrated_by_one_connection_at_a_time_and_leaves_no_file() {
    let before = fs::read_dir("/").map(Iterator::count).unwrap_or_default();
    let set = TestMigrationBuilder::new()
        .migration("1_a", "CREATE TABLE a (b)")
        .migration("2_c", "CREATE TABLE c (d)");
    let database = TestDatabase::in_memory();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| set.runner().run(&database.connect()).unwrap().applied.len()))
            .collect();
        let applied: usize = runs.into_iter().map(|run| run.join().unwrap()).sum();
        assert_eq!(applied, 2);
    });
    assert_eq!(fs::read_dir("/").map(Iterator::count).unwrap_or_default(), before);
}

#[test]
fn a_copy_has_what_is_still_in_the_log_of_the_fixture_which_stays_as_it_is() {
    let fixture = TestDatabase::new();
    let conn = fixture.connect();
    conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (b); INSERT INTO a VALUES ('kept')")
        .unwrap();
    let folder = fixture.path().parent().unwrap().to_owned();
    let files = || {
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.to_string_lossy().ends_with("-shm"))
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let copy = TestDatabase::copy_of(fixture.path());
    assert_eq!(copy.rows("SELECT * FROM a"), ["kept"]);
    copy.connect().execute_batch("DROP TABLE a").unwrap();
    assert!(files() == before, "the fixture was changed");
}

#[test]
fn what_is_no_fixture_is_refused_at_once() {
    let folder = TestMigrationBuilder::new()
        .file("good.sql", "CREATE TABLE a (b); INSERT INTO a VALUES (1);")
        .file("bad.sql", "CREATE TABLE a (b")
        .file(
            "text.db",
            "this is a text and no database, and long enough to be one, one would think, so SQLite looks",
        );
    let of = |name: &str| folder.path().join(name);
    assert_eq!(TestDatabase::copy_of(of("good.sql")).rows("SELECT * FROM a"), ["1"]);
    for (name, reason) in [
        ("bad.sql", "incomplete input"),
        ("text.db", "file is not a database"),
        ("missing.db", "No such file or directory (os error 2)"),
    ] {
        let shown = message(|| drop(TestDatabase::copy_of(of(name))));
        let begins = format!("the fixture {} cannot be copied: {reason}", of(name).display());
        assert!(shown.starts_with(&begins), "{shown}");
    }
}

#[test]
fn a_copy_of_a_file_that_is_read_only_can_be_changed() {
    let fixture = TestDatabase::new();
    fixture.connect().execute_batch("CREATE TABLE a (b)").unwrap();
    let mut permissions = fs::metadata(fixture.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(fixture.path(), permissions).unwrap();
    let copy = TestDatabase::copy_of(fixture.path());
    assert!(!fs::metadata(copy.path()).unwrap().permissions().readonly());
}
