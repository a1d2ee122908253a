//! The parts of a script for `mariadb` and `mysql`: [`part`]

use mysql::Conn;

use super::client_settings::Settings;
use super::query::text;
use super::table::{definition, insertion, sets};
use super::transactions::skipped;
use super::{PLACE, log, quoted};
use crate::backend::client_part::ClientPart;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::script_options::Atomicity;
use crate::sql::mysql::statements;
use crate::sql::{Token, Tokens};

/// A part of a script for `mariadb` and `mysql`. These clients stop at the first error of a script.
pub(super) fn part(
    conn: &mut Conn,
    table: &TableName,
    log: &TableName,
    part: ClientPart<'_>,
) -> Result<String, Fault> {
    let name = quoted(table);
    Ok(match part {
        ClientPart::Opening => "SET NAMES utf8mb4;\nSET autocommit = 1;".to_owned(),
        ClientPart::Table => format!("CREATE TABLE IF NOT EXISTS {name} {};", definition(conn)?),
        ClientPart::Log => format!("{};", log::creation(log)),
        // Neither server has a statement outside a routine that raises an error. A subquery with two rows does.
        ClientPart::Expects(head) => {
            let digest =
                text(head.digest.filter(|_| head.count > 0).map(|digest| digest.to_string()).as_deref());
            format!(
                "-- \"Subquery returns more than 1 row\" means: the history of this database is not the one that the script was made for.\n\
                 DO IF((SELECT COUNT(*) FROM {name}) = {} AND (SELECT basis FROM {name} ORDER BY {PLACE} DESC LIMIT 1) <=> {digest}, \
                 0, (SELECT 1 UNION ALL SELECT 2));",
                head.count
            )
        }
        ClientPart::Begin(_) => "START TRANSACTION;".to_owned(),
        ClientPart::Outside(_) => String::new(),
        ClientPart::Commit(_) => "COMMIT;".to_owned(),
        ClientPart::Script(text, atomicity) => script(text, atomicity)?,
        ClientPart::Remember(text) => Settings::of(conn, text)?.remembered(),
        ClientPart::SetBack(text, _) => Settings::of(conn, text)?.set_back(),
        ClientPart::Append(record, digest) => format!("{};", insertion(table, record, Some(digest))),
        ClientPart::Update(record) => {
            format!("UPDATE {name} SET {} WHERE name = {};", sets(record), text(Some(record.id.as_str())))
        }
        ClientPart::Delete(id) => format!("DELETE FROM {name} WHERE name = {};", text(Some(id.as_str()))),
        ClientPart::Stamp(digest) => {
            let digest = text(Some(&digest.to_string()));
            format!("UPDATE {name} SET basis = {digest} ORDER BY {PLACE} DESC LIMIT 1;")
        }
        ClientPart::LogEntry(entry) => format!("{};", log::insertion(log, entry)),
    })
}

/// A script as the client reads it: the body of a routine, which has semicolons, gets a delimiter of its own.
///
/// # Errors
/// It has something that is only for the client.
fn script(script: &str, atomicity: Atomicity) -> Result<String, Fault> {
    let has_return = |token: Token<'_>| matches!(token, Token::Quoted(text) if text.contains('\r'));
    if script.contains('\r') && Tokens::new(script).any(has_return) {
        let what = "it has a text with a line that ends in CR LF, and the client leaves out the CR";
        return Err(Fault::new(FaultKind::Other, what).remedy("save the file with LF, or write CHAR(13)"));
    }
    let pieces = statements(script).map_err(Fault::from)?;
    let skipped = skipped(&pieces, atomicity);
    let is_kept = |number: u32| skipped.is_none_or(|skipped| !skipped.has(number));
    let kept = (1..).zip(&pieces).filter(|(number, _)| is_kept(*number));
    let lines = kept.map(|(_, piece)| {
        if !piece.text.contains(';') {
            return format!("{}\n;", piece.text);
        }
        let own = (0..=piece.text.len())
            .map(|number| format!("$${number}"))
            .find(|own| !piece.text.contains(own.as_str()));
        let own = own.unwrap_or_default();
        format!("DELIMITER {own}\n{}\n{own}\nDELIMITER ;", piece.text)
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
