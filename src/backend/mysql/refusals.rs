//! The statements of a script that are certain to be refused, and those whose text does not show what they do.

use crate::backend::own_tables::OwnTables;
use crate::backend::row_count::asks_for_row_count;
use crate::backend::server_transactions::distributed;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::refusal::Refusal;
use crate::sql::contains;
use crate::sql::mysql::{GRAMMAR, Kind, asks_for_counts, kind, runs_unread, statements};
use crate::step::Atomicity;

pub(super) fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
    let pieces = match statements(script) {
        Ok(pieces) => pieces,
        // In that mode the script is split at other places.
        Err(_) if contains(script, "NO_BACKSLASH_ESCAPES") => return Vec::new(),
        Err(refused) => return vec![Refusal::new(refused.into())],
    };
    let leaving_out = |table: &str| format!("--ignore-table=DATABASE.{table}");
    let own = OwnTables { table, grammar: &GRAMMAR, holder: "database", leaving_out };
    let mut found = own.refusals(&pieces, atomicity);
    for (number, piece) in (1..).zip(&pieces) {
        let is_outside = atomicity == Atomicity::NonTransactional;
        let fault = match kind(piece.text) {
            Kind::ReadsClient => reads_client(),
            Kind::Distributed if is_outside => distributed(),
            _ if is_outside && asks_for_counts(piece.text) => asks_for_row_count(),
            _ => continue,
        };
        found.push(Refusal::new(fault.at(piece.offset).in_statement(number, piece.text)));
    }
    found
}

/// The numbers of the statements that run what their text does not show.
pub(super) fn unread(script: &str) -> Vec<u32> {
    let pieces = statements(script).unwrap_or_default();
    (1..).zip(&pieces).filter(|(_, piece)| runs_unread(piece.text)).map(|(number, _)| number).collect()
}

pub(super) fn reads_client() -> Fault {
    Fault::new(FaultKind::Other, "it reads a file of the client, and a migration has none")
        .remedy("write the rows as INSERT statements, or load them in code")
}
