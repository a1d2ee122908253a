//! The tracking table: forms of older programs, other names, and changes by other programs.

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows, schema};
use switchy_schema::{
    Checksum, ErrorKind, Migration, MigrationRunner, ProblemKind, Signature, State, TableName, Target,
    TransactionMode,
};

use crate::execution::{WAYS_OUT, applied, memory, outside, set};
use crate::start::statements;

pub(crate) const USERS: (&str, &str) =
    ("2024-01-05-120000_users", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n");
pub(crate) const POSTS: (&str, &str) =
    ("2024-02-01-090000_posts", "CREATE TABLE posts (\r\n    author INTEGER REFERENCES users (id)\r\n);\r\n");
pub(crate) const TAGS: (&str, &str) = ("2024-03-01-080000_tags", "CREATE TABLE tags (tag TEXT);\n");
pub(crate) const LATER: (&str, &str) = ("2024-04-01-070000_later", "CREATE TABLE later (a)");

/// Databases as older programs left them: the application's tables and rows, with all migrations applied.
pub(crate) const FORMS: [(&str, &str); 8] = [
    ("name", include_str!("../fixtures/legacy/name.sql")),
    ("id", include_str!("../fixtures/legacy/id.sql")),
    ("status", include_str!("../fixtures/legacy/status.sql")),
    ("checksums", include_str!("../fixtures/legacy/checksums.sql")),
    ("upgraded", include_str!("../fixtures/legacy/upgraded.sql")),
    ("duplicates", include_str!("../fixtures/legacy/duplicates.sql")),
    ("attempts", include_str!("../fixtures/legacy/attempts.sql")),
    ("renamed", include_str!("../fixtures/legacy/renamed.sql")),
];
const UNFINISHED: &str = include_str!("../fixtures/legacy/unfinished.sql");

/// The history that all of them contain.
const HISTORY: [&str; 3] = [
    "2024-01-05-120000_users 2024-01-06T10:00:00.123",
    "2024-02-01-090000_posts 2024-02-02 11:22:33",
    "2024-03-01-080000_tags 2024-03-04T05:06:07.890",
];

fn legacy(dump: &str) -> TestDatabase {
    let database = TestDatabase::new();
    database.connect().execute_batch(dump).unwrap();
    database
}

fn history(runner: &MigrationRunner, conn: &Connection) -> Vec<String> {
    let history = runner.history(conn).unwrap();
    assert!(history.records().iter().all(|record| record.dirty.is_none()));
    history.records().iter().map(|record| format!("{} {}", record.id, record.run_on)).collect()
}

/// The definition of the table, and everything in it.
fn table(conn: &Connection) -> (Vec<String>, Vec<String>) {
    let definition =
        "SELECT sql FROM sqlite_master WHERE tbl_name = '__switchy_migrations' ORDER BY type, name";
    (rows(conn, definition), rows(conn, "SELECT * FROM __switchy_migrations"))
}

/// The definition that a new database gets.
fn todays() -> Vec<String> {
    let conn = memory();
    set([LATER]).run(&conn).unwrap();
    table(&conn).0
}

#[test]
fn a_table_of_any_older_form_is_read_as_it_is() {
    let runner = set([USERS, POSTS, TAGS]);
    for (name, dump) in FORMS {
        let database = legacy(dump);
        let conn = database.connect();
        let before = table(&conn);
        assert_eq!(history(&runner, &conn), HISTORY, "{name}");
        assert_eq!(runner.pending(&conn).unwrap().len(), 0, "{name}");
        let plan = runner.plan(&conn, Target::Latest).unwrap();
        assert_eq!((plan.steps().len(), plan.problems().len()), (0, 0), "{name}: {plan}");
        let status = runner.status(&conn).unwrap();
        assert!(status.entries.iter().all(|entry| matches!(entry.state, State::Applied(_))), "{name}");
        assert_eq!(table(&conn), before, "reading changed nothing: {name}");
    }
}

#[test]
fn a_table_of_any_older_form_is_brought_up_to_date_and_loses_nothing() {
    for (name, dump) in FORMS {
        for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
            for pending in [0, 1] {
                let scripts: Vec<Migration> = [USERS, POSTS, TAGS, LATER][..3 + pending]
                    .iter()
                    .map(|&(id, up)| Migration::sql(id, up))
                    .collect();
                let runner = MigrationRunner::new(scripts).unwrap().transaction(mode);
                let database = legacy(dump);
                let conn = database.connect();
                // No migration runs twice: it would fail.
                let report = runner.run(&conn).unwrap();
                assert_eq!((report.applied.len(), report.already), (pending, 3), "{name}");
                assert_eq!(history(&runner, &conn)[..3], HISTORY, "{name}");
                assert_eq!(table(&conn).0, todays(), "{name}");
                assert_eq!(database.rows("SELECT * FROM users"), ["1|Ada"], "{name}");
                assert_eq!(database.rows("SELECT * FROM posts"), ["1"], "{name}");
                assert!(runner.run(&conn).unwrap().is_up_to_date(), "{name}");
            }
        }
    }
}

