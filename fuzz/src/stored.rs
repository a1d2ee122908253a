//! Scripts stored in a database: whatever they are, `downgrade` undoes a migration with one, or changes nothing.

use std::time::Duration;

use switchy_schema::rusqlite::Connection;
use switchy_schema::{Migration, Printable, StoredLimits};

use super::database::{content, difference, runner};

const MOST: usize = 512;

/// Decodes the bytes as a stored down script, after a line of its options if it begins with `--`, and runs it.
///
/// # Panics
/// If a script that failed left something, or one that succeeded changed more than it may.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(MOST)]).into_owned();
    let (options, script) = match text.strip_prefix("--").and_then(|rest| rest.split_once('\n')) {
        Some((options, script)) => (options.trim(), script),
        None => ("", &*text),
    };
    // A limit of memory that is of the process would outlive this input, and a set has no script with a NUL.
    if script.to_ascii_lowercase().contains("heap") || script.contains('\0') {
        return;
    }
    let newer = Migration::from_scripts(
        "2_newer",
        "CREATE TABLE n (x); INSERT INTO n VALUES (1), (2)",
        Some(script.to_owned()),
    );
    let newer = if options.contains("guarded") { newer.outside_transaction() } else { newer };
    let newer = if options.contains("cascade") { newer.allow_cascade() } else { newer };
    let conn = Connection::open_in_memory().expect("a database in memory");
    if runner([newer]).run(&conn).is_err() {
        return;
    }
    let before = content(&conn);
    let limits = StoredLimits::default().time(Duration::from_millis(300)).rows(1000).bytes(1 << 20);
    let older = runner([]).stored_limits(limits);
    let outcome = older.downgrade(&conn);
    assert!(conn.is_autocommit(), "the downgrade left a transaction open");
    let after = content(&conn);
    match outcome {
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 4096 && Printable(&text).to_string() == text, "{text:?}");
            let is_dirty = options.contains("guarded");
            assert!(is_dirty || before == after, "left, although {text}: {:?}", difference(&before, &after));
        }
        Ok(report) => {
            assert!(report.applied.len() <= 1);
            let records = |content: &[String]| {
                content
                    .iter()
                    .filter(|row| row.starts_with("Text(\"__switchy_migrations\")"))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let (before, after) = (records(&before), records(&after));
            assert_eq!(after.len(), before.len() - 1, "one record goes");
            assert!(after.iter().all(|row| row.contains("1_base")), "{after:?}");
            assert!(older.run(&conn).is_ok_and(|report| report.is_up_to_date()));
        }
    }
    let attached =
        conn.query_row("SELECT count(*) FROM pragma_database_list WHERE file <> ''", [], |row| row.get(0));
    assert_eq!(attached, Ok(0_i64), "a database is attached");
}
