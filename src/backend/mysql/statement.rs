//! Sends a statement of a script, and tells where and why it failed.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{self, code, fault, get};
use super::warnings;
use crate::backend::server_ledger::Ledger;
use crate::fault::Fault;
use crate::notice::Notices;
use crate::sql::pieces::Piece;

/// What is recorded while a script runs.
pub(super) struct Watch<'s> {
    pub(super) ledger: Ledger<'s>,
    /// Collects the warnings of the server, if it can be asked for them.
    pub(super) notices: Option<&'s Notices>,
    /// How long the statements may wait for a lock.
    pub(super) limit: Duration,
}

impl Watch<'_> {
    /// Runs a statement, and returns the number of rows that it changed.
    pub(super) fn run(&mut self, conn: &mut Conn, number: u32, piece: &Piece<'_>) -> Result<u64, Fault> {
        send(conn, piece)?;
        let rows = conn.affected_rows();
        if self.ledger.counts(number) {
            self.ledger.count(number, rows);
        }
        self.notices.map_or(Ok(()), |notices| warnings::collect(conn, notices, piece.offset))?;
        Ok(rows)
    }

    /// Runs a statement that only changes rows. A fault says whether tables that are not transactional keep what it changed.
    pub(super) fn run_rows(&mut self, conn: &mut Conn, number: u32, piece: &Piece<'_>) -> Result<u64, Fault> {
        self.run(conn, number, piece)
            .map_err(|fault| if is_rolled_back(conn) { fault } else { fault.partial() })
    }
}

/// The fault of this statement.
pub(super) fn located(fault: Fault, number: u32, piece: &Piece<'_>) -> Fault {
    let at = fault.details.offset.unwrap_or(piece.offset);
    fault.at(at).in_statement(number, piece.text)
}

/// Rolls back after a statement that failed, and returns whether everything was rolled back: tables that are not transactional keep their
/// changes. After a deadlock the server has already rolled back, so it is the failed statement that has the warning.
pub(super) fn is_rolled_back(conn: &mut Conn) -> bool {
    let was_complete = !warns_of_kept_rows(conn);
    if query::read_all(conn, "ROLLBACK").is_err() || conn.warnings() == 0 {
        return was_complete;
    }
    was_complete && !warns_of_kept_rows(conn)
}

/// Whether the last statement rolled back and tables kept their changes.
fn warns_of_kept_rows(conn: &mut Conn) -> bool {
    let codes = conn.query_map("SHOW WARNINGS", |row: Row| get::<u16>(&row, 1));
    codes.is_ok_and(|codes| codes.contains(&Some(query::NOT_ROLLED_BACK)))
}

pub(super) fn is_syntax(fault: &Fault) -> bool {
    query::code_of(fault) == Some(query::SYNTAX)
}

pub(super) fn send(conn: &mut Conn, piece: &Piece<'_>) -> Result<(), Fault> {
    query::read_all(conn, piece.text).map_err(|error| {
        let place = syntax_error_at(piece.text, &error);
        let fault = explained(conn, fault(error));
        match place {
            Some(place) => fault.at(piece.offset + place),
            None => fault,
        }
    })
}

/// The fault of a statement that is too long for the server, with the limit.
fn explained(conn: &mut Conn, fault: Fault) -> Fault {
    if !query::is_too_long(&fault) {
        return fault;
    }
    let limit = query::column::<u64>(conn, "SELECT @@max_allowed_packet").ok().flatten();
    let limit = limit.map(|bytes| format!(" of the server, which is {bytes} bytes")).unwrap_or_default();
    fault
        .reworded(format!("the statement is longer than `max_allowed_packet`{limit}"))
        .remedy("split it into several statements, or raise max_allowed_packet on the server")
}

/// The position of a syntax error. The server reports the text that it did not expect, and the line:
/// `You have an error in your SQL syntax; ... near 'SELEKT 1' at line 2`
fn syntax_error_at(text: &str, error: &mysql::Error) -> Option<usize> {
    let mysql::Error::MySqlError(server_error) = error else { return None };
    let (_, behind) =
        server_error.message.split_once(" near '").filter(|_| code(error) == Some(query::SYNTAX))?;
    let (near, line) = behind.rsplit_once("' at line ")?;
    let line: usize = line.trim().parse().ok()?;
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let found = if near.is_empty() { None } else { text.get(start..)?.find(near) };
    Some(found.map_or(start, |found| start + found).min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_syntax_error_is_what_the_server_quotes() {
        let server_error = |message: &str| {
            let message = format!("You have an error in your SQL syntax; check the manual to use {message}");
            mysql::Error::MySqlError(mysql::MySqlError { state: "42000".to_owned(), message, code: 1064 })
        };
        let text = "CREATE TABLE a (\n  b INT,\n  c IN)";
        let rows = [
            ("near 'IN)' at line 3", "IN)"),
            ("near 'b INT,\n  c IN)' at line 2", "b INT"),
            ("near '' at line 3", "  c IN)"),
            ("near 'nowhere' at line 2", "  b INT"),
        ];
        for (message, expected) in rows {
            let place = syntax_error_at(text, &server_error(message)).unwrap();
            assert!(text[place..].starts_with(expected), "{message}: {}", &text[place..]);
        }
    }
}
