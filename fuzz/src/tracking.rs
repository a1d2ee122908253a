//! The bytes of a database: any rows in the tracking table and the log, and any bytes of any page. The answer is truthful.

use std::cell::OnceCell;
use std::fs;
use std::path::Path;

use switchy_schema::rusqlite::types::Value;
use switchy_schema::rusqlite::{Connection, OpenFlags, params_from_iter};
use switchy_schema::{ErrorKind, Migration, MigrationRunner, Target, Verdict};

use super::database::{content, runner};

const COLUMNS: [&str; 15] = [
    "name",
    "run_on",
    "checksum",
    "dirty",
    "duration_ms",
    "basis",
    "statement",
    "statements",
    "mark",
    "failure",
    "up_sql",
    "down_sql",
    "down_options",
    "down_checksum",
    "program",
];
const LOG: [&str; 8] = ["name", "event", "logged_on", "applied_on", "checksum", "program", "who", "why"];

thread_local! {
    static FOLDER: OnceCell<(tempfile::TempDir, Vec<u8>)> = const { OnceCell::new() };
}

/// Decodes the bytes as changes to a database, a line for each, and asks the engine about the result.
///
/// # Panics
/// If an answer is untruthful, or a refused call wrote.
pub fn check(data: &[u8]) {
    FOLDER.with(|folder| {
        let (folder, base) = folder.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("base.db");
            let conn = Connection::open(&path).expect("a database");
            set().run(&conn).expect("its migrations");
            set().redo(&conn).expect("a log");
            drop(conn);
            let bytes = fs::read(&path).expect("its bytes");
            (folder, bytes)
        });
        let path = folder.path().join("it.db");
        for name in ["it.db", "it.db-journal", "it.db-wal", "it.db-shm"] {
            let _ = fs::remove_file(folder.path().join(name));
        }
        let _ = fs::remove_file(folder.path().join("it.db-migrate"));
        change(&path, base, data);
        ask(&path);
    });
}

/// The migrations of the program.
fn set() -> MigrationRunner {
    runner([
        Migration::reversible("2_b", "CREATE TABLE two (x)", "DROP TABLE two"),
        Migration::reversible("3_c", "CREATE TABLE three (x)", "DROP TABLE three"),
    ])
}

/// Writes the database with the changes: `set <column> <value> <rowid>`, `log <column> <value> <rowid>`, `add <value>`, `delete <rowid>`,
/// `flip <offset> <byte>`, `cut <length>`. A value is a number, `null`, `x` and hexadecimal digits, or `t` and a text.
fn change(path: &Path, base: &[u8], data: &[u8]) {
    let mut bytes = base.to_vec();
    let text = String::from_utf8_lossy(data);
    let lines: Vec<Vec<&str>> = text.lines().take(24).map(|line| line.split(' ').collect()).collect();
    fs::write(path, &bytes).expect("a file");
    {
        let conn = Connection::open(path).expect("a database");
        let _ = conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY");
        for line in &lines {
            let _ = match line[..] {
                ["set", column, value, row] => {
                    update(&conn, "__switchy_migrations", &COLUMNS, column, value, row)
                }
                ["log", column, value, row] => {
                    update(&conn, "__switchy_migrations_log", &LOG, column, value, row)
                }
                ["add", name] => conn
                    .execute("INSERT OR IGNORE INTO __switchy_migrations (name) VALUES (?1)", [value(name)]),
                ["delete", row] => {
                    conn.execute("DELETE FROM __switchy_migrations WHERE rowid = ?1", [value(row)])
                }
                _ => Ok(0),
            };
        }
    }
    bytes = fs::read(path).expect("its bytes");
    for line in &lines {
        match line[..] {
            ["flip", at, byte] => {
                let (Ok(at), Ok(byte)) = (at.parse::<usize>(), byte.parse::<u8>()) else { continue };
                let len = bytes.len().max(1);
                bytes.get_mut(at % len).into_iter().for_each(|old| *old = byte);
            }
            ["cut", len] => bytes.truncate(len.parse().unwrap_or(usize::MAX)),
            _ => {}
        }
    }
    fs::write(path, bytes).expect("a file");
}

