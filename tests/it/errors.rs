//! The texts of errors. They are for people, and all of them are listed here.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows};
use switchy_schema::{
    BoxError, Dialect, ErrorKind, ForeignKeys, Hooks, Migration, MigrationError, MigrationRunner, Target,
    TransactionMode,
};

use crate::execution::{memory, set};
use crate::sentences::is_one_sentence;

/// The error of a folder with these files.
fn source<const N: usize>(files: [(&str, &[u8]); N]) -> MigrationError {
    let folder =
        files.iter().fold(TestMigrationBuilder::new(), |folder, (path, bytes)| folder.file(path, bytes));
    MigrationRunner::new_directory(folder.path()).unwrap_err()
}

/// The error of one `metadata.toml`.
fn metadata(text: &str) -> MigrationError {
    source([("1_it/up.sql", b""), ("1_it/metadata.toml", text.as_bytes())])
}

/// The error of a run on a database with a table, whose `baseline_if` fails like this.
fn older(no: fn() -> BoxError) -> MigrationError {
    let conn = memory();
    conn.execute_batch("CREATE TABLE it (a)").unwrap();
    let runner = MigrationRunner::new([Migration::sql("1_it", "")]).unwrap();
    runner.baseline_if(move |_| Err(no()), "1_it").run(&conn).unwrap_err()
}

fn sets(migrations: impl Into<Vec<Migration>>) -> MigrationError {
    MigrationRunner::new(migrations.into()).unwrap_err()
}

/// The error of a script in a file, on a connection, with its metadata.
fn file(conn: &Connection, up: &str, metadata: &str) -> MigrationError {
    let folder = TestMigrationBuilder::new().migration("1_it", up).metadata("1_it", metadata);
    folder.runner().lock_timeout(Duration::ZERO).run(conn).unwrap_err()
}

/// The error of a script in a file.
fn step(up: &str) -> MigrationError {
    file(&memory(), up, "")
}

/// The error of a run after a first set was applied and SQL was run on the database.
fn then<const N: usize>(
    first: [(&'static str, &'static str); N],
    sql: &str,
    second: &MigrationRunner,
) -> MigrationError {
    let conn = memory();
    set(first).run(&conn).unwrap();
    conn.execute_batch(sql).unwrap();
    second.run(&conn).unwrap_err()
}

const PARENT: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1), (2);
    CREATE TABLE c (p REFERENCES p ON DELETE CASCADE ON UPDATE SET NULL); INSERT INTO c VALUES (1), (1), (2)";

fn keys(up: &str, metadata: &str) -> MigrationError {
    let conn = memory();
    conn.execute_batch(PARENT).unwrap();
    file(&conn, up, metadata)
}

fn in_batch(second: Migration) -> MigrationError {
    let set = [Migration::sql("1_a", ""), second];
    MigrationRunner::new(set).unwrap().transaction(TransactionMode::Batch).run(&memory()).unwrap_err()
}

fn hook(hooks: Hooks, non_transactional: bool) -> MigrationError {
    let it = Migration::sql("1_it", "CREATE TABLE a (b)");
    let it = if non_transactional { it.outside_transaction() } else { it };
    MigrationRunner::new([it]).unwrap().hooks(hooks).run(&memory()).unwrap_err()
}

fn code<E: Into<BoxError> + 'static>(work: fn(&Connection) -> Result<(), E>) -> MigrationError {
    MigrationRunner::new([Migration::code("1_it", work)]).unwrap().run(&memory()).unwrap_err()
}

fn failing(down: &'static str) -> MigrationError {
    let conn = memory();
    let folder = TestMigrationBuilder::new().reversible("1_it", "", down);
    folder.runner().run(&conn).unwrap();
    folder.runner().run_to(&conn, Target::Empty).unwrap_err()
}

fn locked(text: Option<&'static str>) -> MigrationError {
    let database = TestDatabase::new();
    let (path, (give, take)) = (database.path(), std::sync::mpsc::channel());
    let give = std::sync::Mutex::new(give);
    let holder = Migration::code("1_it", move |_| {
        if let Some(text) = text {
            std::fs::write(path.with_file_name("test.db-migrate"), text)?;
        }
        let second =
            set([("1_it", "")]).lock_timeout(Duration::from_millis(20)).run(&Connection::open(&path)?);
        give.lock().unwrap().send(second.unwrap_err()).unwrap();
        Ok::<_, BoxError>(())
    });
    MigrationRunner::new([holder]).unwrap().run(&database.connect()).unwrap();
    take.recv().unwrap()
}

fn busy() -> MigrationError {
    let database = TestDatabase::new();
    let other = database.connect();
    other.execute_batch("CREATE TABLE theirs (a); BEGIN IMMEDIATE").unwrap();
    let conn = database.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    file(&conn, "CREATE TABLE a (b)", "")
}

fn unreadable(content: &[u8], begin: &str) -> MigrationError {
    let database = TestDatabase::new();
    std::fs::write(database.path(), content).unwrap();
    let other = database.connect();
    let _ = other.execute_batch(begin);
    let conn = database.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    set([("1_it", "")]).lock_timeout(Duration::ZERO).run(&conn).unwrap_err()
}

fn read_only() -> MigrationError {
    let database = TestDatabase::new();
    database.connect().execute_batch("CREATE TABLE a (b)").unwrap();
    file(&Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap(), "", "")
}

fn full() -> MigrationError {
    let conn = memory();
    rows(&conn, "PRAGMA max_page_count = 5");
    file(&conn, "CREATE TABLE a (b);\nINSERT INTO a SELECT randomblob(100000)", "")
}

