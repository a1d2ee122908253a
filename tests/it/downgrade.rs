//! An older program downgrades the database with the scripts stored in it, and refuses scripts that do anything else.

use std::panic::UnwindSafe;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use sha2::{Digest, Sha256};
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{
    BoxError, Direction, ErrorKind, Event, ForeignKeys, LogEntryKind, Migration, MigrationRunner, Problem,
    ProblemKind, StoredLimits, Target,
};

use crate::children::wait_for;
use crate::execution::{applied, memory};
use crate::processes::dying_at;
use crate::safety::{differing, files, runner, without_lock_file};

fn users() -> Migration {
    Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users")
}

fn email() -> Migration {
    Migration::reversible(
        "2_email",
        "ALTER TABLE users ADD email TEXT; UPDATE users SET email = name || '@example.org'",
        "ALTER TABLE users DROP COLUMN email",
    )
}

fn posts() -> Migration {
    Migration::reversible(
        "3_posts",
        "CREATE TABLE posts (author TEXT, text TEXT); CREATE INDEX posts_author ON posts (author);
        INSERT INTO posts SELECT name, 'hello' FROM users",
        "DROP TABLE posts",
    )
}

fn view() -> Migration {
    Migration::reversible("4_view", "CREATE VIEW names AS SELECT name FROM users", "DROP VIEW names")
}

fn all() -> Vec<Migration> {
    vec![users(), email(), posts(), view()]
}

#[test]
fn an_older_program_undoes_what_it_does_not_know_and_keeps_the_rest() {
    let table: [(Vec<Migration>, &[&str]); 5] = [
        (vec![users(), email(), posts()], &["4_view"]),
        (vec![users(), email()], &["4_view", "3_posts"]),
        (vec![users()], &["4_view", "3_posts", "2_email"]),
        (vec![users(), posts()], &["4_view", "2_email"]),
        (vec![users(), email(), view()], &["3_posts"]),
    ];
    for (known, undone) in table {
        let database = TestDatabase::new();
        let conn = database.connect();
        runner([users()]).run(&conn).unwrap();
        conn.execute_batch("INSERT INTO users VALUES ('Ada'), ('Grace')").unwrap();
        runner(all()).run(&conn).unwrap();

        let fresh = memory();
        runner(known.clone()).run(&fresh).unwrap();
        let older = runner(known).program("notes 1.0");
        assert!(older.run(&conn).unwrap_err().is_database_ahead(), "{undone:?}");
        let report = older.downgrade(&conn).unwrap();
        let steps: Vec<&str> = report.applied.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(steps, undone);
        assert!(report.applied.iter().all(|step| step.direction == Direction::Down));

        assert_eq!(schema(&conn), schema(&fresh), "{undone:?}");
        assert_eq!(applied(&conn), applied(&fresh), "{undone:?}");
        assert_eq!(rows(&conn, "SELECT name FROM users"), ["Ada", "Grace"]);
        if !undone.contains(&"2_email") {
            assert_eq!(rows(&conn, "SELECT email FROM users"), ["Ada@example.org", "Grace@example.org"]);
        }
        if !undone.contains(&"3_posts") {
            assert_eq!(rows(&conn, "SELECT author FROM posts"), ["Ada", "Grace"]);
        }
        assert!(older.run(&conn).unwrap().is_up_to_date(), "{undone:?}");
        assert!(older.downgrade(&conn).unwrap().is_up_to_date(), "{undone:?}");

        let history = older.history(&conn).unwrap();
        let traces = history.log().iter();
        let told: Vec<(&str, LogEntryKind, Option<&str>)> =
            traces.map(|trace| (trace.id.as_str(), trace.kind.clone(), trace.program.as_deref())).collect();
        let expected: Vec<_> =
            undone.iter().map(|&id| (id, LogEntryKind::Downgraded, Some("notes 1.0"))).collect();
        assert_eq!(told, expected);
        assert!(history.log().iter().all(|trace| trace.applied_on.is_some() && trace.checksum.is_some()));

        // Then the newer program runs again.
        assert_eq!(runner(all()).run(&conn).unwrap().applied.len(), undone.len());
        assert_eq!(rows(&conn, "SELECT name FROM names"), ["Ada", "Grace"]);
    }
}

/// SHA-256 as specified in `docs/format.md`.
fn down_checksum(name: &str, options: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    for part in [name, options, text] {
        hash.update(part);
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())
}

#[test]
fn what_is_stored_is_what_the_format_says() {
    let conn = memory();
    let non_transactional = Migration::reversible("2_g", "", "VACUUM").outside_transaction().allow_cascade();
    runner([users(), non_transactional.foreign_keys(ForeignKeys::Enforced)]).run(&conn).unwrap();
    let sql = "SELECT name, down_options, down_sql, down_checksum FROM __switchy_migrations";
    let options = "guarded foreign_keys=on cascade";
    let expected = [
        format!("1_users|NULL|DROP TABLE users|{}", down_checksum("1_users", "", "DROP TABLE users")),
        format!("2_g|{options}|VACUUM|{}", down_checksum("2_g", options, "VACUUM")),
    ];
    assert_eq!(rows(&conn, sql), expected);
}

/// Checks that a downgrade is refused and changes no byte.
#[track_caller]
fn refused(
    database: &TestDatabase,
    conn: &Connection,
    older: &MigrationRunner,
    context: &str,
) -> Vec<Problem> {
    without_lock_file(database);
    let before = files(database);
    let error = older.downgrade(conn).map(|report| report.to_string()).expect_err(context);
    assert_eq!(error.kind(), ErrorKind::Refused, "{context}: {error}");
    let mut after = files(database);
    if error.problems().iter().any(|problem| problem.kind == ProblemKind::Dirty) {
        after.remove("test.db-migrate");
    }
    assert_eq!(differing(&before, &after), Vec::<String>::new(), "{context}: {error}");
    assert!(conn.is_autocommit(), "{context}");
    error.problems().to_vec()
}

