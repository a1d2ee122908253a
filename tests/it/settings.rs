//! What a script sets with `PRAGMA` on the connection is set back after it. What it sets in the file stays, or is an error if SQLite ignores
//! it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{
    ErrorKind, ForeignKeys, Hooks, Migration, MigrationRunner, Recovery, Signature, Target, TransactionMode,
};

use crate::execution::{applied, memory};
use crate::start::statements;

fn runner(migrations: impl Into<Vec<Migration>>) -> MigrationRunner {
    MigrationRunner::new(migrations.into()).unwrap()
}

fn script(id: &str, text: &str) -> Migration {
    Migration::from_scripts(id, text.to_owned(), None)
}

/// A file in which SQLite has already written something, as in an application.
fn file() -> (TestDatabase, Connection) {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch("CREATE TABLE seen (setting, value); CREATE TABLE other (x)").unwrap();
    (database, conn)
}

/// A query of one value for each setting of a connection.
const READ: [(&str, &str); 35] = [
    ("analysis_limit", "= 100"),
    ("automatic_index", "= 0"),
    ("busy_timeout", "= 7"),
    ("cache_size", "= 17"),
    ("cache_size", "= -77"),
    ("cache_size", "(+23)"),
    ("cache_spill", "= 0"),
    ("cache_spill", "= 9000"),
    ("case_sensitive_like", "= ON"),
    ("cell_size_check", "= ON"),
    ("checkpoint_fullfsync", "= ON"),
    ("defer_foreign_keys", "= ON"),
    ("foreign_keys", "= OFF"),
    ("full_column_names", "= ON"),
    ("fullfsync", "= ON"),
    ("ignore_check_constraints", "= ON"),
    ("journal_size_limit", "= 10000"),
    ("legacy_alter_table", "= ON"),
    ("locking_mode", "= EXCLUSIVE"),
    ("max_page_count", "= 5000"),
    ("mmap_size", "= 1000000"),
    ("query_only", "= ON"),
    ("read_uncommitted", "= ON"),
    ("recursive_triggers", "= ON"),
    ("reverse_unordered_selects", "= ON"),
    ("secure_delete", "= ON"),
    ("secure_delete", "= FAST"),
    ("short_column_names", "= OFF"),
    ("soft_heap_limit", "= 123456789"),
    ("temp_store", "= MEMORY"),
    ("temp_store", "(1)"),
    ("threads", "= 3"),
    ("trusted_schema", "= OFF"),
    ("wal_autocheckpoint", "= 11"),
    ("writable_schema", "= ON"),
];

fn read(conn: &Connection, name: &str) -> Vec<String> {
    match name {
        "case_sensitive_like" => rows(conn, "SELECT NOT 'a' LIKE 'A'"),
        _ => rows(conn, &format!("PRAGMA {name}")),
    }
}

fn all(conn: &Connection) -> Vec<String> {
    let mut all: Vec<String> =
        READ.iter().map(|(name, _)| format!("{name}: {}", read(conn, name).join(" "))).collect();
    for name in ["synchronous", "journal_mode", "main.locking_mode", "user_version", "application_id"] {
        all.push(format!("{name}: {}", read(conn, name).join(" ")));
    }
    all
}

