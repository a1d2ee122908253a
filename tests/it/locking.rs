//! Only one run at a time, even after a crash.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{
    BoxError, ErrorKind, Event, FaultKind, Lock, Migration, MigrationError, MigrationRunner,
};

use crate::execution::{applied, memory, set};

const LONG: Duration = Duration::from_secs(3600);

fn sidecar(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-migrate");
    path.into()
}

/// A runner whose only migration calls this function while the lock is held.
fn holding(work: impl Fn() + Send + Sync + 'static) -> MigrationRunner {
    let code = Migration::code("1_slow", move |_| {
        work();
        Ok::<_, BoxError>(())
    });
    MigrationRunner::new([code]).unwrap()
}

/// A runner that has a pending migration, and does not wait for the lock.
fn impatient() -> MigrationRunner {
    set([("1_slow", "SELECT 1")]).lock_timeout(Duration::ZERO)
}

/// The result of a run through `open` while another run holds the lock of `path`.
fn while_held(
    path: &Path,
    lock: &Lock,
    open: impl Fn() -> Connection + Send + Sync + 'static,
) -> Result<(), MigrationError> {
    let outcome = Arc::new(Mutex::new(None));
    let (keep, its) = (Arc::clone(&outcome), lock.clone());
    let work = move || {
        let outcome = impatient().lock(its.clone()).run(&open());
        *keep.lock().unwrap() = Some(outcome.map(drop));
    };
    holding(work).lock(lock.clone()).run(&Connection::open(path).unwrap()).unwrap();
    let outcome = outcome.lock().unwrap().take();
    outcome.unwrap()
}

#[test]
fn the_lock_is_a_file_beside_the_database() {
    let database = TestDatabase::new();
    let path = database.path();
    let file = sidecar(&path);
    let (seen, text) = (file.clone(), Arc::new(Mutex::new(String::new())));
    let keep = Arc::clone(&text);
    holding(move || *keep.lock().unwrap() = fs::read_to_string(&seen).unwrap())
        .run(&database.connect())
        .unwrap();
    let text = text.lock().unwrap().clone();
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    assert!(text.contains("`1_slow`"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "", "it stays, and says nothing by itself");
}

#[test]
fn whoever_cannot_wait_is_told_who_holds_the_lock() {
    let database = TestDatabase::new();
    let path = database.path();
    let open = {
        let path = path.clone();
        move || Connection::open(&path).unwrap()
    };
    let error = while_held(&path, &Lock::Sidecar, open).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    let text = error.to_string();
    for part in [
        sidecar(&path).to_str().unwrap(),
        &format!("(pid {}", std::process::id()),
        "applying `1_slow`",
        "waited 0 s",
        "wait longer with `lock_timeout`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_holder_names_the_migration_it_is_at() {
    let database = TestDatabase::new();
    let (path, said) = (database.path(), Arc::new(Mutex::new(Vec::new())));
    let ask = |id: &'static str| {
        let (path, said) = (path.clone(), Arc::clone(&said));
        Migration::code(id, move |_| {
            let error = impatient().run(&Connection::open(&path)?).unwrap_err();
            said.lock().unwrap().push(error.to_string());
            Ok::<_, rusqlite::Error>(())
        })
    };
    MigrationRunner::new([ask("2_first"), ask("3_second")]).unwrap().run(&database.connect()).unwrap();
    let said = said.lock().unwrap();
    assert!(said[0].contains("applying `2_first`"), "{}", said[0]);
    // The committed migrations are newer than the set of the second run, which is refused before it asks for the lock.
    assert!(said[1].contains("`2_first` was applied"), "{}", said[1]);
}

#[test]
fn the_lock_is_held_between_the_steps_too() {
    let database = TestDatabase::new();
    let (path, kinds) = (database.path(), Arc::new(Mutex::new(Vec::new())));
    let keep = Arc::clone(&kinds);
    let scripts = [("1_a", "SELECT 1"), ("2_b", "SELECT 1"), ("3_c", "SELECT 1")];
    set(scripts)
        .observe(move |event| {
            if let Event::Started { .. } | Event::Finished { .. } = event {
                let other = set(scripts).lock_timeout(Duration::ZERO).run(&Connection::open(&path).unwrap());
                keep.lock().unwrap().push(other.unwrap_err().kind());
            }
        })
        .run(&database.connect())
        .unwrap();
    assert_eq!(*kinds.lock().unwrap(), [ErrorKind::LockTimeout; 6]);
}

#[test]
fn whoever_waits_goes_on_when_the_lock_is_free() {
    let database = TestDatabase::new();
    let path = database.path();
    let (waiting, waits) = channel();
    let (holds, held) = channel();
    let (waits, waiting, holds) = (Mutex::new(waits), Mutex::new(waiting), Mutex::new(holds));
    let first = holding(move || {
        holds.lock().unwrap().send(()).unwrap();
        waits.lock().unwrap().recv().unwrap();
    });
    let looked = AtomicBool::new(false);
    let second = set([("1_slow", "SELECT must_not_run()")]).lock_timeout(LONG).observe(move |event| {
        // At the second attempt, the first run may have ended.
        if let (Event::Waiting { lock, holder }, false) = (event, looked.swap(true, Ordering::Relaxed)) {
            assert!(lock.ends_with("test.db-migrate"));
            assert!(holder.contains("applying `1_slow`"), "{holder}");
            waiting.lock().unwrap().send(()).unwrap();
        }
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| first.run(&Connection::open(&path).unwrap()).unwrap());
        held.recv().unwrap();
        let second = second.run(&Connection::open(&path).unwrap()).unwrap();
        assert_eq!((second.applied.len(), second.already), (0, 1), "it looked again");
        assert_eq!(first.join().unwrap().applied.len(), 1);
    });
}

