//! Running a script, statement by statement.

use postgres::Client;
use postgres::error::{ErrorPosition, SqlState};

use super::{Postgres, fault, query};
use crate::backend::walk::{Manner, Walk};
use crate::backend::{KEEP_OUT, Progress, Script, lost_with_session};
use crate::fault::{Fault, FaultKind};
use crate::reached::Standing;
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
    let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let mut walk = Walk::<Postgres>::new(progress, of, script.patience);
    for (number, piece) in (1..).zip(&pieces) {
        let located = |fault: Fault| {
            // What has no place in the statement is about all of it.
            let at = fault.offset.unwrap_or(piece.offset);
            fault.at(at).in_statement(number.max(script.from), piece.text)
        };
        let outcome = match script.atomicity {
            _ if number < script.from => again(conn, script, number, piece),
            Atomicity::Transaction => refuse_control(piece.text).and_then(|()| send(conn, script, piece)),
            Atomicity::Guarded => guarded(conn, &mut walk, script, number, piece),
        };
        outcome.map_err(located)?;
    }
    Ok(())
}

/// Runs a statement again that is done, if it only changed the session, which has ended since.
fn again(conn: &mut Client, script: &Script<'_>, number: u32, piece: &Piece<'_>) -> Result<(), Fault> {
    let mut tokens = Tokens::new(piece.text);
    let Some(first) = tokens.next() else { return Ok(()) };
    let makes_temporary =
        first.is("create") && tokens.take(3).any(|token| token.is("temp") || token.is("temporary"));
    if makes_temporary {
        return Err(lost_with_session(number));
    }
    if is_setting(piece.text) || first.is("prepare") { send(conn, script, piece) } else { Ok(()) }
}

/// Whether a statement changes nothing but settings of the session.
fn is_setting(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let is = |words: &[&str]| first.is_some_and(|first| words.iter().any(|word| first.is(word)));
    is(&["set", "reset", "load"]) || (is(&["select"]) && tokens.take(3).any(|token| token.is("set_config")))
}

/// Runs a statement outside our transaction.
fn guarded(
    conn: &mut &mut Client,
    walk: &mut Walk<'_, '_, Postgres>,
    script: &Script<'_>,
    number: u32,
    piece: &Piece<'_>,
) -> Result<(), Fault> {
    let mut run = |conn: &mut &mut Client| send(conn, script, piece);
    match walk.take(conn, number, manner(piece.text), &mut run) {
        // What a statement is that refuses a transaction, or ends it, only the server knows: `DO` and `CALL` may or may not.
        Err(refused) if wants_outside(&refused) => {
            walk.take(conn, number, Manner::Alone(String::new()), &mut run)
        }
        outcome => outcome,
    }
}

/// How a statement goes that runs outside our transaction.
fn manner(text: &str) -> Manner {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let rest: Vec<Token<'_>> = tokens.take(6).collect();
    let is = |words: &[&str]| first.is_some_and(|first| words.iter().any(|word| first.is(word)));
    let second = |word| rest.first().is_some_and(|token| token.is(word));
    if is(&["begin"]) || (is(&["start"]) && second("transaction")) {
        Manner::Begins
    } else if is(&["commit", "end"]) || (is(&["prepare"]) && second("transaction")) {
        Manner::Commits
    } else if is(&["abort"]) || (is(&["rollback"]) && !rest.iter().any(|token| token.is("to"))) {
        Manner::RollsBack
    } else if is_setting(text) || is(&["vacuum"]) {
        Manner::Repeatable
    } else if rest.iter().any(|token| token.is("concurrently")) {
        Manner::Alone(String::new())
    } else {
        Manner::Plain
    }
}

fn wants_outside(fault: &Fault) -> bool {
    let error = fault.cause.as_ref().and_then(|cause| cause.downcast_ref::<postgres::Error>());
    let states = [SqlState::ACTIVE_SQL_TRANSACTION, SqlState::INVALID_TRANSACTION_TERMINATION];
    error.and_then(postgres::Error::code).is_some_and(|code| states.contains(code))
}

fn send(conn: &mut Client, script: &Script<'_>, piece: &Piece<'_>) -> Result<(), Fault> {
    let Piece { offset, text } = *piece;
    let Err(error) = conn.batch_execute(text) else { return Ok(()) };
    let place = match error.as_db_error().and_then(|told| told.position()) {
        // Counted in characters, from 1.
        Some(ErrorPosition::Original(place)) => Some(byte_of(text, *place as usize)),
        _ => None,
    };
    let explained = explained(conn, fault(error), script, text);
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
        || (is(&["prepare"]) && rest.first().is_some_and(|token| token.is("transaction")))
    {
        "it would end the transaction that it runs in"
    } else {
        return Ok(());
    };
    Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT))
}

