//! Restoring a snapshot into the live database.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// Tells the other thread to end, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A database whose second migration dropped its rows, and the snapshot from before that.
fn without_notes(mode: &str) -> (TestDatabase, MigrationRunner, PathBuf, Vec<String>) {
    let database = database(mode);
    let before = content(&database.connect());
    let runner = runner([drop_notes()]).snapshot(Snapshot::Always);
    let snapshot = runner.run(&database.connect()).unwrap().snapshot.unwrap();
    (database, runner, snapshot, before)
}

#[test]
fn a_restored_database_has_what_it_had_and_nothing_is_lost() {
    for mode in MODES {
        let (database, runner, snapshot, before) = without_notes(mode);
        // Handles of this process that stay open, one of which has read and knows the schema.
        let (conn, other) = (database.connect(), database.connect());
        conn.execute_batch("CREATE TABLE later (a); INSERT INTO later VALUES ('written since')").unwrap();
        assert_eq!(rows(&other, "SELECT a FROM later"), ["written since"]);
        let replaced = content(&conn);

        let restored = runner.restore(&conn, &snapshot).unwrap();
        assert_eq!(content(&conn), before, "{mode}");
        assert_eq!(content(&other), before, "{mode}");
        assert_eq!(content(&database.connect()), before, "{mode}");
        assert_eq!(content_of(&restored.set_aside), replaced, "{mode}");
        assert_eq!(content_of(&snapshot), before, "{mode}");
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{mode}");
        assert_eq!(rows(&conn, "PRAGMA journal_mode"), [mode]);
        assert_eq!(count(&database), (1, 1), "{mode}: and no journal stays");
        for handle in [&other, &conn] {
            handle.execute_batch("INSERT INTO notes (text) VALUES ('after')").unwrap();
        }
        assert_eq!(database.rows("SELECT count(*) FROM notes"), ["1002"], "{mode}");

        // What was set aside can be restored like a snapshot.
        assert_eq!(snapshot_paths(&database, SnapshotKind::BeforeRestore), [restored.set_aside.as_path()]);
        runner.restore(&conn, &restored.set_aside).unwrap();
        assert_eq!(content(&other), replaced, "{mode}");
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 0);
    }
}

/// In WAL mode a statement that is not finished holds its connection at an old moment: what another connection had written since was
/// replaced, and the file that was set aside did not have it either.
#[test]
fn a_connection_that_may_see_an_older_content_restores_nothing() {
    for mode in MODES {
        let (database, runner, snapshot, _) = without_notes(mode);
        let conn = database.connect();
        let mut statement = conn.prepare("SELECT name FROM sqlite_master").unwrap();
        let mut open = statement.query([]).unwrap();
        open.next().unwrap().unwrap();
        if mode == "wal" {
            database
                .connect()
                .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
                .unwrap();
        }
        let before = content(&database.connect());
        let error = runner.restore(&conn, &snapshot).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Snapshot, "{mode}: {error}");
        assert!(error.to_string().contains("a statement that is not finished"), "{mode}: {error}");
        crate::sentences::is_one_sentence(&error.to_string());
        assert_eq!(content(&database.connect()), before, "{mode}");
        assert_eq!(count(&database).1, 0, "{mode}");
        drop(open);
        drop(statement);
        let restored = runner.restore(&conn, &snapshot).unwrap();
        assert_eq!(content_of(&restored.set_aside), before, "{mode}");
    }
}

#[test]
fn the_next_run_after_a_restore_is_a_new_one() {
    let (database, runner, snapshot, before) = without_notes("wal");
    let conn = database.connect();
    runner.restore(&conn, &snapshot).unwrap();
    conn.execute_batch("INSERT INTO notes (text) VALUES ('after')").unwrap();
    let report = runner.run(&conn).unwrap();
    assert_ne!(report.snapshot.as_ref(), Some(&snapshot));
    assert_eq!(content_of(&report.snapshot.unwrap()).len(), before.len() + 1);
    assert_eq!(count(&database), (2, 1));
}

