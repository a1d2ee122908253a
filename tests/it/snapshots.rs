//! Snapshots before a run, and restoring them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{
    AfterFailure, BoxError, ErrorKind, Migration, MigrationRunner, PlannedSnapshot, Policy, ProblemKind,
    Snapshot, SnapshotKind, SnapshotSettings, Target, Verdict,
};

use crate::execution::applied;
use crate::start::statements;

mod full_disk;
mod kills;
mod notes;
mod power;
mod restoring;
mod unfinished;

/// A set whose first migration makes the table `notes` with a thousand rows.
fn runner(others: impl IntoIterator<Item = Migration>) -> MigrationRunner {
    let notes = Migration::sql(
        "1_notes",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO notes SELECT i, 'note ' || i FROM n;
        CREATE INDEX by_text ON notes (text);",
    );
    MigrationRunner::new([notes].into_iter().chain(others).collect::<Vec<_>>()).unwrap()
}

/// A database with the first migration.
fn database(mode: &str) -> TestDatabase {
    let database = TestDatabase::new();
    assert_eq!(database.rows(&format!("PRAGMA journal_mode = {mode}")), [mode]);
    runner([]).run(&database.connect()).unwrap();
    database
}

const MODES: [&str; 2] = ["wal", "delete"];

fn drop_notes() -> Migration {
    Migration::sql("2_no_notes", "DROP TABLE notes")
}

fn add_title() -> Migration {
    Migration::reversible("2_title", "ALTER TABLE notes ADD title", "ALTER TABLE notes DROP COLUMN title")
}

fn wrong() -> Migration {
    Migration::sql("3_wrong", "UPDATE notes SET text = 'gone'; UPDATE missing SET a = 1")
}

/// All rows of all tables except the tracking table, and the migrations.
fn content(conn: &Connection) -> Vec<String> {
    let mut all = applied(conn);
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_\\_switchy%' ESCAPE '\\' ORDER BY name";
    for table in rows(conn, tables) {
        all.extend(rows(
            conn,
            &format!("SELECT '{table}', sql FROM sqlite_master WHERE tbl_name = '{table}'"),
        ));
        all.extend(rows(conn, &format!("SELECT * FROM \"{table}\" ORDER BY rowid")));
    }
    all
}

fn content_of(path: &Path) -> Vec<String> {
    content(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
}

/// The names of the files around a database except the database, its WAL and the lock file.
fn files(database: &TestDatabase) -> Vec<String> {
    files_in(database.path().parent().unwrap())
}

fn files_in(folder: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let usual = ["test.db", "test.db-wal", "test.db-shm", "test.db-migrate"];
    let mut names: Vec<String> = names.filter(|name| !usual.contains(&name.as_str())).collect();
    names.sort();
    names
}

/// How many files of each kind: `2 snapshots, 1 set aside`.
fn count(database: &TestDatabase) -> (usize, usize) {
    let files = files(database);
    let of = |part: &str| files.iter().filter(|name| name.starts_with(part)).count();
    let counted = (of("test.db-snapshot-"), of("test.db-set-aside-"));
    let intents = of("test.db-migrate-intent");
    assert_eq!(counted.0 + counted.1 + intents, files.len(), "{files:?}");
    counted
}

fn snapshot_paths(database: &TestDatabase, kind: SnapshotKind) -> Vec<PathBuf> {
    let all = runner([]).snapshots(&database.connect()).unwrap().into_iter();
    all.filter(|info| info.kind == kind).map(|info| info.path).collect()
}

#[test]
fn a_snapshot_is_kept_when_the_settings_ask_for_it() {
    type Case<'a> = (&'a str, SnapshotSettings, Vec<Migration>, usize);
    let code = || Migration::code("2_code", |_| Ok::<_, rusqlite::Error>(()));
    let if_destructive = || SnapshotSettings::from(Snapshot::IfDestructive);
    let cases: Vec<Case<'_>> = vec![
        ("never", Snapshot::Never.into(), vec![drop_notes()], 0),
        ("always", Snapshot::Always.into(), vec![add_title()], 1),
        ("nothing pending", Snapshot::Always.into(), vec![], 0),
        ("a drop", if_destructive(), vec![drop_notes()], 1),
        ("an index", if_destructive(), vec![Migration::sql("2_index", "DROP INDEX by_text")], 0),
        ("a delete", if_destructive(), vec![Migration::sql("2_few", "DELETE FROM notes WHERE id > 500")], 1),
        ("a column", if_destructive(), vec![add_title()], 0),
        ("code", if_destructive(), vec![code()], 1),
        ("small", Snapshot::IfSmallerThan(1_000_000_000).into(), vec![drop_notes()], 1),
        ("large", Snapshot::IfSmallerThan(4096).into(), vec![drop_notes()], 0),
    ];
    for (name, settings, others, expected) in cases {
        for mode in MODES {
            let database = database(mode);
            let (conn, before) = (database.connect(), content(&database.connect()));
            let report = runner(others.clone()).snapshot(settings.clone()).run(&conn).unwrap();
            assert_eq!(count(&database), (expected, 0), "{name}, {mode}");
            assert_eq!(report.snapshot.is_some(), expected == 1, "{name}, {mode}");
            if let Some(path) = &report.snapshot {
                assert_eq!(content_of(path), before, "{name}, {mode}");
                assert!(
                    report
                        .to_string()
                        .contains(&format!("the snapshot from before the run is {}", path.display()))
                );
            }
        }
    }
}

