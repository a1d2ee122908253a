//! Finds full-text tables that cannot read their content table any more, or whose index does not match its rows.

use std::collections::BTreeSet;

use rusqlite::{Connection, ErrorCode};

use super::reason::{fails, reason};
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::is_of_system;
use crate::dangling::Dangling;
use crate::dialect::quote;
use crate::sql::{Token, Tokens, folded, has_word, part};

/// A table that may be a full-text table.
pub(super) struct FullText {
    pub(super) name: String,
    pub(super) sql: String,
}

/// Checks the full-text tables whose content table or view may be another one than before, and compares the index of those whose
/// content was replaced, which reads all their rows.
pub(super) fn check(
    conn: &Connection,
    tables: &[FullText],
    may_differ: impl Fn(&str) -> bool,
    replaced: &BTreeSet<String>,
    found: &mut Dangling,
) -> rusqlite::Result<()> {
    for FullText { name, sql } in tables {
        let Some(content) = option(sql, "content").filter(|content| !content.is_empty()) else { continue };
        let (key, is_fts5) = (folded(&content), has_word(sql, &["fts5"]));
        if may_differ(&key) {
            let number = option(sql, "content_rowid").filter(|_| is_fts5);
            let number = number.unwrap_or_else(|| "rowid".to_owned());
            if let Some(why) = cannot_read(conn, name, &content, &number)? {
                found.add_unresolved("full-text table", name, &why);
                continue;
            }
        }
        if replaced.contains(&key) {
            compare(conn, name, &content, is_fts5, found)?;
        }
    }
    Ok(())
}

/// Why a full-text table cannot read its content. It reads the row number and the columns of its own names when a search has found a row
/// (<https://www.sqlite.org/fts5.html#external_content_tables>), so every search fails without them.
fn cannot_read(
    conn: &Connection,
    name: &str,
    content: &str,
    number: &str,
) -> rusqlite::Result<Option<String>> {
    let columns = match columns::of(conn, "main", name) {
        Ok(columns) => columns,
        Err(error) => return reason(error),
    };
    let columns = std::iter::once(number.to_owned()).chain(columns);
    // A quoted name after a dot is never read as a string.
    let columns: Vec<String> = columns.map(|column| format!("T.{}", quote(&column))).collect();
    fails(conn, &format!("SELECT {} FROM main.{} AS T", columns.join(", "), quote(content)))
}

fn compare(
    conn: &Connection,
    name: &str,
    content: &str,
    is_fts5: bool,
    found: &mut Dangling,
) -> rusqlite::Result<()> {
    let table = quote(name);
    // Without the second column, FTS5 does not read the content (<https://www.sqlite.org/fts5.html#the_integrity_check_command>).
    let (column, value) = if is_fts5 { (", rank", ", 1") } else { ("", "") };
    let check = format!("INSERT INTO main.{table} ({table}{column}) VALUES ('integrity-check'{value})");
    let Err(error) = conn.execute_batch(&check) else { return Ok(()) };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => found.add_stale(name, content),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => return Err(error),
        Some(ErrorCode::Unknown) => {
            if let Some(why) = reason(error)? {
                found.add_unresolved("full-text table", name, &why);
            }
        }
        _ if is_of_system(&error) => return Err(error),
        // It is about this connection, and not about the index.
        _ => {}
    }
    Ok(())
}

/// The value of an option of a full-text table, without its quotes.
fn option(sql: &str, name: &str) -> Option<String> {
    let tokens: Vec<Token<'_>> = Tokens::new(sql).collect();
    let is_it = |three: &&[Token<'_>]| three[0].is(name) && three[1] == Token::Mark(b'=');
    let value = tokens.windows(3).find(is_it)?[2].spelling()?;
    Some(["\"\"", "''", "``"].iter().fold(value.to_owned(), |value, two| value.replace(two, part(two, ..1))))
}