#[test]
fn the_start_after_an_upgrade_is_as_fast_as_any() {
    let mut slow = Vec::new();
    for (name, dump) in FORMS {
        let database = legacy(dump);
        set([USERS, POSTS, TAGS]).run(&database.connect()).unwrap();
        let mut conn = database.connect();
        let executed = statements(&mut conn, |conn| {
            assert!(set([USERS, POSTS, TAGS]).run(conn).unwrap().is_up_to_date());
        });
        if executed.len() != 1 {
            slow.push((name, executed.len()));
        }
    }
    assert_eq!(slow, [], "forms with the number of statements of a start");
}

#[test]
fn unfinished_migrations_of_older_programs_are_refused_with_what_is_known() {
    let runner = set([USERS, POSTS, TAGS, LATER]);
    let database = legacy(UNFINISHED);
    let conn = database.connect();
    let before = table(&conn);
    let error = runner.run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let found: Vec<_> =
        error.problems().iter().map(|problem| (problem.kind, problem.migration.as_str())).collect();
    assert_eq!(found, [(ProblemKind::Dirty, POSTS.0), (ProblemKind::Dirty, TAGS.0)]);
    assert!(error.to_string().contains("disk I/O error"), "{error}");
    assert_eq!(table(&conn), before);
    assert_eq!(applied(&conn).len(), 3, "three migrations, two of them dirty");
}

/// The remedy in the error must work on the existing table, which has neither `name` nor `dirty`.
#[test]
fn the_remedy_of_an_unfinished_migration_fits_the_table_it_stands_in() {
    for choice in [0, 1] {
        let runner = set([USERS, POSTS, TAGS]);
        let database = legacy(UNFINISHED);
        let conn = database.connect();
        let error = runner.run(&conn).unwrap_err();
        for problem in error.problems() {
            let way_out = WAYS_OUT[choice](problem.migration.clone());
            runner.recover(&conn, way_out, Signature::of("ada")).unwrap();
        }
        if choice == 0 {
            conn.execute_batch("DROP TABLE posts; DROP TABLE tags").unwrap();
        }
        let again = runner.run(&conn).unwrap();
        assert_eq!(again.applied.len(), if choice == 0 { 2 } else { 0 });
        assert_eq!(table(&conn).0, todays());
        assert_eq!(applied(&conn), [USERS.0, POSTS.0, TAGS.0]);
    }
}

#[test]
fn hashes_that_older_programs_computed_are_recognised_and_replaced_by_ours() {
    let texts = ["SELECT 1;\n", "SELECT 1;\r\nSELECT 2;\r\n", "\u{feff}SELECT 1;\r\n", ""];
    for text in texts {
        let raw = format!("{:x}", Sha256::digest(text));
        let exec = format!("{:x}", Sha256::digest(format!("EXEC_RAW:{text}")));
        for (hash, is_known) in [
            (raw.clone(), true),
            (raw.to_uppercase(), true),
            (exec, true),
            ("0".repeat(64), true),
            (String::new(), true),
            (format!("{:x}", Sha256::digest("another text")), false),
        ] {
            let database = TestDatabase::new();
            let conn = database.connect();
            conn.execute_batch(&format!(
                "CREATE TABLE __switchy_migrations (id TEXT NOT NULL, run_on TEXT NOT NULL, finished_on TEXT,
                    up_checksum VARCHAR(64) NOT NULL, down_checksum VARCHAR(64) NOT NULL, status TEXT NOT NULL, failure_reason TEXT);
                INSERT INTO __switchy_migrations VALUES ('1_it', '2024-01-01 00:00:00', NULL, '{hash}', '', 'completed', NULL)"
            ))
            .unwrap();
            let folder = TestMigrationBuilder::new().migration("1_it", text);
            match folder.runner().run(&conn) {
                Ok(report) => {
                    assert!(is_known && report.is_up_to_date(), "{text:?} {hash}");
                    let stored = folder.runner().history(&conn).unwrap().records()[0].checksum;
                    assert!(stored.is_none_or(|stored| stored == Checksum::of(text)), "{text:?} {hash}");
                    if hash == raw {
                        assert!(stored.is_some(), "{text:?}");
                    }
                }
                Err(error) => {
                    assert!(!is_known, "{text:?} {hash}: {error}");
                    assert_eq!(error.problems()[0].kind, ProblemKind::Changed);
                }
            }
        }
    }
}

