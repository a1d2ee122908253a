//! What a statement is by its first word, and what an error of SQLite says about it.

use rusqlite::{Connection, ErrorCode, Statement};

use super::copy::Lacking;
use super::watch::INFORMATIONAL;
use crate::backend::sqlite::cursor::Pragma;
use crate::backend::sqlite::explain::OF_APPLICATIONS;
use crate::backend::sqlite::fault::{fault, is_of_system};
use crate::dialect::quote;
use crate::effect::{Effect, EffectKind};
use crate::fault::Fault;
use crate::sql::{Token, Tokens, mentions, same_name};

/// Whether a message is about something that an application registers on its connections.
pub(super) fn is_foreign(message: &str) -> bool {
    let others = ["unknown function", "wrong number of arguments to function"];
    OF_APPLICATIONS.iter().chain(&others).any(|what| message.contains(what))
}

/// Names the part of the schema that the copy lacks, if that may be why a statement failed.
pub(super) fn explained(mut failure: Fault, lacking: &[Lacking], own: &str) -> Fault {
    let Some(Lacking { name, why }) = lacking.iter().find(|lacking| mentions(own, &lacking.name)) else {
        return failure;
    };
    failure.details.message = format!("{failure}; the copy of the schema lacks `{name}`: {why}").into();
    failure
}

/// The database that a statement attaches. It is not attached to the copy.
pub(super) fn attached(own: &str) -> Option<Lacking> {
    if !begins_with(own, &["attach"]) {
        return None;
    }
    let name = Tokens::new(own).filter_map(Token::spelling).last()?.to_owned();
    Some(Lacking { name, why: "attached databases are not copied".to_owned() })
}

pub(super) fn begins_with(own: &str, words: &[&str]) -> bool {
    Tokens::new(own).next().is_some_and(|first| first.is_any(words))
}

/// The first words of statements that read or write rows.
pub(super) const ROWS: [&str; 8] =
    ["insert", "update", "delete", "replace", "select", "with", "values", "explain"];

/// Whether a statement moves the tables or opens files. It is not run even if it is allowed.
pub(super) fn reaches(own: &str) -> bool {
    begins_with(own, &["vacuum", "attach", "detach"])
}

/// The pragmas whose value makes no difference to whether a script works on the copy.
const HARMLESS: [&str; 22] = [
    "application_id",
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "incremental_vacuum",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "mmap_size",
    "optimize",
    "page_size",
    "secure_delete",
    "synchronous",
    "temp_store",
    "user_version",
    "wal_autocheckpoint",
    "wal_checkpoint",
];

/// Whether a statement changes a setting of the connection that the copy does not change, and that later statements may need.
pub(super) fn sets_something(own: &str) -> bool {
    match Pragma::of(own) {
        Some(Pragma { name, value: Some(_), .. }) => {
            !HARMLESS.iter().chain(&INFORMATIONAL).any(|harmless| same_name(name, harmless))
        }
        _ => false,
    }
}

/// Runs a statement to its last row.
pub(super) fn finish(statement: &mut Statement<'_>) -> rusqlite::Result<()> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

pub(super) fn is_violation(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// The number of rows that an effect concerns in the live database.
///
/// # Errors
/// The database cannot be read. If it only does not have that table or column yet, the number is unknown.
pub(super) fn rows(live: &Connection, effect: &Effect) -> Result<Option<u64>, Fault> {
    let table = quote(&effect.object);
    let counted = match (effect.kind, &effect.column) {
        (EffectKind::DropsTable | EffectKind::ReplacesTable | EffectKind::DeletesRows, _) => "*".to_owned(),
        // The name is qualified, since SQLite treats an unknown name in double quotes as a string.
        (EffectKind::DropsColumn, Some(column)) => format!("{table}.{}", quote(column)),
        _ => return Ok(None),
    };
    let sql = format!("SELECT count({counted}) FROM main.{table}");
    match live.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
        Ok(count) => Ok(u64::try_from(count).ok()),
        Err(error) if is_of_system(&error) => Err(fault(error)),
        Err(_) => Ok(None),
    }
}