/// Each setting, in a script that succeeds, that fails, and that code after it makes panic; in a transaction of its own, in that of all
/// steps, and outside one. The next step, which is code, already finds the old value.
#[test]
fn a_setting_of_the_connection_is_set_back_however_the_step_ends() {
    for (name, value) in READ {
        let spellings = [format!("PRAGMA {name} {value}"), format!("/* so */ pragma \"{name}\"{value} ;")];
        for (spelling, ways) in spellings.iter().zip([&["own", "batch", "outside", "panic"][..], &["own"]]) {
            for (ending, succeeds) in [("; SELECT 1", true), ("; SELEKT", false)] {
                for &way in ways {
                    // The temporary database is open in the first transaction, and then SQLite refuses it.
                    if name == "temp_store" && way != "outside" {
                        continue;
                    }
                    let (_database, conn) = file();
                    conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF").unwrap();
                    let before = all(&conn);
                    let old = read(&conn, name);
                    let it = script("1_it", &format!("{spelling}{ending}"));
                    let next = Migration::code("2_next", move |conn: &Connection| {
                        // These are set back when the transaction ends: inside it, SQLite does not change them.
                        if !["foreign_keys", "defer_foreign_keys", "mmap_size", "temp_store"].contains(&name)
                        {
                            assert_eq!(read(conn, name), old, "in the next step");
                        }
                        Ok::<(), rusqlite::Error>(())
                    });
                    let runner = match way {
                        "outside" => runner([it.outside_transaction(), next]),
                        "batch" => runner([it, next]).transaction(TransactionMode::Batch),
                        "panic" => runner([it, next]).hooks(Hooks::new().after(|_, _| panic!("on purpose"))),
                        _ => runner([it, next]),
                    };
                    let context = format!("{spelling}{ending} {way}");
                    let outcome = catch_unwind(AssertUnwindSafe(|| runner.run(&conn)));
                    // Outside a transaction, the record of the progress cannot be written.
                    let is_blocked = name == "query_only" && way == "outside";
                    let expected = succeeds && way != "panic" && !is_blocked;
                    assert_eq!(matches!(outcome, Ok(Ok(_))), expected, "{context}: {outcome:?}");
                    if let (Ok(Err(error)), false, false) = (&outcome, succeeds, is_blocked) {
                        assert!(error.to_string().contains("syntax error"), "{context}: {error}");
                    }
                    assert_eq!(all(&conn), before, "{context}");
                }
            }
        }
    }
}

/// Regression: `LeanDB` and others left these on, and rows that break a CHECK were accepted by the next script.
#[test]
fn the_next_script_of_a_run_runs_under_the_settings_of_the_application() {
    let sets = "PRAGMA legacy_alter_table = ON; PRAGMA ignore_check_constraints = ON; PRAGMA recursive_triggers = ON;
        PRAGMA writable_schema = ON; PRAGMA case_sensitive_like = ON; PRAGMA reverse_unordered_selects = ON";
    for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
        let set = runner([
            script("1_table", "CREATE TABLE a (b CHECK (b > 0))"),
            script("2_sets", sets),
            script("3_row", "INSERT INTO a VALUES (-5)"),
        ]);
        let conn = memory();
        let error = set.transaction(mode).run(&conn).unwrap_err();
        assert_eq!(error.migration().unwrap(), &"3_row", "{error}");
        assert!(error.to_string().contains("CHECK constraint failed"), "{error}");
    }
    // The script that sets them has them.
    let conn = memory();
    let own = "CREATE TABLE a (b CHECK (b > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO a VALUES (-5);
        CREATE TABLE c AS SELECT 'a' LIKE 'A' AS x; PRAGMA case_sensitive_like = 1; INSERT INTO c SELECT 'a' LIKE 'A'";
    runner([script("1_it", own)]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT b FROM a"), ["-5"]);
    assert_eq!(rows(&conn, "SELECT x FROM c"), ["1", "0"]);
    assert_eq!(read(&conn, "case_sensitive_like"), ["0"]);
}

/// (what the application has set, the script, a query, what it returns afterwards)
type Row = (&'static str, &'static str, &'static str, &'static str);

#[track_caller]
fn check(table: &[Row], ways: &[bool]) {
    for (own, text, query, expected) in table {
        for &outside in ways {
            let (_database, conn) = file();
            conn.execute_batch(own).unwrap();
            let it = script("1_it", text);
            let outcome = runner([if outside { it.outside_transaction() } else { it }]).run(&conn);
            let leaves_open = text.contains("BEGIN") && !text.contains("COMMIT");
            let fails = text.contains("SELEKT") || leaves_open;
            assert_eq!(outcome.is_err(), fails, "{text}: {outcome:?}");
            assert_eq!(rows(&conn, query).join(" "), *expected, "{own}: {text}, outside: {outside}");
        }
    }
}