#[test]
fn undoing_a_migration_counts_as_destructive() {
    let database = database("wal");
    let runner = runner([add_title()]).snapshot(Snapshot::IfDestructive);
    let conn = database.connect();
    runner.run(&conn).unwrap();
    assert_eq!(count(&database), (0, 0));
    conn.execute_batch("UPDATE notes SET title = 'a title'").unwrap();
    let before = content(&conn);
    let report = runner.rollback(&conn, 1).unwrap();
    assert_eq!(content_of(&report.snapshot.unwrap()), before);
    let plan = runner.plan(&conn, Target::Latest).unwrap();
    assert!(runner.apply(&conn, plan).unwrap().snapshot.is_none(), "adding a column removes nothing");
}

#[test]
fn an_empty_database_has_nothing_to_keep() {
    let database = TestDatabase::new();
    let report = runner([drop_notes()]).snapshot(Snapshot::Always).run(&database.connect()).unwrap();
    assert_eq!((report.applied.len(), report.snapshot), (2, None));
    assert_eq!(count(&database), (0, 0));
}

#[test]
fn a_start_with_nothing_pending_is_one_statement_and_looks_at_no_file() {
    let database = database("delete");
    let runner = runner([]).snapshot(Snapshot::Always.after_failure(AfterFailure::Restore));
    // It would be an error to read this note.
    let intent = database.path().with_file_name("test.db-migrate-intent");
    std::fs::create_dir(&intent).unwrap();
    let mut conn = database.connect();
    let executed = statements(&mut conn, |conn| assert!(runner.run(conn).unwrap().is_up_to_date()));
    assert_eq!(executed.len(), 1, "{executed:#?}");
    for target in [Target::Through("1_notes".into()), Target::Steps(0), Target::Back(0)] {
        assert!(runner.run_to(&conn, target).unwrap().is_up_to_date());
    }
    assert_eq!(files(&database), ["test.db-migrate-intent"]);
}

/// A database in WAL mode is copied with what is only in the WAL, and the copy is readable where nobody can write.
#[test]
fn a_snapshot_needs_no_other_file() {
    for mode in MODES {
        let database = database(mode);
        let conn = database.connect();
        conn.execute_batch(
            "PRAGMA wal_autocheckpoint = 0; INSERT INTO notes VALUES (5000, 'only in the WAL')",
        )
        .unwrap();
        let report = runner([drop_notes()]).snapshot(Snapshot::Always).run(&conn).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("copy");
        std::fs::copy(report.snapshot.unwrap(), &copy).unwrap();
        let reader = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert_eq!(rows(&reader, "SELECT text FROM notes WHERE id = 5000"), ["only in the WAL"], "{mode}");
        assert_eq!(rows(&reader, "SELECT count(*) FROM notes INDEXED BY by_text"), ["1001"], "{mode}");
        assert_eq!(rows(&reader, "PRAGMA integrity_check"), ["ok"], "{mode}");
        drop(reader);
        assert_eq!(files_in(elsewhere.path()), ["copy"], "{mode}");
        assert_eq!(rows(&conn, "PRAGMA journal_mode"), [mode], "the database keeps its mode");
        assert!(conn.is_autocommit(), "{mode}");
    }
}

