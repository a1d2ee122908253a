//! A start with nothing pending: one `SELECT`, and nothing else.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows, schema};
use switchy_schema::{Dialect, ErrorKind, Lock, Migration, MigrationRunner, State, Target, TransactionMode};

/// The set in `migrations/`, which ends in WAL mode.
pub(crate) fn sample_set() -> MigrationRunner {
    MigrationRunner::new_directory(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap()
}

/// A set of this many migrations that do nothing, in one transaction, because the file system is slow.
fn numbered(count: usize) -> MigrationRunner {
    let set: Vec<Migration> =
        (0..count).map(|n| Migration::from_scripts(format!("{n:05}_nothing"), "SELECT 1", None)).collect();
    MigrationRunner::new(set).unwrap().transaction(TransactionMode::Batch)
}

thread_local! {
    static STATEMENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Every statement that `work` executes on the connection, both those of the engine and those of scripts.
pub(crate) fn statements(conn: &mut Connection, work: impl FnOnce(&Connection)) -> Vec<String> {
    STATEMENTS.take();
    tracing::begin(conn, |statement| STATEMENTS.with_borrow_mut(|all| all.push(statement.to_owned())));
    work(conn);
    // Statements on this thread after this call are not recorded.
    tracing::begin(conn, |_| ());
    STATEMENTS.take()
}

/// `Connection::trace` does not exist from rusqlite 0.41 on, and `trace_v2` not before 0.33. The missing one is found here: an inherent
/// method has priority over one of a trait, and the glob import of a block over the names around it.
#[allow(
    dead_code,
    unused_imports,
    deprecated,
    clippy::let_unit_value,
    clippy::ignored_unit_patterns,
    clippy::needless_pass_by_value,
    reason = "each version of the driver uses only some of these items"
)]
mod tracing {
    use std::cell::Cell;

    use rusqlite::Connection;

    thread_local! {
        static TO: Cell<fn(&str)> = const { Cell::new(|_| ()) };
    }

    fn forward(statement: &str) {
        TO.get()(statement);
    }

    pub(super) fn begin(conn: &mut Connection, to: fn(&str)) {
        TO.set(to);
        let _ = (*conn).trace(Some(forward));
    }

    struct TraceEventCodes;
    impl TraceEventCodes {
        const SQLITE_TRACE_STMT: Self = Self;
    }

    enum TraceEvent<'a> {
        Stmt((), &'a str),
    }

    trait Missing {
        fn trace(&mut self, to: Option<fn(&str)>);
        fn trace_v2(&mut self, _: TraceEventCodes, _: Option<fn(TraceEvent<'_>)>) {
            unreachable!("a rusqlite with neither `trace` nor `trace_v2`");
        }
    }

    impl Missing for Connection {
        fn trace(&mut self, _: Option<fn(&str)>) {
            use rusqlite::trace::*;
            fn statement(event: TraceEvent<'_>) {
                #[allow(irrefutable_let_patterns)]
                if let TraceEvent::Stmt(_, statement) = event {
                    forward(statement);
                }
            }
            let to: fn(TraceEvent<'_>) = statement;
            let _ = (*self).trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(to));
        }
    }
}

/// The content of a folder: the name and content of each file, and the name of each folder.
pub(crate) fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .collect();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    content(folder).into_iter().map(|(name, _)| name).collect()
}

/// The state that must be the same before and after an operation that writes nothing.
fn traces(database: &TestDatabase, conn: &Connection) -> (Vec<(String, Vec<u8>)>, i64) {
    let changes = conn.query_row("SELECT total_changes()", [], |row| row.get(0)).unwrap();
    (content(database.path().parent().unwrap()), changes)
}