/// A migration outside a transaction is marked dirty while it runs. A program that started at this moment was refused, as if the migration
/// had failed.
#[test]
fn a_start_during_a_guarded_step_waits_for_it() {
    for more in ["", "CREATE TABLE more (a)"] {
        let database = TestDatabase::new();
        let path = database.path();
        let (release, released) = channel();
        let released = Mutex::new(released);
        let outside = |id: &'static str, work: Box<dyn Fn() + Send + Sync>| {
            let code = Migration::code(id, move |_| {
                work();
                Ok::<_, BoxError>(())
            });
            code.outside_transaction()
        };
        let impatient = Arc::new(Mutex::new(None));
        let (keep, its) = (Arc::clone(&impatient), path.clone());
        let (holds, held) = channel();
        let holds = Mutex::new(holds);
        let work = Box::new(move || {
            let other = Migration::sql("1_it", "SELECT 1").outside_transaction();
            let other = MigrationRunner::new([other]).unwrap().lock_timeout(Duration::ZERO);
            *keep.lock().unwrap() = Some(other.run(&Connection::open(&its).unwrap()).unwrap_err().kind());
            holds.lock().unwrap().send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        });
        let first = MigrationRunner::new([outside("1_it", work)]).unwrap();
        let mut set = vec![outside("1_it", Box::new(|| panic!("it must not run again")))];
        set.extend((!more.is_empty()).then(|| Migration::from_scripts("2_more", more, None)));
        let (pending, looked) = (set.len() - 1, AtomicBool::new(false));
        let release = Mutex::new(release);
        let again = move || {
            // The first run continues in either case.
            if !looked.swap(true, Ordering::Relaxed) {
                release.lock().unwrap().send(()).unwrap();
            }
        };
        let again = Arc::new(again);
        let waited = Arc::clone(&again);
        let second = MigrationRunner::new(set).unwrap().lock_timeout(LONG).observe(move |event| {
            if let Event::Waiting { .. } = event {
                waited();
            }
        });
        std::thread::scope(|scope| {
            let first = scope.spawn(|| first.run(&Connection::open(&path).unwrap()));
            held.recv().unwrap();
            let second = second.run(&Connection::open(&path).unwrap());
            again();
            assert_eq!(first.join().unwrap().unwrap().applied.len(), 1);
            match second {
                Ok(report) => assert_eq!((report.applied.len(), report.already), (pending, 1)),
                Err(error) => panic!("{error}"),
            }
        });
        assert_eq!(*impatient.lock().unwrap(), Some(ErrorKind::LockTimeout));
    }
}

