//! Rehearsals: what a run does to a database, measured on a copy.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::{
    ErrorKind, Event, ForeignKeys, Hooks, Impact, Migration, MigrationRunner, Policy, ProblemKind, Rehearsal,
    StepImpact, Target, TransactionMode, Verdict,
};

/// Eight people, of whom three have two pets each; a log that triggers can write to.
const BEFORE: &str = "
    CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age, email TEXT UNIQUE);
    CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person ON DELETE CASCADE, name TEXT);
    CREATE TABLE log (id INTEGER PRIMARY KEY, text);
    CREATE TABLE setting (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE bag (thing);
    CREATE INDEX pet_owner ON pet (owner);
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8)
        INSERT INTO person SELECT i, 'p' || i, CASE WHEN i % 2 THEN i * 10 ELSE 'old' END, i || '@x' FROM n;
    INSERT INTO pet (owner, name) SELECT id, 'a' FROM person WHERE id <= 3 UNION ALL SELECT id, 'b' FROM person WHERE id <= 3;
    INSERT INTO log (text) VALUES ('one'), ('two'), ('three'), ('four');
    INSERT INTO setting VALUES ('a', 1), ('b', 2), ('c', NULL);
    INSERT INTO bag VALUES (1), (1), (2);
";

fn before() -> Migration {
    Migration::sql("1_before", BEFORE)
}

/// A database with the rows of [`BEFORE`].
fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    MigrationRunner::new([before()]).unwrap().run(&conn).unwrap();
    conn
}

/// What a step does in one line: `person 8>6 -2 (-1) ~3 +1; age null 2, type 1; create index i`. The numbers in parentheses are those of side
/// effects.
fn line(step: &StepImpact) -> String {
    let mut parts = Vec::new();
    for table in &step.tables {
        let number = |rows: Option<u64>| rows.map_or("?".to_owned(), |rows| rows.to_string());
        let mut text = format!("{} {:?}", table.table, table.fate).to_lowercase();
        if let Some(name) = &table.renamed_to {
            write!(text, " to {name}").unwrap();
        }
        write!(text, " {}>{}", number(table.rows_before), number(table.rows_after)).unwrap();
        for (rows, ends) in [(table.by_statements, ["", ""]), (table.by_side_effects, ["(", ")"])] {
            for (sign, count) in [('-', rows.deleted), ('~', rows.updated), ('+', rows.inserted)] {
                if count > 0 {
                    write!(text, " {}{sign}{count}{}", ends[0], ends[1]).unwrap();
                }
            }
        }
        for column in &table.columns {
            write!(text, ", {}", column.column).unwrap();
            for (what, count) in [("null", column.became_null), ("type", column.changed_type)] {
                if count > 0 {
                    write!(text, " {what} {count}").unwrap();
                }
            }
            if let Some(values) = column.dropped {
                write!(text, " dropped {values}").unwrap();
            }
        }
        parts.push(text);
    }
    for change in &step.schema {
        let verb = match (&change.before, &change.after) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        parts.push(format!("{verb}{} {}", change.kind, change.name));
    }
    parts.join("; ")
}

fn rehearse(conn: &Connection, migration: Migration) -> Impact {
    MigrationRunner::new([before(), migration]).unwrap().rehearse(conn, Target::Latest).unwrap()
}