#[test]
fn an_upgrade_that_fails_leaves_the_old_table() {
    // An upgrade together with a step, in the same transaction.
    for (name, dump) in FORMS {
        let database = legacy(dump);
        let conn = database.connect();
        let before = table(&conn);
        let broken = set([USERS, POSTS, TAGS, ("2024-04-01-070000_later", "CREATE TABLE later (a); SELEKT")]);
        broken.run(&conn).unwrap_err();
        assert_eq!(table(&conn), before, "{name}");
        assert_eq!(history(&broken, &conn), HISTORY, "{name}");
    }
    // An upgrade alone, which fails in the middle of its rows.
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE __switchy_migrations (name TEXT NOT NULL, run_on TEXT NOT NULL);
        WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500)
        INSERT INTO __switchy_migrations SELECT format('%05d_a_name_that_takes_some_room', n), '2024' FROM n",
    )
    .unwrap();
    let ids: Vec<String> = rows(&conn, "SELECT name FROM __switchy_migrations");
    let many: Vec<Migration> =
        ids.iter().map(|id| Migration::from_scripts(id.as_str(), "SELEKT", None)).collect();
    let runner = MigrationRunner::new(many).unwrap();
    let before = table(&conn);
    let pages = rows(&conn, "PRAGMA page_count")[0].clone();
    assert_eq!(rows(&conn, &format!("PRAGMA max_page_count = {pages}")), [pages]);
    let error = runner.run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database, "{error}");
    assert!(error.to_string().contains("database or disk is full"), "{error}");
    assert_eq!(table(&conn), before);
    assert!(conn.is_autocommit());
    rows(&conn, "PRAGMA max_page_count = 100000");
    assert!(runner.run(&conn).unwrap().is_up_to_date());
    assert_eq!(table(&conn).0, todays());
    assert_eq!(rows(&conn, "SELECT name FROM __switchy_migrations"), ids);
}

#[test]
fn an_old_table_in_a_file_that_cannot_be_written_starts() {
    for (name, dump) in FORMS {
        let database = legacy(dump);
        let conn = Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let before = table(&conn);
        assert!(set([USERS, POSTS, TAGS]).run(&conn).unwrap().is_up_to_date(), "{name}");
        assert_eq!(table(&conn), before, "{name}");
        let pending = set([USERS, POSTS, TAGS, LATER]).run(&conn).unwrap_err();
        assert!(pending.to_string().contains("attempt to write a readonly database"), "{name}: {pending}");
    }
}

/// A file on a read-only medium, in a folder that cannot have a lock file: nothing is pending, so no lock is needed.
#[test]
fn an_old_table_in_a_folder_that_cannot_be_written_starts() {
    let database = legacy(FORMS[0].1);
    // Simulates a folder in which the lock file cannot be created, even by the superuser.
    std::fs::create_dir(database.path().with_file_name("test.db-migrate")).unwrap();
    let conn = Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let report = set([USERS, POSTS, TAGS]).run(&conn);
    assert!(report.is_ok_and(|report| report.is_up_to_date()));
}