#[test]
fn if_one_of_them_cannot_be_undone_none_is_and_all_are_named() {
    let set = |down: Option<&str>| {
        vec![users(), email(), Migration::from_scripts("3_it", "", down.map(str::to_owned)), view()]
    };
    let code = || {
        let it = Migration::code("3_it", |_| Ok::<_, BoxError>(()));
        vec![users(), email(), it.undo(|_| Ok::<_, BoxError>(())), view()]
    };
    let it = "WHERE name = '3_it'";
    let update = |set: &str| format!("UPDATE __switchy_migrations SET {set} {it}");
    let unknown_word = format!(
        "down_options = 'guarded in_a_new_way', down_checksum = '{}'",
        down_checksum("3_it", "guarded in_a_new_way", "SELECT 1")
    );
    let copied = "(down_sql, down_checksum) = (SELECT down_sql, down_checksum FROM __switchy_migrations
        WHERE name = '2_email')";
    let stored = "has a stored script that is damaged";
    let one = Some("SELECT 1");
    let untrusted = ProblemKind::Untrusted;
    let table = [
        (
            "no way back",
            set(None),
            String::new(),
            ProblemKind::Irreversible,
            "has no stored script that undoes it",
        ),
        (
            "code",
            code(),
            String::new(),
            ProblemKind::Irreversible,
            "is undone by code, which cannot be stored",
        ),
        ("text", set(one), update("down_sql = 'SELECT 2'"), untrusted, stored),
        ("a space more", set(one), update("down_sql = down_sql || ' '"), untrusted, stored),
        (
            "checksum",
            set(one),
            update("down_checksum = replace(down_checksum, 'a', 'b') || ''"),
            untrusted,
            stored,
        ),
        ("no checksum", set(one), update("down_checksum = NULL"), untrusted, stored),
        (
            "half a checksum",
            set(one),
            update("down_checksum = substr(down_checksum, 1, 32)"),
            untrusted,
            stored,
        ),
        ("options", set(one), update("down_options = 'foreign_keys=off'"), untrusted, stored),
        ("another's script", set(one), update(copied), untrusted, stored),
        (
            "an unknown option",
            set(one),
            update(&unknown_word),
            untrusted,
            "has a stored script that is to run with `in_a_new_way`, which this version does not know",
        ),
    ];
    for (what, set, sql, kind, finding) in table {
        let database = TestDatabase::new();
        let conn = database.connect();
        runner(set).run(&conn).unwrap();
        conn.execute_batch(&sql).unwrap();
        let problems = refused(&database, &conn, &runner([users()]), what);
        let told: Vec<_> = problems.iter().map(|it| (it.migration.as_str(), it.kind, &*it.finding)).collect();
        assert_eq!(told, [("3_it", kind, finding)], "{what}");
        assert!(
            problems[0]
                .remedy
                .as_ref()
                .unwrap()
                .to_string()
                .contains("the version of the program that applied it")
        );
        assert_eq!(applied(&conn), ["1_users", "2_email", "3_it", "4_view"], "{what}");
    }

    // Several problems at once, of each kind.
    let database = TestDatabase::new();
    let conn = database.connect();
    let last = Migration::sql("5_none", "");
    runner(set(one).into_iter().chain([last]).collect::<Vec<_>>()).run(&conn).unwrap();
    conn.execute_batch("UPDATE __switchy_migrations SET down_sql = 'x' WHERE name IN ('2_email', '3_it')")
        .unwrap();
    let problems = refused(&database, &conn, &runner([users()]), "several");
    let told: Vec<_> = problems.iter().map(|it| (it.migration.as_str(), it.kind)).collect();
    assert_eq!(told, [("5_none", ProblemKind::Irreversible), ("3_it", untrusted), ("2_email", untrusted)]);

    // An unfinished migration, which the program has or does not have.
    for dirty in ["1_users", "4_view"] {
        let database = TestDatabase::new();
        let conn = database.connect();
        runner(all()).run(&conn).unwrap();
        conn.execute_batch(&format!("UPDATE __switchy_migrations SET dirty = 1 WHERE name = '{dirty}'"))
            .unwrap();
        let problems = refused(&database, &conn, &runner([users()]), dirty);
        assert_eq!((problems[0].migration.as_str(), problems[0].kind), (dirty, ProblemKind::Dirty));
    }
}

/// The tables that an attacker can target: a table of the application, one with a cascading child, a search index, and a log of rollbacks.
const VICTIM: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
    INSERT INTO notes VALUES (1, 'a'), (2, 'b');
    CREATE TABLE parts (note INTEGER REFERENCES notes (id) ON DELETE CASCADE, x);
    INSERT INTO parts VALUES (1, 'p');
    CREATE VIRTUAL TABLE docs USING fts5(text);
    INSERT INTO docs VALUES ('d');
    CREATE TABLE secret (x)";

/// A database of the application to which an attacker added a migration with a script that matches its checksum.
fn crafted(hidden: &str, options: &str, script: &str) -> TestDatabase {
    let database = TestDatabase::new();
    let conn = database.connect();
    let other = Migration::reversible("0_other", "", "");
    runner([other.clone(), app()]).run(&conn).unwrap();
    runner([other, app()]).rollback(&conn, 1).unwrap();
    runner([app()]).downgrade(&conn).unwrap();
    runner([app()]).run(&conn).unwrap();
    conn.execute_batch(hidden).unwrap();
    conn.execute(
        "INSERT INTO __switchy_migrations (name, down_sql, down_options, down_checksum) VALUES ('2_evil', ?1, ?2, ?3)",
        (script, Some(options).filter(|options| !options.is_empty()), down_checksum("2_evil", options, script)),
    )
    .unwrap();
    without_lock_file(&database);
    database
}

fn app() -> Migration {
    Migration::reversible(
        "1_app",
        VICTIM,
        "DROP TABLE notes; DROP TABLE parts; DROP TABLE docs; DROP TABLE secret",
    )
}

const PRAGMAS: [&str; 14] = [
    "foreign_keys",
    "journal_mode",
    "synchronous",
    "cache_size",
    "temp_store",
    "recursive_triggers",
    "legacy_alter_table",
    "writable_schema",
    "query_only",
    "trusted_schema",
    "secure_delete",
    "locking_mode",
    "user_version",
    "busy_timeout",
];

fn pragmas(conn: &Connection) -> Vec<String> {
    PRAGMAS.iter().map(|name| format!("{name} {:?}", rows(conn, &format!("PRAGMA {name}")))).collect()
}