#[test]
fn the_measured_impact_is_the_known_one() {
    let rebuild = |columns: &str, select: &str| {
        format!(
            "CREATE TABLE new (id INTEGER PRIMARY KEY, {columns}); INSERT INTO new {select};
             DROP TABLE person; ALTER TABLE new RENAME TO person;"
        )
    };
    let all = "name TEXT NOT NULL, age, email TEXT UNIQUE";
    let rows: Vec<(String, &str)> = vec![
        // Rows.
        ("DELETE FROM log WHERE id > 1".into(), "log kept 4>1 -3"),
        ("DELETE FROM log".into(), "log kept 4>0 -4"),
        ("UPDATE person SET name = upper(name) WHERE id <= 5".into(), "person kept 8>8 ~5"),
        ("UPDATE person SET email = NULL WHERE id > 5".into(), "person kept 8>8 ~3, email null 3"),
        ("UPDATE person SET age = CAST(age AS INTEGER)".into(), "person kept 8>8 ~8, age type 4"),
        ("UPDATE person SET age = NULL WHERE id = 1; UPDATE person SET age = 'x' WHERE id = 1".into(), "person kept 8>8 ~2, age type 1"),
        ("INSERT INTO log (text) VALUES ('five'), ('six')".into(), "log kept 4>6 +2"),
        ("INSERT INTO log SELECT id + 100, text FROM log; DELETE FROM log WHERE id < 3".into(), "log kept 4>6 -2 +4"),
        ("REPLACE INTO log VALUES (1, 'new'), (9, 'new')".into(), "log kept 4>5 +2 (-1)"),
        ("INSERT INTO log VALUES (1, 'a'), (9, NULL) ON CONFLICT (id) DO UPDATE SET text = NULL".into(), "log kept 4>5 ~1 +1, text null 1"),
        ("INSERT OR IGNORE INTO log VALUES (1, 'a'), (9, 'b')".into(), "log kept 4>5 +1"),
        // A REPLACE on another key takes a row that the statement does not name.
        ("REPLACE INTO person VALUES (9, 'new', 1, '8@x')".into(), "person kept 8>8 +1 (-1)"),
        ("DELETE FROM log WHERE id = 1; INSERT INTO log VALUES (1, NULL)".into(), "log kept 4>4 -1 +1, text null 1"),
        // Tables without row numbers, and without a key.
        ("UPDATE setting SET value = NULL WHERE key < 'c'; DELETE FROM setting WHERE key = 'c'".into(), "setting kept 3>2 -1 ~2, value null 2"),
        ("DELETE FROM bag WHERE thing = 1; INSERT INTO bag VALUES (7)".into(), "bag kept 3>2 -2 +1"),
        // Side effects.
        ("DELETE FROM person WHERE id = 1".into(), "person kept 8>7 -1; pet kept 6>4 (-2)"),
        ("UPDATE log SET id = id + 10 WHERE id > 2".into(), "log kept 4>4 ~2"),
        (
            "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM setting WHERE key = new.text; INSERT INTO setting VALUES ('z', 1); END;
             INSERT INTO log (text) VALUES ('a'); DROP TRIGGER t".into(),
            "log kept 4>5 +1; setting kept 3>3 (-1) (+1)",
        ),
        (
            "CREATE TRIGGER t AFTER DELETE ON log BEGIN DELETE FROM bag; END; DELETE FROM log WHERE id = 1; DROP TRIGGER t".into(),
            "bag kept 3>0 (-3); log kept 4>3 -1",
        ),
        (
            "CREATE TRIGGER t AFTER UPDATE ON person BEGIN INSERT INTO log (text) VALUES (new.name); UPDATE pet SET name = 'z' WHERE owner = new.id; END;
             UPDATE person SET age = 1 WHERE id IN (1, 8); DROP TRIGGER t".into(),
            "log kept 4>6 (+2); person kept 8>8 ~2, age type 1; pet kept 6>6 (~2)",
        ),
        // A rebuild.
        (rebuild(all, "SELECT * FROM person"), "person replaced 8>8"),
        (rebuild("name TEXT NOT NULL, email TEXT UNIQUE", "SELECT id, name, email FROM person"), "person replaced 8>8, age dropped 8; ~table person"),
        (rebuild("name TEXT NOT NULL, age INTEGER, email TEXT", "SELECT id, name, CAST(age AS INTEGER), NULL FROM person"), "person replaced 8>8 ~8, age type 4, email null 8; ~table person"),
        (
            rebuild(all, "SELECT DISTINCT person.* FROM person JOIN pet ON pet.owner = person.id"),
            "person replaced 8>3 (-5)",
        ),
        (rebuild(all, "SELECT * FROM person WHERE id <> 8") + "DELETE FROM pet;", "person replaced 8>7 (-1); pet kept 6>0 -6"),
        // Columns and names.
        ("ALTER TABLE pet DROP COLUMN name".into(), "pet kept 6>6, name dropped 6; ~table pet"),
        ("ALTER TABLE pet RENAME COLUMN name TO called; UPDATE pet SET called = NULL WHERE id < 3".into(), "pet kept 6>6 ~2, name null 2; ~table pet"),
        ("ALTER TABLE pet ADD COLUMN age DEFAULT 3".into(), "~table pet"),
        ("ALTER TABLE log RENAME TO diary; INSERT INTO diary (text) VALUES ('five')".into(), "log kept to diary 4>5 +1; -table log; +table diary"),
        ("ALTER TABLE log RENAME TO x; ALTER TABLE bag RENAME TO log; ALTER TABLE x RENAME TO bag".into(), "bag kept to log 3>3; log kept to bag 4>4; ~table bag; ~table log"),
        ("ALTER TABLE log RENAME TO x; INSERT INTO x (text) VALUES ('five'); ALTER TABLE bag RENAME TO log; ALTER TABLE x RENAME TO bag".into(), "bag kept to log 3>3; log kept to bag 4>5 +1; ~table bag; ~table log"),
        ("ALTER TABLE log RENAME TO x; UPDATE x SET text = NULL WHERE id = 1; ALTER TABLE x RENAME TO log".into(), "log kept 4>4 ~1, text null 1"),
        ("ALTER TABLE log RENAME TO diary; CREATE TABLE log (x)".into(), "log kept to diary 4>4; log created ?>0; ~table log; +table diary"),
        // One column goes and another comes, or takes its name.
        ("ALTER TABLE pet DROP COLUMN name; ALTER TABLE pet ADD COLUMN called".into(), "pet kept 6>6, name dropped 6; ~table pet"),
        ("ALTER TABLE pet DROP COLUMN name; ALTER TABLE pet ADD COLUMN name".into(), "pet kept 6>6, name dropped 6; ~table pet"),
        ("ALTER TABLE pet RENAME COLUMN name TO called; ALTER TABLE pet ADD COLUMN age".into(), "~table pet"),
        ("ALTER TABLE person RENAME age TO x; ALTER TABLE person RENAME name TO age; ALTER TABLE person RENAME x TO \"name\"".into(), "~table person"),
        ("ALTER TABLE setting RENAME COLUMN key TO name; UPDATE setting SET value = 3 WHERE name = 'a'".into(), "setting kept 3>3 ~1; ~table setting"),
        // Other ways to replace a table.
        (
            "ALTER TABLE log RENAME TO old; CREATE TABLE log (id INTEGER PRIMARY KEY, text); INSERT INTO log SELECT * FROM old WHERE id > 1; DROP TABLE old".into(),
            "log replaced 4>3 (-1)",
        ),
        (
            "CREATE TABLE new (id INTEGER PRIMARY KEY, text); INSERT INTO new SELECT * FROM log; ALTER TABLE log RENAME TO old; DROP TABLE old; ALTER TABLE new RENAME TO log; ALTER TABLE log RENAME text TO said".into(),
            "log replaced 4>4; ~table log",
        ),
        (rebuild(all, "SELECT * FROM person") + "ALTER TABLE person RENAME COLUMN age TO years;", "person replaced 8>8; ~table person"),
        // The schema.
        ("DROP TABLE log".into(), "log dropped 4>?; -table log"),
        ("DROP TABLE log; CREATE TABLE log (x)".into(), "log replaced 4>0 (-4), id dropped 4, text dropped 4; ~table log"),
        ("CREATE TABLE copy AS SELECT * FROM person WHERE id > 3".into(), "copy created ?>5 +5; +table copy"),
        ("CREATE VIEW v AS SELECT name FROM person; CREATE INDEX i ON person (age); DROP INDEX pet_owner".into(), "-index pet_owner; +index i; +view v"),
        (
            "CREATE VIRTUAL TABLE found USING fts5(name, content='person', content_rowid='id');
             INSERT INTO found (rowid, name) SELECT id, name FROM person".into(),
            "found created ?>8 +8; +table found",
        ),
        // What is undone did not happen.
        ("SAVEPOINT s; UPDATE log SET text = 'x'; ROLLBACK TO s; RELEASE s; UPDATE log SET text = 'y' WHERE id = 1".into(), "log kept 4>4 ~1"),
        ("CREATE TEMP TABLE t AS SELECT 1; UPDATE log SET text = 'x' WHERE id = 2".into(), "log kept 4>4 ~1"),
        (String::new(), ""),
    ];
    let mut wrong = Vec::new();
    for (script, expected) in rows {
        let conn = database();
        let wanted =
            Migration::from_scripts("2_step", script.clone(), None).allow_destructive().allow_cascade();
        let enforced = script.contains("person WHERE id = 1") && !script.contains("CREATE");
        let keys = if enforced { ForeignKeys::Enforced } else { ForeignKeys::Checked };
        let impact = rehearse(&conn, wanted.foreign_keys(keys));
        assert!(impact.problems.iter().all(|problem| problem.verdict == Verdict::Warn), "{impact}");
        let found = impact.steps.iter().map(line).collect::<Vec<_>>().join(" | ");
        if found != expected {
            wrong.push(format!("{script}\n   {found}\n   {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn lines(impact: &Impact) -> Vec<String> {
    impact.steps.iter().map(line).collect()
}

#[test]
fn code_and_hooks_run_on_the_copy() {
    let conn = database();
    let code = Migration::code("2_code", |conn| {
        conn.execute_batch("DELETE FROM log; UPDATE person SET email = NULL WHERE id = 1; CREATE TABLE made (x); INSERT INTO made VALUES (1)")
    });
    let runner = MigrationRunner::new([before(), code]).unwrap();
    let runner = runner.hooks(Hooks::new().before(|_, conn| Ok(conn.execute_batch("DELETE FROM bag")?)));
    let by_code = "log kept 4>0 -4; made created ?>1 +1; person kept 8>8 ~1, email null 1; +table made";
    assert_eq!(lines(&runner.rehearse(&conn, Target::Latest).unwrap()), [by_code]);
    let with_hooks = runner.rehearse(&conn, Rehearsal::to(Target::Latest).with_hooks()).unwrap();
    assert_eq!(lines(&with_hooks), [format!("bag kept 3>0 -3; {by_code}")]);
}

#[test]
fn the_rows_of_virtual_tables_are_counted_whatever_writes_them() {
    let conn = database();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE found USING fts5(name);
         INSERT INTO found (rowid, name) SELECT id, name FROM person;
         CREATE VIRTUAL TABLE place USING rtree(id, low, high);
         INSERT INTO place SELECT id, id, id + 1 FROM person;
         CREATE TRIGGER gone AFTER DELETE ON person BEGIN DELETE FROM found WHERE rowid = old.id; DELETE FROM place WHERE id = old.id; END",
    )
    .unwrap();
    let rows = [
        ("DELETE FROM person WHERE id > 6", "found kept 8>6 (-2); person kept 8>6 -2; place kept 8>6 (-2)"),
        (
            "DELETE FROM found WHERE rowid < 4; INSERT INTO found (rowid, name) VALUES (20, 'x'), (21, 'y'), (22, 'z'), (23, 'u')",
            "found kept 8>9 +1",
        ),
        ("DELETE FROM place", "place kept 8>0 -8"),
        (
            "ALTER TABLE found RENAME TO seek",
            "found kept to seek 8>8; -table found; ~trigger gone; +table seek",
        ),
        ("DROP TRIGGER gone; DROP TABLE place", "place dropped 8>?; -trigger gone; -table place"),
        ("UPDATE log SET text = 'x'", "log kept 4>4 ~4"),
    ];
    for (script, expected) in rows {
        let step = Migration::sql("2_step", script).allow_destructive().allow_cascade();
        assert_eq!(lines(&rehearse(&conn, step)), [expected], "{script}");
    }
}

#[test]
fn code_changes_columns() {
    let rows = [
        (
            "ALTER TABLE pet DROP COLUMN name; ALTER TABLE pet ADD COLUMN age",
            "pet kept 6>6, name dropped 6; ~table pet",
        ),
        ("ALTER TABLE pet RENAME COLUMN name TO called; ALTER TABLE pet ADD COLUMN age", "~table pet"),
        // Its rows have no key but their number.
        (
            "ALTER TABLE bag ADD COLUMN size; UPDATE bag SET thing = NULL WHERE thing = 2",
            "bag kept 3>3 ~1, thing null 1; ~table bag",
        ),
    ];
    for (script, expected) in rows {
        let code = Migration::code("2_code", move |conn| conn.execute_batch(script));
        assert_eq!(lines(&rehearse(&database(), code)), [expected], "{script}");
    }
}

#[test]
fn each_step_is_measured_from_the_one_before() {
    let conn = database();
    let set = || {
        [
            before(),
            Migration::sql("2_a", "UPDATE person SET name = 'x' WHERE id < 4; CREATE TABLE extra (y)"),
            Migration::reversible(
                "3_b",
                "INSERT INTO extra VALUES (1), (2); UPDATE person SET email = NULL",
                "DELETE FROM extra",
            ),
            Migration::sql("4_c", "DELETE FROM extra WHERE y = 1; ALTER TABLE extra RENAME TO more")
                .allow_destructive(),
            Migration::sql("5_d", "DROP TABLE more"),
        ]
    };
    let expected = [
        "extra created ?>0; person kept 8>8 ~3; +table extra",
        "extra kept 0>2 +2; person kept 8>8 ~8, email null 8",
        "extra kept to more 2>1 -1; -table extra; +table more",
        "more dropped 1>?; -table more",
    ];
    for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
        let runner = MigrationRunner::new(set()).unwrap().transaction(mode);
        let impact = runner.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(lines(&impact), expected);
        // A table that is there only in between is no change of the run.
        let all = impact.tables();
        assert_eq!(all.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["person"]);
        assert_eq!((all[0].rows().updated, all[0].columns[0].became_null), (11, 8));
    }
    let runner = MigrationRunner::new(set()).unwrap();
    runner.run_to(&conn, Target::Through("3_b".into())).unwrap();
    let back = runner.rehearse(&conn, Target::Back(1)).unwrap();
    assert_eq!(lines(&back), ["extra kept 2>0 -2"]);
    let redo = runner.rehearse(&conn, Target::Redo).unwrap();
    assert_eq!(lines(&redo), ["extra kept 2>0 -2", "extra kept 0>2 +2; person kept 8>8 ~8"]);
    assert!(back.is_destructive());
}

/// A renamed column is compared under its new name in the next step, and steps that are valid only together replace a table.
#[test]
fn what_one_step_renames_or_drops_the_next_one_can_use() {
    let scripts: [(&[&str], &[&str]); 2] = [
        (
            &["ALTER TABLE bag RENAME COLUMN thing TO item", "UPDATE bag SET item = NULL WHERE item = 2"],
            &["~table bag", "bag kept 3>3 ~1, item null 1"],
        ),
        (
            &[
                "CREATE TABLE new (id INTEGER PRIMARY KEY, name, age, email)",
                "INSERT INTO new SELECT * FROM person WHERE id > 3; DELETE FROM pet; DROP TABLE person",
                "ALTER TABLE new RENAME TO person",
                "UPDATE person SET age = NULL WHERE id = 8",
            ],
            &[
                "new created ?>0; +table new",
                "person replaced 8>5 (-3); pet kept 6>0 -6; -table new; ~table person",
                "person kept 5>5 ~1, age null 1",
            ],
        ),
    ];
    for (scripts, expected) in scripts {
        let steps = scripts.iter().enumerate().map(|(number, script)| {
            let id = format!("{}_step", number + 2);
            Migration::from_scripts(id, (*script).to_owned(), None).allow_destructive()
        });
        let runner = MigrationRunner::new([before()].into_iter().chain(steps).collect::<Vec<_>>()).unwrap();
        assert_eq!(lines(&runner.rehearse(&database(), Target::Latest).unwrap()), expected);
    }
}

#[test]
fn the_impact_of_a_run_is_the_sum_of_its_steps() {
    let conn = database();
    let sum = |scripts: &[&str]| {
        let steps = scripts.iter().enumerate().map(|(number, script)| {
            Migration::from_scripts(format!("{}_step", number + 2), (*script).to_owned(), None)
                .allow_destructive()
        });
        let runner = MigrationRunner::new([before()].into_iter().chain(steps).collect::<Vec<_>>()).unwrap();
        let impact = runner.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(impact.steps.len(), scripts.len(), "{impact}");
        let parts = impact.tables().into_iter().map(|table| {
            let number = |rows: Option<u64>| rows.map_or("?".to_owned(), |rows| rows.to_string());
            let (rows, before, after) = (table.rows(), number(table.rows_before), number(table.rows_after));
            format!(
                "{} {:?} {before}>{after} -{} +{}",
                table.renamed_to.as_ref().unwrap_or(&table.table),
                table.fate,
                rows.deleted,
                rows.inserted
            )
        });
        parts.collect::<Vec<_>>().join("; ")
    };
    let swap = "ALTER TABLE log RENAME TO x; ALTER TABLE bag RENAME TO log; ALTER TABLE x RENAME TO bag";
    assert_eq!(sum(&["DELETE FROM log WHERE id = 1", swap]), "bag Kept 4>3 -1 +0; log Kept 3>3 -0 +0");
    assert_eq!(
        sum(&[
            "DELETE FROM log WHERE id = 1",
            "DROP TABLE log",
            "CREATE TABLE log (x); INSERT INTO log VALUES (1)"
        ]),
        "log Replaced 4>1 -4 +1"
    );
    assert_eq!(
        sum(&["ALTER TABLE log RENAME TO diary", "CREATE TABLE log (x)"]),
        "diary Kept 4>4 -0 +0; log Created ?>0 -0 +0"
    );
    let rebuild = "CREATE TABLE new (x); INSERT INTO new SELECT x FROM made; DROP TABLE made; ALTER TABLE new RENAME TO made";
    assert_eq!(
        sum(&["CREATE TABLE made (x); INSERT INTO made VALUES (1)", rebuild]),
        "made Created ?>1 -0 +1"
    );
}

/// The job of a process that may not write large files, as on a full disk.
#[test]
fn the_rehearsal_of_a_process_that_another_test_started() {
    let Some(path) = std::env::var_os(LARGE) else { return };
    let conn = Connection::open(path).unwrap();
    let script = std::env::var(SCRIPT).unwrap();
    let runner = MigrationRunner::new([large(), Migration::from_scripts("2_step", script, None)]).unwrap();
    match runner.rehearse(&conn, Target::Latest) {
        Ok(impact) => println!("impact: {impact}"),
        Err(error) => println!("error: {error}"),
    }
}

const LARGE: &str = "SWITCHY_SCHEMA_REHEARSAL_OF";
const SCRIPT: &str = "SWITCHY_SCHEMA_REHEARSAL_SCRIPT";

fn large() -> Migration {
    Migration::sql("1_first", "CREATE TABLE blob (id INTEGER PRIMARY KEY, data)")
}

/// A database of this many MiB.
fn large_database(path: &Path, size: u32) -> Connection {
    let conn = Connection::open(path).unwrap();
    MigrationRunner::new([large()]).unwrap().run(&conn).unwrap();
    let fill = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) INSERT INTO blob SELECT i, zeroblob(1024 * 1024) FROM n";
    conn.execute(fill, [size]).unwrap();
    conn
}

/// The copies do not fit, or a step needs more room than there is.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_that_says_what_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.db");
    let conn = large_database(&path, 70);
    let was = bytes(&path);
    let grow = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO blob SELECT NULL, zeroblob(1024 * 1024) FROM n";
    // The limit is in blocks of 512 bytes, or of 1024 in some shells.
    for (mebibytes, script) in [(1, "SELECT 1"), (20, "SELECT 1"), (45, grow)] {
        let blocks = mebibytes * 2048;
        let temporary = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
        shell.arg(std::env::current_exe().unwrap());
        shell.args([
            "--exact",
            "rehearsals::the_rehearsal_of_a_process_that_another_test_started",
            "--nocapture",
        ]);
        shell.env(LARGE, &path).env(SCRIPT, script).env("SQLITE_TMPDIR", temporary.path());
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = "error: cannot rehearse the migrations: two copies of the database, of 73.5 MB each, do not fit into the folder of temporary files: ";
        assert!(said.contains(expected), "{mebibytes} {said}");
        assert!(
            said.contains(
                "; make room there, or name another folder in the environment variable SQLITE_TMPDIR"
            ),
            "{said}"
        );
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
        assert!(bytes(&path) == was, "{mebibytes}");
    }
    assert_eq!(conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)), Ok("ok".to_owned()));
}