#[test]
fn the_value_of_the_application_comes_back_and_not_the_default() {
    const SIZE: &str = "PRAGMA cache_size";
    const SPILL: &str = "PRAGMA cache_spill";
    const TRIGGERS: &str = "PRAGMA recursive_triggers";
    const ON: &str = "PRAGMA recursive_triggers = ON";
    const LIKE: &str = "SELECT 'a' LIKE 'A'";
    const LOCK: &str = "PRAGMA locking_mode";
    let table: [Row; 12] = [
        ("PRAGMA cache_size = -123", "PRAGMA cache_size = 5; PRAGMA MAIN.cache_size = 7", SIZE, "-123"),
        ("PRAGMA cache_size = 50", "PRAGMA cache_size = 50000; PRAGMA cache_spill = 60000", SPILL, "50"),
        ("PRAGMA cache_size = 50", "PRAGMA cache_spill = 60000; PRAGMA cache_size = 50000", SPILL, "50"),
        ("PRAGMA cache_spill = OFF", "PRAGMA cache_spill = 60000", SPILL, "0"),
        (ON, "PRAGMA recursive_triggers = OFF", TRIGGERS, "1"),
        (ON, "EXPLAIN PRAGMA recursive_triggers = OFF", TRIGGERS, "1"),
        (ON, "EXPLAIN QUERY PLAN PRAGMA recursive_triggers = OFF", TRIGGERS, "1"),
        (ON, "PRAGMA main.recursive_triggers = 0; PRAGMA recursive_triggers = 0", TRIGGERS, "1"),
        ("PRAGMA case_sensitive_like = ON", "PRAGMA case_sensitive_like = OFF", LIKE, "0"),
        (
            "PRAGMA mmap_size = 65536",
            "PRAGMA mmap_size = 0; INSERT INTO other VALUES (1)",
            "PRAGMA mmap_size",
            "65536",
        ),
        ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA locking_mode = NORMAL", LOCK, "exclusive"),
        ("", "PRAGMA nonsense = 1; PRAGMA table_info(other); PRAGMA cache_size", SIZE, "-2000"),
    ];
    check(&table, &[false, true]);
}

#[test]
fn each_attached_database_has_its_own_value_again() {
    const OWN: &str = "ATTACH ':memory:' AS o; PRAGMA o.secure_delete = FAST; PRAGMA main.secure_delete = 0";
    let table: [Row; 5] = [
        (
            "ATTACH ':memory:' AS o; PRAGMA o.cache_size = 5",
            "PRAGMA o.cache_size = 6",
            "PRAGMA o.cache_size",
            "5",
        ),
        (OWN, "PRAGMA secure_delete = 1", "PRAGMA o.secure_delete", "2"),
        (OWN, "PRAGMA secure_delete = 1", "PRAGMA main.secure_delete", "0"),
        (
            OWN,
            "PRAGMA main.secure_delete = 1; PRAGMA secure_delete = 1; PRAGMA O.secure_delete = 0",
            "PRAGMA o.secure_delete",
            "2",
        ),
        ("", "ATTACH ':memory:' AS o; PRAGMA o.cache_size = 6", "PRAGMA o.cache_size", "-2000"),
    ];
    check(&table, &[false, true]);
    // It is gone when its setting would be set back.
    check(
        &[("", "ATTACH ':memory:' AS o; PRAGMA o.cache_size = 6; DETACH o", "PRAGMA cache_size", "-2000")],
        &[true],
    );
}

#[test]
fn what_is_stored_in_the_file_stays() {
    let table: [Row; 3] = [
        ("", "PRAGMA user_version = 7", "PRAGMA user_version", "7"),
        ("", "PRAGMA application_id = 8", "PRAGMA application_id", "8"),
        ("", "PRAGMA default_cache_size = 9", "PRAGMA default_cache_size", "9"),
    ];
    check(&table, &[false, true]);
}

