//! [`unwrapped`]: a script without the `BEGIN` and `COMMIT` around all of it.

use crate::blank::opens_comment;
use crate::text::part;

/// What begins a transaction as the engine does.
const BEGINS: [&str; 8] = [
    "begin",
    "begin work",
    "begin transaction",
    "begin deferred",
    "begin deferred transaction",
    "begin immediate",
    "begin immediate transaction",
    "start transaction",
];

/// What commits it. A single `END` may be that of a body.
const COMMITS: [&str; 4] = ["commit", "commit work", "commit transaction", "end transaction"];

/// The script without its first and last statement, if these begin and commit one transaction that is all of it. A script that handles
/// transactions in any other way is left as it is: `validate` says what is wrong with it.
pub(super) fn unwrapped(script: &str) -> Option<String> {
    let start = blank_len(script);
    let first = statement(part(script, start..))?;
    let behind_first = start + first.len() + 1;
    if !BEGINS.contains(&&*words(first)) {
        return None;
    }
    let end = script.len() - trailing_len(script);
    let inside = part(script, behind_first..end);
    let inside = inside.strip_suffix(';').unwrap_or(inside);
    let (body, last) = inside.rsplit_once(';').map_or(("", inside), |(body, last)| (body, last));
    let comments = blank_len(last);
    if !COMMITS.contains(&&*words(part(last, comments..))) || is_divided(body) {
        return None;
    }
    let body = body.trim_start();
    let semicolon = if body.is_empty() { "" } else { ";" };
    let remarks = part(last, ..comments).trim_end();
    Some([part(script, ..start), body, semicolon, remarks, part(script, end..)].concat())
}

/// Whether a statement between the two handles transactions too.
fn is_divided(body: &str) -> bool {
    let handles = |statement: &str| {
        let words = words(part(statement, blank_len(statement)..));
        let first = words.split(' ').next().unwrap_or_default();
        ["commit", "rollback", "abort"].contains(&first)
            || words.starts_with("start transaction")
            || words.starts_with("set transaction")
            || words.starts_with("end transaction")
            || BEGINS.contains(&&*words)
    };
    body.split(';').any(handles)
}

/// The first statement of a text that has one in a single line or several, without its semicolon.
fn statement(text: &str) -> Option<&str> {
    text.split_once(';').map(|(statement, _)| statement)
}

/// The words of a short statement, in lower case and with single spaces.
fn words(statement: &str) -> String {
    let words = statement.split_whitespace().map(str::to_ascii_lowercase);
    words.collect::<Vec<_>>().join(" ")
}

/// The length of the white space and comments at the start of a text.
fn blank_len(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        rest = if rest.starts_with("--") {
            rest.split_once('\n').map_or("", |(_, rest)| rest)
        } else if opens_comment(rest) {
            match rest.split_once("*/") {
                Some((_, rest)) => rest,
                None => return text.len() - rest.len(),
            }
        } else {
            return text.len() - rest.len();
        };
    }
}

/// The length of the lines at the end of a text that are empty or comments, and of the white space before them.
fn trailing_len(text: &str) -> usize {
    let mut left = text.trim_end();
    loop {
        let line_start = left.rfind('\n').map_or(0, |at| at + 1);
        if !part(left, line_start..).trim_start().starts_with("--") {
            return text.len() - left.len();
        }
        left = part(left, ..line_start).trim_end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_around_a_whole_script_is_taken_off() {
        let rows = [
            ("BEGIN;\nCREATE TABLE a (x int);\nCOMMIT;\n", "CREATE TABLE a (x int);\n"),
            ("begin; CREATE TABLE a (x int); commit", "CREATE TABLE a (x int);"),
            (
                "-- why\nBEGIN TRANSACTION;\n\nSELECT 1;\n-- last\nCOMMIT TRANSACTION;\n-- end\n",
                "-- why\nSELECT 1;\n-- last\n-- end\n",
            ),
            ("/* why */ START  TRANSACTION;\r\nSELECT 1;\r\nCOMMIT;\r\n", "/* why */ SELECT 1;\r\n"),
            ("BEGIN IMMEDIATE;\nSELECT 1;\nEND TRANSACTION;", "SELECT 1;"),
            ("BEGIN;\nCOMMIT;\n", "\n"),
            ("BEGIN;\nDO $$ BEGIN PERFORM 1; END $$;\nCOMMIT;", "DO $$ BEGIN PERFORM 1; END $$;"),
        ];
        for (script, expected) in rows {
            assert_eq!(unwrapped(script).as_deref(), Some(expected), "{script}");
        }
    }

    #[test]
    fn any_other_script_stays_as_it_is() {
        for script in [
            "CREATE TABLE a (x int);",
            "BEGIN;\nCREATE TABLE a (x int);",
            "BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 2;",
            "BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;",
            "BEGIN;\nSELECT 1;\nROLLBACK;",
            "BEGIN;\nSELECT 1; ROLLBACK; BEGIN;\nCOMMIT;",
            "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;",
            "BEGIN;\nSET TRANSACTION READ ONLY;\nCOMMIT;",
            "BEGIN;\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
            "BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;",
            "SELECT 1; COMMIT;",
            "BEGIN",
            "",
            "-- BEGIN; COMMIT;",
        ] {
            assert_eq!(unwrapped(script), None, "{script}");
        }
    }
}