/// Sets an authorizer of the application that denies reads of one table.
#[allow(
    clippy::let_unit_value,
    clippy::let_underscore_untyped,
    reason = "the function returns `()` in older versions"
)]
fn authorize(conn: &mut Connection) {
    let _ = conn.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Read { table_name: "secret", .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }));
}

/// A connection as an application leaves it: settings, a temporary table, an authorizer of its own.
fn lived_in(database: &TestDatabase) -> Connection {
    let mut conn = database.connect();
    conn.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; PRAGMA cache_size = 77;
        CREATE TEMP TABLE mine (x); INSERT INTO mine VALUES (1)",
    )
    .unwrap();
    authorize(&mut conn);
    conn
}

#[track_caller]
fn assert_as_it_was(conn: &Connection, before: &[String], context: &str) {
    assert_eq!(pragmas(conn), before, "{context}");
    assert_eq!(rows(conn, "SELECT x FROM mine"), ["1"], "{context}");
    assert_eq!(rows(conn, "SELECT name FROM sqlite_temp_master"), ["mine"], "{context}");
    assert_eq!(rows(conn, "SELECT name FROM pragma_database_list"), ["main", "temp"], "{context}");
    assert!(conn.prepare("SELECT x FROM secret").is_err(), "its authorizer is gone: {context}");
    assert!(conn.is_autocommit(), "{context}");
    conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO notes (text) VALUES ('z'); ROLLBACK").unwrap();
}

/// Checks that each script is refused, and compares part of the message.
#[track_caller]
fn check_hostile(hidden: &str, options: &str, script: &str, expected: &str) {
    let database = crafted(hidden, options, script);
    let folder = database.path().parent().unwrap().display().to_string();
    let script_here = script.replace("FOLDER", &folder);
    if script_here != script {
        let conn = database.connect();
        let sum = down_checksum("2_evil", options, &script_here);
        let sql = "UPDATE __switchy_migrations SET down_sql = ?1, down_checksum = ?2 WHERE name = '2_evil'";
        conn.execute(sql, (&script_here, sum)).unwrap();
    }
    let conn = lived_in(&database);
    let before = pragmas(&conn);
    let context = format!("{hidden}\n{script}");
    let older = runner([app()]).lock_timeout(Duration::ZERO);
    let problems = refused(&database, &conn, &older, &context);
    // A plan does not bypass the check.
    let (files_before, plan) = (files(&database), older.plan(&conn, Target::Known).unwrap());
    assert_eq!(plan.problems(), problems, "{context}");
    assert_eq!(older.apply(&conn, plan).unwrap_err().problems(), problems, "{context}");
    assert_eq!(differing(&files_before, &files(&database)), Vec::<String>::new(), "{context}");
    let told: Vec<_> = problems.iter().map(|it| (it.migration.as_str(), it.kind)).collect();
    assert_eq!(told, [("2_evil", ProblemKind::Untrusted)], "{context}");
    assert!(problems[0].finding.contains(expected), "{expected}\n{context}\n{}", problems[0].finding);
    assert_as_it_was(&conn, &before, &context);
    assert_eq!(applied(&conn), ["1_app", "2_evil"], "{context}");
}

#[test]
fn a_script_that_reaches_outside_the_database_is_refused() {
    let table = [
        (
            "ATTACH 'FOLDER/loot.db' AS loot; CREATE TABLE loot.t AS SELECT * FROM notes",
            "it attaches a database",
        ),
        ("attach database 'FOLDER/' || 'loot.db' as loot", "it attaches a database"),
        ("SELECT 1; /* so */ ATTACH (SELECT text FROM notes) AS loot", "it attaches a database"),
        ("VACUUM INTO 'FOLDER/loot.db'", "it writes the database to another file"),
        ("vacuum main into 'FOLDER/' || 'loot.db'", "it writes the database to another file"),
        ("SELECT load_extension('FOLDER/evil')", "it loads an extension"),
        ("UPDATE notes SET text = load_extension('FOLDER/evil')", "it loads an extension"),
        (
            "CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT load_extension('x'); END; INSERT INTO notes (text) VALUES (1)",
            "it loads an extension",
        ),
        ("SELECT fts3_tokenizer('simple')", "it calls the function `fts3_tokenizer`"),
        ("SELECT fts3_tokenizer('simple', x'0000000000000000')", "it calls the function `fts3_tokenizer`"),
        (
            "CREATE VIRTUAL TABLE x USING csv(filename = '/etc/passwd')",
            "it creates a virtual table of the module `csv`",
        ),
        ("PRAGMA temp_store_directory = 'FOLDER'", "it changes the pragma `temp_store_directory`"),
        ("PRAGMA data_store_directory = 'FOLDER'", "it changes the pragma `data_store_directory`"),
    ];
    for (script, expected) in table {
        for options in ["", "guarded", "foreign_keys=on cascade", "foreign_keys=off"] {
            check_hostile("", options, script, expected);
        }
    }
}