#[test]
fn without_a_lock_there_is_no_file() {
    let database = TestDatabase::new();
    fs::create_dir(sidecar(&database.path())).unwrap();
    assert_eq!(impatient().run(&database.connect()).unwrap_err().kind(), ErrorKind::LockFile);
    assert_eq!(impatient().lock(Lock::Off).run(&database.connect()).unwrap().applied.len(), 1);
    assert!(sidecar(&database.path()).is_dir());

    let database = TestDatabase::new();
    set([("1_a", "SELECT 1")]).lock(Lock::Off).run(&database.connect()).unwrap();
    assert!(!sidecar(&database.path()).exists());
}

#[test]
fn a_named_lock_file_is_used_instead() {
    let (database, elsewhere) = (TestDatabase::new(), TestDatabase::new());
    let file = elsewhere.path().with_file_name("my lock");
    let lock = Lock::File(file.clone());
    let path = database.path();
    let open = {
        let path = path.clone();
        move || Connection::open(&path).unwrap()
    };
    let error = while_held(&path, &lock, open).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert!(file.is_file() && !sidecar(&path).exists());
    // It excludes all runs that share it, including those on a database in memory.
    let error = while_held(&elsewhere.path(), &lock, memory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
}

#[test]
fn any_path_of_one_file_means_the_same_lock() {
    let database = TestDatabase::new();
    let folder = database.path().parent().unwrap().canonicalize().unwrap();
    let inner = folder.join("a b 'c' \"d\" 名前 %41?#");
    fs::create_dir(&inner).unwrap();
    let real = inner.join("my notes;.db");
    drop(Connection::open(&real).unwrap().execute_batch("CREATE TABLE a (b)"));

    let up = std::env::current_dir().unwrap().components().count() - 1;
    let relative = PathBuf::from("../".repeat(up)).join(real.strip_prefix("/").unwrap_or(&real));
    let mut ways =
        vec![real.clone(), inner.join("../").join(inner.file_name().unwrap()).join("./my notes;.db")];
    if cfg!(unix) {
        ways.push(relative);
        #[cfg(unix)]
        {
            let (link, outer) = (folder.join("link.db"), folder.join("linked folder"));
            std::os::unix::fs::symlink(&real, &link).unwrap();
            std::os::unix::fs::symlink(&inner, &outer).unwrap();
            ways.extend([link, outer.join("my notes;.db")]);
        }
    }
    for way in ways {
        let open = {
            let way = way.clone();
            move || Connection::open(&way).unwrap()
        };
        Connection::open(&real).unwrap().execute_batch("DROP TABLE IF EXISTS __switchy_migrations").unwrap();
        let error = while_held(&real, &Lock::Sidecar, open).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{}", way.display());
    }
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&inner), ["my notes;.db", "my notes;.db-migrate"], "one lock");
    assert!(names(&folder).iter().all(|name| !name.to_string_lossy().contains("-migrate")));
}

#[test]
fn a_uri_means_the_file_it_names() {
    let database = TestDatabase::new();
    database.connect().execute_batch("CREATE TABLE a (b)").unwrap();
    let path = database.path();
    let uri = format!("file:{}?cache=private&mode=rw", path.display());
    let open = move || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(&uri, flags).unwrap()
    };
    let error = while_held(&path, &Lock::Sidecar, open).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert!(error.to_string().contains(sidecar(&path).to_str().unwrap()), "{error}");
}