fn interrupted() -> MigrationError {
    let conn = memory();
    let handle = conn.get_interrupt_handle();
    conn.create_scalar_function("stop", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        handle.interrupt();
        Ok(1)
    })
    .unwrap();
    file(&conn, "CREATE TABLE a AS SELECT stop() UNION SELECT 2", "")
}

fn journal_mode_kept() -> MigrationError {
    let conn = Connection::open("").unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
    let database = TestDatabase::new();
    let conn_of_file = database.connect();
    drop(conn);
    file(&conn_of_file, "CREATE TABLE a (b);\nPRAGMA journal_mode = WAAL", "run_in_transaction = false")
}

fn swallowed() -> MigrationError {
    let sql = "CREATE TRIGGER t BEFORE INSERT ON __switchy_migrations BEGIN SELECT RAISE(IGNORE); END";
    let conn = memory();
    set([("0_before", "")]).run(&conn).unwrap();
    conn.execute_batch(sql).unwrap();
    let folder = TestMigrationBuilder::new().migration("0_before", "").migration("1_it", "");
    folder.runner().run(&conn).unwrap_err()
}

fn stale(second: &MigrationRunner) -> MigrationError {
    let conn = memory();
    let plan = set([("1_a", "SELECT 1"), ("2_b", "")]).plan(&conn, Target::Latest).unwrap();
    if second.list().len() == 1 {
        return second.apply(&conn, plan).unwrap_err();
    }
    second.run(&conn).unwrap();
    second.apply(&conn, plan).unwrap_err()
}

fn failing_in_the_middle(down: &'static str) -> MigrationError {
    let conn = memory();
    let folder = TestMigrationBuilder::new()
        .reversible("1_it", "CREATE TABLE a (b)", down)
        .metadata("1_it", "run_in_transaction = false");
    folder.runner().run(&conn).unwrap();
    folder.runner().run_to(&conn, Target::Empty).unwrap_err();
    folder.runner().run(&conn).unwrap_err()
}

fn open_statement() -> MigrationError {
    let conn = memory();
    conn.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1), (2)").unwrap();
    let mut open = conn.prepare("SELECT b FROM a").unwrap();
    let mut open = open.query([]).unwrap();
    open.next().unwrap();
    file(&conn, "DROP TABLE a", "")
}

fn legacy_and_unfinished() -> MigrationError {
    let conn = memory();
    conn.execute_batch(include_str!("../fixtures/legacy/unfinished.sql")).unwrap();
    conn.execute_batch("DELETE FROM __switchy_migrations WHERE id LIKE '%posts'").unwrap();
    set([("2024-01-05-120000_users", ""), ("2024-03-01-080000_tags", "")]).run(&conn).unwrap_err()
}

#[cfg(unix)]
fn looping() -> MigrationError {
    let folder = TestMigrationBuilder::new().migration("1_it", "");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("1_it/again")).unwrap();
    MigrationRunner::new_directory(folder.path()).unwrap_err()
}

fn open_transaction() -> MigrationError {
    let conn = memory();
    conn.execute_batch("BEGIN").unwrap();
    set([("1_a", "")]).run(&conn).unwrap_err()
}

fn unknown(id: &str) -> MigrationError {
    let runner = set([("2026-01-01-000000_users", ""), ("2026-02-01-000000_posts", "")]);
    runner.run_to(&memory(), Target::Through(id.into())).unwrap_err()
}

fn lock_file() -> MigrationError {
    let database = TestDatabase::new();
    std::fs::create_dir(database.path().with_file_name("test.db-migrate")).unwrap();
    set([("1_a", "")]).run(&database.connect()).unwrap_err()
}

/// A database with a table, and a migration that is pending.
fn pending_on_a_file() -> (TestDatabase, MigrationRunner) {
    let database = TestDatabase::new();
    database.connect().execute_batch("CREATE TABLE theirs (a)").unwrap();
    (database, set([("1_a", "")]))
}

fn snapshot_note() -> MigrationError {
    let (database, runner) = pending_on_a_file();
    std::fs::write(database.path().with_file_name("test.db-migrate-intent"), "a letter").unwrap();
    runner.snapshot(switchy_schema::Snapshot::Always).run(&database.connect()).unwrap_err()
}

fn snapshot_of_an_exclusive_connection() -> MigrationError {
    let (database, runner) = pending_on_a_file();
    let conn = database.connect();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
    runner.snapshot(switchy_schema::Snapshot::Always).run(&conn).unwrap_err()
}

fn table_name(name: &str) -> MigrationError {
    set([]).table_name(name).unwrap_err()
}

fn needs(needed: Migration, environment: Option<&str>) -> MigrationError {
    let runner = MigrationRunner::new([needed, Migration::sql("2_b", "").depends_on("1_a")]).unwrap();
    let runner = if let Some(environment) = environment { runner.environment(environment) } else { runner };
    runner.run(&memory()).unwrap_err()
}

fn irreversible(it: Migration) -> MigrationError {
    let conn = memory();
    set([("1_it", "")]).run(&conn).unwrap();
    MigrationRunner::new([it]).unwrap().run_to(&conn, Target::Empty).unwrap_err()
}

/// The error of an adoption that is refused.
#[cfg(feature = "adopt")]
fn adoption(sql: &str) -> MigrationError {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(sql).unwrap();
    let runner = MigrationRunner::new([Migration::sql("1_it", "CREATE TABLE a (b)")]).unwrap();
    let planned = runner.plan_adoption(&conn, &switchy_schema::Adopt::new());
    planned
        .and_then(|adoption| runner.adopt(&conn, adoption, switchy_schema::Signature::of("ada")))
        .unwrap_err()
}