/// These only change outside a transaction. WAL is stored in the file, the other modes of the journal are not.
#[test]
fn what_changes_only_outside_a_transaction_is_set_back_there() {
    const SYNC: &str = "PRAGMA synchronous";
    const MODE: &str = "PRAGMA journal_mode";
    const TEMP: &str = "PRAGMA temp_store";
    const NORMAL: &str = "PRAGMA synchronous = NORMAL";
    const WAL: &str = "PRAGMA journal_mode = WAL";
    let table: [Row; 17] = [
        (NORMAL, "PRAGMA synchronous = OFF; BEGIN; INSERT INTO other VALUES (1); COMMIT", SYNC, "1"),
        (NORMAL, "PRAGMA synchronous = OFF; BEGIN; INSERT INTO other VALUES (1); SELEKT", SYNC, "1"),
        (NORMAL, "PRAGMA synchronous = OFF; BEGIN; INSERT INTO other VALUES (1)", SYNC, "1"),
        (NORMAL, "PRAGMA synchronous = OFF", SYNC, "1"),
        ("", "BEGIN; PRAGMA defer_foreign_keys = ON; SELEKT", "PRAGMA defer_foreign_keys", "0"),
        (
            "PRAGMA temp_store = FILE",
            "PRAGMA temp_store = 2; CREATE TEMP TABLE t (x); DROP TABLE t",
            TEMP,
            "1",
        ),
        ("PRAGMA temp_store = FILE", "PRAGMA temp_store = 2; CREATE TEMP TABLE t (x); SELEKT", TEMP, "1"),
        (
            "PRAGMA temp_store = FILE; CREATE TEMP TABLE t (x)",
            "PRAGMA temp_store = 1",
            "SELECT count(*) FROM t",
            "0",
        ),
        ("", "PRAGMA temp_store_directory = '.'", "PRAGMA temp_store_directory", ""),
        ("", "PRAGMA journal_mode = OFF; CREATE TABLE a (b)", MODE, "delete"),
        ("", "PRAGMA journal_mode = MEMORY; SELEKT", MODE, "delete"),
        ("", "PRAGMA journal_mode = PERSIST; VACUUM", MODE, "delete"),
        ("PRAGMA journal_mode = TRUNCATE", "PRAGMA journal_mode = DELETE", MODE, "truncate"),
        (WAL, "PRAGMA journal_mode = OFF", MODE, "delete"),
        (WAL, "PRAGMA journal_mode = DELETE", MODE, "delete"),
        (WAL, "PRAGMA journal_mode = DELETE; SELEKT", MODE, "delete"),
        ("PRAGMA journal_mode = TRUNCATE", WAL, MODE, "wal"),
    ];
    check(&table, &[true]);
}

/// In WAL mode SQLite releases an exclusive lock only if the file was in WAL mode before.
#[test]
fn a_setting_that_sqlite_does_not_set_back_is_an_error() {
    let text = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; CREATE TABLE a (b)";
    let (_database, conn) = file();
    let error = runner([script("1_it", text).outside_transaction()]).run(&conn).unwrap_err();
    assert!(error.to_string().contains("`locking_mode` is still 'exclusive', not 'normal'"), "{error}");
    assert!(error.to_string().contains("put PRAGMA journal_mode = WAL before"), "{error}");
    // The error of the script itself is the one that is reported.
    let (_database, conn) = file();
    let failing = format!("{text}; SELEKT");
    let error = runner([script("1_it", &failing).outside_transaction()]).run(&conn).unwrap_err();
    assert!(error.to_string().contains("syntax error"), "{error}");
    // The remedy works, and other connections can use the file.
    let text = "PRAGMA journal_mode = WAL; PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE a (b)";
    let (database, conn) = file();
    runner([script("1_it", text).outside_transaction()]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "PRAGMA main.locking_mode"), ["normal"]);
    database.connect().execute_batch("INSERT INTO a VALUES (1)").unwrap();
}

/// An interrupted script continues, and its finished pragmas run again before.
#[test]
fn a_script_that_continues_has_its_settings_again_and_they_are_set_back() {
    let (_database, conn) = file();
    let text = "PRAGMA synchronous = OFF; PRAGMA recursive_triggers = ON; PRAGMA auto_vacuum = FULL;
        CREATE TABLE a (b); INSERT INTO later VALUES (1); VACUUM; CREATE TABLE c (d);";
    let set = runner([script("1_it", text).outside_transaction()]);
    let before = all(&conn);
    set.run(&conn).unwrap_err();
    assert_eq!(all(&conn), before);
    conn.execute_batch("CREATE TABLE later (x)").unwrap();
    set.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("a test")).unwrap();
    set.run(&conn).unwrap();
    assert_eq!(all(&conn), before);
    assert_eq!(rows(&conn, "PRAGMA auto_vacuum"), ["1"]);
    assert_eq!(applied(&conn), ["1_it"]);
}

#[test]
fn a_limit_that_no_pragma_can_raise_again_is_refused() {
    let (_database, conn) = file();
    for text in ["PRAGMA hard_heap_limit = 100000000", "EXPLAIN PRAGMA hard_heap_limit(100000000)"] {
        let set = runner([script("1_it", text)]);
        set.plan(&conn, Target::Latest).unwrap();
        let error = set.run(&conn).unwrap_err();
        assert!(error.to_string().contains("the memory of the whole process"), "{error}");
        assert_eq!(rows(&conn, "PRAGMA hard_heap_limit"), ["0"], "{text}");
    }
    runner([script("1_it", "PRAGMA hard_heap_limit = 0; PRAGMA hard_heap_limit")]).run(&conn).unwrap();
}