fn update(
    conn: &Connection,
    table: &str,
    columns: &[&str],
    column: &str,
    text: &str,
    row: &str,
) -> switchy_schema::rusqlite::Result<usize> {
    // A fuzzer finds a number sooner than a name.
    let place = column
        .parse::<usize>()
        .map_or_else(|_| columns.iter().position(|name| *name == column), |at| Some(at % columns.len()));
    let Some(place) = place else { return Ok(0) };
    let sql = format!("UPDATE OR IGNORE {table} SET {} = ?1 WHERE rowid = ?2", columns[place]);
    conn.execute(&sql, params_from_iter([value(text), value(row)]))
}

fn value(text: &str) -> Value {
    let digits = |text: &str| -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    };
    match text.split_at_checked(1) {
        _ if text == "null" => Value::Null,
        Some(("t", rest)) => Value::Text(rest.to_owned()),
        Some(("x", rest)) => Value::Blob(digits(rest)),
        _ => text
            .parse::<i64>()
            .map(Value::Integer)
            .or_else(|_| text.parse::<f64>().map(Value::Real))
            .unwrap_or(Value::Null),
    }
}

fn ask(path: &Path) {
    let before = fs::read(path).expect("its bytes");
    let unchanged = |what: &str| {
        let after = fs::read(path).expect("its bytes");
        assert!(after == before, "{what} changed the file");
    };
    let open = || Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok();
    let said = |text: &str| {
        assert!(
            text.len() < 8192 && !text.contains(|c: char| c.is_control() && !['\t', '\n'].contains(&c)),
            "{text:?}"
        );
    };
    let runner = set();
    let older = runner_of_less();

    let Some(conn) = open() else { return };
    let _ = runner.status(&conn).map(|status| status.to_string()).map_err(|error| said(&error.to_string()));
    let _ = runner
        .history(&conn)
        .map(|history| format!("{:?}", history.log()))
        .map_err(|error| said(&error.to_string()));
    let _ = older
        .plan(&conn, Target::Known)
        .map(|plan| plan.to_string())
        .map_err(|error| said(&error.to_string()));
    let _ = runner.plan(&conn, Target::Back(1)).map(|plan| plan.to_string());
    let plan = runner.plan(&conn, Target::Latest);
    drop(conn);
    unchanged("reading");

    let Some(conn) = open() else { return };
    let head = head(&conn);
    let outcome = runner.run(&conn);
    let text = content(&conn);
    drop(conn);
    match &outcome {
        Err(error) => {
            said(&error.to_string());
            if error.kind() != ErrorKind::Step && error.report().applied.is_empty() {
                unchanged(&format!("a run that failed ({error})"));
            }
        }
        Ok(report) if report.is_up_to_date() => {
            unchanged("a run with nothing to do");
            let (count, has_digest) = head.expect("a head, since it is up to date");
            assert!(
                count == 3 && has_digest || plan.is_ok_and(|plan| plan.steps().is_empty()),
                "nothing to do with {count} records"
            );
        }
        Ok(report) => {
            let is_refused = |problems: &[switchy_schema::Problem]| {
                problems.iter().any(|problem| problem.verdict == Verdict::Deny)
            };
            assert!(
                plan.is_ok_and(|plan| !is_refused(plan.problems())),
                "the plan was refused, and the run not: {report}\n{text:?}"
            );
        }
    }
    let Some(conn) = open() else { return };
    let before = fs::read(path).expect("its bytes");
    if let Err(error) = older.downgrade(&conn) {
        said(&error.to_string());
        drop(conn);
        if error.report().applied.is_empty() && error.kind() == ErrorKind::Refused {
            let after = fs::read(path).expect("its bytes");
            assert!(after == before, "a refused downgrade changed the file: {error}");
        }
    }
}

/// An older program, which knows only the first migration.
fn runner_of_less() -> MigrationRunner {
    runner([])
}

/// The number of records, and whether the newest has a digest that is not null, if they can be read.
fn head(conn: &Connection) -> Option<(i64, bool)> {
    let sql = "SELECT (SELECT count(*) FROM __switchy_migrations), (SELECT basis IS NOT NULL FROM __switchy_migrations ORDER BY rowid DESC LIMIT 1)";
    conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get::<_, Option<bool>>(1)?.unwrap_or_default()))).ok()
}
