//! Wrong folders and databases: each has one error that says where and what to do, and nothing on the disk changes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use switchy_schema::{MigrationRunner, Problem, State, Target, Verdict};

use cases::{Place, Rows, TABLES};

pub(crate) mod cases;

/// The longest error that a person reads, in bytes.
const LONGEST: usize = 4096;

/// Compares what happens in each row with the expected texts, in `expected/<table>.txt`. With the environment variable
/// `SWITCHY_WRITE_EXPECTED` it writes them instead.
fn check(table: &str) {
    let rows: Rows = TABLES.iter().find(|(name, _)| *name == table).unwrap().1();
    let path = Path::new(crate::ROOT).join(format!("tests/it/bad_input/expected/{table}.txt"));
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let (mut found, mut wrong) = (String::new(), Vec::new());
    for (name, make) in rows {
        let place = Place::new();
        make(&place);
        if !place.is_tried() {
            write!(found, "{}", section(&expected, &name)).unwrap();
            continue;
        }
        let began = Instant::now();
        let told = told(table, &place, &name, &mut wrong);
        if std::env::var_os("SWITCHY_SHOW_TIMES").is_some() {
            eprintln!("{:>8.1?} {name}", began.elapsed());
        }
        write!(found, "== {name}\n{told}\n").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("SWITCHY_WRITE_EXPECTED").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {}", line + 1, path.display());
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "rows in {}", path.display());
}

/// The part of a text about a row.
fn section<'a>(text: &'a str, name: &str) -> &'a str {
    let Some(start) = text.find(&format!("== {name}\n")) else { return "" };
    let rest = &text[start..];
    rest.find("\n\n").map_or(rest, |end| &rest[..end + 2])
}

/// A call, and what it says as its result or its error.
type Call<'a> = (&'a str, &'a dyn Fn(&Connection) -> Result<String, String>);

/// What each call says, a line for each text, after the calls that have it.
fn told(table: &str, place: &Place, name: &str, wrong: &mut Vec<String>) -> String {
    let runner = match MigrationRunner::new_directory(place.path().join("migrations")) {
        // Others have the database in some rows.
        Ok(runner) => runner.lock_timeout(Duration::from_millis(100)),
        Err(error) => return format!("read: {}\n", readable(place, name, &error.to_string(), wrong)),
    };
    let calls: [Call<'_>; 5] = [
        ("status", &|conn| {
            let status = runner.status(conn).map_err(|error| error.to_string())?;
            let applied =
                status.entries.iter().filter(|entry| matches!(entry.state, State::Applied(_))).count();
            Ok(format!("{applied} of {} are applied", status.entries.len()))
        }),
        ("plan", &|conn| {
            let plan = runner.plan(conn, Target::Latest).map_err(|error| error.to_string())?;
            Ok(format!("{} to do{}", plan.steps().len(), listed(plan.problems())))
        }),
        ("validate", &|conn| {
            let problems = runner.validate(conn).map_err(|error| error.to_string())?;
            Ok(format!("{} findings{}", problems.len(), listed(&problems)))
        }),
        ("rollback", &|conn| match runner.plan(conn, Target::Back(1)) {
            Ok(plan) if !plan.problems().iter().any(|it| it.verdict == Verdict::Deny) => {
                Ok(format!("{} to undo", plan.steps().len()))
            }
            _ => runner.rollback(conn, 1).map(|_| "done".to_owned()).map_err(|error| error.to_string()),
        }),
        ("run", &|conn| {
            let report = runner.run(conn).map_err(|error| error.to_string())?;
            Ok(format!("{} done{}", report.applied.len(), listed(&report.notes)))
        }),
    ];
    let mut texts: Vec<(String, Vec<&str>)> = Vec::new();
    // Trying out megabytes takes seconds in a test.
    let left_out = if table == "sizes" { calls.len() - 1 } else { 0 };
    for (call, act) in calls.into_iter().skip(left_out) {
        let (before, alone) = (place.everything(), place.read_by_sqlite_alone());
        let outcome = match Connection::open(place.database()) {
            Ok(conn) => {
                conn.busy_timeout(Duration::ZERO).unwrap();
                act(&conn)
            }
            Err(error) => Err(format!("SQLite does not open it: {error}")),
        };
        let mut after = place.everything();
        let text = match outcome {
            Ok(text) => {
                if call == "run" && !text.starts_with('0') {
                    after.clone_from(&before);
                }
                text
            }
            Err(text) => format!("! {text}"),
        };
        // An empty lock file stays where a script was run and failed.
        let lock = place.path().join("app.db-migrate");
        let is_left = after.contains_key(&lock) && !before.contains_key(&lock);
        let text = if is_left { format!("{text} (a lock file is left)") } else { text };
        if is_left {
            after.remove(&lock);
        }
        let text = match place.recovered(&before, &mut after, alone.as_ref()) {
            Some(recovered) => format!("{text} ({recovered})"),
            None => text,
        };
        if before != after {
            wrong.push(format!("{name}: {call} changed {before:?} to {after:?}, and said: {text}"));
        }
        let text = readable(place, name, &text, wrong);
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, calls)) => calls.push(call),
            None => texts.push((text, vec![call])),
        }
    }
    let mut told = String::new();
    for (text, calls) in texts {
        writeln!(told, "{}: {text}", calls.join(", ")).unwrap();
    }
    told
}

