//! Running a script, statement by statement.

use postgres::Client;
use postgres::error::{ErrorPosition, SqlState};

use super::query::refused_as;
use super::settings::{self, Settings};
use super::{Postgres, fault, outcome, transactions};
use crate::backend::driver::{Driver, Progress};
use crate::backend::faults::{KEEP_OUT, lost_with_session};
use crate::backend::non_transactional::{StatementClass, Walk, asks_for_last_row, chains, distributed};
use crate::backend::script::Script;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;
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
    let changes_who = script.atomicity == Atomicity::NonTransactional && settings::changes_who(script.text);
    let before = before.filter(|_| changes_who);
    let progress: &mut Progress<'_, Postgres> = &mut |conn, reached| match before {
        Some(before) => settings::as_before(conn, before, |conn| progress(conn, reached)),
        None => progress(conn, reached),
    };
    let pieces = statements(script.text).map_err(|refused| {
        Fault::new(FaultKind::Other, refused.what).remedy(refused.remedy).at(refused.offset)
    })?;
    let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let mut walk = Walk::<Postgres>::new(progress, of, script.patience);
    let rest = pieces.iter().skip(script.from as usize - 1);
    if script.from > 1 && asks_for_last_row(rest.map(|piece| piece.text)) {
        return Err(lost_with_session(script.from - 1));
    }
    let passed = transactions::passed(&pieces, script.atomicity);
    for (number, piece) in (1..).zip(&pieces) {
        let is_passed = passed.is_some_and(|ends| ends.has(number));
        let located = |fault: Fault| {
            // What has no place in the statement is about all of it.
            let at = fault.offset.unwrap_or(piece.offset);
            fault.at(at).in_statement(number.max(script.from), piece.text)
        };
        let outcome = match script.atomicity {
            _ if number < script.from => again(conn, &mut walk, script, number, piece),
            Atomicity::Transaction if is_passed => Ok(()),
            Atomicity::NonTransactional if is_passed => {
                walk.take(conn, number, StatementClass::Repeatable, &mut |_| Ok(()))
            }
            Atomicity::Transaction => refuse_control(piece.text).and_then(|()| send(conn, script, piece)),
            Atomicity::NonTransactional => non_transactional(conn, &mut walk, script, number, piece),
        };
        outcome.map_err(located)?;
    }
    Ok(())
}

/// Runs a statement again that is done, if it only changed the session, which has ended since, or began what is not done.
fn again(
    conn: &mut &mut Client,
    walk: &mut Walk<'_, '_, Postgres>,
    script: &Script<'_>,
    number: u32,
    piece: &Piece<'_>,
) -> Result<(), Fault> {
    if number + 1 == script.from && classify(piece.text) == StatementClass::Commits && chains(piece.text) {
        walk.goes_on_inside(true, false);
        return Postgres::begin(conn);
    }
    let mut tokens = Tokens::new(piece.text);
    let Some(first) = tokens.next() else { return Ok(()) };
    let temporary = ["temp", "temporary", "pg_temp"];
    let makes_temporary = (first.is("create") || first.is("select"))
        && tokens.any(|token| temporary.iter().any(|word| token.is(word)));
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

/// Whether a statement changes nothing but settings of the session.
fn is_setting(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let is = |words: &[&str]| first.is_some_and(|first| words.iter().any(|word| first.is(word)));
    is(&["set", "reset", "load"]) || (is(&["select"]) && tokens.take(3).any(|token| token.is("set_config")))
}

/// Runs a statement outside our transaction.
fn non_transactional(
    conn: &mut &mut Client,
    walk: &mut Walk<'_, '_, Postgres>,
    script: &Script<'_>,
    number: u32,
    piece: &Piece<'_>,
) -> Result<(), Fault> {
    let mut run = |conn: &mut &mut Client| send(conn, script, piece);
    let alone = |mark: &str| StatementClass::Alone(mark.to_owned());
    match classify(piece.text) {
        // It would keep the record locked, with the note in it.
        _ if prepares_transaction(piece.text) => Err(distributed()),
        // What it did does no harm if it is done again, and nothing can be noted in it.
        StatementClass::Commits if walk.has_own() && settings::is_read_only(conn)? => {
            let class = if chains(piece.text) { StatementClass::Unnoted } else { StatementClass::RollsBack };
            walk.take(conn, number, class, &mut run)
        }
        StatementClass::Alone(_) => {
            let mark = outcome::mark(conn, piece.text);
            walk.take(conn, number, alone(&mark), &mut run)
                .map_err(|fault| outcome::failed(conn, piece.text, &mark, fault))
        }
        class => match walk.take(conn, number, class, &mut run) {
            // What a statement is that refuses a transaction, or ends it, only the server knows: `DO` and `CALL` may or may not.
            Err(refused) if walk.has_own() => Err(refused),
            Err(refused) if refused_as(&refused, &SqlState::ACTIVE_SQL_TRANSACTION) => {
                walk.take(conn, number, alone(""), &mut run)
            }
            // What it commits stays, also when it fails.
            Err(refused) if refused_as(&refused, &SqlState::INVALID_TRANSACTION_TERMINATION) => {
                walk.take(conn, number, alone(""), &mut run).map_err(Fault::partial)
            }
            Err(refused) if refused.kind() == FaultKind::ReadOnly && is_setting(piece.text) => {
                let why = "leave default_transaction_read_only as it is, since it is written down after each statement how far a script is";
                Err(refused.remedy(why))
            }
            outcome => outcome,
        },
    }
}

/// How a statement goes that runs outside our transaction.
fn classify(text: &str) -> StatementClass {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let rest: Vec<Token<'_>> = tokens.take(6).collect();
    let is = |words: &[&str]| first.is_some_and(|first| words.iter().any(|word| first.is(word)));
    let second = |word| rest.first().is_some_and(|token| token.is(word));
    if is(&["begin"]) || (is(&["start"]) && second("transaction")) {
        StatementClass::Begins
    } else if is(&["commit", "end"]) {
        StatementClass::Commits
    } else if is(&["abort"]) || (is(&["rollback"]) && !rest.iter().any(|token| token.is("to"))) {
        StatementClass::RollsBack
    } else if is(&["set"]) && second("transaction") {
        StatementClass::Unnoted
    } else if is_setting(text) || is(&["vacuum"]) {
        StatementClass::Repeatable
    } else if !is(&["refresh"]) && rest.iter().any(|token| token.is("concurrently")) {
        StatementClass::Alone(String::new())
    } else {
        StatementClass::Plain
    }
}

fn prepares_transaction(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let mut next_is = |word| tokens.next().is_some_and(|token| token.is(word));
    next_is("prepare") && next_is("transaction")
}

fn send(conn: &mut Client, script: &Script<'_>, piece: &Piece<'_>) -> Result<(), Fault> {
    let Piece { offset, text } = *piece;
    let Err(error) = conn.batch_execute(text) else { return Ok(()) };
    let place = match error.as_db_error().and_then(|told| told.position()) {
        // Counted in characters, from 1.
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
        || prepares_transaction(text)
    {
        "it would end the transaction that it runs in"
    } else {
        return Ok(());
    };
    Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT))
}

fn explained(fault: Fault, script: &Script<'_>) -> Fault {
    let needs_outside = fault.message.contains("cannot run inside a transaction block")
        || fault.message.contains("unsafe use of new value");
    if needs_outside && script.atomicity == Atomicity::Transaction {
        fault.remedy(Remedy::outside())
    } else {
        fault
    }
}