/// The statements that a step issues, besides those of its script.
fn issued(text: &str, outside: bool) -> Vec<String> {
    let (_database, mut conn) = file();
    runner([script("1_it", "SELECT 1")]).run(&conn).unwrap();
    let it = script("2_it", text);
    let it = if outside { it.outside_transaction() } else { it };
    let set = runner([script("1_it", "SELECT 1"), it]);
    let all = statements(&mut conn, |conn| assert_eq!(set.run(conn).unwrap().applied.len(), 1));
    all.into_iter().filter(|statement| statement != text).collect()
}

#[test]
fn a_script_without_pragmas_costs_no_statement() {
    // Looking for hidden tables is one of these statements, and setting back is none.
    for (outside, plain, pragma) in [(false, 8, 8), (true, 18, 16)] {
        let rows = [
            ("SELECT x FROM other", plain),
            ("SELECT 'PRAGMA cache_size = 7', x AS pragma FROM other", plain),
            ("PRAGMA cache_size", pragma),
            ("PRAGMA table_info(other)", pragma),
            ("PRAGMA user_version = 3", pragma),
            // The counterpart: it is read before; afterwards it is read, set and read again.
            ("PRAGMA recursive_triggers = ON", pragma + 4),
        ];
        let counts = rows.map(|(text, _)| (text, issued(text, outside).len()));
        assert_eq!(counts, rows, "outside: {outside}");
    }
}

/// (what the file has, the script, whether it runs outside a transaction, what the error says or "")
#[test]
fn a_setting_of_the_file_that_sqlite_ignores_is_an_error() {
    let vacuum = "put VACUUM after the pragma, or set it on each new file";
    let inside = "set run_in_transaction = false in its metadata and put VACUUM after the pragma, or set it";
    let full = "PRAGMA auto_vacuum = FULL; VACUUM";
    let table = [
        ("", "PRAGMA auto_vacuum = INCREMENTAL", false, inside),
        ("", "PRAGMA main.auto_vacuum(2); CREATE TABLE a (b)", false, inside),
        ("", "PRAGMA page_size = 8192", false, inside),
        (
            "",
            "PRAGMA encoding = 'UTF-16'",
            false,
            "remove the pragma, or set it on each new file with `session_sql`",
        ),
        ("", "PRAGMA auto_vacuum = 1; CREATE TABLE a (b)", true, vacuum),
        ("", "VACUUM; PRAGMA page_size = 8192", true, vacuum),
        (
            "",
            "PRAGMA encoding = 'UTF-16'; VACUUM",
            true,
            "the encoding of the file is still `UTF-8`, not `UTF-16`; ",
        ),
        ("", "PRAGMA page_size = 5000; VACUUM", true, "still `4096`, not `5000`"),
        ("", "PRAGMA page_size = 5000", false, "write a power of two from 512 to 65536"),
        (
            "PRAGMA journal_mode = WAL",
            "PRAGMA page_size = 8192; VACUUM",
            true,
            "put PRAGMA journal_mode = DELETE before VACUUM",
        ),
        // What takes effect.
        ("", "PRAGMA auto_vacuum = INCREMENTAL; VACUUM", false, ""),
        ("", "PRAGMA auto_vacuum = INCREMENTAL; VACUUM", true, ""),
        (
            "",
            "PRAGMA auto_vacuum = FULL; PRAGMA page_size = 8192; CREATE TABLE a (b); VACUUM main;",
            true,
            "",
        ),
        ("PRAGMA journal_mode = WAL", "PRAGMA auto_vacuum = FULL; VACUUM", true, ""),
        (
            "PRAGMA journal_mode = WAL",
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL",
            true,
            "",
        ),
        (full, "PRAGMA auto_vacuum = INCREMENTAL; CREATE TABLE a (b)", false, ""),
        (
            full,
            "PRAGMA auto_vacuum = NONE",
            false,
            "the auto_vacuum mode of the file is still `FULL`, not `NONE`",
        ),
        ("", "ATTACH ':memory:' AS o; PRAGMA o.auto_vacuum = FULL", false, ""),
        ("", "PRAGMA page_size = 8192; VACUUM INTO 'INTO'", true, ""),
        // What the file has already, and what only reads.
        (
            "",
            "PRAGMA auto_vacuum = NONE; PRAGMA auto_vacuum = 0; PRAGMA page_size = 4096; PRAGMA encoding = 'utf8'",
            false,
            "",
        ),
        (full, "PRAGMA auto_vacuum = 1; PRAGMA auto_vacuum = full", false, ""),
        ("", "PRAGMA auto_vacuum; PRAGMA page_size; PRAGMA encoding", false, ""),
    ];
    for (own, text, outside, expected) in table {
        let (database, conn) = file();
        conn.execute_batch(own).unwrap();
        let into = database.path().with_extension("into");
        let text = text.replace("'INTO'", &format!("'{}'", into.display()));
        let it = script("1_it", &text);
        let set = runner([if outside { it.outside_transaction() } else { it }]);
        let mode = rows(&conn, "PRAGMA auto_vacuum");
        set.plan(&conn, Target::Latest).unwrap();
        match set.run(&conn) {
            Ok(_) => assert_eq!(expected, "", "{own}: {text}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Step, "{error}");
                assert!(
                    !expected.is_empty() && error.to_string().contains(expected),
                    "{own}: {text}: {error}"
                );
                // A later VACUUM of the application keeps what the file has.
                let size = rows(&conn, "PRAGMA page_size");
                conn.execute_batch("VACUUM").unwrap();
                assert_eq!(
                    (rows(&conn, "PRAGMA auto_vacuum"), rows(&conn, "PRAGMA page_size")),
                    (mode, size),
                    "{text}"
                );
            }
        }
    }
}

