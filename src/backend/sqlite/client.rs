//! The parts of a script for `sqlite3`: [`part`]

use super::transactions::skipped;
use super::{in_main, log, table};
use crate::backend::client_part::ClientPart;
use crate::backend::client_rows::ClientRows;
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};
use crate::script_options::{Atomicity, ForeignKeys};
use crate::sql::{Token, Tokens, contains, mentions, statements};

/// A part of a script for `sqlite3`.
///
/// SQLite has no statement that raises an error under a condition. A row that violates a check does, and the name of the check is in its
/// message.
pub(super) fn part(table: &TableName, log: &TableName, part: ClientPart<'_>) -> Result<String, Fault> {
    let name = in_main(table);
    let rows = rows(name.clone(), in_main(log));
    Ok(match part {
        ClientPart::Opening => format!(
            ".bail on\nCREATE TEMP TABLE {CHECKS} (\n    broken INTEGER,\n    planned INTEGER CONSTRAINT \
             the_history_is_the_one_of_the_plan CHECK (planned),\n    whole INTEGER CONSTRAINT \
             no_row_loses_its_parent CHECK (whole)\n);"
        ),
        ClientPart::Table => {
            let index = quote(&format!("{}_dirty", table.as_str()));
            format!(
                "CREATE TABLE IF NOT EXISTS {name} {};\nCREATE INDEX IF NOT EXISTS main.{index} ON {} (dirty) WHERE dirty <> 0;",
                table::DEFINITION,
                table.quoted()
            )
        }
        ClientPart::Log => format!("CREATE TABLE IF NOT EXISTS {} {};", in_main(log), log::DEFINITION),
        ClientPart::Expects(head) => {
            let digest = rows.digest(head.digest.filter(|_| head.count > 0));
            format!(
                "INSERT INTO temp.{CHECKS} (planned) SELECT (SELECT count(*) FROM {name}) = {} AND (SELECT basis FROM \
                 {name} ORDER BY rowid DESC LIMIT 1) IS {digest};",
                head.count
            )
        }
        ClientPart::Begin(ForeignKeys::Checked) => format!(
            "PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\nDELETE FROM temp.{CHECKS};\nINSERT INTO temp.{CHECKS} (broken) \
             SELECT count(*) FROM pragma_foreign_key_check;"
        ),
        ClientPart::Begin(keys) => format!("{}\nBEGIN IMMEDIATE;", enforcement(keys)),
        ClientPart::Outside(keys) => enforcement(keys).to_owned(),
        ClientPart::Commit(ForeignKeys::Checked) => format!(
            "INSERT INTO temp.{CHECKS} (whole) SELECT (SELECT count(*) FROM pragma_foreign_key_check) <= (SELECT \
             max(broken) FROM temp.{CHECKS});\nCOMMIT;"
        ),
        ClientPart::Commit(_) => "COMMIT;".to_owned(),
        ClientPart::Script(text, atomicity) => script(text, atomicity)?,
        ClientPart::Remember(_) => String::new(),
        ClientPart::SetBack(text, first) => set_back(text, first),
        ClientPart::Append(record, digest) => rows.append(record, digest),
        ClientPart::Update(record) => rows.update(record),
        ClientPart::Delete(id) => rows.delete(id),
        ClientPart::Stamp(digest) => rows.stamp(digest),
        ClientPart::LogEntry(entry) => rows.log_entry(entry),
    })
}

/// Switches off what a script may have switched on in the connection, and what would change the statements behind it. What the session
/// begins with stays.
fn set_back(script: &str, first: &[String]) -> String {
    const SWITCHES: [&str; 7] = [
        "case_sensitive_like",
        "ignore_check_constraints",
        "legacy_alter_table",
        "query_only",
        "recursive_triggers",
        "reverse_unordered_selects",
        "writable_schema",
    ];
    let is_own = |name: &&str| contains(script, "pragma") && mentions(script, name);
    let is_set = |name: &&str| is_own(name) && !first.iter().any(|sql| mentions(sql, name));
    let off = SWITCHES.into_iter().filter(is_set).map(|name| format!("PRAGMA {name} = OFF;"));
    off.collect::<Vec<_>>().join("\n")
}

/// The statements about rows of the tracking table and the log with these quoted names.
pub(super) fn rows(table: String, log: String) -> ClientRows {
    ClientRows { table, log, place: "rowid", now: "strftime('%Y-%m-%dT%H:%M:%f', 'now')", literal }
}

/// The table with which the script checks what must hold.
const CHECKS: &str = "__switchy_checks";

const fn enforcement(keys: ForeignKeys) -> &'static str {
    match keys {
        ForeignKeys::Enforced => "PRAGMA foreign_keys = ON;",
        _ => "PRAGMA foreign_keys = OFF;",
    }
}

/// A script as `sqlite3` reads it.
///
/// # Errors
/// `sqlite3` would read it differently from SQLite.
fn script(text: &str, atomicity: Atomicity) -> Result<String, Fault> {
    let refused =
        |what: &'static str, remedy: &'static str| Err(Fault::new(FaultKind::Other, what).remedy(remedy));
    let ends = |line: &str| line.trim() == "/" || line.trim().eq_ignore_ascii_case("go");
    if text.lines().any(ends) {
        return refused(
            "it has a line with nothing but `/` or `go`, which ends a statement for sqlite3",
            "write it on the line before",
        );
    }
    let has_return = |token: Token<'_>| matches!(token, Token::Quoted(text) if text.contains('\r'));
    if text.contains('\r') && Tokens::new(text).any(has_return) {
        return refused(
            "it has a text with a line that ends in CR LF, and sqlite3 leaves out the CR",
            "save the file with LF, or write char(13)",
        );
    }
    let text = text.trim_start_matches('\u{feff}');
    let Some(skipped) = skipped(text, atomicity) else { return Ok(ended(text)) };
    let kept = (1..).zip(statements(text)).filter(|(number, _)| !skipped.has(*number));
    Ok(kept.map(|(_, (_, statement))| ended(statement)).collect::<Vec<_>>().join("\n"))
}

/// With a semicolon at its end.
fn ended(text: &str) -> String {
    let text = text.trim_end();
    let last = text.lines().next_back().unwrap_or_default();
    if text.is_empty() || (text.ends_with(';') && !last.contains("--")) {
        text.to_owned()
    } else {
        format!("{text}\n;")
    }
}

/// A text as an SQL literal. `sqlite3` leaves out a CR at the end of a line, also inside quotes, and a statement ends at a NUL.
pub(super) fn literal(text: Option<&str>) -> String {
    use std::fmt::Write as _;
    let Some(text) = text else { return "NULL".to_owned() };
    if !text.contains(['\r', '\0']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut literal = "CAST(X'".to_owned();
    for byte in text.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(literal, "{byte:02X}");
    }
    literal + "' AS TEXT)"
}