#[test]
fn what_the_policy_denies_is_measured_and_not_applied() {
    let conn = database();
    let join = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age, email TEXT UNIQUE);
        INSERT INTO new SELECT DISTINCT person.* FROM person JOIN pet ON pet.owner = person.id; DROP TABLE person; ALTER TABLE new RENAME TO person;";
    let runner = MigrationRunner::new([before(), Migration::sql("2_join", join)]).unwrap();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(lines(&impact), ["person replaced 8>3 (-5)"]);
    let problem = &impact.problems[0];
    assert_eq!((problem.kind, problem.verdict), (ProblemKind::RowsLost, Verdict::Deny), "{impact}");
    assert!(
        impact
            .to_string()
            .contains("refused: `2_join` replaces `person`, which had 8 rows, with a table of 3 rows"),
        "{impact}"
    );
    let error = runner.apply_rehearsed(&conn, impact).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(conn.query_row("SELECT count(*) FROM person", [], |row| row.get(0)), Ok(8));

    // What the policy only reports is applied.
    let lenient = MigrationRunner::new([before(), Migration::sql("2_join", join)]).unwrap();
    let lenient = lenient.policy(Policy::default().with(ProblemKind::RowsLost, Verdict::Warn));
    let impact = lenient.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(lenient.apply_rehearsed(&conn, impact).unwrap().applied.len(), 1);
}