#[test]
fn what_cannot_be_restored_changes_nothing() {
    let (database, runner, snapshot, _) = without_notes("delete");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut damaged = std::fs::read(&snapshot).unwrap();
    let page = usize::from(u16::from_be_bytes([damaged[16], damaged[17]]));
    damaged[page..page * 2].fill(0xff);
    std::fs::write(file("damaged"), &damaged).unwrap();
    std::fs::write(file("short"), &std::fs::read(&snapshot).unwrap()[..page * 3]).unwrap();
    std::fs::write(file("text"), "a letter").unwrap();
    std::fs::write(file("empty"), "").unwrap();
    std::fs::hard_link(database.path(), file("hard link")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(database.path(), file("soft link")).unwrap();
    let before = content(&database.connect());
    let table = [
        ("missing", "No such file or directory"),
        ("damaged", "damaged"),
        ("short", "quick_check"),
        ("text", "not a database"),
        ("empty", "it is empty"),
        ("hard link", "it is the database itself"),
        ("soft link", "it is the database itself"),
    ];
    for (name, said) in table {
        let conn = database.connect();
        let error = runner.restore(&conn, file(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Snapshot, "{error}");
        let text = error.to_string();
        let is_said = text.contains(said)
            || (name == "damaged" && text.contains("quick_check"))
            || (name == "short" && text.contains("malformed"));
        assert!(is_said, "{name}: {text}");
        assert!(text.contains("; the database was not changed; "), "{name}: {text}");
        assert_eq!(content(&database.connect()), before, "{name}");
        assert_eq!(count(&database), (1, 0), "{name}");
    }
    let conn = database.connect();
    conn.execute_batch("BEGIN; INSERT INTO sqlite_sequence VALUES (1, 2)").ok();
    assert_eq!(runner.restore(&conn, &snapshot).unwrap_err().kind(), ErrorKind::OpenTransaction);
    let memory = Connection::open_in_memory().unwrap();
    let error = runner.restore(&memory, &snapshot).unwrap_err();
    assert!(error.to_string().contains("there is no database file to restore into"), "{error}");
}

/// In the other journal modes SQLite replaces the pages and with them their size.
#[test]
fn a_page_size_that_differs_is_restored_or_refused_before_anything_is_changed() {
    for mode in MODES {
        for (first, second) in [(1024, 8192), (8192, 1024)] {
            let database = TestDatabase::new();
            let conn = database.connect();
            rows(&conn, &format!("PRAGMA page_size = {first}"));
            runner([]).run(&conn).unwrap();
            let resize = format!("PRAGMA page_size = {second}; VACUUM");
            let resized = runner([Migration::from_scripts("2_pages", resize, None).outside_transaction()]);
            let before = content(&conn);
            let snapshot = resized.snapshot(Snapshot::Always).run(&conn).unwrap().snapshot.unwrap();
            assert_eq!(rows(&conn, "PRAGMA page_size"), [second.to_string()]);
            assert_eq!(rows(&conn, &format!("PRAGMA journal_mode = {mode}")), [mode]);
            let now = content(&conn);
            let restored = runner([]).restore(&conn, &snapshot);
            if mode == "delete" {
                restored.unwrap();
                assert_eq!(content(&database.connect()), before, "{first} {second}");
                assert_eq!(database.rows("PRAGMA page_size"), [first.to_string()]);
                assert_eq!(database.rows("PRAGMA integrity_check"), ["ok"]);
                assert_eq!(content(&conn), before, "the handle that was open");
            } else {
                let error = restored.unwrap_err();
                assert!(error.to_string().contains("which SQLite cannot change in WAL mode"), "{error}");
                assert_eq!((content(&conn), count(&database)), (now, (1, 0)));
            }
        }
    }
}

/// Every row that a writer was told is committed is in the database or in the file that was set aside.
#[test]
fn no_row_of_a_writer_is_lost_while_a_database_is_copied_and_restored() {
    for mode in MODES {
        let database = database(mode);
        let (is_over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let path = database.path();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let conn = Connection::open(&path).unwrap();
                conn.busy_timeout(Duration::from_secs(600)).unwrap();
                let mut committed = BTreeSet::new();
                let mut number = 10_000;
                while !is_over.load(Ordering::Relaxed) {
                    number += 1;
                    // With the columns, since a connection may still have the schema of before a restore.
                    let insert = format!("INSERT INTO notes (id, text) VALUES ({number}, 'live')");
                    if conn.execute_batch(&insert).is_ok() {
                        committed.insert(number);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    // Without a pause, a busy machine never lets anybody else have the lock.
                    std::thread::sleep(Duration::from_millis(1));
                }
                committed
            });
            let over = Over(&is_over);
            let runner = runner([add_title()]).snapshot(Snapshot::Always);
            let conn = Connection::open(&path).unwrap();
            let snapshot = runner.run(&conn).unwrap().snapshot.unwrap();
            let mut restored: Vec<PathBuf> = Vec::new();
            while restored.len() < 5 || count.load(Ordering::Relaxed) <= 5 {
                restored.push(runner.restore(&conn, &snapshot).unwrap().set_aside);
            }
            drop(over);
            let committed = writer.join().unwrap();
            let ids = |conn: &Connection| -> BTreeSet<i64> {
                let ids = rows(conn, "SELECT id FROM notes WHERE id > 10000");
                ids.iter().map(|id| id.parse().unwrap()).collect()
            };
            let mut found = ids(&conn);
            for set_aside in restored {
                found.extend(ids(&Connection::open(set_aside).unwrap()));
            }
            assert!(committed.len() > 5, "{mode}: the writer wrote");
            let lost: Vec<_> = committed.difference(&found).collect();
            assert_eq!(lost, Vec::<&i64>::new(), "{mode}: of {}", committed.len());
            assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{mode}");
        });
    }
}