#[test]
fn a_script_that_touches_the_records_is_refused() {
    let writes = "it writes to the tracking table `__switchy_migrations`";
    let log = "`__switchy_migrations_log`";
    let table = [
        ("DROP TABLE __switchy_migrations", "it drops the tracking table `__switchy_migrations`"),
        ("INSERT INTO __switchy_migrations (name) VALUES ('3_more')", writes),
        ("REPLACE INTO __switchy_migrations (name) VALUES ('1_app')", writes),
        ("DELETE FROM __switchy_migrations", writes),
        ("DELETE FROM \"main\".[__SWITCHY_MIGRATIONS] WHERE name = '1_app'", writes),
        ("UPDATE __switchy_migrations SET checksum = NULL WHERE name = '1_app'", writes),
        ("UPDATE OR IGNORE __switchy_migrations SET basis = NULL", writes),
        (
            "INSERT INTO notes VALUES (1, 'x') ON CONFLICT DO UPDATE SET text = 'y'; DELETE FROM __switchy_migrations WHERE 0",
            writes,
        ),
        ("ALTER TABLE __switchy_migrations RENAME TO x", "it alters the tracking table"),
        ("ALTER TABLE __switchy_migrations ADD COLUMN x", "it alters the tracking table"),
        (
            "CREATE TRIGGER t AFTER DELETE ON __switchy_migrations BEGIN DELETE FROM notes; END",
            "it creates a trigger on the tracking table",
        ),
        (
            "CREATE UNIQUE INDEX i ON __switchy_migrations (dirty)",
            "it creates an index on the tracking table",
        ),
        ("CREATE TEMP TABLE __switchy_migrations (name, run_on)", "it takes the name of the tracking table"),
        (
            "CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM __switchy_migrations; END; INSERT INTO notes (text) VALUES (1)",
            "it creates a trigger that names the tracking table",
        ),
        (
            "CREATE VIEW v AS SELECT * FROM notes; CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN DELETE FROM __switchy_migrations; END; DELETE FROM v",
            "it creates a trigger that names the tracking table",
        ),
        ("DROP TABLE __switchy_migrations_log", log),
        ("INSERT INTO __switchy_migrations_log (name, event) VALUES ('1_app', 'forgotten')", log),
        ("DELETE FROM __switchy_migrations_log", log),
        ("UPDATE __switchy_migrations_log SET program = 'me'", log),
        ("ALTER TABLE __switchy_migrations_log RENAME TO x", log),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'x'",
            "it changes the pragma `writable_schema`",
        ),
        ("PRAGMA writable_schema = 1", "it changes the pragma `writable_schema`"),
        ("UPDATE sqlite_master SET name = 'x' WHERE name = '__switchy_migrations'", "may not be modified"),
        ("DELETE FROM sqlite_schema", "may not be modified"),
        ("DELETE FROM docs_content", "may not be modified"),
    ];
    for (script, expected) in table {
        for options in ["", "guarded"] {
            check_hostile("", options, script, expected);
        }
    }
}

#[test]
fn a_script_that_takes_the_name_of_a_tracking_table_is_refused() {
    // If the log exists, SQLite itself refuses the name.
    check_hostile(
        "",
        "",
        "ALTER TABLE notes RENAME TO __switchy_migrations_log",
        "there is already another table",
    );
    check_hostile(
        "DROP TABLE __switchy_migrations_log",
        "",
        "ALTER TABLE notes RENAME TO __switchy_migrations_LOG",
        "there is already another table",
    );
    check_hostile(
        "DROP TABLE __switchy_migrations_log",
        "",
        "CREATE TABLE __switchy_migrations_log (x)",
        "it takes the name of the tracking table",
    );
    check_hostile(
        "DROP TABLE __switchy_migrations_log",
        "",
        "CREATE VIEW __switchy_migrations_log AS SELECT 1",
        "it takes the name of the tracking table",
    );
}

#[test]
fn a_script_that_ends_its_transaction_or_leaves_something_behind_on_the_connection_is_refused() {
    let table = [
        ("DELETE FROM notes; COMMIT", "it ends or begins a transaction"),
        ("DELETE FROM notes; COMMIT; BEGIN; SELECT 1", "it ends or begins a transaction"),
        ("END", "it ends or begins a transaction"),
        ("BEGIN", "it ends or begins a transaction"),
        ("ROLLBACK", "it ends or begins a transaction"),
        ("SAVEPOINT s; RELEASE s", "it sets or ends a savepoint"),
        ("RELEASE __switchy_code", "it sets or ends a savepoint"),
        ("ROLLBACK TO __switchy_tripwire", "it sets or ends a savepoint"),
        ("PRAGMA journal_mode = OFF", "it changes the pragma `journal_mode`"),
        ("PRAGMA journal_mode = MEMORY", "it changes the pragma `journal_mode`"),
        ("PRAGMA main.journal_mode('off')", "it changes the pragma `journal_mode`"),
        ("PRAGMA synchronous = OFF", "it changes the pragma `synchronous`"),
        ("PRAGMA locking_mode = EXCLUSIVE", "it changes the pragma `locking_mode`"),
        ("PRAGMA query_only = ON", "it changes the pragma `query_only`"),
        ("PRAGMA trusted_schema = ON", "it changes the pragma `trusted_schema`"),
        ("PRAGMA ignore_check_constraints = ON", "it changes the pragma `ignore_check_constraints`"),
        ("PRAGMA key = 'mine'", "it changes the pragma `key`"),
        (
            "CREATE TEMP TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; END",
            "it creates the temporary trigger `t`",
        ),
        ("CREATE TEMP VIEW notes AS SELECT 1", "it creates the temporary view `notes`"),
        ("DETACH main", "it detaches a database"),
        ("DROP TABLE missing", "no such table: missing"),
        ("SELEKT 1", "syntax error"),
        ("SELECT ?", "it has a parameter"),
    ];
    for (script, expected) in table {
        check_hostile("", "", script, expected);
    }
    for script in ["COMMIT", "BEGIN; DELETE FROM notes", "SAVEPOINT s"] {
        check_hostile("", "guarded", script, "it ");
    }
}

/// Regression: SQLite reports a trigger of `main` to the authorizer, but the trigger is created in `temp` and stays on the connection.
#[test]
fn a_temporary_trigger_by_its_qualified_name_is_refused() {
    let script =
        "CREATE TRIGGER temp.t AFTER INSERT ON main.notes BEGIN DELETE FROM __switchy_migrations; END";
    let database = crafted("", "", script);
    let conn = database.connect();
    let outcome = runner([app()]).downgrade(&conn).map(drop);
    // The next write of the application.
    conn.execute_batch("INSERT INTO notes (text) VALUES ('new')").unwrap();
    assert_eq!(applied(&conn).first().map(String::as_str), Some("1_app"));
    assert_eq!(outcome.unwrap_err().problems()[0].kind, ProblemKind::Untrusted);
    check_hostile("", "", script, "trigger");
}

/// Regression: a temporary table that a script leaves hides the table of the application until the connection is closed.
#[test]
fn a_temporary_table_that_hides_one_of_the_application_is_refused() {
    check_hostile("", "", "CREATE TEMP TABLE notes (id, text)", "notes");
}

/// Regression: the settings of allowed pragmas stay on the connection of the application.
#[test]
fn a_pragma_that_a_stored_script_may_use_leaves_the_connection_as_it_was() {
    for pragma in ["foreign_keys = OFF", "recursive_triggers = ON", "legacy_alter_table = ON"] {
        for options in ["", "guarded"] {
            let database = crafted("", options, &format!("PRAGMA {pragma}"));
            let conn = lived_in(&database);
            let before = pragmas(&conn);
            // The script is refused, or the setting is restored.
            let _ = runner([app()]).downgrade(&conn);
            assert_as_it_was(&conn, &before, &format!("{pragma}, {options}"));
        }
    }
}