#[test]
fn a_step_that_fails_ends_the_rehearsal() {
    let conn = database();
    let set = [
        before(),
        Migration::sql("2_fine", "DELETE FROM log"),
        Migration::sql("3_fails", "ALTER TABLE person ADD COLUMN x NOT NULL"),
        Migration::sql("4_after", "DELETE FROM bag"),
    ];
    let runner = MigrationRunner::new(set).unwrap();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(lines(&impact), ["log kept 4>0 -4"]);
    let failing = impact.problems.last().unwrap();
    assert_eq!((failing.kind, failing.migration.as_str()), (ProblemKind::Fails, "3_fails"));
    assert!(impact.to_string().contains("Cannot add a NOT NULL column with default value NULL"), "{impact}");
    assert_eq!(runner.apply_rehearsed(&conn, impact).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn an_impact_is_read_in_ten_seconds() {
    let conn = database();
    let script = "CREATE TRIGGER t AFTER UPDATE ON person BEGIN INSERT INTO log (text) VALUES (new.name); END;
        UPDATE person SET email = NULL WHERE id < 4; DROP TRIGGER t; DROP INDEX pet_owner; DROP TABLE bag; CREATE TABLE stay (x)";
    let steps = [before(), Migration::sql("2_step", script), Migration::sql("3_next", "DELETE FROM log")];
    let impact = MigrationRunner::new(steps).unwrap().rehearse(&conn, Target::Latest).unwrap();
    let text = impact.to_string();
    assert!(
        !text.contains("CREATE")
            && format!("{impact:#}").contains("\n      -CREATE INDEX pet_owner ON pet (owner)\n")
    );
    // Times and sizes differ.
    let shown: Vec<String> = text.lines().map(|line| line.split(" (").next().unwrap().to_owned()).collect();
    assert!(
        shown[0].starts_with("2 steps rehearsed on a copy of ")
            && shown[0].ends_with("; the database itself was not touched"),
        "{text}"
    );
    assert_eq!(
        shown[1..],
        [
            "  up   2_step",
            "    drops `bag` with 3 rows",
            "    `log`: 3 rows inserted; 4 before, 7 after",
            "      of these, 3 rows inserted by triggers, foreign key actions or REPLACE",
            "    `person`: 3 rows updated; 8 before, 8 after",
            "      column `email`: 3 values become NULL",
            "    creates `stay` with 0 rows",
            "    drops the index `pet_owner`",
            "  up   3_next",
            "    `log`: 7 rows deleted; 7 before, 0 after",
            "in all: 7 rows deleted, 3 updated, 3 inserted",
        ],
        "{text}"
    );
}

/// The bytes of a database and its WAL.
fn bytes(path: &Path) -> [Option<Vec<u8>>; 2] {
    [path.to_owned(), format!("{}-wal", path.display()).into()].map(|path: PathBuf| fs::read(path).ok())
}

#[test]
fn a_rehearsal_changes_nothing_and_others_go_on() {
    for journal in ["WAL", "DELETE"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA journal_mode = {journal}")).unwrap();
        MigrationRunner::new([before()]).unwrap().run(&conn).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TEMP TABLE seen (n)").unwrap();
        let is_watching = Arc::new(AtomicBool::new(true));
        let code = {
            let (path, is_watching) = (path.clone(), Arc::clone(&is_watching));
            // It runs while the copy is migrated.
            Migration::code("2_code", move |copy| {
                let other = Connection::open(&path)?;
                assert_eq!(other.query_row("SELECT count(*) FROM log", [], |row| row.get::<_, i64>(0))?, 4);
                if is_watching.load(Ordering::Relaxed) {
                    return copy.execute_batch("DELETE FROM log");
                }
                other.execute_batch("INSERT INTO bag VALUES ('meanwhile')")?;
                copy.execute_batch("DELETE FROM log; DROP TABLE bag")
            })
        };
        let runner = MigrationRunner::new([before(), code]).unwrap();
        let state = |conn: &Connection| {
            let schema: i64 = conn.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
            (conn.total_changes(), schema, conn.is_autocommit())
        };
        let (was, counters) = (bytes(&path), state(&conn));
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let count = files();
        let impact = runner.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(lines(&impact), ["log kept 4>0 -4"]);
        assert_eq!((bytes(&path), state(&conn), files()), (was, counters, count), "{journal}");

        // Nobody wrote, so what was rehearsed is done: but not twice, and not after somebody wrote.
        is_watching.store(false, Ordering::Relaxed);
        let meanwhile = runner.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(
            runner.apply_rehearsed(&conn, meanwhile).unwrap_err().kind(),
            ErrorKind::Stale,
            "{journal}"
        );
        assert_eq!(runner.apply_rehearsed(&conn, impact).unwrap_err().kind(), ErrorKind::Stale, "{journal}");
        is_watching.store(true, Ordering::Relaxed);
        let own = runner.rehearse(&conn, Target::Latest).unwrap();
        conn.execute_batch("UPDATE person SET age = 1 WHERE id = 1").unwrap();
        assert_eq!(runner.apply_rehearsed(&conn, own).unwrap_err().kind(), ErrorKind::Stale, "{journal}");
        let schema = runner.rehearse(&conn, Target::Latest).unwrap();
        conn.execute_batch("CREATE TABLE by_hand (x)").unwrap();
        assert_eq!(runner.apply_rehearsed(&conn, schema).unwrap_err().kind(), ErrorKind::Stale, "{journal}");
        let elsewhere = runner.rehearse(&conn, Target::Latest).unwrap();
        other.execute_batch("UPDATE person SET age = 2 WHERE id = 1").unwrap();
        let reopened = Connection::open(&path).unwrap();
        assert_eq!(
            runner.apply_rehearsed(&reopened, elsewhere).unwrap_err().kind(),
            ErrorKind::Stale,
            "{journal}"
        );
        let fresh = runner.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(runner.apply_rehearsed(&conn, fresh).unwrap().applied.len(), 1, "{journal}");
        assert!(runner.rehearse(&conn, Target::Latest).unwrap().to_string().starts_with("nothing to do"));
    }
}

/// Other programs that write do not take the lock of a run, so somebody can write after it has looked.
#[test]
fn what_is_written_just_before_the_transaction_is_noticed() {
    for journal in ["WAL", "DELETE"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA journal_mode = {journal}")).unwrap();
        MigrationRunner::new([before()]).unwrap().run(&conn).unwrap();
        let steps = || [before(), Migration::sql("2_step", "DELETE FROM log")];
        let observed = path.clone();
        let runner = MigrationRunner::new(steps()).unwrap().observe(move |event| {
            if let Event::Planned { .. } = event {
                let other = Connection::open(&observed).unwrap();
                other.execute_batch("INSERT INTO log (text) VALUES ('precious')").unwrap();
            }
        });
        let impact = runner.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(runner.apply_rehearsed(&conn, impact).unwrap_err().kind(), ErrorKind::Stale, "{journal}");
        assert_eq!(conn.query_row("SELECT count(*) FROM log", [], |row| row.get(0)), Ok(5), "{journal}");
        let calm = MigrationRunner::new(steps()).unwrap();
        let impact = calm.rehearse(&conn, Target::Latest).unwrap();
        assert_eq!(calm.apply_rehearsed(&conn, impact).unwrap().applied.len(), 1, "{journal}");
    }
}

#[test]
fn what_the_copy_lacks_is_said() {
    let conn = database();
    conn.execute_batch("ATTACH ':memory:' AS stock; CREATE TABLE stock.x (y); CREATE TEMP TABLE t (z)")
        .unwrap();
    let impact = rehearse(&conn, Migration::sql("2_step", "INSERT INTO stock.x VALUES (1)"));
    assert_eq!(impact.lacks, ["the attached database `stock`", "the temporary table `t`"]);
    assert!(impact.to_string().contains("the copy lacks the attached database `stock`"), "{impact}");
    assert!(impact.problems.last().unwrap().finding.contains("no such table: stock.x"), "{impact}");
    // The function of the program makes it.
    let runner =
        MigrationRunner::new([before(), Migration::sql("2_step", "UPDATE log SET text = twice(text)")])
            .unwrap();
    let twice = |conn: &Connection| {
        conn.create_scalar_function("twice", 1, FunctionFlags::SQLITE_UTF8, |context| {
            context.get::<String>(0).map(|text| text.repeat(2))
        })
    };
    let conn = database();
    twice(&conn).unwrap();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert!(impact.problems[0].finding.contains("no such function: twice"), "{impact}");
    let runner = runner.prepare_connection(move |conn| Ok(twice(conn)?));
    assert_eq!(lines(&runner.rehearse(&conn, Target::Latest).unwrap()), ["log kept 4>4 ~4"]);
}

#[test]
fn a_large_database_is_rehearsed_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let conn = large_database(&folder.path().join("large.db"), 70);
    let runner = MigrationRunner::new([
        large(),
        Migration::sql("2_less", "DELETE FROM blob WHERE id > 35; VACUUM").outside_transaction(),
    ])
    .unwrap();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(lines(&impact), ["blob kept 70>35 -35"]);
    assert!(impact.bytes_before > 70 << 20 && impact.bytes_after < 40 << 20, "{impact}");
    assert_eq!(
        impact.steps[0].growth,
        i64::try_from(impact.bytes_after).unwrap() - i64::try_from(impact.bytes_before).unwrap()
    );
}