/// A reader sees the content from before or the one from after, in one transaction always the same.
#[test]
fn readers_see_the_one_or_the_other() {
    for mode in MODES {
        let (database, runner, snapshot, _) = without_notes(mode);
        let path = database.path();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let conn = Connection::open(&path).unwrap();
                conn.busy_timeout(Duration::from_secs(600)).unwrap();
                let mut seen = BTreeSet::new();
                loop {
                    let is_last = is_over.load(Ordering::Relaxed);
                    conn.execute_batch("BEGIN").unwrap();
                    let tables = rows(&conn, "SELECT count(*) FROM sqlite_master WHERE name = 'notes'");
                    let applied = rows(&conn, "SELECT count(*) FROM __switchy_migrations");
                    conn.execute_batch("COMMIT").unwrap();
                    seen.insert(format!("{} {}", tables[0], applied[0]));
                    if is_last {
                        return seen;
                    }
                }
            });
            let over = Over(&is_over);
            let conn = Connection::open(&path).unwrap();
            for _ in 0..5 {
                let set_aside = runner.restore(&conn, &snapshot).unwrap().set_aside;
                runner.restore(&conn, set_aside).unwrap();
            }
            runner.restore(&conn, &snapshot).unwrap();
            drop(over);
            let seen = reader.join().unwrap();
            assert!(seen.contains("1 1"), "{mode}: {seen:?}");
            assert!(seen.iter().all(|seen| seen == "1 1" || seen == "0 2"), "{mode}: {seen:?}");
        });
    }
}

#[test]
fn a_database_that_another_connection_holds_is_not_restored() {
    for mode in MODES {
        let (database, runner, snapshot, _) = without_notes(mode);
        let (conn, other) = (database.connect(), database.connect());
        other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE theirs (a)").unwrap();
        let runner = runner.lock_timeout(Duration::from_millis(50));
        let error = runner.restore(&conn, &snapshot).unwrap_err();
        assert_eq!(error.fault(), Some(switchy_schema::FaultKind::Busy), "{mode}: {error}");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&database), (1, 0), "{mode}");
        assert_eq!(rows(&conn, "SELECT count(*) FROM theirs"), ["0"], "{mode}");
        runner.restore(&conn, &snapshot).unwrap();
        assert_eq!(rows(&other, "SELECT count(*) FROM notes"), ["1000"], "{mode}");
    }
}