/// A program of version 0.5 treats the current table as one of the oldest form, renames `name`, and continues. The current program then
/// reported that the table is not a tracking table. Found with the published program, 2026-11.
#[test]
fn what_a_program_of_0_5_left_in_todays_table_is_told_apart() {
    let renamed = FORMS.iter().find(|(name, _)| *name == "renamed").unwrap().1;
    let database = legacy(renamed);
    let conn = database.connect();
    let runner = set([USERS, POSTS, TAGS]);
    let durations = |runner: &MigrationRunner| -> Vec<u128> {
        let history = runner.history(&conn).unwrap();
        history.records().iter().filter_map(|record| Some(record.duration?.as_millis())).collect()
    };
    assert_eq!(durations(&runner), [3, 4, 110], "ours measured it, the other one wrote when it ended");

    for (change, problem) in [
        ("status = 'failed', failure_reason = 'disk I/O error'", "disk I/O error"),
        (
            "status = 'in_progress', finished_on = NULL",
            "began at 2024-03-04T05:06:07.890 UTC and did not finish",
        ),
        ("status = 'completed', dirty = 1, failure = 'interrupted'", "interrupted"),
        (
            "status = 'completed', dirty = 0, up_checksum = printf('%.*c', 64, 'a')",
            "was changed after it was applied",
        ),
    ] {
        conn.execute_batch(&format!("UPDATE __switchy_migrations SET {change} WHERE id = '{}'", TAGS.0))
            .unwrap();
        let error = runner.run(&conn).unwrap_err();
        let found: Vec<&str> = error.problems().iter().map(|problem| problem.migration.as_str()).collect();
        assert_eq!(found, [TAGS.0], "{change}: {error}");
        assert!(error.to_string().contains(problem), "{change}: {error}");
    }
    // Without this column, it is not a tracking table.
    conn.execute_batch("ALTER TABLE __switchy_migrations DROP COLUMN mark").unwrap();
    let error = runner.run(&conn).unwrap_err();
    assert!(error.to_string().contains("is not a tracking table"), "{error}");
}

#[test]
fn an_older_writer_that_knows_only_names_still_works_and_is_noticed() {
    let database = TestDatabase::new();
    let conn = database.connect();
    set([USERS]).run(&conn).unwrap();
    conn.execute_batch(POSTS.1).unwrap();
    conn.execute("INSERT INTO __switchy_migrations (name) VALUES (?1)", [POSTS.0]).unwrap();
    let runner = set([USERS, POSTS, TAGS]);
    assert_eq!(runner.pending(&conn).unwrap(), [TAGS.0]);
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
    assert_eq!(applied(&conn), [USERS.0, POSTS.0, TAGS.0]);
    let dates =
        "SELECT count(*) FROM __switchy_migrations WHERE run_on GLOB '20[0-9][0-9]-*T*:*:*.[0-9][0-9][0-9]'";
    assert_eq!(rows(&conn, dates), ["3"], "dated by the database");
    assert!(runner.run(&conn).unwrap().is_up_to_date());
}

#[test]
fn what_hands_did_to_the_table_is_noticed_by_the_next_start() {
    let runner = set([USERS, TAGS]);
    let conn = memory();
    runner.run(&conn).unwrap();
    conn.execute("INSERT INTO __switchy_migrations (name) VALUES ('2025_unknown')", []).unwrap();
    let error = runner.run(&conn).unwrap_err();
    assert!(error.is_database_ahead(), "{error}");

    for (statement, ran) in [
        ("DELETE FROM __switchy_migrations WHERE name LIKE '%users'", 1),
        ("DELETE FROM __switchy_migrations WHERE name LIKE '%tags'", 1),
        ("DELETE FROM __switchy_migrations", 2),
        ("DROP TABLE __switchy_migrations", 2),
    ] {
        let conn = memory();
        runner.run(&conn).unwrap();
        conn.execute_batch(statement).unwrap();
        conn.execute_batch("DROP TABLE users; DROP TABLE tags").unwrap();
        assert_eq!(runner.pending(&conn).unwrap().len(), ran, "{statement}");
        assert_eq!(schema(&conn), Vec::<String>::new(), "{statement}");
        assert_eq!(runner.run(&conn).unwrap().applied.len(), ran, "{statement}");
        assert_eq!(applied(&conn).len(), 2, "{statement}");
        assert!(runner.run(&conn).unwrap().is_up_to_date(), "{statement}");
    }
}

