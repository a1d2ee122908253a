//! The parts of a script for `sqlite3`: [`part`]

use super::transactions::skipped;
use super::{in_main, log, table};
use crate::backend::client_part::ClientPart;
use crate::backend::table::Values;
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};
use crate::history::Record;
use crate::script_options::{Atomicity, ForeignKeys};
use crate::sql::{Token, Tokens, statements};

/// A part of a script for `sqlite3`.
///
/// SQLite has no statement that raises an error under a condition. A row that violates a check does, and the name of the check is in its
/// message.
pub(super) fn part(table: &TableName, log: &TableName, part: ClientPart<'_>) -> Result<String, Fault> {
    let name = in_main(table);
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
            let digest =
                literal(head.digest.filter(|_| head.count > 0).map(|digest| digest.to_string()).as_deref());
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
        ClientPart::Append(record, digest) => {
            let digest = literal(Some(&digest.to_string()));
            let (columns, values): (Vec<_>, Vec<_>) = values(record).into_iter().unzip();
            format!(
                "INSERT INTO {name} (run_on, {}, basis) VALUES (strftime('%Y-%m-%dT%H:%M:%f', 'now'), {}, {digest});",
                columns.join(", "),
                values.join(", ")
            )
        }
        ClientPart::Update(record) => {
            let sets: Vec<String> =
                values(record).into_iter().map(|(column, value)| format!("{column} = {value}")).collect();
            let id = literal(Some(record.id.as_str()));
            format!("UPDATE {name} SET {} WHERE name = {id};", sets.join(", "))
        }
        ClientPart::Delete(id) => {
            format!("DELETE FROM {name} WHERE name = {};", literal(Some(id.as_str())))
        }
        ClientPart::Stamp(digest) => format!(
            "UPDATE {name} SET basis = {} WHERE rowid = (SELECT max(rowid) FROM {name});",
            literal(Some(&digest.to_string()))
        ),
        ClientPart::LogEntry(entry) => {
            let checksum = entry.checksum.map(|checksum| checksum.to_string());
            let values = [
                Some(entry.id.as_str()),
                Some(entry.kind.name()),
                entry.applied_on.as_deref(),
                checksum.as_deref(),
                entry.program.as_deref(),
            ];
            format!(
                "INSERT INTO {} (name, event, applied_on, checksum, program) VALUES ({});",
                in_main(log),
                values.map(literal).join(", ")
            )
        }
    })
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

/// The columns of a record with their values, except its date and the digest on it.
fn values(record: &Record) -> [(&'static str, String); 13] {
    let values = Values::from(record);
    let number = |value: Option<i64>| value.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
    [
        ("name", literal(Some(values.name))),
        ("checksum", literal(values.checksum.as_deref())),
        ("dirty", values.dirty.to_string()),
        ("duration_ms", number(values.duration_ms)),
        ("statement", number(values.statement.map(i64::from))),
        ("statements", number(values.statements.map(i64::from))),
        ("mark", literal(values.mark)),
        ("failure", literal(values.failure)),
        ("up_sql", literal(values.up_sql)),
        ("down_sql", literal(values.down_sql)),
        ("down_options", literal(values.down_options)),
        ("down_checksum", literal(values.down_checksum.as_deref())),
        ("program", literal(values.program)),
    ]
}

/// A text as an SQL literal. `sqlite3` leaves out a CR at the end of a line, also inside quotes.
fn literal(text: Option<&str>) -> String {
    use std::fmt::Write as _;
    let Some(text) = text else { return "NULL".to_owned() };
    if !text.contains('\r') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut literal = "CAST(X'".to_owned();
    for byte in text.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(literal, "{byte:02X}");
    }
    literal + "' AS TEXT)"
}