/// Regression: a drop with `IF EXISTS` passes on the copy, which does not have the tables of other databases of the connection.
#[test]
fn a_stored_script_reaches_no_other_database_of_the_connection() {
    let scripts =
        ["aux.precious", "precious", "mine", "temp.mine"].map(|it| format!("DROP TABLE IF EXISTS {it}"));
    let reaches = |script: &&String| {
        let database = crafted("", "", script);
        let conn = lived_in(&database);
        conn.execute_batch("ATTACH ':memory:' AS aux; CREATE TABLE aux.precious (x)").unwrap();
        let _ = runner([app()]).downgrade(&conn);
        let names = "SELECT name FROM aux.sqlite_master UNION ALL SELECT name FROM sqlite_temp_master";
        rows(&conn, names) != ["precious", "mine"]
    };
    assert_eq!(scripts.iter().filter(reaches).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Regression: the same for a table that could not be copied, here the log.
#[test]
fn a_log_that_cannot_be_copied_is_not_dropped() {
    let hidden = "DROP TABLE __switchy_migrations_log;
        CREATE TABLE __switchy_migrations_log (name, event, logged_on, applied_on, checksum, program, who, why);
        INSERT INTO __switchy_migrations_log (name, event) VALUES ('1_app', 'accepted');
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = replace(sql, 'why)', 'why, CHECK (ours(why)))')
        WHERE name = '__switchy_migrations_log';
        PRAGMA writable_schema = RESET";
    let database = crafted(hidden, "", "DROP TABLE IF EXISTS __switchy_migrations_log");
    let conn = database.connect();
    assert_eq!(rows(&conn, "SELECT count(*) FROM __switchy_migrations_log"), ["1"]);
    runner([app()]).downgrade(&conn).unwrap_err();
    assert_eq!(rows(&conn, "SELECT count(*) FROM __switchy_migrations_log"), ["1"]);
}

#[test]
fn a_script_that_does_not_end_is_refused() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
    check_hostile("", "", endless, "it runs too long");
}

/// The trial on the copy counted only SQLite's steps, so a script that needs no rows ran there for as long as so many steps take: 15 seconds
/// under a sanitizer, and with long values in each step on any machine.
#[test]
fn the_trial_of_a_script_ends_when_its_time_is_over() {
    let steps = ["x + 1", "x + length(hex(zeroblob(100000)))"];
    for step in steps {
        let endless = format!("WITH n(x) AS (SELECT 1 UNION ALL SELECT {step} FROM n) SELECT max(x) FROM n");
        let database = crafted("", "", &endless);
        let conn = database.connect();
        let limits = StoredLimits::default().time(Duration::from_millis(1));
        let older = runner([app()]).stored_limits(limits);
        let problems = refused(&database, &conn, &older, &endless);
        let found = &problems[0].finding;
        assert!(found.contains("it runs for more than 1ms, the limit of a stored script"), "{found}");
    }
}

/// The script itself is harmless, but it fires a trigger in the schema.
#[test]
fn a_trap_that_waits_in_the_schema_is_refused() {
    let writes = "it writes to the tracking table `__switchy_migrations`";
    let forget = "BEGIN DELETE FROM __switchy_migrations WHERE name = '1_app'; END";
    let table = [
        (format!("CREATE TRIGGER trap AFTER DELETE ON notes {forget}"), "DELETE FROM notes", writes),
        (format!("CREATE TRIGGER trap BEFORE UPDATE OF text ON notes {forget}"), "UPDATE notes SET text = 'x'", writes),
        (
            format!("CREATE TABLE step (x); CREATE TRIGGER trap AFTER INSERT ON step {forget};
                CREATE TRIGGER first AFTER DELETE ON notes BEGIN INSERT INTO step VALUES (1); END"),
            "DELETE FROM notes WHERE id = 1",
            writes,
        ),
        (
            format!("CREATE VIEW v AS SELECT * FROM notes; CREATE TRIGGER trap INSTEAD OF INSERT ON v {forget}"),
            "INSERT INTO v VALUES (7, 'x')",
            writes,
        ),
        (
            "CREATE TRIGGER trap AFTER DELETE ON notes BEGIN SELECT load_extension('evil'); END".to_owned(),
            "DELETE FROM notes",
            "it loads an extension",
        ),
        (
            "CREATE VIEW v AS SELECT load_extension('evil') AS x".to_owned(),
            "SELECT * FROM v",
            "unsafe use of load_extension()",
        ),
        (
            "CREATE TRIGGER trap AFTER DELETE ON notes BEGIN UPDATE __switchy_migrations_log SET who = 'x'; END".to_owned(),
            "DELETE FROM notes",
            "`__switchy_migrations_log`",
        ),
    ];
    for (hidden, script, expected) in table {
        check_hostile(&hidden, "", script, expected);
        check_hostile(&hidden, "guarded", script, expected);
    }
}

/// Regression: foreign keys are not enforced on the copy, so the effects of a cascade are not detected there.
#[test]
fn a_trap_behind_a_foreign_key_action_is_refused() {
    // In a transaction, the checks of the step detect the first case and roll it back. Outside a transaction they detect it too late.
    let table = [
        ("__switchy_migrations", "guarded foreign_keys=on cascade"),
        ("__switchy_migrations", "foreign_keys=on cascade"),
        ("__switchy_migrations_log", "foreign_keys=on cascade"),
    ];
    let forgets = |row: &&(&str, &str)| {
        let (table, options) = row;
        let trap = format!("CREATE TRIGGER trap AFTER DELETE ON parts BEGIN DELETE FROM {table}; END");
        let database = crafted(&trap, options, "DELETE FROM notes WHERE id = 1");
        let conn = database.connect();
        let sql = format!("SELECT name FROM {table} ORDER BY rowid");
        let before = rows(&conn, &sql);
        let is_refused =
            runner([app()]).downgrade(&conn).is_err_and(|error| error.kind() == ErrorKind::Refused);
        !is_refused || rows(&conn, &sql) != before
    };
    assert_eq!(table.iter().filter(forgets).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
}

/// A schema that no statement can create.
#[test]
fn a_crafted_schema_is_refused() {
    let forged = |sql: &str| {
        format!(
            "PRAGMA writable_schema = ON;
            INSERT INTO sqlite_master VALUES ('trigger', 'sqlite_trap', 'notes', 0, '{sql}');
            PRAGMA writable_schema = OFF"
        )
    };
    let trap = "CREATE TRIGGER sqlite_trap AFTER DELETE ON notes BEGIN DELETE FROM __switchy_migrations; END";
    check_hostile(
        &forged(trap),
        "",
        "DELETE FROM notes",
        "`sqlite_trap` in the schema of the database cannot be copied",
    );
    let key = "PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = replace(sql, 'statement INTEGER', 'statement INTEGER REFERENCES notes ON DELETE CASCADE')
        WHERE name = '__switchy_migrations';
        PRAGMA writable_schema = RESET";
    check_hostile(
        key,
        "",
        "DELETE FROM notes",
        "the tracking table `__switchy_migrations` has a foreign key",
    );
}

/// Regression: two tables share one root page, but on the copy each has its own.
#[test]
fn a_table_that_shares_the_pages_of_the_records_is_refused() {
    let shared = "CREATE TABLE bait (name TEXT, event TEXT); PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = '__switchy_migrations_log')
        WHERE name = 'bait';
        PRAGMA writable_schema = RESET";
    let database = crafted(shared, "", "DELETE FROM bait");
    let conn = database.connect();
    let log = rows(&conn, "SELECT name FROM __switchy_migrations_log");
    assert_eq!(log.len(), 2);
    runner([app()]).downgrade(&conn).unwrap_err();
    assert_eq!(rows(&conn, "SELECT name FROM __switchy_migrations_log"), log);
}

#[test]
fn what_ships_with_real_programs_can_be_undone() {
    let base = || {
        Migration::reversible(
            "1_base",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
            CREATE TABLE parts (note INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE, x TEXT);
            INSERT INTO notes VALUES (1, 'a'), (2, 'b'), (3, 'c');
            INSERT INTO parts VALUES (1, 'p'), (2, 'q'), (2, 'r')",
            "",
        )
    };
    let it = |up, down| Migration::reversible("2_it", up, down);
    // (description, migration, the notes and the parts afterwards)
    let table = [
        (
            "a rebuild",
            it(
                "ALTER TABLE notes ADD COLUMN more TEXT NOT NULL DEFAULT 'm'",
                "CREATE TABLE n (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO n SELECT id, text FROM notes;
                DROP TABLE notes; CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
                INSERT INTO notes SELECT * FROM n; DROP TABLE n",
            ),
            3,
            3,
        ),
        ("a column", it("ALTER TABLE notes ADD more", "ALTER TABLE notes DROP COLUMN more"), 3, 3),
        (
            "a search index with its triggers",
            it(
                "CREATE VIRTUAL TABLE docs USING fts5(text, content = 'notes', content_rowid = 'id');
                INSERT INTO docs(docs) VALUES ('rebuild');
                CREATE TRIGGER docs_insert AFTER INSERT ON notes BEGIN
                    INSERT INTO docs (rowid, text) VALUES (new.id, new.text); END",
                "DROP TRIGGER docs_insert; DROP TABLE docs",
            ),
            3,
            3,
        ),
        (
            "a view and its trigger",
            it(
                "CREATE VIEW v AS SELECT * FROM notes;
                CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN DELETE FROM notes WHERE id = old.id; END",
                "DROP TRIGGER t; DROP VIEW v",
            ),
            3,
            3,
        ),
        ("rows", it("INSERT INTO notes VALUES (9, 'z')", "DELETE FROM notes WHERE id = 9"), 3, 3),
        ("outside a transaction", it("VACUUM", "VACUUM").outside_transaction(), 3, 3),
        ("nothing", it("SELECT 1", "SELECT 1"), 3, 3),
        (
            "a cascade that is meant",
            it("", "DELETE FROM notes WHERE id = 2").foreign_keys(ForeignKeys::Enforced).allow_cascade(),
            2,
            1,
        ),
        (
            "orphans that are meant",
            it("", "DELETE FROM notes WHERE id = 2").foreign_keys(ForeignKeys::Unchecked),
            2,
            3,
        ),
    ];
    for (what, it, notes, parts) in table {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        runner([base()]).run(&conn).unwrap();
        let (before, texts) = (schema(&conn), rows(&conn, "SELECT * FROM notes WHERE id <> 2"));
        runner([base(), it]).run(&conn).unwrap();
        let report = runner([base()]).downgrade(&conn).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(report.applied.len(), 1, "{what}");
        assert_eq!(schema(&conn), before, "{what}");
        assert_eq!(rows(&conn, "SELECT * FROM notes WHERE id <> 2"), texts, "{what}");
        let count = |table| rows(&conn, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(count("notes"), [notes.to_string()], "{what}");
        assert_eq!(count("parts"), [parts.to_string()], "{what}");
        assert_eq!(rows(&conn, "PRAGMA foreign_keys"), ["1"], "{what}");
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{what}");
        assert!(runner([base()]).run(&conn).unwrap().is_up_to_date(), "{what}");
    }
}

/// A stored script may do no more to rows than any other script.
#[test]
fn a_stored_script_runs_under_the_guards_of_any_migration() {
    let script = "DELETE FROM notes WHERE id = 1";
    for (options, expected) in [
        ("", "afterwards 1 row of `parts` would reference missing rows of `notes`"),
        ("foreign_keys=on", "its foreign key actions delete a row of `parts`"),
    ] {
        let database = crafted("", options, script);
        let conn = lived_in(&database);
        let before = pragmas(&conn);
        let error = runner([app()]).downgrade(&conn).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Step, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("nothing of it was kept"), "{error}");
        assert_eq!(rows(&conn, "SELECT count(*) FROM notes"), ["2"]);
        assert_eq!(applied(&conn), ["1_app", "2_evil"]);
        assert_as_it_was(&conn, &before, options);
    }
}

#[test]
fn a_program_that_knows_no_write_ahead_log_leaves_it() {
    let wal = || {
        Migration::reversible("2_wal", "PRAGMA journal_mode = WAL", "PRAGMA journal_mode = DELETE")
            .outside_transaction()
    };
    let database = TestDatabase::new();
    let conn = database.connect();
    runner([users(), wal(), view()]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "PRAGMA journal_mode"), ["wal"]);
    assert_eq!(runner([users()]).downgrade(&conn).unwrap().applied.len(), 2);
    assert_eq!(rows(&conn, "PRAGMA journal_mode"), ["delete"]);
    assert_eq!(schema(&conn), ["CREATE TABLE users (name TEXT)"]);
    assert_eq!(applied(&conn), ["1_users"]);
}

#[test]
fn an_older_table_has_no_way_back_and_that_is_said() {
    let two = "CREATE TABLE __switchy_migrations (name TEXT NOT NULL, run_on TEXT NOT NULL);
        INSERT INTO __switchy_migrations VALUES ('1_users', '2024-01-01'), ('2_email', '2024-01-02')";
    let nine = "CREATE TABLE __switchy_migrations (name TEXT NOT NULL UNIQUE, run_on TEXT NOT NULL, checksum TEXT,
            dirty INTEGER NOT NULL DEFAULT 0, duration_ms INTEGER, basis TEXT, statement INTEGER, failure TEXT, up_sql TEXT);
        INSERT INTO __switchy_migrations (name, run_on) VALUES ('1_users', '2024-01-01'), ('2_email', '2024-01-02')";
    for table in [two, nine] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch(table).unwrap();
        let problems = refused(&database, &conn, &runner([users()]), table);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected = "`2_email` has no stored script that undoes it; undo it with the version of the program that \
            applied it, or use that version";
        assert_eq!(told, [expected], "{table}");
        assert_eq!(problems[0].kind, ProblemKind::Irreversible);
    }
}

