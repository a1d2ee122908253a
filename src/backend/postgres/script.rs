//! Runs a script, statement by statement.

use postgres::Client;
use postgres::error::ErrorPosition;

use super::non_transactional::{self, StatementClass, is_setting, prepares_transaction};
use super::settings::{self, Settings};
use super::{Postgres, fault, transactions};
use crate::backend::driver::{Driver, Progress};
use crate::backend::last_row::asks_for_last_row;
use crate::backend::non_transactional::StatementClass::{Commit, Repeatable};
use crate::backend::non_transactional::{ScriptRun, TransactionState};
use crate::backend::script::Script;
use crate::backend::script_faults::{KEEP_OUT, lost_with_session, outside_transaction};
use crate::backend::server_transactions::chains;
use crate::fault::{Fault, FaultKind};
use crate::sql::pieces::Piece;
use crate::sql::postgres::statements;
use crate::sql::{Token, Tokens};
use crate::step::Atomicity;

pub(super) fn run(
    conn: &mut &mut Client,
    script: &Script<'_>,
    before: Option<&Settings>,
    progress: &mut Progress<'_, Postgres>,
) -> Result<(), Fault> {
    let changes_identity =
        script.atomicity == Atomicity::NonTransactional && settings::changes_identity(script.text);
    let before = before.filter(|_| changes_identity);
    let progress: &mut Progress<'_, Postgres> = &mut |conn, reached| match before {
        Some(before) => settings::as_before(conn, before, |conn| progress(conn, reached)),
        None => progress(conn, reached),
    };
    let pieces = statements(script.text)?;
    let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let mut script_run = ScriptRun::<Postgres>::new(progress, of, script.patience);
    let rest = pieces.iter().skip(script.from as usize - 1);
    if script.from > 1 && asks_for_last_row(rest.map(|piece| piece.text)) {
        return Err(lost_with_session(script.from - 1));
    }
    let skipped = transactions::skipped(&pieces, script.atomicity);
    for (number, piece) in (1..).zip(&pieces) {
        let is_skipped = skipped.is_some_and(|ends| ends.has(number));
        let located = |fault: Fault| {
            // A fault without a position in the statement is about the whole statement.
            let at = fault.details.offset.unwrap_or(piece.offset);
            fault.at(at).in_statement(number.max(script.from), piece.text)
        };
        let outcome = match script.atomicity {
            _ if number < script.from => run_again(conn, &mut script_run, script, number, piece),
            Atomicity::Transaction if is_skipped => Ok(()),
            Atomicity::NonTransactional if is_skipped => {
                script_run.run_statement(conn, number, Repeatable, &mut |_| Ok(()))
            }
            Atomicity::Transaction => refuse_control(piece.text).and_then(|()| send(conn, script, piece)),
            Atomicity::NonTransactional => {
                let mut run = |conn: &mut &mut Client| send(conn, script, piece);
                non_transactional::run_statement(conn, &mut script_run, number, piece.text, &mut run)
            }
        };
        outcome.map_err(located)?;
    }
    Ok(())
}

/// Repeats a statement that is done, if it changed the session, which has ended since, or began a transaction that is not committed.
fn run_again(
    conn: &mut &mut Client,
    script_run: &mut ScriptRun<'_, '_, Postgres>,
    script: &Script<'_>,
    number: u32,
    piece: &Piece<'_>,
) -> Result<(), Fault> {
    let is_commit = non_transactional::classify(piece.text) == StatementClass::Common(Commit);
    if number + 1 == script.from && is_commit && chains(piece.text) {
        script_run.transaction = TransactionState::Open;
        return Postgres::begin(conn);
    }
    let mut tokens = Tokens::new(piece.text);
    let Some(first) = tokens.next() else { return Ok(()) };
    let temporary = ["temp", "temporary", "pg_temp"];
    let makes_temporary =
        (first.is("create") || first.is("select")) && tokens.any(|token| token.is_any(&temporary));
    if makes_temporary {
        return Err(lost_with_session(number));
    }
    let is_local =
        first.is("set") && Tokens::new(piece.text).nth(1).is_some_and(|token| token.is("transaction"));
    if is_local {
        return Ok(());
    }
    if is_setting(piece.text) || first.is("prepare") || first.is("discard") {
        send(conn, script, piece)
    } else {
        Ok(())
    }
}

fn send(conn: &mut Client, script: &Script<'_>, piece: &Piece<'_>) -> Result<(), Fault> {
    let Piece { offset, text } = *piece;
    let Err(error) = conn.batch_execute(text) else { return Ok(()) };
    let place = match error.as_db_error().and_then(|server_error| server_error.position()) {
        // The position is counted in characters, from 1.
        Some(ErrorPosition::Original(place)) => Some(byte_of(text, *place as usize)),
        _ => None,
    };
    let explained = explained(fault(error), script);
    Err(match place {
        Some(place) => explained.at(offset + place),
        None => explained,
    })
}

fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character.saturating_sub(1)).map_or(0, |(offset, _)| offset)
}

/// Refuses a statement that would end the transaction that contains the record.
fn refuse_control(text: &str) -> Result<(), Fault> {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    let rest: Vec<Token<'_>> = tokens.take(3).collect();
    let what = if is(&["begin", "start"]) {
        "it begins a transaction, and it already runs in one"
    } else if is(&["commit", "end", "abort"])
        || (is(&["rollback"]) && !rest.iter().any(|token| token.is("to")))
        || prepares_transaction(text)
    {
        "it would end the transaction that it runs in"
    } else {
        return Ok(());
    };
    Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT))
}

fn explained(fault: Fault, script: &Script<'_>) -> Fault {
    let needs_outside = fault.details.message.contains("cannot run inside a transaction block")
        || fault.details.message.contains("unsafe use of new value");
    if needs_outside && script.atomicity == Atomicity::Transaction {
        fault.remedy(outside_transaction())
    } else {
        fault
    }
}