#[cfg(unix)]
#[test]
fn a_snapshot_is_as_secret_as_the_database() {
    use std::os::unix::fs::PermissionsExt;
    for mode in [0o600, 0o640, 0o644] {
        let database = database("delete");
        std::fs::set_permissions(database.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let report = runner([drop_notes()]).snapshot(Snapshot::Always).run(&database.connect()).unwrap();
        let kept = std::fs::metadata(report.snapshot.unwrap()).unwrap().permissions().mode();
        assert_eq!(kept & 0o777, mode, "{mode:o}");
    }
}

#[test]
fn a_database_in_memory_has_no_snapshot_and_a_policy_can_refuse_that() {
    let conn = Connection::open_in_memory().unwrap();
    runner([]).run(&conn).unwrap();
    let pending = || runner([add_title()]).snapshot(Snapshot::Always);
    let policy = Policy::default().with(ProblemKind::NoSnapshot, Verdict::Deny);
    let error = pending().policy(policy).run(&conn).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::NoSnapshot);
    let report = pending().run(&conn).unwrap();
    assert_eq!(report.applied.len(), 1);
    assert_eq!(report.notes[0].finding, "runs without a snapshot, since the database is not a file");
    let new = Connection::open_in_memory().unwrap();
    assert_eq!(pending().run(&new).unwrap().notes, [], "a new database has nothing to keep");
    assert!(pending().snapshots(&new).unwrap().is_empty());
}

#[test]
fn a_plan_and_a_refusal_say_what_is_kept_and_where() {
    let database = database("delete");
    let (conn, folder) = (database.connect(), database.path().parent().unwrap().to_owned());
    let plan = |when: Snapshot, others: Vec<Migration>| {
        runner(others).snapshot(when).plan(&conn, Target::Latest).unwrap()
    };
    let kept = plan(Snapshot::Always, vec![drop_notes()]);
    let Some(PlannedSnapshot::Kept { folder: named, bytes }) = kept.snapshot() else { panic!("{kept}") };
    assert_eq!((named, *bytes), (&folder, std::fs::metadata(database.path()).unwrap().len()));
    let said = format!(" kB) is kept in {} before the first step", folder.display());
    assert!(kept.to_string().contains(&said), "{kept}");
    let kept = plan(Snapshot::IfDestructive, vec![add_title()]);
    assert!(kept.to_string().contains("no snapshot is kept, since the plan removes nothing"), "{kept}");
    let kept = plan(Snapshot::IfSmallerThan(10), vec![add_title()]);
    assert!(kept.to_string().contains("and the limit is 10 bytes"), "{kept}");
    assert!(plan(Snapshot::Always, vec![]).snapshot().is_none(), "nothing is to be done");

    let protected = runner([drop_notes()]).snapshot(Snapshot::IfDestructive).environment("production");
    let error = protected.run(&conn).unwrap_err();
    assert!(error.to_string().contains(&said), "{error}");
    assert_eq!(count(&database), (0, 0), "a plan and a refusal keep nothing");
}

