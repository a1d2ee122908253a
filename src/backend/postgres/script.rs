//! Running a script, statement by statement.

use postgres::Client;
use postgres::error::ErrorPosition;

use super::{Postgres, fault};
use crate::backend::{KEEP_OUT, Progress, Script};
use crate::fault::{Fault, FaultKind};
use crate::sql::pieces::Piece;
use crate::sql::postgres::statements;
use crate::sql::{Token, Tokens};
use crate::step::Atomicity;

pub(super) fn run(
    conn: &mut &mut Client,
    script: &Script<'_>,
    progress: &mut Progress<'_, Postgres>,
) -> Result<(), Fault> {
    let pieces = statements(script.text).map_err(|refused| {
        Fault::new(FaultKind::Other, refused.what).remedy(refused.remedy).at(refused.offset)
    })?;
    for (number, Piece { offset, text }) in (1..).zip(pieces) {
        let located = |fault: Fault, at: usize| fault.at(offset + at).in_statement(number, text);
        if script.atomicity == Atomicity::Transaction {
            refuse_control(text).map_err(|fault| located(fault, 0))?;
        }
        progress(conn, number)?;
        if let Err(error) = conn.batch_execute(text) {
            let at = match error.as_db_error().and_then(|told| told.position()) {
                // Counted in characters, from 1.
                Some(ErrorPosition::Original(place)) => byte_of(text, *place as usize),
                _ => 0,
            };
            let explained = explained(fault(error), script, text);
            return Err(located(explained, at));
        }
    }
    Ok(())
}

fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character.saturating_sub(1)).map_or(0, |(offset, _)| offset)
}

/// Refuses what would end the transaction that carries the record.
fn refuse_control(text: &str) -> Result<(), Fault> {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let is = |words: &[&str]| first.is_some_and(|first| words.iter().any(|word| first.is(word)));
    let rest: Vec<Token<'_>> = tokens.take(3).collect();
    let what = if is(&["begin", "start"]) {
        "it begins a transaction, and it already runs in one"
    } else if is(&["commit", "end", "abort"])
        || (is(&["rollback"]) && !rest.iter().any(|token| token.is("to")))
        || (is(&["prepare"]) && rest.first().is_some_and(|token| token.is("transaction")))
    {
        "it would end the transaction that it runs in"
    } else {
        return Ok(());
    };
    Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT))
}

fn explained(fault: Fault, script: &Script<'_>, text: &str) -> Fault {
    let wants_outside = fault.message.contains("cannot run inside a transaction block")
        || fault.message.contains("unsafe use of new value");
    let is_concurrent = Tokens::new(text).any(|token| token.is("concurrently"));
    match script.atomicity {
        Atomicity::Transaction if wants_outside => {
            fault.remedy("set run_in_transaction = false in its metadata")
        }
        // What a failed one leaves is an index that is kept up to date and never used.
        Atomicity::Guarded if is_concurrent => {
            fault.partial().remedy("drop the index that it left invalid, if it did (see pg_index.indisvalid)")
        }
        _ => fault,
    }
}