#[test]
fn somebody_elses_table_of_that_name_is_named_with_its_columns_and_left_alone() {
    for (definition, columns) in [
        ("(version BIGINT, dirty BOOLEAN)", "version, dirty"),
        ("(name TEXT, run_on TEXT, extra INTEGER)", "name, run_on, extra"),
        ("(id INTEGER, name TEXT)", "id, name"),
        ("(id TEXT, run_on TEXT, batch INTEGER)", "id, run_on, batch"),
        ("(\"run_on\" TEXT)", "run_on"),
    ] {
        let conn = memory();
        conn.execute_batch(&format!("CREATE TABLE __switchy_migrations {definition}")).unwrap();
        let before = table(&conn);
        let runner = set([USERS]);
        let errors = [
            runner.run(&conn).unwrap_err(),
            runner.plan(&conn, Target::Latest).unwrap_err(),
            runner.status(&conn).unwrap_err(),
            runner.history(&conn).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Database, "{definition}");
            assert!(error.to_string().contains(&format!("its columns are {columns}; ")), "{error}");
            assert!(
                error
                    .to_string()
                    .ends_with("choose another name with `table_name`, under which nothing is applied yet"),
                "{error}"
            );
        }
        assert_eq!(table(&conn), before, "{definition}");
        assert_eq!(schema(&conn), Vec::<String>::new(), "{definition}");
    }
}

#[test]
fn a_view_of_that_name_is_no_tracking_table() {
    let conn = memory();
    conn.execute_batch("CREATE VIEW __switchy_migrations AS SELECT '1_a' AS name, '2024' AS run_on").unwrap();
    let error = set([USERS]).run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database, "{error}");
    assert_eq!(rows(&conn, "SELECT type FROM sqlite_master"), ["view"]);
}