/// Each remedy works.
#[test]
fn a_new_file_takes_the_settings_before_its_first_table() {
    let database = TestDatabase::new();
    let conn = database.connect();
    let text = "PRAGMA encoding = 'UTF-16'; PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL";
    let set = runner([script("1_it", text)]).session_sql(text);
    set.run(&conn).unwrap();
    assert_eq!(rows(&conn, "PRAGMA auto_vacuum"), ["2"]);
    assert_eq!(rows(&conn, "PRAGMA page_size"), ["8192"]);
    assert!(rows(&conn, "PRAGMA encoding")[0].starts_with("UTF-16"));
    // In memory, where a set is tried out, none of this means anything.
    runner([script("1_it", text)]).run(&memory()).unwrap();
    let outside = format!("{text}; VACUUM");
    runner([script("1_it", &outside).outside_transaction()]).run(&memory()).unwrap();
    set.validate(&conn).unwrap();
    let (_database, conn) = file();
    runner([script("1_it", "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA page_size = 8192; VACUUM")])
        .run(&conn)
        .unwrap();
    assert_eq!(
        (rows(&conn, "PRAGMA auto_vacuum"), rows(&conn, "PRAGMA page_size")),
        (vec!["2".to_owned()], vec!["8192".to_owned()])
    );
}

/// A plan runs the scripts on a copy, one after the other. There, too, each finds the settings of the application.
#[test]
fn a_rehearsal_sets_back_too() {
    let conn = memory();
    runner([script("1_a", "CREATE TABLE a (b); CREATE VIEW v AS SELECT b FROM a")]).run(&conn).unwrap();
    let set = runner([
        script("1_a", "CREATE TABLE a (b); CREATE VIEW v AS SELECT b FROM a"),
        script("2_sets", "PRAGMA legacy_alter_table = ON; ALTER TABLE a RENAME TO c"),
        script("3_back", "PRAGMA legacy_alter_table = ON; ALTER TABLE c RENAME TO a"),
        script("4_renames", "ALTER TABLE a RENAME TO d"),
    ]);
    set.plan(&conn, Target::Latest).unwrap();
    assert_eq!(rows(&conn, "PRAGMA legacy_alter_table"), ["0"]);
    set.run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT * FROM v"), Vec::<String>::new(), "the view follows the last rename");
}