const DATABASE: &str = "SWITCHY_SCHEMA_TEST_DOWNGRADE_DATABASE";
const MOMENT: &str = "SWITCHY_SCHEMA_TEST_DOWNGRADE_MOMENT";

/// Three migrations. Undoing `n` leaves two lines in the table of the first, and drops the table of `n`.
fn ticking() -> Vec<Migration> {
    let lines = Migration::sql("1_lines", "CREATE TABLE lines (n)");
    let it = |n: usize| {
        let up = format!("CREATE TABLE t{n} (x); INSERT INTO t{n} VALUES (1), (2)");
        let line = format!("INSERT INTO lines SELECT {n} WHERE tick();");
        Migration::from_scripts(format!("{n}_it"), up, Some(format!("{line} DROP TABLE t{n}; {line}")))
    };
    [lines].into_iter().chain((2..=4).map(it)).collect()
}

fn with_tick(conn: &Connection, tick: impl Fn() + Send + UnwindSafe + 'static) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    conn.create_scalar_function("tick", 0, flags, move |_| {
        tick();
        Ok(true)
    })
}

fn older() -> MigrationRunner {
    runner(ticking()[..1].to_vec()).prepare_connection(|conn| Ok(with_tick(conn, || ())?))
}

#[test]
fn the_job_of_a_process_that_is_killed_while_it_downgrades() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let moment = std::env::var(MOMENT).unwrap();
    let at = |which: &str| dying_at(&moment, which);
    let (tick, commit, started, finished) = (at("tick"), at("commit"), at("started"), at("finished"));
    #[allow(unused_mut, reason = "hooks need `mut` from rusqlite 0.41 on")]
    let mut conn = Connection::open(path).unwrap();
    with_tick(&conn, tick).unwrap();
    #[allow(clippy::let_unit_value, reason = "the function returns `()` in older versions of the driver")]
    let _ = conn.commit_hook(Some(move || {
        commit();
        false
    }));
    let older = older().observe(move |event| match event {
        Event::Started { .. } => started(),
        Event::Finished { .. } => finished(),
        _ => {}
    });
    older.downgrade(&conn).unwrap_or_else(|error| panic!("{error}"));
}

