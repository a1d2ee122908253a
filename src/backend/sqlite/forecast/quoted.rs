//! Words in double quotes that SQLite takes as texts, since no column has that name (<https://www.sqlite.org/quirks.html#dblquote>).

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::statement::begins_with;
use crate::backend::sqlite::cursor::TokenCursor;
use crate::backend::sqlite::message;
use crate::backend::sqlite::script::input_offset;
use crate::dialect::quote;
use crate::sql::{Token, Tokens, has_word, part};

/// The settings under which SQLite does so.
const SETTINGS: [DbConfig; 2] = [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL];

/// A word of a statement, without its quotes, and its offset.
pub(super) type QuotedWord = (String, usize);

/// The first such word in a statement that can be prepared and has not run. Words in objects that the statement uses do not count.
pub(super) fn word(conn: &Connection, own: &str) -> Option<QuotedWord> {
    let relevant = ["insert", "update", "delete", "replace", "select", "with", "create"];
    let words = words(own);
    if words.is_empty() || !begins_with(own, &relevant) {
        return None;
    }
    strictly(conn, || {
        let (missing, offset) = missing_column(conn, own)?;
        let mut meant: Vec<&QuotedWord> = words.iter().filter(|(word, _)| *word == missing).collect();
        meant.sort_by_key(|(_, at)| Some(*at) != offset);
        // A definition without a `SELECT` uses no view and fires no trigger. In an index, single quotes would mean a name too.
        let is_alone = begins_with(own, &["create"]) && !has_word(own, &["select"]);
        // With the right word in single quotes, the error is gone or is another one.
        let is_it = |at: usize| {
            if is_alone {
                return true;
            }
            let end = at + quote(&missing).len();
            let text = format!("'{}'", missing.replace('\'', "''"));
            let corrected = format!("{}{text}{}", part(own, ..at), part(own, end..));
            let left = missing_column(conn, &corrected);
            left.is_none_or(|left| left.0 != missing || meant.len() > 1)
        };
        meant.iter().find(|(_, at)| is_it(*at)).map(|found| (*found).clone())
    })
}

/// The first such word in the view or trigger that a statement has just created. SQLite resolves its names when it is used.
pub(super) fn word_of_new(conn: &Connection, own: &str) -> Option<QuotedWord> {
    let words = words(own);
    if words.is_empty() {
        return None;
    }
    let mut cursor = TokenCursor::new(own);
    if !cursor.skip_if("create") {
        return None;
    }
    let is_temporary = cursor.skip_if("temp") || cursor.skip_if("temporary");
    let database = if is_temporary { "temp" } else { "main" };
    let used = if cursor.skip_if("view") {
        cursor.skip_exists();
        format!("SELECT 1 FROM {database}.{}", quote(cursor.name()?))
    } else {
        firing(conn, cursor)?
    };
    let (missing, _) = strictly(conn, || missing_column(conn, &used))?;
    words.into_iter().find(|(word, _)| *word == missing)
}

/// A statement that fires the trigger which the rest of a definition defines.
fn firing(conn: &Connection, mut cursor: TokenCursor<'_>) -> Option<String> {
    if !cursor.skip_if("trigger") {
        return None;
    }
    cursor.skip_exists();
    cursor.name()?;
    let _ = cursor.skip_if("before")
        || cursor.skip_if("after")
        || cursor.skip_if("instead") && cursor.skip_if("of");
    let event = ["insert", "delete", "update"].into_iter().find(|event| cursor.skip_if(event))?;
    let mut column = None;
    if cursor.skip_if("of") {
        column = Some(cursor.name()?.to_owned());
    }
    cursor.find(|token| token.is("on"))?;
    let table = cursor.name()?;
    let first = "SELECT name FROM pragma_table_info(?1)";
    let column = column.or_else(|| conn.query_row(first, [table], |row| row.get(0)).ok());
    let table = quote(table);
    Some(match event {
        "insert" => format!("INSERT INTO {table} DEFAULT VALUES"),
        "delete" => format!("DELETE FROM {table}"),
        _ => format!("UPDATE {table} SET {} = NULL", quote(&column?)),
    })
}

/// Runs a probe on a connection on which double quotes are for names only. It does nothing if they are so already. What prevents the
/// probe, also a lack of memory, prevents only a note about the word; the statement itself then runs and fails by itself.
fn strictly<R>(conn: &Connection, probe: impl FnOnce() -> Option<R>) -> Option<R> {
    let before = SETTINGS.map(|setting| conn.db_config(setting).unwrap_or(false));
    if !before.contains(&true) {
        return None;
    }
    let set = |values: [bool; 2]| {
        SETTINGS.into_iter().zip(values).all(|(setting, value)| conn.set_db_config(setting, value).is_ok())
    };
    let found = if set([false; 2]) { probe() } else { None };
    set(before);
    found
}

/// The column that SQLite does not find in a statement, and where that is.
fn missing_column(conn: &Connection, own: &str) -> Option<(String, Option<usize>)> {
    let error = conn.prepare(own).err()?;
    let message = message(&error);
    let named = message.strip_prefix("no such column: ")?;
    // SQLite 3.45 and later quote the name and add a question.
    let name = match named.strip_prefix('"').and_then(|rest| rest.split_once("\" - should this be")) {
        Some((name, _)) => name,
        None => named,
    };
    Some((name.to_owned(), input_offset(&error, own)))
}

/// The words in double quotes, without the quotes, and their offsets.
fn words(own: &str) -> Vec<QuotedWord> {
    let mut tokens = Tokens::new(own);
    let mut words = Vec::new();
    while let Some((token, at)) = tokens.next_placed() {
        let Token::Quoted(spelling) = token else { continue };
        if part(own, at.clone()).starts_with('"') {
            words.push((spelling.replace("\"\"", "\""), at.start));
        }
    }
    words
}