/// All errors, with their kinds and texts.
#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn all_errors() -> Vec<(MigrationError, ErrorKind, &'static str)> {
    use ErrorKind::{Database, Hook, LockFile, LockTimeout, OpenTransaction, Refused, Set, Snapshot, Source, Stale, Step, Stopped, TableName, UnknownMigration};
    let non_transactional = "run_in_transaction = false";
    let (on, no) = ("foreign_keys = \"on\"", || -> BoxError { "no, never".into() });
    #[allow(unused_mut)]
    let mut all = vec![
        (MigrationRunner::new_directory(TestDatabase::new().path()).unwrap_err(), Source,
            "there is no folder FOLDER/test.db; check the path, or create it"),
        (MigrationRunner::new_directory(file!()).unwrap_err(), Source,
            "CODE it is not a folder; check the path"),
        (older(no), Hook,
            "the function of `baseline_if` for migration `1_it` failed: no, never; let it only read, and return `false` if what it looks for is missing"),
        (source([("1_it/up.sql", b"SELECT '\xff'")]), Source,
            "FOLDER/1_it/up.sql: it is not UTF-8 text from byte 8 on; save it as UTF-8"),
        (source([("1_it/up.sql", b"SELECT\n 1 \0")]), Source,
            "FOLDER/1_it/up.sql:2:4: it holds a NUL byte, where SQL would end; remove it"),
        (source([("1_it/metadata.toml", b"")]), Source,
            "FOLDER/1_it/metadata.toml: it describes no migration, there is no up.sql beside it; add the script, or remove this file"),
        (source([("1_it/metadata.toml", b"")]), Source,
            "FOLDER/1_it/metadata.toml: it describes no migration, there is no up.sql beside it; add the script, or remove this file"),
        (source([("1_it/up.oracle.sql", b"")]), Source,
            "FOLDER/1_it/up.oracle.sql: `oracle` is no database that it could be for; use sqlite, postgres or mysql"),
        (metadata("descripton = \"x\""), Source,
            "FOLDER/1_it/metadata.toml:1:1: unknown field `descripton`, expected one of `description`, `depends_on`, `depends_on_if_present`, `run_in_transaction`, `foreign_keys`, `lock_timeout`, `environments`, `databases`, `accepted`, `allow`, `placeholders`; docs/format.md lists the keys of metadata.toml"),
        (metadata("description = 7"), Source,
            "FOLDER/1_it/metadata.toml:1:15: invalid type: integer `7`, expected a string; docs/format.md lists the keys of metadata.toml"),
        (metadata("description = \"x"), Source,
            "FOLDER/1_it/metadata.toml:1:17: invalid basic string, expected `\"`; docs/format.md lists the keys of metadata.toml"),
        (metadata("run_in_transaction = \"no\""), Source,
            "FOLDER/1_it/metadata.toml:1:22: invalid type: string \"no\", expected a boolean; docs/format.md lists the keys of metadata.toml"),
        (metadata("foreign_keys = \"maybe\""), Source,
            "FOLDER/1_it/metadata.toml:1:16: unknown variant `maybe`, expected one of `checked`, `on`, `off`; docs/format.md lists the keys of metadata.toml"),
        (metadata("databases = [\"sqlite\", \"oracle\"]"), Source,
            "FOLDER/1_it/metadata.toml:1:24: `oracle` is no database that it could be for; docs/format.md lists the keys of metadata.toml"),
        (metadata("accepted = [\"abc\"]"), Source,
            "FOLDER/1_it/metadata.toml:1:13: a checksum is 64 hexadecimal digits; docs/format.md lists the keys of metadata.toml"),
        (metadata("allow = [\"everything\"]"), Source,
            "FOLDER/1_it/metadata.toml:1:10: unknown variant `everything`, expected one of `cascade`, `destructive`, `rebuild`, `down-part`; docs/format.md lists the keys of metadata.toml"),
        (source([("1_it/up.sql", b""), ("old/1_it/up.sql", b"")]), Set,
            "`1_it` is defined twice, in FOLDER/1_it/up.sql and in FOLDER/old/1_it/up.sql; rename one of them"),
        (source([("1_it/up.sql", b""), ("1_it.sql", b"")]), Set,
            "`1_it` is defined twice, in FOLDER/1_it.sql and in FOLDER/1_it/up.sql; rename one of them"),
        (sets([Migration::sql("1_a", ""), Migration::sql("1_a", "")]), Set,
            "`1_a` is defined twice, in CODE and in CODE; rename one of them"),
        (sets([Migration::sql("", "")]), Set,
            "`` is no id, in CODE; name it"),
        (sets([Migration::sql("1\n2", "")]), Set,
            "`1\\n2` holds a control character, in CODE; rename it"),
        (sets([Migration::sql("1_users", ""), Migration::sql("2_posts", "").depends_on("1_user")]), Set,
            "`2_posts` needs `1_user`, which is not in the set, the nearest is `1_users`; add it, correct the name, or use depends_on_if_present"),
        (sets([Migration::sql("2_posts", "").depends_on("zzz")]), Set,
            "`2_posts` needs `zzz`, which is not in the set; add it, correct the name, or use depends_on_if_present"),
        (sets([Migration::sql("1_a", "").depends_on("2_b"), Migration::sql("2_b", "").depends_on("1_a")]), Set,
            "`1_a` needs itself: `1_a -> 2_b -> 1_a`; remove one depends_on of these"),
        (sets([Migration::sql("1_a", "").depends_on("1_a")]), Set,
            "`1_a` needs itself: `1_a -> 1_a`; remove one depends_on of these"),
        (sets([Migration::sql("1_a", "").depends_on("x"), Migration::sql(" ", "")]), Set,
            "2 problems: (1) ` ` is no id, in CODE; name it; (2) `1_a` needs `x`, which is not in the set; add it, correct the name, or use depends_on_if_present"),
        (table_name(""), TableName,
            "`` cannot name the tracking table: it is empty; choose another name"),
        (table_name("a\nb"), TableName,
            "`a\\nb` cannot name the tracking table: it holds a control character; choose another name"),
        (table_name("sqlite_mine"), TableName,
            "`sqlite_mine` cannot name the tracking table: SQLite keeps names that begin with `sqlite_` for itself; choose another name"),
        (table_name(&"x".repeat(64)), TableName,
            "`xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` cannot name the tracking table: it is longer than 59 bytes; choose another name"),
        (unknown("2026-01-01-000000_user"), UnknownMigration,
            "there is no migration `2026-01-01-000000_user`, the nearest is `2026-01-01-000000_users`; nothing was done; `list` returns the known ids"),
        (unknown("x"), UnknownMigration,
            "there is no migration `x`; nothing was done; `list` returns the known ids"),
        (then([("1_a", ""), ("2_newer", "")], "", &set([("1_a", "")])), Refused,
            "nothing was done: `2_newer` was applied to this database at DATE UTC and this program does not know it; use the newer version of the program that applied it, or put its file back if it was removed"),
        (then([("1_a", "SELECT 1")], "", &set([("1_a", "SELECT 2")])), Refused,
            "nothing was done: `1_a` was changed after it was applied: applied as HASH, now HASH in CODE; put the applied text back and write a new migration, or if the change means nothing, set accepted = [\"HASH\"] in its metadata to accept the old text, or call `recover` with `Recovery::Accept` to accept it only in this database"),
        (then([("1_a", "")], "UPDATE __switchy_migrations SET dirty = 1, basis = NULL", &set([("1_a", "")])), Refused,
            "nothing was done: `1_a` began at DATE UTC and did not finish; see what its script did, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        (then([("1_a", "")], "UPDATE __switchy_migrations SET dirty = 1, statement = 3, failure = 'no such table: x', basis = NULL", &set([("1_a", "")])), Refused,
            "nothing was done: `1_a` began at DATE UTC and did not finish, at statement 3 of its script: no such table: x; see what its script did, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        (failing_in_the_middle("DROP TABLE a; SELEKT"), Refused,
            "nothing was done: `1_it` began to be undone and did not finish, at statement 2 of 2 of its script: near \"SELEKT\": syntax error; see what its script did, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is undone by hand"),
        (legacy_and_unfinished(), Refused,
            "nothing was done: `2024-03-01-080000_tags` began at DATE UTC and did not finish; see what its script did, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        (then([("1_a", ""), ("2_b", "")], "", &set([("1_a", "changed")])), Refused,
            "nothing was done: 2 problems: (1) `2_b` was applied to this database at DATE UTC and this program does not know it; use the newer version of the program that applied it, or put its file back if it was removed; (2) `1_a` was changed after it was applied: applied as HASH, now HASH in CODE; put the applied text back and write a new migration, or if the change means nothing, set accepted = [\"HASH\"] in its metadata to accept the old text, or call `recover` with `Recovery::Accept` to accept it only in this database"),
        (needs(Migration::sql("1_a", "").only_on([Dialect::Postgres]), None), Refused,
            "nothing was done: `2_b` needs `1_a`, which is not for sqlite without an environment; limit both to the same databases and environments, or use depends_on_if_present"),
        (needs(Migration::sql("1_a", "").environments(["staging"]), Some("production")), Refused,
            "nothing was done: `2_b` needs `1_a`, which is not for sqlite in the environment `production`; limit both to the same databases and environments, or use depends_on_if_present"),
        (irreversible(Migration::sql("1_it", "")), Refused,
            "nothing was done: `1_it` has nothing that undoes it; give it one with `Migration::reversible` or `undo`, or go back less far"),
        (irreversible(Migration::sql("1_it", "").only_on([Dialect::Mysql])), Refused,
            "nothing was done: `1_it` has no script for sqlite; give it one with `Migration::reversible` or `undo`, or go back less far"),
        (in_batch(Migration::sql("2_b", "").outside_transaction()), Refused,
            "nothing was done: `2_b` runs outside a transaction, and this run is a single transaction; run with `TransactionMode::PerMigration`, or first run the migrations before it, then this one alone"),
        (in_batch(Migration::sql("2_b", "").foreign_keys(ForeignKeys::Enforced)), Refused,
            "nothing was done: `2_b` enforces foreign keys differently from the first step, and a transaction has only one setting; run with `TransactionMode::PerMigration`, or first run the migrations before it, then this one alone"),
        (stale(&set([("1_a", "SELECT 1"), ("2_b", "")])), Stale,
            "the database changed since the plan was made; nothing was done; make a new plan"),
        (stale(&set([("1_a", "SELECT 2")])), Stale,
            "the migrations of this runner are not those of the plan (`1_a`); nothing was done; make a new plan"),
        (open_transaction(), OpenTransaction,
            "the connection is inside a transaction; commit or roll back first, because each migration needs a transaction of its own"),
        (step("CREATE TABLE a (b);\nSELEKT 1"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:2:1 in `SELEKT 1`: near \"SELEKT\": syntax error; nothing of it was kept; correct it and run again"),
        (step("CREATE TABLE a (b);\nINSERT INTO aa\nVALUES (1);"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:2:1 in `INSERT INTO aa VALUES (1);`: no such table: aa; nothing of it was kept; correct it and run again"),
        (step("CREATE TABLE a (b UNIQUE); INSERT INTO a VALUES (1), (1)"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:28 in `INSERT INTO a VALUES (1), (1)`: UNIQUE constraint failed: a.b; nothing of it was kept; the rows are the cause: several of them have the same values there, so merge or change them first"),
        (step("SELECT 'open"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:8 in `SELECT 'open`: unrecognized token: \"'open\"; nothing of it was kept; correct it and run again"),
        (step("CREATE TABLE a (b);\nINSERT INTO a VALUES (:b)"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:2:1 in `INSERT INTO a VALUES (:b)`: it has a parameter, and a script has no values for one; nothing of it was kept; write the value, or put quotes around it if it is text"),
        (open_statement(), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `DROP TABLE a`: database table is locked; nothing of it was kept; end the statements that are open on this connection, and run again"),
        (step("SELECT 1; BEGIN; CREATE TABLE a (b); COMMIT"), Refused,
            "nothing was done: `1_it` begins a transaction, and it already runs in one, at FOLDER/1_it/up.sql:1:11 in `BEGIN;`; remove its BEGIN and COMMIT, since each migration already is one transaction, or set run_in_transaction = false in its metadata so that its transactions are its own"),
        (step("CREATE TABLE a (b); COMMIT"), Refused,
            "nothing was done: `1_it` would end the transaction that it runs in, at FOLDER/1_it/up.sql:1:21 in `COMMIT`; remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction"),
        (step("COMMIT; CREATE TABLE a (b); BEGIN"), Refused,
            "nothing was done: `1_it` would end the transaction that it runs in, at FOLDER/1_it/up.sql:1:1 in `COMMIT;`; remove its COMMIT and BEGIN, since each migration already is one transaction, or set run_in_transaction = false in its metadata to run it without one, and these two are passed over"),
        (step("CREATE TABLE a (b UNIQUE); INSERT OR ROLLBACK INTO a VALUES (1), (1)"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:28 in `INSERT OR ROLLBACK INTO a VALUES (1), (1)`: UNIQUE constraint failed: a.b; nothing of it was kept; the rows are the cause: several of them have the same values there, so merge or change them first"),
        (step("SELECT 1; VACUUM"), Refused,
            "nothing was done: `1_it` has a statement that cannot run in a transaction, at FOLDER/1_it/up.sql:1:11 in `VACUUM`; move that statement into a migration of its own, which then runs outside a transaction, or set run_in_transaction = false in its metadata to run all of its statements so"),
        (file(&TestDatabase::new().connect(), "SELECT 1; PRAGMA journal_mode = WAL", ""), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:11 in `PRAGMA journal_mode = WAL`: the journal mode cannot change from `delete` to `WAL` in a transaction; nothing of it was kept; set run_in_transaction = false in its metadata"),
        (journal_mode_kept(), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:2:1 in `PRAGMA journal_mode = WAAL`: the journal mode is still `delete`, not `WAAL`; it runs outside a transaction, so what it did before stays and it is marked dirty; close other connections to the file, and check that its file system can do this, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        (file(&memory(), "CREATE TABLE a (b); SELEKT", non_transactional), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:21 in `SELEKT`: near \"SELEKT\": syntax error; it runs outside a transaction, so what it did before stays and it is marked dirty; correct it, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        (file(&memory(), "SELEKT", non_transactional), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `SELEKT`: near \"SELEKT\": syntax error; nothing of it was kept; correct it and run again"),
        (file(&memory(), "CREATE TABLE a (b); BEGIN", non_transactional), Refused,
            "nothing was done: `1_it` begins a transaction and does not end it, at FOLDER/1_it/up.sql:1:21 in `BEGIN`; remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction"),
        (file(&memory(), "CREATE TABLE a (b); SAVEPOINT s", non_transactional), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql: it left a transaction open, which was rolled back; it runs outside a transaction, so what it did before stays and it is marked dirty; end it with COMMIT, then call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        (then([], "", &set([("1_a", ""), ("2_b", "SELEKT")])), Step,
            "migration `2_b` failed at CODE, in its script at 1:1 in `SELEKT`: near \"SELEKT\": syntax error; nothing of it was kept, 1 step before it was done and kept; correct it and run again"),
        (then([], "", &set([("1_a", ""), ("2_b", ""), ("3_c", "SELEKT")])), Step,
            "migration `3_c` failed at CODE, in its script at 1:1 in `SELEKT`: near \"SELEKT\": syntax error; nothing of it was kept, 2 steps before it were done and kept; correct it and run again"),
        (failing("SELEKT"), Step,
            "rollback of `1_it` failed at FOLDER/1_it/down.sql:1:1 in `SELEKT`: near \"SELEKT\": syntax error; nothing of it was kept; correct it and run again"),
        (keys("DELETE FROM p WHERE id = 2", ""), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql: afterwards 1 row of `c` would reference missing rows of `p`; nothing of it was kept; give `p` the rows that they need (in this script, or in a later one, which then is one transaction with it), set foreign_keys = \"off\" in its metadata to accept them as they are, or delete them in this script if they may go"),
        (keys("DELETE FROM p", ""), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql: afterwards 3 rows of `c` would reference missing rows of `p`; nothing of it was kept; give `p` the rows that they need (in this script, or in a later one, which then is one transaction with it), set foreign_keys = \"off\" in its metadata to accept them as they are, or delete them in this script if they may go"),
        (keys("DROP TABLE p; CREATE TABLE p (id); INSERT INTO p VALUES (1), (2)", ""), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql: afterwards the rows of `c` reference columns that are not there or not unique; nothing of it was kept; give the parent table these columns with a PRIMARY KEY or UNIQUE constraint, or change the key"),
        (keys("DELETE FROM p WHERE id = 2", on), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `DELETE FROM p WHERE id = 2`: its foreign key actions delete a row of `c`; nothing of it was kept; remove foreign_keys = \"on\" from its metadata to keep them, or set allow = [\"cascade\"] in its metadata if that is meant"),
        (keys("DROP TABLE p", on), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `DROP TABLE p`: its foreign key actions delete 3 rows of `c`; nothing of it was kept; remove foreign_keys = \"on\" from its metadata to keep them, or set allow = [\"cascade\"] in its metadata if that is meant"),
        (keys("UPDATE p SET id = 9 WHERE id = 1", on), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `UPDATE p SET id = 9 WHERE id = 1`: its foreign key actions change rows of `c`; nothing of it was kept; remove foreign_keys = \"on\" from its metadata to keep them, or set allow = [\"cascade\"] in its metadata if that is meant"),
        (keys("PRAGMA foreign_keys = OFF", on), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `PRAGMA foreign_keys = OFF`: it switches off the enforcement of foreign keys that it asked for; nothing of it was kept; remove the pragma, or remove foreign_keys = \"on\" from its metadata"),
        (keys("INSERT INTO c VALUES (9)", on), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `INSERT INTO c VALUES (9)`: FOREIGN KEY constraint failed; nothing of it was kept; correct it and run again"),
        (step("DELETE FROM __switchy_migrations; INSERT INTO __switchy_migrations (name) VALUES ('x')"), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql: it changes the tracking table `__switchy_migrations`; nothing of it was kept; leave that table to the engine, and run again"),
        (swallowed(), Database,
            "cannot write the records of `__switchy_migrations`: writing the record of `1_it` changed 0 rows, not one; nothing was done; remove what prevents it and run again"),
        (busy(), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql: database is locked; nothing of it was kept; try again when the other connection has finished"),
        (read_only(), Database,
            "cannot make the table of `__switchy_migrations`: attempt to write a readonly database; nothing was done; make the file and its folder writable, or open it for writing"),
        (full(), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:2:1 in `INSERT INTO a SELECT randomblob(100000)`: database or disk is full; nothing of it was kept; make room on the disk and run again"),
        (interrupted(), Step,
            "migration `1_it` failed at FOLDER/1_it/up.sql:1:1 in `CREATE TABLE a AS SELECT stop() UNION SELECT 2`: interrupted; nothing of it was kept; run again when it may take its time"),
        (code::<BoxError>(|_| Err("no, never".into())), Step,
            "migration `1_it` failed at CODE: no, never; nothing of it was kept; correct it and run again"),
        (code(|conn| conn.execute_batch("SELECT * FROM missing")), Step,
            "migration `1_it` failed at CODE: no such table: missing; nothing of it was kept; correct it and run again"),
        (code(|conn| conn.execute_batch("COMMIT")), Step,
            "migration `1_it` failed at CODE: it ended the transaction that it runs in; it is not recorded, but what it committed by itself stays; leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction"),
        (hook(Hooks::new().before(move |_, _| Err(no())), false), Hook,
            "the `before` hook of migration `1_it` refused: no, never; nothing of it was kept"),
        (hook(Hooks::new().after(move |_, _| Err(no())), false), Hook,
            "the `after` hook of migration `1_it` refused: no, never; nothing of it was kept"),
        (hook(Hooks::new().before(move |_, _| Err(no())), true), Hook,
            "the `before` hook of migration `1_it` refused: no, never; nothing of it was kept"),
        (hook(Hooks::new().after(move |_, _| Err(no())), true), Hook,
            "the `after` hook of migration `1_it` refused: no, never; it runs outside a transaction, so what it did before stays and it is marked dirty"),
        (hook(Hooks::new().after(|_, conn| Ok(conn.execute_batch("COMMIT")?)), false), Hook,
            "the `after` hook of migration `1_it` refused: it ended the transaction that it runs in; it is not recorded, but what it committed by itself stays; leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction"),
        (snapshot_note(), Snapshot,
            "cannot use FOLDER/test.db-migrate-intent: it is damaged, was written by a newer version, or is not an intent file; nothing was done; move the file away if the database is as it should be, or restore a snapshot first; then run again"),
        (snapshot_of_an_exclusive_connection(), Snapshot,
            "cannot make the snapshot FOLDER/test.db-snapshot-DATE: the connection has `locking_mode = EXCLUSIVE`, so no other connection can open the database; nothing was done; set `locking_mode = NORMAL` and read once before the run, and EXCLUSIVE after it"),
        (set([]).restore(&memory(), "/a/snapshot").unwrap_err(), Snapshot,
            "cannot restore /a/snapshot: there is no database file to restore into; the database was not changed; open the database file that it is for"),
        (set([("1_a", "")]).stop_when(|| true).run(&memory()).unwrap_err(), Stopped,
            "the run was stopped; nothing was done; run again to continue"),
        (locked(None), LockTimeout,
            "another run holds the lock FOLDER/test.db-migrate (PID, applying `1_it`); waited 20ms; start again when it has finished, or wait longer with `lock_timeout`"),
        (locked(Some("")), LockTimeout,
            "another run holds the lock FOLDER/test.db-migrate (the holder is unknown); waited 20ms; start again when it has finished, or wait longer with `lock_timeout`"),
        (lock_file(), LockFile,
            "cannot use the lock file FOLDER/test.db-migrate: it is a folder; move away what is there, and run again"),
        (unreadable(&[b'x'; 4096], ""), Database,
            "cannot read the migrations of `__switchy_migrations`: file is not a database: FOLDER/test.db; check the path; if the file is encrypted, the key is wrong or was not set; if it is not, restore it from a backup"),
        (unreadable(b"", "CREATE TABLE a (b); BEGIN EXCLUSIVE"), Database,
            "cannot read the migrations of `__switchy_migrations`: database is locked; try again when the other connection has finished"),
        (unreadable(b"", "CREATE TABLE __switchy_migrations (version, dirty)"), Database,
            "cannot read the migrations of `__switchy_migrations`: the table exists and is not a tracking table, its columns are version, dirty; choose another name with `table_name`, under which nothing is applied yet"),
    ];
    #[cfg(feature = "adopt")]
    all.extend([
        (adoption(""), ErrorKind::Adoption,
            "nothing was adopted: there is no history of a tool that is known; check which database this is, name the table with `Adopt::table` if the tool was told another name, or call `recover` with `Recovery::Baseline` and the last migration that is applied"),
        (adoption("CREATE TABLE grdb_migrations (identifier); INSERT INTO grdb_migrations VALUES ('1_it'), ('2_it')"), ErrorKind::Adoption,
            "nothing was adopted: 2 problems: (1) `2_it` is applied, and the set has nothing of that name or version; add what is missing, use the program that is as new as the database, or accept `Doubt::Orphaned`; (2) the migrations make another schema than this database has: the table `a` is missing here; look where the difference comes from and remove it, or accept `Doubt::Unproven`"),
    ]);
    #[cfg(unix)]
    all.push((looping(), Source,
            "FOLDER/1_it/again: it is a link back to FOLDER; remove the link"));
    all
}

/// Replaces the parts of a text that differ from run to run: temporary folders, lines of tests, hashes, dates, processes.
fn normal(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let temporary = format!("{}/.tmp", std::env::temp_dir().display());
    let run = |text: &str, is: fn(char) -> bool| text.find(|c| !is(c)).unwrap_or(text.len());
    while let Some(first) = rest.chars().next() {
        let hex = run(rest, |c| c.is_ascii_hexdigit());
        let date = run(rest, |c| c.is_ascii_digit() || "-T:.".contains(c));
        if let Some(after) = rest.strip_prefix(&*temporary) {
            out.push_str("FOLDER");
            rest = &after[run(after, |c| c.is_ascii_alphanumeric())..];
        } else if let Some((_, after)) =
            rest.strip_prefix("tests/it/").and_then(|rest| rest.split_once(".rs:"))
        {
            out.push_str("CODE");
            rest = &after[run(after, |c| c.is_ascii_digit())..];
        } else if rest.starts_with("(pid ") {
            out.push_str("(PID, ");
            rest = &rest[rest.find("applying").unwrap()..];
        } else if hex == 64 {
            out.push_str("HASH");
            rest = &rest[hex..];
        } else if date >= 23 && rest[4..].starts_with('-') && rest[10..].starts_with('T') {
            out.push_str("DATE");
            rest = &rest[23..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

#[test]
fn every_error_is_of_its_kind_and_says_what_it_should() {
    let mut wrong = String::new();
    for (error, kind, text) in all_errors() {
        let said = normal(&error.to_string());
        if (error.kind(), &*said) != (kind, text) {
            write!(wrong, "\n{:?}: {said}\n  instead of\n{kind:?}: {text}\n", error.kind()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_error_is_one_sentence_without_an_end() {
    for (error, ..) in all_errors() {
        is_one_sentence(&error.to_string());
    }
}

/// An error that is printed with its sources must not repeat itself.
#[test]
fn no_source_repeats_what_the_error_says() {
    for (error, ..) in all_errors() {
        let text = error.to_string();
        let mut source = error.source();
        while let Some(deeper) = source {
            assert!(!text.contains(&deeper.to_string()), "{text}: {deeper}");
            source = deeper.source();
        }
    }
}

#[test]
fn the_cause_is_the_error_that_the_driver_or_the_application_gave() {
    let kinds = |error: &MigrationError| {
        let cause = error.cause()?;
        Some(if cause.is::<rusqlite::Error>() {
            "driver"
        } else if cause.is::<std::io::Error>() {
            "file"
        } else {
            "own"
        })
    };
    for (error, expected) in [
        (step("SELEKT"), Some("driver")),
        (step("SELECT * FROM missing"), Some("driver")),
        (step("COMMIT"), None),
        (code::<BoxError>(|_| Err("mine".into())), Some("own")),
        (code(|conn| conn.execute_batch("SELEKT")), Some("driver")),
        (hook(Hooks::new().before(|_, _| Err("mine".into())), false), Some("own")),
        (lock_file(), Some("file")),
        (busy(), Some("driver")),
        (unreadable(&[b'x'; 4096], ""), Some("driver")),
        (open_transaction(), None),
        (unknown("x"), None),
    ] {
        assert_eq!(kinds(&error), expected, "{error}");
    }
}

#[test]
fn every_kind_of_error_is_in_the_table() {
    let all = all_errors();
    let mut kinds: Vec<String> = all.iter().map(|(_, kind, _)| format!("{kind:?}")).collect();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 14 + usize::from(cfg!(feature = "adopt")), "{kinds:?}");
}

#[test]
fn a_caret_stands_under_the_place() {
    let table = [
        ("SELEKT 1", "1:1", "  |\n1 | SELEKT 1\n  | ^"),
        ("SELECT 1;\nSELECT *\n  FROM missing", "2:1", "  |\n2 | SELECT *\n  | ^"),
        ("SELECT 1; SELECT a FROM b", "1:11", "  |\n1 | SELECT 1; SELECT a FROM b\n  |           ^"),
        ("\t\tSELECT 1;\tSELEKT", "1:13", "  |\n1 | \t\tSELECT 1;\tSELEKT\n  | \t\t         \t^"),
        (
            "SELECT 'äöü 🦀', 2; SELEKT",
            "1:20",
            "  |\n1 | SELECT 'äöü 🦀', 2; SELEKT\n  |                    ^",
        ),
        ("\u{feff}SELECT 1;\r\n  SELEKT\r\n", "2:3", "  |\n2 |   SELEKT\n  |   ^"),
        ("-- so\n\n/* x\n */ SELEKT", "4:5", "  |\n4 |  */ SELEKT\n  |     ^"),
        ("SELECT 1;\n\n\n\n\n\n\n\n\nSELEKT", "10:1", "   |\n10 | SELEKT\n   | ^"),
        (
            "CREATE TABLE ä (b);\nINSERT INTO ä VALUES ('ß', 1)",
            "2:1",
            "  |\n2 | INSERT INTO ä VALUES ('ß', 1)\n  | ^",
        ),
        (
            "SELECT 'ß' FROM sqlite_master WHERE missing",
            "1:37",
            "  |\n1 | SELECT 'ß' FROM sqlite_master WHERE missing\n  |                                     ^",
        ),
    ];
    for (script, place, shown) in table {
        let error = step(script);
        let (sentence, picture) = (format!("{error}"), format!("{error:#}"));
        // A location inside a statement exists only with the bundled SQLite; otherwise it is the start of the statement.
        let line = picture.strip_prefix(&format!("{sentence}\n")).unwrap_or_else(|| panic!("{picture}"));
        let (arrow, rest) = line.split_once('\n').unwrap();
        assert_eq!(normal(arrow).trim_start(), format!("--> FOLDER/1_it/up.sql:{place}"), "{script:?}");
        assert_eq!(rest, shown, "{script:?}\n{picture}");
        assert!(sentence.contains(&format!("up.sql:{place} ")), "{sentence}");
    }
    let plain = open_transaction();
    assert_eq!(format!("{plain:#}"), format!("{plain}"), "no place, no picture");
}

#[test]
fn metadata_has_its_place_too() {
    let error = metadata("description = \"ä\"\ndepend_on = [\"x\"]\n");
    let position = error.location().unwrap().position.unwrap();
    assert_eq!((position.line, position.column), (2, 1));
    assert!(format!("{error:#}").ends_with("2 | depend_on = [\"x\"]\n  | ^"), "{error:#}");
}

#[test]
fn a_statement_is_given_whole_and_shown_on_one_line() {
    let columns: Vec<String> = (0..40).map(|n| format!("column_{n}")).collect();
    let statement = format!("INSERT INTO missing\n    ({})\nVALUES (1)", columns.join(", "));
    let error = step(&format!("SELECT 1;\n{statement};\nSELECT 2"));
    assert_eq!(error.statement().unwrap().trim_end_matches(';'), statement);
    let text = error.to_string();
    assert!(text.contains("`INSERT INTO missing (column_0, column_1, "), "{text}");
    assert!(text.contains(" ...`") && text.len() < 400, "{text}");
    assert!(
        step(&format!("SELEKT {}", "x".repeat(100_000))).to_string().len() < 100_400,
        "the message of SQLite"
    );
}

#[test]
fn a_database_that_is_ahead_can_be_told_from_every_other_refusal() {
    for (error, ..) in all_errors() {
        assert_eq!(error.is_database_ahead(), error.to_string().contains("does not know it"), "{error}");
        let lists = matches!(error.kind(), ErrorKind::Set | ErrorKind::Refused);
        assert_eq!(!error.problems().is_empty(), lists, "{error}");
    }
    let both = then([("1_a", "SELECT 1"), ("2_newer", "")], "", &set([("1_a", "SELECT 2")]));
    assert!(both.is_database_ahead(), "also among others: {both}");
    // A rollback of migrations that the program has is not stopped by those that it does not have.
    let conn = memory();
    set([("1_a", ""), ("2_newer", "")]).run(&conn).unwrap();
    let back = set([("1_a", "")]).run_to(&conn, Target::Back(1)).unwrap_err();
    assert!(back.is_database_ahead(), "{back}");
}

#[test]
fn an_error_is_one_word_wide_and_can_be_sent() {
    fn sent<T: Error + Send + Sync + 'static>() {}
    sent::<MigrationError>();
    assert_eq!(size_of::<MigrationError>(), size_of::<usize>());
    assert_eq!(size_of::<switchy_schema::Result<()>>(), size_of::<usize>());
    let boxed: BoxError = open_transaction().into();
    assert!(boxed.is::<MigrationError>());
}

#[test]
fn an_error_names_its_migration_where_it_is_about_one() {
    for (error, id) in [
        (step("SELEKT"), Some("1_it")),
        (hook(Hooks::new().before(|_, _| Err("no".into())), false), Some("1_it")),
        (unknown("3_x"), Some("3_x")),
        (then([("1_a", "")], "", &set([])), Some("1_a")),
        (then([("1_a", ""), ("2_b", "")], "", &set([])), None),
        (open_transaction(), None),
        (lock_file(), None),
    ] {
        assert_eq!(error.migration().map(switchy_schema::MigrationId::as_str), id, "{error}");
    }
}

#[test]
fn an_error_tells_what_the_database_had() {
    use switchy_schema::FaultKind;
    for (error, fault) in [
        (busy(), Some(FaultKind::Busy)),
        (read_only(), Some(FaultKind::ReadOnly)),
        (interrupted(), Some(FaultKind::Interrupted)),
        (unreadable(&[b'x'; 4096], ""), Some(FaultKind::NotADatabase)),
        (step("SELEKT"), Some(FaultKind::Other)),
        (open_transaction(), None),
        (lock_file(), None),
    ] {
        assert_eq!(error.fault(), fault, "{error}");
    }
}
