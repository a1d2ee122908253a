//! Runs a prepared statement of the program's script on the copy, with the rows that the copy has.

use rusqlite::{Statement, ffi};

use super::access::Access;
use super::copy::Copy;
use super::sample::{Basis, Rows};
use super::statement::{ROWS, begins_with, finish, is_foreign, is_violation, reaches};
use super::watch::Seen;
use crate::backend::sqlite::{fault, message};
use crate::effect::FailureCause;
use crate::fault::Fault;

/// The first words of statements that begin or end a transaction of the script.
const CONTROL: [&str; 6] = ["begin", "commit", "end", "rollback", "savepoint", "release"];

/// Runs a statement if that shows more than preparing it does, and affects only the copy. Returns why it fails.
pub(super) fn run(
    copy: &Copy,
    rows: &mut Rows,
    statement: &mut Statement<'_>,
    seen: &Seen,
    own: &str,
) -> Result<Option<(Fault, FailureCause)>, Fault> {
    let Copy { conn, watch, .. } = copy;
    if reaches(own) {
        return Ok(None);
    }
    if begins_with(own, &CONTROL) && rows.are_used() {
        // After a rollback, it would be unknown which tables have all their rows.
        watch.as_engine(|| rows.clear(conn)).map_err(fault)?;
    }
    if begins_with(own, &ROWS) {
        let writes = !seen.access.writes.is_empty() && !seen.writes_schema && !begins_with(own, &["explain"]);
        return if writes && rows.are_used() {
            over_rows(copy, rows, statement, &seen.access, own)
        } else {
            Ok(None)
        };
    }
    let is_made_of_rows = begins_with(own, &["create"]) && seen.access.has_select() && seen.is_schema;
    let basis = if is_made_of_rows { rows.basis(&seen.access, own) } else { Basis::AllRows };
    let failure = match finish(statement) {
        Ok(()) => None,
        Err(error) if rows.are_there() => {
            watch.as_engine(|| rows.clear(conn)).map_err(fault)?;
            match finish(statement) {
                Err(error) => without_rows(error, seen),
                Ok(()) if basis == Basis::None || !is_about_rows(&error, &seen.access) => None,
                Ok(()) => Some((fault(error), FailureCause::Rows)),
            }
        }
        Err(error) => without_rows(error, seen),
    };
    if seen.is_schema && rows.are_used() {
        let is_virtual = seen.may_remove && begins_with(own, &["create"]);
        let basis = (!is_virtual).then_some(basis);
        watch.as_engine(|| rows.update(conn, basis)).map_err(fault)?;
    }
    Ok(failure)
}

/// Runs a statement that writes rows.
fn over_rows(
    copy: &Copy,
    rows: &mut Rows,
    statement: &mut Statement<'_>,
    access: &Access,
    own: &str,
) -> Result<Option<(Fault, FailureCause)>, Fault> {
    let Copy { conn, watch, .. } = copy;
    let basis = rows.basis(access, own);
    let is_whole = rows.are_whole(&access.writes);
    let outcome = if basis == Basis::None { None } else { Some(watch.briefly(|| finish(statement))) };
    let error = match outcome {
        // The ids of new rows depend on the rows that are not there.
        Some(Ok(())) if basis == Basis::SomeRows && begins_with(own, &["insert"]) && !is_whole => {
            watch.as_engine(|| rows.forget(conn, access)).map_err(fault)?;
            return Ok(None);
        }
        Some(Ok(())) => {
            rows.wrote(access, basis);
            return Ok(None);
        }
        Some(Err(error)) => Some(error),
        None => None,
    };
    watch.as_engine(|| rows.forget(conn, access)).map_err(fault)?;
    // Whether an update meets a value that another row still has depends on the order of the rows.
    let is_in_order = |error: &rusqlite::Error| {
        basis == Basis::AllRows || !begins_with(own, &["update"]) || !message(error).starts_with("UNIQUE")
    };
    let Some(error) = error.filter(|error| is_about_rows(error, access) && is_in_order(error)) else {
        return Ok(None);
    };
    watch.as_engine(|| rows.clear(conn)).map_err(fault)?;
    let cause = match watch.briefly(|| finish(statement)) {
        Err(error) if has_plain_code(&error) => FailureCause::Schema,
        // What the system or a lack of patience prevents says nothing about the schema.
        Ok(()) | Err(_) => FailureCause::Rows,
    };
    rows.wrote(access, Basis::None);
    watch.as_engine(|| rows.clear(conn)).map_err(fault)?;
    Ok(Some((fault(error), cause)))
}

/// Why a statement fails on a copy without rows. There, a violation of a constraint shows nothing.
fn without_rows(error: rusqlite::Error, seen: &Seen) -> Option<(Fault, FailureCause)> {
    let cause = cause(&error);
    (seen.is_schema && !is_violation(&error)).then(|| (fault(error), cause))
}

/// What an error says that does not depend on rows.
pub(super) fn cause(error: &rusqlite::Error) -> FailureCause {
    if has_plain_code(error) && !is_foreign(&message(error)) {
        FailureCause::Schema
    } else {
        FailureCause::Unknown
    }
}

/// Whether rows are the cause of an error, and not what the copy lacks. A referenced row may be one that was not copied.
fn is_about_rows(error: &rusqlite::Error, access: &Access) -> bool {
    let message = message(error);
    has_plain_code(error)
        && !message.starts_with("FOREIGN KEY")
        && !is_foreign(&message)
        // Newer versions of SQLite report the functions of a default, which do not matter for this error.
        && (access.has_only_own_functions() || message.starts_with("Cannot add a column"))
}

/// Whether an error is about the statement and the data, and not about limits, locks or rights of the connection.
fn has_plain_code(error: &rusqlite::Error) -> bool {
    let code = match error {
        #[cfg(feature = "bundled")]
        rusqlite::Error::SqlInputError { error, .. } => Some(error.extended_code),
        error => error.sqlite_error().map(|error| error.extended_code),
    };
    let plain = [ffi::SQLITE_ERROR, ffi::SQLITE_CONSTRAINT, ffi::SQLITE_MISMATCH];
    code.is_some_and(|code| plain.contains(&(code & 0xff)))
}