#[test]
fn older_snapshots_are_deleted_and_nothing_else() {
    let database = database("wal");
    let beside = |name: &str| database.path().with_file_name(name);
    let foreign = [
        "test.db-snapshot-2020-01-01T00-00-00.000.bak",
        "test.db-snapshot-2020",
        "other.db-snapshot-2020-01-01T00-00-00.000",
        "test.db-set-aside-2020-01-01T00-00-00.000",
    ];
    for name in foreign {
        std::fs::write(beside(name), "not ours").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(database.path(), beside("test.db-snapshot-2020-02-02T00-00-00.000")).unwrap();
    let ours = || -> Vec<String> {
        let is_ours = |name: &String| {
            name.starts_with("test.db-snapshot-2") && name.len() == 40 && !name.contains("2020")
        };
        files(&database).into_iter().filter(is_ours).collect()
    };
    let mut others = Vec::new();
    let mut all = Vec::new();
    for (number, keep, expected) in
        [(2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 1, 1), (6, 0, 0), (7, 3, 1), (8, 3, 2)]
    {
        let table = format!("CREATE TABLE t{number} (a)");
        others.push(Migration::from_scripts(format!("{number}_t"), table, None));
        let report =
            runner(others.clone()).snapshot(Snapshot::Always.keep(keep)).run(&database.connect()).unwrap();
        let left = ours();
        assert_eq!(left.len(), expected, "after {number}: {left:?}");
        assert_eq!(report.snapshot.is_some(), keep > 0);
        if let Some(path) = report.snapshot {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(left.contains(&name), "{left:?}");
            all.push(name);
        }
        assert!(
            left.iter().rev().eq(all.iter().rev().take(expected)),
            "the newest stay: {left:?} of {all:?}"
        );
    }
    for name in foreign {
        assert_eq!(std::fs::read_to_string(beside(name)).unwrap(), "not ours", "{name}");
    }
    // A run that fails deletes nothing.
    others.push(Migration::sql("9_wrong", "SELECT missing"));
    let error = runner(others).snapshot(Snapshot::Always.keep(1)).run(&database.connect()).unwrap_err();
    assert_eq!(ours().len(), 3);
    assert!(error.report().snapshot.as_ref().unwrap().exists());
}

#[test]
fn two_databases_can_keep_their_snapshots_in_one_folder() {
    let (first, second) = (database("wal"), database("delete"));
    let folder = tempfile::tempdir().unwrap();
    let settings = || Snapshot::Always.keep(1).in_folder(folder.path());
    for (others, expected) in
        [(vec![add_title()], 1), (vec![add_title(), Migration::sql("3_b", "CREATE TABLE b (c)")], 1)]
    {
        for database in [&first, &second] {
            let runner = runner(others.clone()).snapshot(settings());
            let before = content(&database.connect());
            let report = runner.run(&database.connect()).unwrap();
            let listed = runner.snapshots(&database.connect()).unwrap();
            assert_eq!(listed.len(), expected);
            assert_eq!(Some(&listed[0].path), report.snapshot.as_ref());
            assert_eq!(content_of(&listed[0].path), before);
            assert_eq!(files(database), Vec::<String>::new());
        }
    }
    assert_eq!(files_in(folder.path()).len(), 2, "one for each database");
    let missing = Snapshot::Always.in_folder(folder.path().join("missing"));
    let before = content(&first.connect());
    let error = runner([add_title(), Migration::sql("4_c", "CREATE TABLE c (d)")])
        .policy(Policy::default().with(ProblemKind::DatabaseAhead, Verdict::Warn))
        .snapshot(missing)
        .run(&first.connect())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    assert!(error.to_string().contains("No such file"), "{error}");
    assert_eq!(content(&first.connect()), before);
}

#[test]
fn snapshots_are_listed_newest_first_with_what_they_have() {
    let database = database("wal");
    let titled = runner([add_title()]).snapshot(Snapshot::Always);
    titled.run(&database.connect()).unwrap();
    let more = runner([add_title(), Migration::sql("3_b", "CREATE TABLE b (c)")]).snapshot(Snapshot::Always);
    more.run(&database.connect()).unwrap();
    std::fs::write(database.path().with_file_name("test.db-snapshot-2020-01-01T00-00-00.000"), [b'x'; 512])
        .unwrap();
    let listed = more.snapshots(&database.connect()).unwrap();
    let seen: Vec<(usize, Option<String>)> = listed
        .iter()
        .map(|info| {
            let content = info.content.clone().unwrap_or_default();
            (content.applied, content.newest.map(|id| id.to_string()))
        })
        .collect();
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(seen, [(2, some("2_title")), (1, some("1_notes")), (0, None)]);
    assert!(listed[0].made_on > listed[1].made_on, "{listed:?}");
    assert_eq!(listed[2].made_on, "2020-01-01T00:00:00.000");
    assert!(listed[2].content.as_ref().unwrap_err().contains("not a database"), "{listed:?}");
    for info in &listed {
        assert_eq!(info.bytes, std::fs::metadata(&info.path).unwrap().len());
        assert_eq!(info.kind, SnapshotKind::BeforeRun);
    }
}

/// SQLite reports a database as large as its header says, however few blocks the file has.
#[test]
fn a_shortage_on_the_disk_is_an_error_with_both_numbers_before_anything_is_done() {
    let database = database("delete");
    let page = 65_536_u64;
    let conn = database.connect();
    conn.execute_batch(&format!("PRAGMA page_size = {page}; VACUUM")).unwrap();
    drop(conn);
    let free = fs2::available_space(database.path().parent().unwrap()).unwrap();
    let pages = u32::try_from(free * 2 / page).unwrap();
    let mut bytes = std::fs::read(database.path()).unwrap();
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    std::fs::write(database.path(), &bytes).unwrap();
    let file = std::fs::File::options().write(true).open(database.path()).unwrap();
    if file.set_len(u64::from(pages) * page).is_err() {
        eprintln!("the file system has no files as large as this");
        return;
    }
    drop(file);
    let conn = database.connect();
    let error = runner([add_title()]).snapshot(Snapshot::Always).run(&conn).unwrap_err();
    assert_eq!((error.kind(), error.fault()), (ErrorKind::Snapshot, Some(switchy_schema::FaultKind::Full)));
    let said = error.to_string();
    assert!(
        said.contains(" GB are needed in ") && said.contains(" GB are free; nothing was done; "),
        "{said}"
    );
    assert_eq!(files(&database), Vec::<String>::new());
    assert_eq!(applied(&conn), ["1_notes"]);
}

#[test]
fn a_connection_that_shuts_others_out_is_refused_with_what_to_do() {
    let database = database("delete");
    let conn = database.connect();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; UPDATE notes SET text = text").unwrap();
    let runner = runner([add_title()]).snapshot(Snapshot::Always);
    let error = runner.run(&conn).unwrap_err();
    assert!(error.to_string().contains("`locking_mode = EXCLUSIVE`"), "{error}");
    assert_eq!(applied(&conn), ["1_notes"]);
    assert!(!files(&database).iter().any(|name| name.contains("snapshot")));
    conn.execute_batch("PRAGMA locking_mode = NORMAL; SELECT count(*) FROM notes").unwrap();
    assert!(runner.run(&conn).unwrap().snapshot.is_some());
}

/// Constraints that call functions of the application, and rows that violate a constraint, are no damage.
#[test]
fn a_database_with_functions_of_the_application_has_a_snapshot() {
    use rusqlite::functions::FunctionFlags;
    for mode in MODES {
        let database = database(mode);
        let conn = database.connect();
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        conn.create_scalar_function("is_fine", 1, flags, |_| Ok(true)).unwrap();
        conn.create_collation("by_length", |a, b| a.len().cmp(&b.len())).unwrap();
        conn.execute_batch(
        "CREATE TABLE own (a CHECK (is_fine(a)), b TEXT COLLATE by_length); CREATE INDEX own_b ON own (b);
        INSERT INTO own VALUES (1, 'x'), (2, 'yy');
        PRAGMA ignore_check_constraints = ON; CREATE TABLE strict_one (a CHECK (a > 0)); INSERT INTO strict_one VALUES (-1);
        PRAGMA ignore_check_constraints = OFF; CREATE VIRTUAL TABLE words USING fts5 (a); INSERT INTO words VALUES ('one two')",
    )
    .unwrap();
        let report = runner([add_title()]).snapshot(Snapshot::Always).run(&conn).unwrap();
        let path = report.snapshot.unwrap();
        let copy = Connection::open(&path).unwrap();
        assert_eq!(rows(&copy, "SELECT a FROM own"), ["1", "2"], "{mode}");
        assert_eq!(rows(&copy, "SELECT a FROM words WHERE words MATCH 'two'"), ["one two"], "{mode}");
        drop(copy);
        conn.execute_batch("DELETE FROM own").unwrap();
        runner([]).restore(&conn, path).unwrap();
        assert_eq!(rows(&conn, "SELECT count(*) FROM own"), ["2"], "{mode}");
        assert_eq!(
            rows(&conn, "SELECT name FROM pragma_database_list WHERE name <> 'temp'"),
            ["main"],
            "{mode}"
        );
        assert_eq!(rows(&conn, "PRAGMA ignore_check_constraints"), ["0"], "{mode}");
    }
}

/// A plan is refused before the run waits for a lock, even if the run keeps snapshots and has to look for an unfinished run.
#[test]
fn a_refused_plan_waits_for_no_lock() {
    let database = database("wal");
    let (path, outcome) = (database.path(), Arc::new(Mutex::new(None)));
    let kept = Arc::clone(&outcome);
    let while_held = Migration::code("2_slow", move |_| {
        let changed = [Migration::sql("1_notes", "SELECT 1"), Migration::sql("2_slow", "SELECT 2")];
        let refused = MigrationRunner::new(changed)?.snapshot(Snapshot::Always).lock_timeout(Duration::ZERO);
        *kept.lock().unwrap() = Some(refused.run(&Connection::open(&path)?).map(drop));
        Ok::<_, BoxError>(())
    });
    runner([while_held]).run(&database.connect()).unwrap();
    let error = outcome.lock().unwrap().take().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(error.problems()[0].kind, ProblemKind::Changed, "{error}");
}