fn start(database: &TestDatabase, moment: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "downgrade::the_job_of_a_process_that_is_killed_while_it_downgrades",
            "--nocapture",
        ])
        .env(DATABASE, database.path())
        .env(MOMENT, moment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_killed_while_it_downgrades_leaves_each_migration_whole_or_undone() {
    // (the moment, how many migrations are undone by then)
    let moments = [
        ("started 1", 0),
        ("tick 1", 0),
        ("tick 2", 0),
        ("finished 1", 0),
        ("commit 1", 0),
        ("started 2", 1),
        ("tick 3", 1),
        ("tick 4", 1),
        ("commit 2", 1),
        ("tick 6", 2),
        ("commit 3", 2),
    ];
    for (number, (moment, undone)) in moments.into_iter().enumerate() {
        let mode = ["delete", "wal"][number % 2];
        let database = TestDatabase::new();
        assert_eq!(database.rows(&format!("PRAGMA journal_mode = {mode}")), [mode]);
        runner(ticking()).run(&database.connect()).unwrap();
        let mut child = start(&database, moment);
        wait_for(&mut child, "dying");
        child.kill().unwrap();
        child.wait().unwrap();

        let conn = database.connect();
        let context = format!("{moment}, {mode}");
        let left: Vec<String> =
            ["1_lines", "2_it", "3_it", "4_it"][..4 - undone].iter().map(ToString::to_string).collect();
        assert_eq!(applied(&conn), left, "{context}");
        for n in 2..=4 {
            let is_undone = n > 4 - undone;
            let name = format!("SELECT name FROM sqlite_master WHERE name = 't{n}'");
            assert_eq!(rows(&conn, &name).is_empty(), is_undone, "{context}: {n}");
            let lines = rows(&conn, &format!("SELECT n FROM lines WHERE n = {n}")).len();
            assert_eq!(lines, if is_undone { 2 } else { 0 }, "{context}: {n}");
            if !is_undone {
                assert_eq!(rows(&conn, &format!("SELECT x FROM t{n}")).len(), 2, "{context}: {n}");
            }
        }
        let history = older().history(&conn).unwrap();
        assert_eq!(history.log().len(), undone, "{context}");
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{context}");

        with_tick(&conn, || ()).unwrap();
        let rest = older().lock_timeout(Duration::ZERO).downgrade(&conn).unwrap();
        assert_eq!(rest.applied.len(), 3 - undone, "{context}");
        assert!(older().run(&conn).unwrap().is_up_to_date(), "{context}");
        assert_eq!(rows(&conn, "SELECT count(*) FROM lines"), ["6"], "{context}");
    }
}

/// What a stored script does to rows is not seen on the copy, which has none: a join of a table with itself ran for ever, and a blob filled
/// the disk.
#[test]
fn a_stored_script_that_exceeds_a_limit_is_undone_and_the_limit_is_named() {
    use switchy_schema::FaultKind;

    let limits = StoredLimits::default;
    let endless =
        "WITH n (i) AS (SELECT x FROM rows UNION ALL SELECT i + 1 FROM n) SELECT i, randomblob(9) FROM n";
    let join = "SELECT count(*) FROM rows a, rows b, rows c, rows d WHERE a.x + b.x + c.x = d.x";
    let rows_of = [
        (join.to_owned(), limits().time(Duration::from_millis(60)), "it runs for more than 60ms"),
        (format!("UPDATE rows SET y = 2; {join}"), limits().time(Duration::from_millis(60)), "it runs for more than 60ms"),
        (format!("INSERT INTO rows {endless}"), limits().time(Duration::from_millis(60)), "it runs for more than 60ms"),
        ("UPDATE rows SET y = 1".to_owned(), limits().rows(1_999), "it changes more than 1999 rows"),
        ("DELETE FROM rows; SELECT 1".to_owned(), limits().rows(1_999), "it changes more than 1999 rows"),
        (
            "INSERT INTO rows SELECT x, zeroblob(900) FROM rows".to_owned(),
            limits().bytes(1_000_000),
            "it makes the database more than 1000000 bytes larger",
        ),
        (
            "CREATE TEMP TABLE x AS SELECT x, zeroblob(1000) FROM rows; INSERT INTO x SELECT * FROM x; DROP TABLE x".to_owned(),
            limits().bytes(1_000_000),
            "it makes the database more than 1000000 bytes larger",
        ),
        (
            "UPDATE rows SET y = zeroblob(x + 2000000) WHERE x = 1".to_owned(),
            limits().bytes(1_000_000),
            "it makes a value of more than 1000000 bytes",
        ),
    ];
    for mode in ["DELETE", "WAL"] {
        for (script, limits, what) in &rows_of {
            let database = TestDatabase::new();
            let conn = database.connect();
            conn.pragma_update(None, "journal_mode", mode).unwrap();
            let fill = "CREATE TABLE rows (x, y); WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                INSERT INTO rows SELECT i, NULL FROM n";
            let newer = Migration::from_scripts("2_it", fill, Some(script.clone()));
            MigrationRunner::new([users(), newer]).unwrap().run(&conn).unwrap();
            let settings = |conn: &Connection| {
                ["PRAGMA main.max_page_count", "PRAGMA temp.max_page_count"].map(|sql| rows(conn, sql))
            };
            let state = |conn: &Connection| {
                let counted = rows(conn, "SELECT count(*), count(y) FROM rows");
                (schema(conn), counted, applied(conn), settings(conn))
            };
            let before = state(&conn);
            // On a slow machine, a short time may be over before the script has been tried on the copy.
            let times: &[u64] = if what.contains("60ms") { &[60, 3_000, 60_000] } else { &[300_000] };
            let attempts = times.iter().map(|time| {
                let time = Duration::from_millis(*time);
                let older = MigrationRunner::new([users()]).unwrap().stored_limits(limits.time(time));
                (older.downgrade(&conn).unwrap_err(), what.replace("60ms", &format!("{time:?}")))
            });
            let mut attempts = attempts.skip_while(|(error, _)| error.kind() == ErrorKind::Refused);
            let (error, what) = attempts.next().expect("it is refused although it has a minute");
            let text = error.to_string();
            assert!(
                text.contains(&what) && text.contains("the limit of a stored script"),
                "{script}: {text}"
            );
            assert!(text.contains("nothing of it was kept"), "{script}: {text}");
            let remedy = "raise the limit with `stored_limits` if the script can be trusted";
            assert!(text.ends_with(remedy), "{script}: {text}");
            assert!(matches!(
                error.fault(),
                Some(FaultKind::Interrupted | FaultKind::Full | FaultKind::Other)
            ));
            assert_eq!(state(&conn), before, "{script}");
            assert!(conn.is_autocommit());
            // A value that the script could not make can be made again.
            conn.query_row("SELECT length(zeroblob(3000000))", [], |_| Ok(())).unwrap();
        }
    }
}

/// Scripts within the limits run, and the limits are each script's own.
#[test]
fn the_limits_do_not_reach_other_scripts() {
    use switchy_schema::StoredLimits;

    let fill = |n: &str| {
        format!(
            "CREATE TABLE {n} (x); WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) INSERT INTO {n} SELECT i FROM n"
        )
    };
    let newer = |id: &'static str, n: &str| {
        Migration::from_scripts(id, fill(n), Some(format!("DELETE FROM {n}; DROP TABLE {n}")))
    };
    let conn = memory();
    let all = [users(), newer("2_a", "a"), newer("3_b", "b"), newer("4_c", "c")];
    MigrationRunner::new(all).unwrap().run(&conn).unwrap();
    let limits = StoredLimits::default().rows(1_000).bytes(100_000);
    let twice = fill("d") + "; INSERT INTO d SELECT * FROM d";
    let more = Migration::from_scripts("5_d", twice, Some("DELETE FROM d; DROP TABLE d".to_owned()));
    let older = MigrationRunner::new([users()]).unwrap().stored_limits(limits);
    assert_eq!(older.downgrade(&conn).unwrap().applied.len(), 3);
    let own = MigrationRunner::new([users(), more]).unwrap().stored_limits(limits.rows(1).bytes(1));
    let plan = own.plan(&conn, Target::Latest).unwrap();
    assert_eq!(own.apply(&conn, plan).unwrap().applied.len(), 1);
    own.rollback(&conn, 1).unwrap();
    assert_eq!(own.run(&conn).unwrap().applied.len(), 1);
}
