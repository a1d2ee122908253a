//! The statements of a script that are certain to be refused, and those whose text does not show what they do.

use super::non_transactional::prepares_transaction;
use crate::backend::own_tables::OwnTables;
use crate::backend::server_transactions::distributed;
use crate::dialect::TableName;
use crate::refusal::Refusal;
use crate::sql::Tokens;
use crate::sql::postgres::{GRAMMAR, statements};
use crate::step::Atomicity;

pub(super) fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
    let pieces = match statements(script) {
        Ok(pieces) => pieces,
        Err(refused) => return vec![Refusal::new(refused.into())],
    };
    let leaving_out = |table: &str| format!("--exclude-table={table}");
    let own = OwnTables { table, grammar: &GRAMMAR, holder: "schema", leaving_out };
    let mut found = own.refusals(&pieces, atomicity);
    if atomicity == Atomicity::NonTransactional {
        let prepared = (1..).zip(&pieces).filter(|(_, piece)| prepares_transaction(piece.text));
        found.extend(prepared.map(|(number, piece)| {
            Refusal::new(distributed().at(piece.offset).in_statement(number, piece.text))
        }));
    }
    found
}

/// The numbers of the statements that run what their text does not show.
pub(super) fn unread(script: &str) -> Vec<u32> {
    let runs =
        |text: &str| Tokens::new(text).next().is_some_and(|first| first.is_any(&["do", "call", "execute"]));
    let pieces = statements(script).unwrap_or_default();
    (1..).zip(&pieces).filter(|(_, piece)| runs(piece.text)).map(|(number, _)| number).collect()
}
