//! The parts of a script for `psql`: [`part`]

use std::collections::BTreeSet;

use super::quiet::is_plain;
use super::transactions::skipped;
use super::{PLACE, log, table};
use crate::backend::client_part::ClientPart;
use crate::backend::client_rows::ClientRows;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::script_options::Atomicity;
use crate::sql::Tokens;
use crate::sql::postgres::{statements, variables};

/// A part of a script for `psql`.
pub(super) fn part(table: &TableName, log: &TableName, part: ClientPart<'_>) -> Result<String, Fault> {
    let name = table.quoted();
    let rows = rows(name.clone(), log.quoted());
    Ok(match part {
        ClientPart::Opening => {
            "\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\nSET client_encoding = 'UTF8';".to_owned()
        }
        ClientPart::Table => format!("CREATE TABLE IF NOT EXISTS {name} {};", table::DEFINITION),
        ClientPart::Log => format!("CREATE TABLE IF NOT EXISTS {} {};", log.quoted(), log::DEFINITION),
        ClientPart::Expects(head) => {
            let digest = rows.digest(head.digest.filter(|_| head.count > 0));
            format!(
                "DO $switchy$ BEGIN\n    IF (SELECT count(*) FROM {name}) <> {} OR (SELECT basis FROM {name} ORDER BY {PLACE} DESC \
                 LIMIT 1) IS DISTINCT FROM {digest} THEN\n        RAISE EXCEPTION 'the history of this database is not the one \
                 that the script was made for'\n            USING HINT = 'Make the script again.';\n    END IF;\nEND $switchy$;",
                head.count
            )
        }
        // Readers are not kept waiting. Programs that migrate at the same time are.
        ClientPart::Begin(_) => "BEGIN ISOLATION LEVEL READ COMMITTED;".to_owned(),
        ClientPart::Outside(_) | ClientPart::Remember(_) => String::new(),
        ClientPart::Commit(_) => "COMMIT;".to_owned(),
        ClientPart::Script(text, atomicity) => script(text, atomicity)?,
        ClientPart::SetBack(text, first) => set_back(text, first),
        ClientPart::Append(record, digest) => rows.append(record, digest),
        ClientPart::Update(record) => rows.update(record),
        ClientPart::Delete(id) => rows.delete(id),
        ClientPart::Stamp(digest) => rows.stamp(digest),
        ClientPart::LogEntry(entry) => rows.log_entry(entry),
    })
}

/// The statements about rows of the tracking table and the log with these quoted names.
pub(super) fn rows(table: String, log: String) -> ClientRows {
    ClientRows { table, log, place: PLACE, now: "clock_timestamp()", literal }
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

/// Sets back what a script may have set: the user, the role, and all other settings, such as the search path that a dump makes empty.
fn set_back(script: &str, first: &[String]) -> String {
    if is_plain(script) {
        return String::new();
    }
    let sets = |sql: &&String| Tokens::new(sql).next().is_some_and(|word| word.is_any(&["set", "select"]));
    let again = first.iter().filter(sets).map(|sql| format!("\n{};", sql.trim_end().trim_end_matches(';')));
    let own = "RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\nSET client_encoding = 'UTF8';";
    format!("{own}{}", again.collect::<String>())
}

/// A text as an SQL literal on one line, which means the same whatever a script has set.
pub(super) fn literal(text: Option<&str>) -> String {
    let Some(text) = text else { return "NULL".to_owned() };
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r");
    format!("E'{escaped}'")
}