#[test]
fn a_lock_file_that_cannot_be_had_is_named_with_the_way_out() {
    let database = TestDatabase::new();
    let path = database.path();
    fs::write(path.with_file_name("file"), "").unwrap();
    for impossible in
        [path.with_file_name("no such folder").join("lock"), path.with_file_name("file").join("lock")]
    {
        let runner = set([("1_a", "SELECT 1")]).lock(Lock::File(impossible.clone()));
        let error = runner.run(&database.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockFile);
        let text = error.to_string();
        assert!(text.contains(impossible.to_str().unwrap()), "{text}");
        assert!(text.contains("`lock(Lock::File(path))`"), "{text}");
        assert!(error.cause().unwrap().is::<std::io::Error>());
        assert_eq!(applied(&database.connect()), Vec::<String>::new());
    }
}

/// What a run found at the path of its lock file, it once emptied: a link there pointed it at any file of the user.
#[cfg(unix)]
#[test]
fn what_is_not_a_lock_file_is_neither_followed_nor_emptied() {
    use std::os::unix::fs::symlink;

    type Make<'a> = &'a dyn Fn(&Path, &Path);
    let pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    let rows: [(Make<'_>, &str); 7] = [
        (&|lock, victim| symlink(victim, lock).unwrap(), "it is a link"),
        (&|lock, victim| symlink(victim.with_file_name("missing"), lock).unwrap(), "it is a link"),
        (&|lock, _| symlink(lock, lock).unwrap(), "it is a link"),
        (&|lock, _| symlink("/dev/null", lock).unwrap(), "it is a link"),
        (&|lock, _| symlink(std::env::temp_dir(), lock).unwrap(), "it is a link"),
        (&|lock, _| pipe(lock), "it is a pipe or a device"),
        (&|lock, _| fs::create_dir(lock).unwrap(), "it is a folder"),
    ];
    for (make, what) in rows {
        let database = TestDatabase::new();
        let lock = sidecar(&database.path());
        let victim = database.path().with_file_name("victim");
        fs::write(&victim, "precious").unwrap();
        make(&lock, &victim);
        let runner = impatient();
        let error = runner.run(&database.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockFile);
        let text = error.to_string();
        assert!(text.contains(lock.to_str().unwrap()) && text.contains(what), "{text}");
        assert!(text.ends_with("; move away what is there, and run again"), "{text}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!victim.with_file_name("missing").exists());
        assert_eq!(applied(&database.connect()), Vec::<String>::new());
        // Nor does it wait for the other end of a pipe to ask who holds the lock.
        let asked = runner.lock_holder(&database.connect());
        assert!(asked.map_or(true, |holder| holder.is_none()));
        if lock.is_dir() && !lock.is_symlink() { fs::remove_dir(&lock) } else { fs::remove_file(&lock) }
            .unwrap();
        // A second name of a file is not told from the file, but its content is.
        fs::hard_link(&victim, &lock).unwrap();
        runner.run(&database.connect()).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}

#[test]
fn a_database_without_a_file_has_no_lock_file() {
    let shared = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    let open = |uri: &str| Connection::open_with_flags(uri, shared).unwrap();
    for conn in [
        memory(),
        Connection::open("").unwrap(),
        open("file:locking?mode=memory&cache=shared"),
        open("file::memory:?cache=private"),
        open("file:/locking?vfs=memdb"),
    ] {
        assert_eq!(set([("1_a", "SELECT 1")]).run(&conn).unwrap().applied.len(), 1);
    }
    for folder in [".", "/"] {
        let mut names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.find(|name| name.to_string_lossy().ends_with("-migrate")), None, "in {folder}");
    }
}

/// If a lock *row* or the existence of a file were the lock, a crash would lock the program out for ever.
#[test]
fn what_a_dead_process_left_behind_is_no_lock() {
    let ours: [&[u8]; 4] = [
        b"",
        b"1700000000\npid 999999 on desk\napplying `1_slow`\n",
        b"17\npid 1\napplying `a\nb`\nlg `x`\n",
        &[0; 60],
    ];
    // What no run has written is somebody's, and stays: a file with a process id, for example.
    let other: [&[u8]; 8] = [
        b"1",
        b"4711\n",
        b"1790000000\npid 12",
        b"99999999999999999999999\n\n\n\n",
        b"\xff\xfe\0\0",
        &vec![b'x'; 100_000],
        b"17\nprecious",
        b"17\npid 1\nprecious",
    ];
    for (text, left) in ours.map(|text| (text, &b""[..])).into_iter().chain(other.map(|text| (text, text))) {
        let database = TestDatabase::new();
        fs::write(sidecar(&database.path()), text).unwrap();
        assert_eq!(impatient().run(&database.connect()).unwrap().applied.len(), 1);
        assert_eq!(fs::read(sidecar(&database.path())).unwrap(), left);
    }
}

#[test]
fn a_holder_that_says_nothing_sensible_is_still_a_holder() {
    for text in [
        "",
        "\n\n\n",
        "soon\npid\nwhat\n",
        "99999999999999999999999\npid 1\nx\n",
        "18446744073709551615\npid 1\nx",
    ] {
        let database = TestDatabase::new();
        let path = database.path();
        let open = {
            let path = path.clone();
            move || {
                fs::write(sidecar(&path), text).unwrap();
                Connection::open(&path).unwrap()
            }
        };
        let error = while_held(&path, &Lock::Sidecar, open).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{text:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn an_error_and_a_panic_free_the_lock() {
    let endings: [fn() -> Result<(), BoxError>; 2] = [|| Err("no".into()), || panic!("on purpose")];
    for ending in endings {
        let database = TestDatabase::new();
        let conn = database.connect();
        let runner = MigrationRunner::new([Migration::code("1_slow", move |_| ending())]).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| runner.run(&conn)));
        assert!(!matches!(outcome, Ok(Ok(_))));
        // The first connection is still open.
        assert_eq!(impatient().run(&database.connect()).unwrap().applied.len(), 1);
    }
}

#[test]
fn any_time_to_wait_can_be_given() {
    for timeout in [Duration::MAX, Duration::from_nanos(1), Duration::ZERO] {
        let database = TestDatabase::new();
        let runner = set([("1_a", "SELECT 1")]).lock_timeout(timeout);
        assert_eq!(runner.run(&database.connect()).unwrap().applied.len(), 1);
    }
}

#[test]
fn databases_in_one_folder_do_not_wait_for_each_other() {
    let database = TestDatabase::new();
    let neighbour = database.path().with_file_name("other.db");
    while_held(&database.path(), &Lock::Sidecar, move || Connection::open(&neighbour).unwrap()).unwrap();
}

#[test]
fn another_writer_is_waited_for() {
    for mode in ["wal", "delete"] {
        let database = TestDatabase::new();
        let other = database.connect();
        rows(&other, &format!("PRAGMA journal_mode = {mode}"));
        other
            .execute_batch("CREATE TABLE theirs (a); BEGIN IMMEDIATE; INSERT INTO theirs VALUES (1)")
            .unwrap();
        let runner = set([("1_a", "CREATE TABLE a AS SELECT a FROM theirs")]);

        let conn = database.connect();
        conn.busy_timeout(Duration::ZERO).unwrap();
        let error = set([("1_a", "CREATE TABLE a (b)")])
            .lock_timeout(Duration::from_millis(30))
            .run(&conn)
            .unwrap_err();
        assert!(error.to_string().contains("database is locked"), "{error}");
        assert!(error.to_string().contains("try again when the other connection has finished"), "{error}");
        assert!(conn.is_autocommit());

        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let conn = database.connect();
                conn.busy_timeout(Duration::ZERO).unwrap();
                runner.lock_timeout(LONG).run(&conn).unwrap().applied.len()
            });
            std::thread::sleep(Duration::from_millis(30));
            other.execute_batch("COMMIT").unwrap();
            assert_eq!(run.join().unwrap(), 1);
        });
        assert_eq!(database.rows("SELECT a FROM a"), ["1"], "{mode}");
    }
}