#[test]
fn nothing_pending_is_one_statement() {
    let excluded = [
        Migration::sql("1_a", "CREATE TABLE a (b)"),
        Migration::sql("2_elsewhere", "SELECT 1").only_on([Dialect::Postgres]),
        Migration::sql("3_staging", "SELECT 1").environments(["staging"]),
    ];
    let sets = [
        ("the sample set", sample_set()),
        ("one", numbered(1)),
        ("a thousand", numbered(1000)),
        ("some excluded", MigrationRunner::new(excluded).unwrap()),
        ("code", MigrationRunner::new([Migration::code("1_a", |_| Ok::<_, rusqlite::Error>(()))]).unwrap()),
        ("another table", numbered(3).table_name("my \"own\"").unwrap()),
    ];
    for (name, runner) in sets {
        let database = TestDatabase::new();
        runner.run(&database.connect()).unwrap();
        for connection in ["a fresh one", "one that ran it before"] {
            let mut conn = database.connect();
            if connection != "a fresh one" {
                runner.run(&conn).unwrap();
            }
            let executed = statements(&mut conn, |conn| {
                assert!(runner.run(conn).unwrap().is_up_to_date(), "{name}");
            });
            assert_eq!(executed.len(), 1, "{name}, {connection}: {executed:#?}");
            assert!(executed[0].starts_with("SELECT "), "{name}, {connection}: {executed:?}");
        }
    }
}

#[test]
fn a_run_that_finds_something_is_more_than_one_statement() {
    let mut conn = Connection::open_in_memory().unwrap();
    let executed = statements(&mut conn, |conn| drop(numbered(1).run(conn).unwrap()));
    assert!(executed.iter().any(|statement| statement.starts_with("BEGIN IMMEDIATE")), "{executed:#?}");
}

#[test]
fn an_empty_set_on_an_empty_database_writes_nothing() {
    let mut conn = Connection::open_in_memory().unwrap();
    let executed = statements(&mut conn, |conn| {
        assert!(numbered(0).run(conn).unwrap().is_up_to_date());
    });
    assert_eq!(executed, Vec::<String>::new(), "there is not even a table to select from");
    assert_eq!(schema(&conn), Vec::<String>::new());
}

#[test]
fn nothing_pending_writes_nothing() {
    for runner in [sample_set(), numbered(100)] {
        let database = TestDatabase::new();
        runner.run(&database.connect()).unwrap();
        let (conn, watcher) = (database.connect(), database.connect());
        let version = || watcher.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
        // The first access creates the files of a WAL.
        rows(&conn, "SELECT * FROM sqlite_master");
        let (before, first) = (traces(&database, &conn), version());
        for _ in 0..3 {
            assert!(runner.run(&conn).unwrap().is_up_to_date());
        }
        assert_eq!(version(), first);
        assert!(traces(&database, &conn) == before);
    }
}

#[test]
fn nothing_pending_takes_no_lock() {
    let runner = numbered(3);
    let database = TestDatabase::new();
    runner.run(&database.connect()).unwrap();
    let sidecar = database.path().with_file_name("test.db-migrate");
    assert!(sidecar.is_file(), "the run that had something to do made it");

    std::fs::remove_file(&sidecar).unwrap();
    assert!(runner.run(&database.connect()).unwrap().is_up_to_date());
    assert!(!sidecar.exists());

    // A folder with the name of the lock file makes every attempt to lock fail.
    std::fs::create_dir(&sidecar).unwrap();
    assert!(runner.run(&database.connect()).unwrap().is_up_to_date());
    assert_eq!(numbered(4).run(&database.connect()).unwrap_err().kind(), ErrorKind::LockFile);
}