/// Regression: switching the pragma off makes SQLite forget the violations so far, and the commit kept a row without its parent.
#[test]
fn a_deferred_violation_is_not_forgotten() {
    let row = "INSERT INTO c VALUES (1)";
    let later = "INSERT INTO d VALUES (1)";
    let table = [
        (format!("PRAGMA defer_foreign_keys = ON; {row}"), "FOREIGN KEY constraint failed"),
        (
            format!("PRAGMA defer_foreign_keys = ON; {row}; PRAGMA defer_foreign_keys = OFF"),
            "forget the rows",
        ),
        (format!("{later}; PRAGMA defer_foreign_keys = 00"), "forget the rows"),
        (format!("{later}; PRAGMA defer_foreign_keys(nonsense)"), "forget the rows"),
        (format!("{later}; EXPLAIN PRAGMA defer_foreign_keys = no"), "forget the rows"),
        (later.to_owned(), "FOREIGN KEY constraint failed"),
        (format!("PRAGMA defer_foreign_keys = ON; {row}; INSERT INTO p VALUES (1)"), ""),
        (
            format!(
                "PRAGMA defer_foreign_keys = 1; {row}; PRAGMA defer_foreign_keys = yes; INSERT INTO p VALUES (1)"
            ),
            "",
        ),
    ];
    for (text, expected) in table {
        for (way, outside) in [
            (TransactionMode::PerMigration, false),
            (TransactionMode::Batch, false),
            (TransactionMode::PerMigration, true),
        ] {
            let (_database, conn) = file();
            let tables = "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p);
                CREATE TABLE d (a REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
            conn.execute_batch(tables).unwrap();
            let enforced = |migration: Migration| migration.foreign_keys(ForeignKeys::Enforced);
            let it = if outside {
                enforced(script("2_it", &format!("BEGIN; {text}; COMMIT"))).outside_transaction()
            } else {
                enforced(script("2_it", &text))
            };
            let set =
                runner([enforced(script("1_first", "SELECT 1")), it, enforced(script("3_more", "SELECT 1"))]);
            match set.transaction(way).run(&conn) {
                Ok(_) => assert_eq!(expected, "", "{text}, outside: {outside}"),
                Err(error) => {
                    assert!(!expected.is_empty() && error.to_string().contains(expected), "{text}: {error}");
                    assert_eq!(
                        rows(&conn, "SELECT * FROM c UNION ALL SELECT * FROM d"),
                        Vec::<String>::new(),
                        "{text}"
                    );
                }
            }
            assert_eq!(rows(&conn, "PRAGMA defer_foreign_keys"), ["0"], "{text}");
            assert_eq!(rows(&conn, "PRAGMA foreign_key_check"), Vec::<String>::new(), "{text}");
        }
    }
}

#[test]
fn what_a_failed_script_attached_is_detached_also_outside_a_transaction() {
    let (database, conn) = file();
    let other = database.path().with_extension("other");
    let attach = format!("ATTACH '{}' AS o", other.display());
    for text in [
        "{}; CREATE TABLE o.x (y); SELEKT",
        "{}; BEGIN; CREATE TABLE o.z (y); SELEKT",
        "{}; BEGIN; CREATE TABLE o.z (y)",
    ] {
        let text = text.replace("{}", &attach);
        let set = runner([script("1_it", &text).outside_transaction()]);
        set.run(&conn).unwrap_err();
        assert_eq!(
            rows(&conn, "SELECT name FROM pragma_database_list WHERE name <> 'temp'"),
            ["main"],
            "{text}"
        );
        // If it had not committed anything, there is no record to forget.
        let _ = set.recover(&conn, Recovery::Forget("1_it".into()), Signature::of("a test"));
        let _ = std::fs::remove_file(&other);
    }
    // What the application attached stays, and so does what a script attached that succeeds.
    conn.execute_batch("ATTACH ':memory:' AS mine").unwrap();
    let set = runner([script("1_it", &format!("{attach}; SELEKT")).outside_transaction()]);
    set.run(&conn).unwrap_err();
    assert_eq!(rows(&conn, "SELECT name FROM pragma_database_list WHERE name <> 'temp'"), ["main", "mine"]);
    set.recover(&conn, Recovery::Forget("1_it".into()), Signature::of("a test")).unwrap();
    runner([script("1_it", &attach).outside_transaction()]).run(&conn).unwrap();
    assert_eq!(
        rows(&conn, "SELECT name FROM pragma_database_list WHERE name <> 'temp'"),
        ["main", "mine", "o"]
    );
}

#[test]
fn a_detach_that_a_transaction_prevents_says_how_to_run_it() {
    let (_database, conn) = file();
    let text = "ATTACH ':memory:' AS o; CREATE TABLE o.x (y); DETACH o";
    let error = runner([script("1_it", text)]).run(&conn).unwrap_err();
    assert!(error.to_string().contains("database o is locked"), "{error}");
    assert!(error.to_string().contains("set run_in_transaction = false in its metadata"), "{error}");
    assert_eq!(rows(&conn, "SELECT name FROM pragma_database_list WHERE name <> 'temp'"), ["main"]);
    runner([script("1_it", text).outside_transaction()]).run(&conn).unwrap();
}