/// A step begins with a record, or with its transaction.
#[test]
fn the_limit_of_a_step_on_waits_for_locks_is_for_its_beginning_too() {
    for is_outside in [false, true] {
        let database = TestDatabase::new();
        let (other, conn) = (database.connect(), database.connect());
        conn.busy_timeout(Duration::ZERO).unwrap();
        let step = Migration::sql("1_a", "CREATE TABLE a (b)").lock_timeout(Duration::from_millis(20));
        let step = if is_outside { step.outside_transaction() } else { step };
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::scope(|scope| {
            let (has_ended, end) = channel::<()>();
            scope.spawn(move || {
                let _ = end.recv_timeout(Duration::from_secs(600));
                other.execute_batch("ROLLBACK").unwrap();
            });
            let runner = MigrationRunner::new([step]).unwrap().lock_timeout(LONG);
            let error = runner.run(&conn).unwrap_err();
            assert!(error.to_string().contains("database is locked"), "{error}");
            drop(has_ended);
        });
    }
}

/// Without a WAL, a reader does not block the start of a transaction, but blocks its commit.
#[test]
fn a_reader_in_the_way_of_the_commit_undoes_the_step() {
    let database = TestDatabase::new();
    let reader = database.connect();
    reader.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1); BEGIN").unwrap();
    rows(&reader, "SELECT * FROM theirs");
    let conn = database.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    for lock in [Lock::Sidecar, Lock::Off] {
        let runner = set([("1_a", "CREATE TABLE a (b)")]).lock(lock).lock_timeout(Duration::from_millis(20));
        let error = runner.run(&conn).unwrap_err();
        assert!(error.to_string().contains("database is locked"), "{error}");
        assert!(error.to_string().contains("nothing of it was kept"), "{error}");
        assert!(conn.is_autocommit());
        assert_eq!(applied(&conn), Vec::<String>::new());
    }
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(set([("1_a", "CREATE TABLE a (b)")]).run(&conn).unwrap().applied.len(), 1);
}

