//! The parts of a script for `psql`: [`part`]

use std::collections::BTreeSet;

use super::transactions::skipped;
use super::{PLACE, log, table};
use crate::backend::client_part::ClientPart;
use crate::backend::table::Values;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::history::Record;
use crate::script_options::Atomicity;
use crate::sql::postgres::{statements, variables};

/// A part of a script for `psql`.
pub(super) fn part(table: &TableName, log: &TableName, part: ClientPart<'_>) -> Result<String, Fault> {
    let name = table.quoted();
    Ok(match part {
        ClientPart::Opening => {
            "\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\nSET client_encoding = 'UTF8';".to_owned()
        }
        ClientPart::Table => format!("CREATE TABLE IF NOT EXISTS {name} {};", table::DEFINITION),
        ClientPart::Log => format!("CREATE TABLE IF NOT EXISTS {} {};", log.quoted(), log::DEFINITION),
        ClientPart::Expects(head) => {
            let digest =
                literal(head.digest.filter(|_| head.count > 0).map(|digest| digest.to_string()).as_deref());
            format!(
                "DO $switchy$ BEGIN\n    IF (SELECT count(*) FROM {name}) <> {} OR (SELECT basis FROM {name} ORDER BY {PLACE} DESC \
                 LIMIT 1) IS DISTINCT FROM {digest} THEN\n        RAISE EXCEPTION 'the history of this database is not the one \
                 that the script was made for'\n            USING HINT = 'Make the script again.';\n    END IF;\nEND $switchy$;",
                head.count
            )
        }
        // Readers are not kept waiting. Programs that migrate at the same time are.
        ClientPart::Begin(_) => "BEGIN ISOLATION LEVEL READ COMMITTED;".to_owned(),
        ClientPart::Outside(_) => String::new(),
        ClientPart::Commit(_) => "COMMIT;".to_owned(),
        ClientPart::Script(text, atomicity) => script(text, atomicity)?,
        ClientPart::Append(record, digest) => {
            let digest = literal(Some(&digest.to_string()));
            let (columns, values): (Vec<_>, Vec<_>) = values(record).into_iter().unzip();
            format!(
                "INSERT INTO {name} (run_on, {}, basis) VALUES (clock_timestamp(), {}, {digest});",
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
            "UPDATE {name} SET basis = {} WHERE {PLACE} = (SELECT max({PLACE}) FROM {name});",
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
                log.quoted(),
                values.map(literal).join(", ")
            )
        }
    })
}

/// A script as `psql` reads it. `psql` puts the value of a variable where a script has `:name`, and leaves the text alone if there is no
/// such variable, so these variables are removed.
///
/// # Errors
/// It has something that is only for `psql`.
fn script(text: &str, atomicity: Atomicity) -> Result<String, Fault> {
    let text = text.trim_start_matches('\u{feff}');
    let pieces = statements(text).map_err(Fault::from)?;
    let mut unset = BTreeSet::new();
    for variable in variables(text) {
        if variable.starts_with('{') {
            let what = "it has `:{`, with which psql asks for a variable, outside quotes";
            return Err(Fault::new(FaultKind::Other, what).remedy("put a space behind the colon"));
        }
        unset.insert(format!("\\unset {variable}\n"));
    }
    let unset: String = unset.into_iter().collect();
    let body = match skipped(&pieces, atomicity) {
        Some(skipped) => {
            let kept = (1..).zip(&pieces).filter(|(number, _)| !skipped.has(*number));
            kept.map(|(_, piece)| format!("{}\n;", piece.text)).collect::<Vec<_>>().join("\n")
        }
        // Without a semicolon at its end, a comment would hide the next statement.
        None if text.trim_end().ends_with(';') => format!("{}\n", text.trim_end()),
        None => format!("{}\n;", text.trim_end()),
    };
    Ok(format!("{unset}{}", body.trim_end()))
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

/// A text as an SQL literal on one line, which means the same whatever a script has set.
fn literal(text: Option<&str>) -> String {
    let Some(text) = text else { return "NULL".to_owned() };
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r");
    format!("E'{escaped}'")
}