/// The first findings.
fn listed(problems: &[Problem]) -> String {
    let shown = problems.iter().take(4).map(|problem| format!("; {} {problem}", problem.verdict));
    shown.chain((problems.len() > 4).then(|| "; ...".to_owned())).collect()
}

/// The text without what differs from run to run. It must be short and must not have what a terminal obeys, except that a tab leaves room.
fn readable(place: &Place, name: &str, text: &str, wrong: &mut Vec<String>) -> String {
    let start: String = text.chars().take(300).collect();
    if text.len() > LONGEST {
        wrong.push(format!("{name}: {} bytes: {start} ...", text.len()));
    }
    if text.contains(|c: char| c.is_control() && c != '\t')
        || text.contains(['\u{202e}', '\u{2066}', '\u{2028}'])
    {
        wrong.push(format!("{name}: {start:?}"));
    }
    place.normal(text)
}

#[test]
fn names() {
    check("names");
}

#[test]
fn encodings() {
    check("encodings");
}

#[test]
fn links() {
    check("links");
}

#[test]
fn metadata() {
    check("metadata");
}

#[test]
fn databases() {
    check("databases");
}

#[test]
fn tables() {
    check("tables");
}

#[test]
fn system() {
    check("system");
}

#[test]
fn sizes() {
    check("sizes");
}

/// Permissions do not stop root, so the connection is what forbids writing.
#[test]
fn a_database_that_cannot_be_written_says_why() {
    type Open = fn(&Path) -> Connection;
    let rows: [(&str, Open, &str); 5] = [
        (
            "opened for reading",
            |path| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap(),
            "make the file and its folder writable, or open it for writing",
        ),
        (
            "immutable",
            |path| Connection::open(format!("file:{}?immutable=1", path.display())).unwrap(),
            "make the file and its folder writable, or open it for writing",
        ),
        (
            "only queried",
            |path| set_up(path, "PRAGMA query_only = ON"),
            "make the file and its folder writable, or open it for writing",
        ),
        ("full", |path| set_up(path, "PRAGMA max_page_count = 1"), "make room on the disk"),
        (
            "locked",
            |path| {
                // It is open until the process ends.
                std::mem::forget(set_up(path, "BEGIN EXCLUSIVE"));
                set_up(path, "PRAGMA busy_timeout = 0")
            },
            "try again when the other connection has finished",
        ),
    ];
    for (name, open, remedy) in rows {
        let place = Place::new();
        let id = "2025-01-02-000000_x";
        place.up(id, "CREATE TABLE x (y); INSERT INTO x VALUES (zeroblob(100000))");
        let runner = MigrationRunner::new_directory(place.path().join("migrations")).unwrap();
        let runner = runner.lock_timeout(Duration::from_millis(20));
        let before = fs::read(place.database()).unwrap();
        let text = runner.run(&open(&place.database())).unwrap_err().to_string();
        assert!(text.contains(remedy), "{name}: {text}");
        assert!(fs::read(place.database()).unwrap() == before, "{name}: {text}");
    }
}

fn set_up(path: &Path, sql: &str) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(sql).unwrap();
    conn
}
