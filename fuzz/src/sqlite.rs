//! The scanner of SQLite scripts: it splits as SQLite does wherever SQLite understands the statement.

use switchy_schema::Sqlite;
use switchy_schema::rusqlite::{self, Connection};

use super::scripts::{self, MOST};

/// Decodes the bytes as a script and checks how it is split.
///
/// # Panics
/// If the result violates a guarantee, or SQLite splits the script elsewhere.
pub fn check(data: &[u8]) {
    // SQLite reads no further than a NUL, and the layout refuses a script that has one.
    if data.contains(&0) {
        return;
    }
    scripts::check::<Sqlite>(data, "\0", blank);
    let script = &*String::from_utf8_lossy(&data[..data.len().min(MOST)]);
    let Some(cuts) = scripts::cuts::<Sqlite>(script) else { return };
    let conn = Connection::open_in_memory().expect("a database in memory");
    conn.execute_batch("CREATE TABLE a (b, c); CREATE VIEW v AS SELECT b FROM a").expect("a schema");
    for (place, ends) in cuts.windows(2).enumerate() {
        let piece = &script[ends[0]..ends[1]];
        match conn.prepare(piece) {
            // Values replace the parameters in the text.
            Ok(statement) if statement.parameter_count() == 0 => {
                let own = statement.expanded_sql().expect("a text");
                let behind = piece.strip_prefix(&own);
                assert!(
                    behind.is_some_and(|behind| blank(behind) == behind.len()),
                    "SQLite ends {piece:?} with {own:?}"
                );
            }
            Err(rusqlite::Error::MultipleStatement) => panic!("SQLite reads several statements in {piece:?}"),
            Err(error) if error.to_string().contains("incomplete input") => {
                let more = cuts.get(place + 2).map(|&end| &script[ends[0]..end]);
                let is_one = more.is_some_and(|more| conn.prepare(more).is_ok());
                assert!(!is_one, "SQLite reads {more:?} as one statement, the scanner ends it at {piece:?}");
            }
            // What SQLite does not understand has no end for it.
            _ => {}
        }
    }
}

/// The number of bytes of white space, comments and semicolons at the start of a text.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', '\u{feff}', ';']);
        rest = if rest.starts_with("--") {
            rest.find('\n').map_or("", |end| &rest[end..])
        } else if let Some(inside) = rest.strip_prefix("/*") {
            inside.find("*/").map_or("", |end| &inside[end + 2..])
        } else {
            return text.len() - rest.len();
        };
    }
}