fn explained(conn: &mut Client, fault: Fault, script: &Script<'_>, text: &str) -> Fault {
    let needs_outside = fault.message.contains("cannot run inside a transaction block")
        || fault.message.contains("unsafe use of new value");
    match script.atomicity {
        Atomicity::Transaction if needs_outside => {
            fault.remedy("set run_in_transaction = false in its metadata")
        }
        // What a failed one leaves is an index that is kept up to date and never used.
        Atomicity::Guarded => match built_concurrently(text).map(|index| left_invalid(conn, index)) {
            Some(Ok(Some(index))) => fault.partial().remedy(drop_invalid(&index)),
            _ => fault,
        },
        Atomicity::Transaction => fault,
    }
}

/// The name of an index as it stands in a text, perhaps with its schema.
type Name<'a> = &'a str;

/// The index that a statement builds beside running writes, if it names one.
fn built_concurrently(text: &str) -> Option<Name<'_>> {
    let mut tokens = Tokens::new(text);
    tokens.next().filter(|token| token.is("create"))?;
    tokens.by_ref().find(|token| !token.is("unique")).filter(|token| token.is("index"))?;
    tokens.next().filter(|token| token.is("concurrently"))?;
    named(text, tokens, "exists")
}

/// The one index that a statement drops beside running writes.
fn dropped_concurrently(text: &str) -> Option<Name<'_>> {
    let mut tokens = Tokens::new(text);
    let is = |token: Option<Token<'_>>, word: &str| token.is_some_and(|token| token.is(word));
    let drops = is(tokens.next(), "drop") && is(tokens.next(), "index") && is(tokens.next(), "concurrently");
    let has_several = text.contains(',');
    if drops && !has_several { named(text, tokens, "exists") } else { None }
}

/// The name behind the words `IF NOT EXISTS` or `IF EXISTS`, which need not be there.
fn named<'a>(text: &'a str, mut tokens: Tokens<'a>, last_word: &str) -> Option<Name<'a>> {
    let mut start = tokens.offset();
    let mut next = tokens.next()?;
    if next.is("if") {
        tokens.find(|token| token.is(last_word))?;
        start = tokens.offset();
        next = tokens.next()?;
    }
    // `CREATE INDEX CONCURRENTLY ON t (c)` leaves the name to the server.
    if next.is("on") {
        return None;
    }
    let mut end = tokens.offset();
    while tokens.next() == Some(Token::Mark(b'.')) {
        tokens.next()?;
        end = tokens.offset();
    }
    Some(text[start..end].trim())
}

/// An index that is not valid, as SQL names it.
fn left_invalid(conn: &mut Client, index: Name<'_>) -> Result<Option<String>, postgres::Error> {
    let sql = "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid";
    Ok(query(conn, sql, &[Some(index)])?.first().map(|row| row.get(0)))
}

fn drop_invalid(index: &str) -> String {
    format!(
        "remove the invalid index that it left, with DROP INDEX CONCURRENTLY {index}, and correct what is wrong"
    )
}

/// Whether a statement is done that nobody saw end.
pub(super) fn stands(conn: &mut Client, script: &str, statement: u32) -> Result<Standing, Fault> {
    let unknown = || Standing::Unknown("it cannot be in a transaction".to_owned());
    let pieces = statements(script).unwrap_or_default();
    let place = usize::try_from(statement).unwrap_or(usize::MAX).wrapping_sub(1);
    let Some(piece) = pieces.get(place) else { return Ok(unknown()) };
    let exists = |conn: &mut Client, index: Name<'_>| {
        let rows = query(conn, "SELECT to_regclass($1) IS NOT NULL", &[Some(index)]).map_err(fault)?;
        Ok::<bool, Fault>(rows.first().is_some_and(|row| row.get(0)))
    };
    if let Some(index) = built_concurrently(piece.text) {
        return Ok(match left_invalid(conn, index).map_err(fault)? {
            Some(index) => {
                Standing::Half { what: format!("the invalid index {index}"), remedy: drop_invalid(&index) }
            }
            None if exists(conn, index)? => Standing::Done,
            None => Standing::NotDone,
        });
    }
    if let Some(index) = dropped_concurrently(piece.text) {
        return Ok(if exists(conn, index)? { Standing::NotDone } else { Standing::Done });
    }
    Ok(unknown())
}
