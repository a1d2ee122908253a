//! Runs a script, statement by statement.

use postgres::error::{ErrorPosition, SqlState};
use postgres::{Client, SimpleQueryMessage};

use super::deletions::Watched;
use super::non_transactional::{self, StatementClass, is_setting, prepares_transaction};
use super::notices::heard;
use super::query::refused_as;
use super::settings::{self, Settings};
use super::{Postgres, fault, query, transactions};
use crate::account::{Execution, StepFinding};
use crate::backend::driver::{Driver, Progress, interruptible};
use crate::backend::last_row::asks_for_last_row;
use crate::backend::non_transactional::StatementClass::{Commit, Repeatable};
use crate::backend::non_transactional::{ScriptRun, TransactionState};
use crate::backend::script::Script;
use crate::backend::script_faults::{KEEP_OUT, lost_with_session, outside_transaction};
use crate::backend::server_ledger::Ledger;
use crate::backend::server_transactions::chains;
use crate::fault::{Fault, FaultKind};
use crate::problem::ProblemKind;
use crate::sql::act::ObjectName;
use crate::sql::pieces::Piece;
use crate::sql::postgres::{GRAMMAR, statements};
use crate::sql::transactions::Control;
use crate::sql::{Token, Tokens, mentions};
use crate::step::Atomicity;

pub(super) fn run(
    conn: &mut &mut Client,
    script: &Script<'_>,
    before: Option<&Settings>,
    progress: &mut Progress<'_, Postgres>,
) -> Result<Execution, Fault> {
    let changes_identity =
        script.atomicity == Atomicity::NonTransactional && settings::changes_identity(script.text);
    let before = before.filter(|_| changes_identity);
    let progress: &mut Progress<'_, Postgres> = &mut |conn, reached| match before {
        Some(before) => settings::as_before(conn, before, |conn| progress(conn, reached)),
        None => progress(conn, reached),
    };
    let pieces = statements(script.text)?;
    let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let mut ledger = Ledger::new(&pieces, script, &GRAMMAR, *conn)?;
    let watched = Watched::before(conn, script, &ledger)?;
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
        if number >= script.from {
            script.begin_statement(number, || Some(of)).map_err(located)?;
        }
        let outcome = match script.atomicity {
            _ if number < script.from => run_again(conn, &mut script_run, script, number, piece),
            Atomicity::Transaction if is_skipped => Ok(()),
            Atomicity::NonTransactional if is_skipped => {
                script_run.run_statement(conn, number, Repeatable, &mut |_| Ok(()))
            }
            Atomicity::Transaction => {
                refuse_control(piece.text).and_then(|()| observed(conn, script, &mut ledger, number, piece))
            }
            Atomicity::NonTransactional => {
                let mut run = |conn: &mut &mut Client| observed(conn, script, &mut ledger, number, piece);
                non_transactional::run_statement(conn, &mut script_run, number, piece.text, &mut run)
            }
        };
        outcome.map_err(located)?;
    }
    let mut account = ledger.finish(*conn)?;
    if let Some(watched) = watched {
        watched.add_to(conn, &mut account)?;
    }
    let mut findings = Vec::new();
    if script.atomicity == Atomicity::NonTransactional {
        findings = invalid_indexes(conn, script.text, ledger.created("index"))?;
    }
    Ok(Execution { account, findings, touched: ledger.touched() })
}

/// The findings about indexes of the script that are not valid, because building one of them failed before: `CREATE INDEX CONCURRENTLY IF
/// NOT EXISTS` leaves such an index as it is.
fn invalid_indexes<'n>(
    conn: &mut Client,
    script: &str,
    names: impl Iterator<Item = &'n ObjectName>,
) -> Result<Vec<StepFinding>, Fault> {
    let names: Vec<&str> = names.map(|name| &*name.name).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT c.relname::text, n.nspname::text, pg_catalog.pg_table_is_visible(i.indrelid)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY 1";
    let invalid = query(conn, sql, &[]).map_err(fault)?;
    let own = invalid.iter().filter(|row| {
        let is_meant = row.get::<_, bool>(2) || mentions(script, row.get(1));
        is_meant && names.contains(&row.get(0))
    });
    let finding = |row: &postgres::Row| {
        StepFinding::new(
            ProblemKind::BrokenReference,
            format!("leaves the index `{}` invalid, so the server does not use it", row.get::<_, String>(0)),
            "drop it and create it again by hand, since building it had failed",
        )
    };
    Ok(own.map(finding).collect())
}

/// Runs a statement, and records in the ledger what it does.
fn observed(
    conn: &mut Client,
    script: &Script<'_>,
    ledger: &mut Ledger<'_>,
    number: u32,
    piece: &Piece<'_>,
) -> Result<(), Fault> {
    ledger.before(number, conn)?;
    if ledger.counts(number) {
        let rows = interruptible::<Postgres, _>(&mut &mut *conn, |conn| send(conn, script, piece, counting))?;
        ledger.count(number, rows);
        return Ok(());
    }
    if ends_transaction(piece.text) {
        // Whether a commit that was interrupted is done would not be known.
        return send(conn, script, piece, Client::batch_execute);
    }
    interruptible::<Postgres, _>(&mut &mut *conn, |conn| send(conn, script, piece, Client::batch_execute))
}

/// Whether a statement ends a transaction of the script.
fn ends_transaction(text: &str) -> bool {
    matches!(transactions::control(text), Control::Commits | Control::Ends)
}

/// Runs a statement, and returns the number of rows that it changed or copied.
fn counting(conn: &mut Client, statement: &str) -> Result<u64, postgres::Error> {
    let messages = conn.simple_query(statement)?;
    Ok(messages
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => *rows,
            _ => 0,
        })
        .sum())
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
    if makes_temporary(piece.text) {
        return Err(lost_with_session(number));
    }
    if changes_session(piece.text) { send(conn, script, piece, Client::batch_execute) } else { Ok(()) }
}

/// Whether a statement creates something that ends with the session.
pub(super) fn makes_temporary(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let temporary = ["temp", "temporary", "pg_temp"];
    first.is_some_and(|first| first.is_any(&["create", "select"]))
        && tokens.any(|token| token.is_any(&temporary))
}

/// Whether a statement must run again in another session.
pub(super) fn changes_session(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let Some(first) = tokens.next() else { return false };
    let is_local = first.is("set") && tokens.next().is_some_and(|token| token.is("transaction"));
    !is_local && (is_setting(text) || first.is_any(&["prepare", "discard"]))
}

/// Runs a statement in this way, and collects what the server says.
fn send<R>(
    conn: &mut Client,
    script: &Script<'_>,
    piece: &Piece<'_>,
    run: impl FnOnce(&mut Client, &str) -> Result<R, postgres::Error>,
) -> Result<R, Fault> {
    let Piece { offset, text } = *piece;
    let sent = heard(script.notices, offset, || run(conn, text));
    let error = match sent {
        Ok(sent) => return Ok(sent),
        Err(error) => error,
    };
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
    let is_value = refused_as(&fault, &SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE);
    let needs_outside = is_value || refused_as(&fault, &SqlState::ACTIVE_SQL_TRANSACTION);
    match () {
        () if !needs_outside || script.atomicity != Atomicity::Transaction => fault,
        () if is_value => fault.remedy(outside_transaction()).needing_commit(),
        () => fault.remedy(outside_transaction()),
    }
}
