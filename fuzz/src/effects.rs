//! What a plan says that a script removes, and what the script removes when it runs.

use switchy_schema::rusqlite::Connection;
use switchy_schema::{EffectKind, ErrorKind, Migration, Printable, Target, Verdict};

use super::database::{content, difference, is_unbounded, runner};

/// The largest size in bytes: each statement runs three times.
const MOST: usize = 512;

/// Decodes the bytes as the script of a migration, plans it and runs it.
///
/// # Panics
/// If planning changes something, a table or row is gone that the plan does not mention, or a script that failed left something.
pub fn check(data: &[u8]) {
    let script = String::from_utf8_lossy(&data[..data.len().min(MOST)]).into_owned();
    // A set has no script with a NUL.
    if is_unbounded(&script) || script.contains('\0') {
        return;
    }
    let conn = Connection::open_in_memory().expect("a database in memory");
    runner([]).run(&conn).expect("the first migration");
    let before = content(&conn);
    let runner = runner([Migration::from_scripts("2_it", script.clone(), None)]);

    let plan = runner.plan(&conn, Target::Latest);
    assert_eq!(content(&conn), before, "planning changed something");
    assert!(conn.is_autocommit(), "planning left a transaction open");
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            assert!(error.to_string().len() < 4096);
            return;
        }
    };
    let _ = plan.to_string();
    let is_refused = plan.problems().iter().any(|problem| problem.verdict == Verdict::Deny);
    let effects: Vec<_> =
        plan.steps().iter().flat_map(|step| step.effects.clone().unwrap_or_default()).collect();

    let counts = |conn: &Connection| ["a", "p", "k"].map(|table| count(conn, table));
    let counted = counts(&conn);
    let outcome = runner.run(&conn);
    assert!(conn.is_autocommit(), "the run left a transaction open");
    match outcome {
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 4096 && Printable(&text).to_string() == text, "{text:?}");
            assert!(
                is_refused || error.kind() != ErrorKind::Refused || plan.failing_step().is_none(),
                "{text}"
            );
            let after = content(&conn);
            let is_dirty = after.iter().any(|row| row.contains("2_it"));
            assert!(is_dirty || after == before, "left, although {text}: {:?}", difference(&before, &after));
        }
        Ok(report) => {
            assert!(!is_refused, "the plan was refused, and the run not:\n{plan}");
            assert_eq!(report.applied.len(), 1);
            // What was renamed is not gone, and code under `writable_schema` is not followed.
            let script = script.to_ascii_lowercase();
            if script.contains("rename") || script.contains("writable_schema") {
                return;
            }
            let names = |table: &str, kinds: &[EffectKind]| {
                effects.iter().any(|effect| {
                    effect.kind == EffectKind::Unknown
                        || (effect.object.eq_ignore_ascii_case(table) && kinds.contains(&effect.kind))
                })
            };
            for ((table, before), after) in ["a", "p", "k"].iter().zip(counted).zip(counts(&conn)) {
                let kinds = [EffectKind::DropsTable, EffectKind::ReplacesTable];
                assert!(after.is_some() || names(table, &kinds), "`{table}` is gone:\n{plan}");
                let is_less = after.is_some_and(|after| before.is_some_and(|before| after < before));
                let kinds = [&kinds[..], &[EffectKind::DeletesRows]].concat();
                assert!(!is_less || names(table, &kinds), "rows of `{table}` are gone:\n{plan}\n{report}");
            }
        }
    }
}

fn count(conn: &Connection, table: &str) -> Option<i64> {
    conn.query_row(&format!("SELECT count(*) FROM main.{table}"), [], |row| row.get(0)).ok()
}
