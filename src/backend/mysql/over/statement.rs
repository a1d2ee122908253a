//! What the text of a statement tells about it.

use crate::backend::statements::refused::own_transaction;
use crate::backend::statements::script::Again;
use crate::backend::statements::{Statements, says};
use crate::fault::{Fault, FaultKind};
use crate::sql::contains;
use crate::sql::mysql::{Kind, computes_variable, kind, runs_unread};
use crate::step::Atomicity;

/// Why a statement is refused.
pub(super) fn why_refused(statement: &str, atomicity: Atomicity) -> Option<Fault> {
    match kind(statement) {
        Kind::Locks => Some(locks()),
        Kind::Begins | Kind::Commits | Kind::RollsBack | Kind::Chains | Kind::Unchains
            if atomicity == Atomicity::NonTransactional =>
        {
            Some(own_transaction())
        }
        _ => None,
    }
}

fn locks() -> Fault {
    let what = "it locks tables, and then the engine cannot write down how far the script is";
    Fault::new(FaultKind::Other, what).remedy(
        "take LOCK TABLES and UNLOCK TABLES out of the script, or run it with the blocking adapter of the database",
    )
}

/// What becomes of a statement that is done when its script is resumed in another session.
pub(super) fn again(statement: &str) -> Again {
    match kind(statement) {
        _ if computes_variable(statement) => Again::Lost,
        Kind::Temporary => Again::Lost,
        Kind::Setting => Again::Runs,
        _ => Again::Skipped,
    }
}

/// Whether something of a statement may stay, although it failed: what it committed on the way, or rows of an engine without transactions.
pub(super) fn may_stay<S: Statements>(conn: &mut S, statement: &str, fault: &Fault) -> bool {
    // What a routine runs may have a wrong syntax too.
    let is_misspelled = || says(fault, "error in your SQL syntax") && !runs_unread(statement);
    match kind(statement) {
        _ if fault.kind() == FaultKind::Disconnected => true,
        _ if fault.kind() == FaultKind::ReadOnly || is_misspelled() => false,
        Kind::Setting | Kind::Repeatable | Kind::Temporary => false,
        Kind::Defines(subjects) => match &*subjects {
            // A database is dropped table by table, and a table that is replaced is dropped first.
            [subject] if subject.class == "DATABASE" => contains(statement, "drop"),
            [_] => contains(statement, "replace"),
            _ => true,
        },
        Kind::Data => may_keep_rows(conn, statement),
        _ => true,
    }
}

/// Whether there is a table without transactions in the current database or in one that a statement may name.
fn may_keep_rows(conn: &mut impl Statements, statement: &str) -> bool {
    let sql = "SELECT DISTINCT table_schema AS c0, CAST(table_schema = DATABASE() AS CHAR) AS c1 FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB'
        AND table_schema NOT IN ('information_schema', 'performance_schema')";
    let Ok(found) = conn.rows(sql) else { return true };
    found.iter().any(|row| match &**row {
        [_, Some(current)] if current == "1" => true,
        [Some(schema), ..] => contains(statement, schema),
        _ => true,
    })
}