/// Columns that a later version of the table may add, if it can be written without them.
#[test]
fn a_table_with_columns_of_a_later_version_is_used_and_kept() {
    let conn = memory();
    set([USERS]).run(&conn).unwrap();
    conn.execute_batch("ALTER TABLE __switchy_migrations ADD COLUMN later TEXT").unwrap();
    conn.execute_batch("UPDATE __switchy_migrations SET later = 'kept'").unwrap();
    set([USERS, TAGS]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT later FROM __switchy_migrations"), ["kept", "NULL"]);
}

#[test]
fn any_name_that_sqlite_stores_can_name_the_table() {
    let names = [
        "migrations",
        "My Migrations",
        "it's \"quoted\"",
        "select",
        "名前",
        "a.b",
        "[x]",
        "`y`",
        ";--",
        " x ",
        "%s",
        "main.t",
        "x\u{2028}y",
        "UPPER",
    ];
    for name in names {
        let conn = memory();
        let runner = |scripts| -> MigrationRunner { set::<2>(scripts).table_name(name).unwrap() };
        runner([USERS, TAGS]).run_to(&conn, Target::Steps(1)).unwrap();
        assert_eq!(
            rows(&conn, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
                .len(),
            2,
            "{name}"
        );
        assert!(rows(&conn, "SELECT name FROM sqlite_master").contains(&name.to_owned()), "{name}");
        assert_eq!(runner([USERS, TAGS]).run(&conn).unwrap().applied.len(), 1, "{name}");
        assert!(runner([USERS, TAGS]).run(&conn).unwrap().is_up_to_date(), "{name}");
        assert_eq!(runner([USERS, TAGS]).history(&conn).unwrap().records().len(), 2, "{name}");
        // A name in another case refers to the same table.
        let upper = set([USERS, TAGS]).table_name(&name.to_ascii_uppercase()).unwrap();
        assert!(upper.run(&conn).unwrap().is_up_to_date(), "{name}");
        // A step that modifies the table is detected with this name too.
        let quoted = TableName::new(name).unwrap().quoted();
        let tamper = format!("UPDATE {quoted} SET run_on = ''");
        let scripts = vec![
            Migration::sql(USERS.0, USERS.1),
            Migration::sql(TAGS.0, TAGS.1),
            Migration::from_scripts("9_tamper", tamper, None),
        ];
        let error = MigrationRunner::new(scripts).unwrap().table_name(name).unwrap().run(&conn).unwrap_err();
        assert!(error.to_string().contains("changes the tracking table"), "{name}: {error}");
    }
}

#[test]
fn a_table_of_the_program_under_the_name_of_the_index_is_no_obstacle() {
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE __Switchy_migrations_dirty (x); INSERT INTO __switchy_migrations_dirty VALUES (1)",
    )
    .unwrap();
    assert_eq!(set([USERS, TAGS]).run(&conn).unwrap().applied.len(), 2);
    assert!(set([USERS, TAGS]).run(&conn).unwrap().is_up_to_date());
    conn.execute_batch("UPDATE __switchy_migrations SET dirty = 1 WHERE name LIKE '%users'").unwrap();
    assert_eq!(set([USERS, TAGS]).run(&conn).unwrap_err().problems()[0].kind, ProblemKind::Dirty);
    assert_eq!(rows(&conn, "SELECT x FROM __switchy_migrations_dirty"), ["1"]);
}

#[test]
fn two_tracking_tables_in_one_database_know_nothing_of_each_other() {
    let conn = memory();
    let library = || set([USERS]).table_name("library").unwrap();
    let application = || set([TAGS, LATER]).table_name("application").unwrap();
    assert_eq!(library().run(&conn).unwrap().applied.len(), 1);
    assert_eq!(application().run(&conn).unwrap().applied.len(), 2);
    assert!(library().run(&conn).unwrap().is_up_to_date());
    assert!(application().run(&conn).unwrap().is_up_to_date());
}

#[test]
fn names_that_cannot_name_a_table_are_refused() {
    let long = "x".repeat(60);
    for (name, reason) in [
        ("", "it is empty"),
        (" \t", "it is empty"),
        (long.as_str(), "it is longer than 59 bytes"),
        ("a\nb", "it holds a control character"),
        ("a\0b", "it holds a control character"),
        ("sqlite_x", "SQLite keeps names that begin with `sqlite_` for itself"),
        ("SQLite_Master", "SQLite keeps names that begin with `sqlite_` for itself"),
    ] {
        let error = set([USERS]).table_name(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TableName, "{name:?}");
        assert!(error.to_string().contains(reason), "{name:?}: {error}");
    }
    assert!(TableName::new("x".repeat(59)).is_ok());
}

#[test]
fn whatever_stands_in_the_columns_nothing_panics() {
    let values = [
        "NULL",
        "''",
        "'x'",
        "0",
        "1",
        "-1",
        "2.5",
        "9e999",
        "9223372036854775807",
        "x''",
        "x'ff00'",
        "CAST(x'ff' AS TEXT)",
        "'0000000000000000000000000000000000000000000000000000000000000000'",
        "zeroblob(100000)",
        "'2024-01-01 00:00:00'",
        "printf('%.*c', 64, 'G')",
        "printf('%.*c', 63, 'a')",
        "char(0)",
        "'ä'",
        "'true'",
    ];
    let columns =
        ["name", "run_on", "checksum", "dirty", "duration_ms", "basis", "statement", "failure", "down_sql"];
    let runner =
        MigrationRunner::new([Migration::reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a")]).unwrap();
    for column in columns {
        for value in values {
            let conn = memory();
            runner.run(&conn).unwrap();
            if conn.execute_batch(&format!("UPDATE __switchy_migrations SET {column} = {value}")).is_err() {
                continue; // NOT NULL
            }
            // A start trusts the digest on the newest record, so that it need not read the other records.
            if column != "basis" {
                conn.execute_batch("UPDATE __switchy_migrations SET basis = NULL").unwrap();
            }
            let context = format!("{column} = {value}");
            let status = runner.status(&conn).unwrap().to_string();
            assert!(!status.is_empty(), "{context}");
            let plan = runner.plan(&conn, Target::Latest).unwrap().to_string();
            assert!(!plan.is_empty(), "{context}");
            assert_eq!(runner.history(&conn).unwrap().records().len(), 1, "{context}");
            let up = runner.run(&conn);
            match column {
                // The migration is applied, even if its other values are unknown.
                "run_on" | "duration_ms" | "basis" | "statement" | "failure" | "down_sql" | "checksum" => {
                    assert!(up.is_ok_and(|report| report.is_up_to_date()), "{context}");
                    runner.run_to(&conn, Target::Empty).unwrap();
                    assert_eq!(schema(&conn), Vec::<String>::new(), "{context}");
                }
                // A record with an unknown name must not cause another migration to run again.
                "name" => assert!(up.is_err_and(|error| error.is_database_ahead()), "{context}"),
                _ => drop(up),
            }
        }
    }
}

#[test]
fn a_dirty_mark_made_by_hand_is_believed() {
    let runner = outside("CREATE TABLE a (b)");
    let conn = memory();
    runner.run(&conn).unwrap();
    conn.execute_batch("UPDATE __switchy_migrations SET dirty = 1, basis = NULL").unwrap();
    assert_eq!(runner.run(&conn).unwrap_err().problems()[0].kind, ProblemKind::Dirty);
}