#[test]
fn nothing_pending_needs_no_permission_to_write() {
    let writable = OpenFlags::SQLITE_OPEN_READ_WRITE;
    for mode in ["DELETE", "WAL"] {
        let database = TestDatabase::new();
        let conn = database.connect();
        rows(&conn, &format!("PRAGMA journal_mode = {mode}"));
        numbered(10).run(&conn).unwrap();
        let sidecar = database.path().with_file_name("test.db-migrate");
        std::fs::remove_file(&sidecar).unwrap();

        let open = |flags: OpenFlags| Connection::open_with_flags(database.path(), flags).unwrap();
        let reader = open(OpenFlags::SQLITE_OPEN_READ_ONLY);
        assert!(numbered(10).run(&reader).unwrap().is_up_to_date(), "{mode}");
        let reader = open(writable);
        rows(&reader, "PRAGMA query_only = ON");
        assert!(numbered(10).run(&reader).unwrap().is_up_to_date(), "{mode}");
        assert!(!sidecar.exists(), "{mode}");

        let error = numbered(11).run(&open(OpenFlags::SQLITE_OPEN_READ_ONLY)).unwrap_err();
        assert!(error.to_string().contains("attempt to write a readonly database"), "{mode}: {error}");
        assert!(numbered(10).run(&reader).unwrap().is_up_to_date(), "{mode}");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_file_in_a_read_only_folder_starts() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let database = TestDatabase::new();
    numbered(10).run(&database.connect()).unwrap();
    let folder = database.path().parent().unwrap().to_owned();
    let before = content(&folder);
    set_permissions(database.path(), Permissions::from_mode(0o444)).unwrap();
    set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let immutable = format!("file:{}?immutable=1", database.path().display());
    let outcome = Connection::open_with_flags(immutable, flags)
        .map(|conn| numbered(10).run(&conn).map(|report| report.is_up_to_date()));
    set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert!(outcome.unwrap().unwrap());
    assert!(content(&folder) == before);
}

#[test]
fn asking_an_empty_file_leaves_it_empty() {
    type Ask = fn(&MigrationRunner, &Connection);
    let asks: [(&str, Ask); 5] = [
        ("plan", |runner, conn| assert_eq!(runner.plan(conn, Target::Latest).unwrap().steps().len(), 3)),
        ("status", |runner, conn| {
            let entries = runner.status(conn).unwrap().entries;
            assert!(entries.iter().all(|entry| entry.state == State::Pending));
        }),
        ("pending", |runner, conn| assert_eq!(runner.pending(conn).unwrap().len(), 3)),
        ("history", |runner, conn| assert!(runner.history(conn).unwrap().records().is_empty())),
        ("is_applied", |runner, conn| assert!(!runner.is_applied(conn, "00001_nothing").unwrap())),
    ];
    for (name, ask) in asks {
        let database = TestDatabase::new();
        std::fs::write(database.path(), "").unwrap();
        let conn = database.connect();
        ask(&numbered(3), &conn);
        assert_eq!(
            content(database.path().parent().unwrap()),
            [("test.db".to_owned(), Vec::new())],
            "{name}"
        );

        conn.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
        let before = traces(&database, &conn);
        ask(&numbered(3), &conn);
        assert!(traces(&database, &conn) == before, "{name}");
        let reader = Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        ask(&numbered(3), &reader);
        assert_eq!(names(database.path().parent().unwrap()), ["test.db"], "{name}");
    }
}

#[test]
fn a_plan_that_is_only_looked_at_and_a_target_already_reached_write_nothing() {
    let database = TestDatabase::new();
    let set = TestMigrationBuilder::new()
        .reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a")
        .migration("2_b", "CREATE TABLE b (c)");
    set.runner().run_to(&database.connect(), Target::Steps(1)).unwrap();
    let conn = database.connect();
    let before = traces(&database, &conn);
    for target in [Target::Latest, Target::Empty, Target::Back(1), Target::Steps(7)] {
        assert_eq!(set.runner().plan(&conn, target).unwrap().steps().len(), 1);
    }
    for target in [
        Target::Through("1_a".into()),
        Target::Before("2_b".into()),
        Target::BackTo("1_a".into()),
        Target::Steps(0),
        Target::Back(0),
    ] {
        assert!(set.runner().run_to(&conn, target).unwrap().is_up_to_date());
    }
    assert!(traces(&database, &conn) == before);
}

/// Only a missing tracking table means "nothing applied". If another error were treated like that, a broken database would look new, and a
/// start would wait for the lock before it reports the error.
#[test]
fn a_broken_or_busy_database_is_not_taken_for_an_empty_one() {
    let broken = TestDatabase::new();
    std::fs::write(broken.path(), [b'x'; 4096]).unwrap();
    let error = numbered(1).run(&broken.connect()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert!(error.to_string().contains("file is not a database"), "{error}");
    assert!(numbered(0).run(&broken.connect()).is_err(), "it does not take what it cannot read for empty");
    assert_eq!(names(broken.path().parent().unwrap()), ["test.db"]);

    let busy = TestDatabase::new();
    let other = busy.connect();
    other.execute_batch("CREATE TABLE a (b); BEGIN EXCLUSIVE").unwrap();
    let conn = busy.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    let error = numbered(1).lock_timeout(Duration::from_millis(20)).run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert!(error.to_string().contains("database is locked"), "{error}");
    assert!(!busy.path().with_file_name("test.db-migrate").exists());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(numbered(1).run(&conn).unwrap().applied.len(), 1);
}

/// Two databases that share a lock file: a start of the second must not wait for a run of the first.
#[test]
fn nothing_pending_does_not_wait_for_a_run_elsewhere() {
    let (first, second) = (TestDatabase::new(), TestDatabase::new());
    let shared = first.path().with_file_name("shared.lock");
    let with_lock = |runner: MigrationRunner| {
        runner.lock(Lock::File(shared.clone())).lock_timeout(Duration::from_secs(3600))
    };
    let idle = with_lock(numbered(2));
    idle.run(&second.connect()).unwrap();
    let path = second.path();
    let meanwhile = Migration::code("1_meanwhile", move |_| {
        let conn = Connection::open(&path)?;
        assert!(idle.run(&conn).unwrap().is_up_to_date());
        Ok::<_, rusqlite::Error>(())
    });
    let busy = with_lock(MigrationRunner::new([meanwhile]).unwrap());
    assert_eq!(busy.run(&first.connect()).unwrap().applied.len(), 1);
}

/// The start asks one statement, and the plan reads every record. What the plan refuses as dirty, the start must not pass over.
#[test]
fn a_start_sees_the_dirty_record_that_a_plan_sees() {
    type Edit<'a> = &'a dyn Fn(&Connection);

    let by_hand = |value: &'static str, which: &'static str| {
        move |conn: &Connection| {
            conn.execute_batch(&format!("UPDATE __switchy_migrations SET dirty = {value} {which}")).unwrap();
        }
    };
    // As a page of the table that was damaged: the index of dirty records does not know of it.
    let past_the_index = |which: &'static str| {
        move |conn: &Connection| {
            let index = "name = '__switchy_migrations_dirty'";
            conn.execute_batch(&format!(
                "PRAGMA writable_schema = ON;
                CREATE TEMP TABLE kept AS SELECT * FROM sqlite_master WHERE {index};
                DELETE FROM sqlite_master WHERE {index};
                PRAGMA writable_schema = RESET;
                UPDATE __switchy_migrations SET dirty = 1 {which};
                PRAGMA writable_schema = ON;
                INSERT INTO sqlite_master SELECT * FROM kept;
                DROP TABLE kept;
                PRAGMA writable_schema = RESET"
            ))
            .unwrap();
        }
    };
    // A table that another program made.
    let unindexed = |conn: &Connection| {
        conn.execute_batch(
            "ALTER TABLE __switchy_migrations RENAME TO old;
            CREATE TABLE __switchy_migrations AS SELECT * FROM old ORDER BY rowid;
            DROP TABLE old;
            UPDATE __switchy_migrations SET dirty = 1 WHERE rowid = 2",
        )
        .unwrap();
    };
    let unknown = |conn: &Connection| {
        unindexed(conn);
        conn.execute_batch("UPDATE __switchy_migrations SET dirty = NULL").unwrap();
    };
    let (newest, first) = ("WHERE rowid = 3", "WHERE rowid = 1");
    let rows: [(Edit<'_>, bool); 10] = [
        (&by_hand("1", newest), true),
        (&by_hand("1", first), true),
        (&by_hand("2", first), true),
        (&by_hand("'yes'", first), true),
        (&by_hand("x'00'", newest), true),
        (&by_hand("0.5", first), true),
        (&by_hand("'0'", first), false),
        (&past_the_index(newest), true),
        (&unindexed, true),
        (&unknown, false),
    ];
    for (place, (edit, is_dirty)) in rows.into_iter().enumerate() {
        let database = TestDatabase::new();
        numbered(3).run(&database.connect()).unwrap();
        edit(&database.connect());
        let conn = database.connect();
        let plan = numbered(3).plan(&conn, Target::Latest).unwrap();
        assert_eq!(!plan.problems().is_empty(), is_dirty, "{place}: {plan}");
        let outcome = numbered(3).run(&conn);
        assert_eq!(outcome.is_err(), is_dirty, "{place}: {outcome:?}");
    }
}
