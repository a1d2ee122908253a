//! What another session runs, for a message: without the texts and comments in it. A text can be a password, or what a customer has written.

use std::ops::Range;

use super::part;

/// What a part of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A keyword, a name, a number or a sign.
    AsItIs,
    /// A text, which is not shown.
    Text,
}

/// A statement that consists of these parts, with `'***'` in place of each text, and a blank in place of what is between two parts.
pub(super) fn without_texts(statement: &str, parts: impl Iterator<Item = (Range<usize>, Shown)>) -> String {
    let (mut shown, mut end) = (String::new(), 0);
    for (place, what) in parts {
        let text = part(statement, place.clone());
        if place.start > end && !shown.is_empty() {
            shown.push(' ');
        }
        end = place.end;
        match what {
            Shown::AsItIs => shown.push_str(text),
            Shown::Text => shown.push_str("'***'"),
        }
        // Whether a backslash escapes a quote is a setting of that session. So it is not known where this text ends.
        if what == Shown::Text && (text.contains("\\'") || text.contains("\\\"")) {
            shown.push_str(" ...");
            break;
        }
    }
    shown
}

#[cfg(all(test, feature = "postgres", feature = "mysql"))]
mod tests {
    use crate::sql::{mysql, postgres};

    #[test]
    fn no_text_of_another_session_is_shown() {
        for (statement, on_postgres, on_mysql) in [
            ("", "", ""),
            ("SELECT pg_sleep(60)", "SELECT pg_sleep(60)", "SELECT pg_sleep(60)"),
            (
                "ALTER ROLE a PASSWORD 'hunter2';",
                "ALTER ROLE a PASSWORD '***';",
                "ALTER ROLE a PASSWORD '***';",
            ),
            ("IDENTIFIED BY'it''s hunter2',b", "IDENTIFIED BY'***',b", "IDENTIFIED BY'***',b"),
            ("SELECT \"a b\", `c`", "SELECT \"a b\", `c`", "SELECT '***', `c`"),
            ("SELECT E'hunter2', x'68', 0x68", "SELECT '***', '***', 0x68", "SELECT E'***', x'***', '***'"),
            ("-- hunter2\nSELECT /* hunter2 */ 1", "SELECT 1", "SELECT 1"),
            ("/*!50003 SELECT 'hunter2' */", "", "/*!50003 SELECT '***' */"),
            ("DO $$ hunter2 $$", "DO '***'", "DO $$ hunter2 $$"),
            ("DO $a$ hunter2", "DO '***'", "DO $a$ hunter2"),
            // The server cuts a long statement.
            ("UPDATE a SET b = 'hunter2", "UPDATE a SET b = '***'", "UPDATE a SET b = '***'"),
            ("SELECT 1 /* hunter2", "SELECT 1 '***'", "SELECT 1 '***'"),
            ("SELECT 'a\\' || hunter2 || '", "SELECT '***' ...", "SELECT '***' ..."),
            ("SELECT 'a\\', hunter2 'b'", "SELECT '***' ...", "SELECT '***' ..."),
        ] {
            assert_eq!(postgres::without_texts(statement), on_postgres, "{statement}");
            assert_eq!(mysql::without_texts(statement), on_mysql, "{statement}");
        }
    }
}