#[test]
fn whoever_asks_is_told_who_holds_the_lock_and_takes_nothing() {
    let database = TestDatabase::new();
    let path = database.path();
    assert_eq!(impatient().lock_holder(&database.connect()).unwrap(), None);
    assert!(!sidecar(&path).exists(), "looking makes no file");

    let said = Arc::new(Mutex::new(Vec::new()));
    let (keep, its) = (Arc::clone(&said), path.clone());
    let work = move || {
        let conn = Connection::open(&its).unwrap();
        keep.lock().unwrap().push(impatient().lock_holder(&conn).unwrap().unwrap());
    };
    holding(work).run(&database.connect()).unwrap();
    let said = said.lock().unwrap();
    assert!(said[0].starts_with(&format!("pid {}", std::process::id())), "{said:?}");
    assert!(said[0].ends_with("applying `1_slow`"), "{said:?}");
    assert_eq!(impatient().lock_holder(&database.connect()).unwrap(), None);
    assert_eq!(impatient().lock(Lock::Off).lock_holder(&database.connect()).unwrap(), None);
}

/// SQLite has one lock, so the limit of a migration replaces the hour that the run would wait for it.
#[test]
fn a_migration_waits_for_other_writers_no_longer_than_it_may() {
    for is_outside in [false, true] {
        let database = TestDatabase::new();
        let (conn, other) = (database.connect(), database.connect());
        conn.busy_timeout(Duration::ZERO).unwrap();
        set([("0_first", "CREATE TABLE t (a)")]).run(&conn).unwrap();
        let migration = || {
            let migration = Migration::sql("1_it", "INSERT INTO t VALUES (1)");
            if is_outside { migration.outside_transaction() } else { migration }
        };
        let first = || Migration::sql("0_first", "CREATE TABLE t (a)");
        let short = Duration::from_millis(10);
        let of_metadata = MigrationRunner::new([first(), migration().lock_timeout(short)]).unwrap();
        let of_runner = MigrationRunner::new([first(), migration()]).unwrap().statement_lock_timeout(short);
        for it in [of_metadata, of_runner] {
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let error = it.lock_timeout(LONG).run(&conn).unwrap_err();
            assert_eq!(error.fault(), Some(FaultKind::Busy), "{error}");
            assert!(!error.to_string().contains("tried"), "{error}");
            other.execute_batch("ROLLBACK").unwrap();
            assert_eq!(applied(&conn), ["0_first"]);
        }
    }
}
