//! Runs a script, statement by statement.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::non_transactional::{ScriptRun, Statement, StatementClass};
use super::outcome::{self, LookupState};
use super::query::{self, code, fault, get};
use super::refusals::reads_client;
use super::{Mysql, settings, transactions, warnings};
use crate::account::Execution;
use crate::backend::driver::{Driver, Progress, closed};
use crate::backend::last_row::asks_for_last_row;
use crate::backend::non_transactional::StatementClass::{Begin, Commit, Plain, Repeatable, Rollback};
use crate::backend::retry::patiently;
use crate::backend::row_count::asks_for_row_count;
use crate::backend::script::Script;
use crate::backend::script_faults::{KEEP_OUT, lost_with_session};
use crate::backend::server_ledger::Ledger;
use crate::backend::server_transactions::{chains, distributed};
use crate::backend::session::Session;
use crate::fault::{Fault, FaultKind};
use crate::notice::Notices;
use crate::sql::mysql::{
    GRAMMAR, Kind, asks_for_counts, autocommit_variable, computes_variable, is_about_next, kind, statements,
};
use crate::sql::pieces::Piece;
use crate::step::Atomicity;

pub(super) fn run(
    conn: &mut &mut Conn,
    script: &Script<'_>,
    progress: &mut Progress<'_, Mysql>,
) -> Result<Execution, Fault> {
    refuse_backslashes(conn, script.text)?;
    let pieces = statements(script.text)?;
    // Definitions and rows leave the session unchanged.
    let is_quiet = |piece: &Piece<'_>| matches!(kind(piece.text), Kind::Data | Kind::Defines(_));
    let known = script.session.and_then(Session::take);
    if pieces.iter().all(is_quiet) {
        let mut lookup: LookupState = known.unwrap_or_default();
        let execution = run_statements(conn, script, &pieces, &mut lookup, progress)?;
        if let Some(session) = script.session {
            session.keep(lookup);
        }
        return Ok(execution);
    }
    let mut lookup = LookupState::default();
    let before = settings::read(conn, script.text)?;
    let outcome = match script.atomicity {
        Atomicity::Transaction => run_statements(conn, script, &pieces, &mut lookup, progress),
        // Restoring `autocommit` would commit an open transaction.
        Atomicity::NonTransactional => {
            closed::<Mysql, _, _>(conn, |conn| run_statements(conn, script, &pieces, &mut lookup, progress))
        }
    };
    let restored = settings::restore(conn, &before);
    let execution = outcome?;
    restored.map(|()| execution)
}

/// Scripts are split with backslashes as escape characters, as in every mode but one. In that mode, a quote after a backslash ends the
/// text.
fn refuse_backslashes(conn: &mut Conn, text: &str) -> Result<(), Fault> {
    const MODE: &str = "NO_BACKSLASH_ESCAPES";
    let Some(at) = ["\\'", "\\\""].iter().filter_map(|quote| text.find(quote)).min() else { return Ok(()) };
    let is_set = text.to_ascii_uppercase().contains(MODE) || {
        let modes = query::column::<String>(conn, "SELECT @@sql_mode").map_err(fault)?;
        modes.is_some_and(|modes| modes.contains(MODE))
    };
    if !is_set {
        return Ok(());
    }
    let what = format!("it has a backslash before a quote, which means another thing under the mode {MODE}");
    Err(Fault::new(FaultKind::Other, what).remedy("write the text without a backslash before its end").at(at))
}

fn run_statements(
    conn: &mut &mut Conn,
    script: &Script<'_>,
    pieces: &[Piece<'_>],
    lookup: &mut LookupState,
    progress: &mut Progress<'_, Mysql>,
) -> Result<Execution, Fault> {
    let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let mut script_run = ScriptRun::new(progress, of, script.patience);
    if script.from > 1 {
        refuse_lost(script, pieces)?;
    }
    let is_open = |piece: &Piece<'_>| matches!(kind(piece.text), Kind::Begins | Kind::Chains);
    let may_end = |piece: &Piece<'_>| matches!(kind(piece.text), Kind::Other | Kind::Repeatable);
    if script.atomicity == Atomicity::NonTransactional
        && pieces.iter().any(is_open)
        && pieces.iter().any(may_end)
    {
        script_run.record_begin(conn, script.from)?;
    }
    // Asking for the warnings would change the count that the script asks for.
    let notices = (!pieces.iter().any(|piece| asks_for_counts(piece.text))).then_some(script.notices);
    let limit = script.lock_timeout.unwrap_or(Duration::MAX);
    let mut watch = Watch { ledger: Ledger::new(pieces, script, &GRAMMAR, *conn)?, notices, limit };
    let skipped = transactions::skipped(pieces, script.atomicity);
    let mut outcome = Ok(());
    for (number, piece) in (1..).zip(pieces) {
        let is_skipped = skipped.is_some_and(|ends| ends.has(number));
        if number >= script.from {
            outcome =
                script.begin_statement(number, || Some(of)).map_err(|fault| located(fault, number, piece));
            if outcome.is_err() {
                break;
            }
        }
        outcome = match script.atomicity {
            _ if number < script.from => run_again(conn, &mut script_run, script.from, number, piece),
            Atomicity::Transaction if is_skipped => Ok(()),
            Atomicity::NonTransactional if is_skipped => {
                let class = StatementClass::Common(Repeatable);
                let statement = Statement { number, class, mark: String::new() };
                script_run.run_statement(conn, statement, &mut |_| Ok(()))
            }
            Atomicity::Transaction => run_in_transaction(conn, number, piece, &mut watch),
            Atomicity::NonTransactional => {
                non_transactional(conn, &mut script_run, lookup, number, piece, &mut watch)
            }
        }
        .map_err(|fault| located(fault, number.max(script.from), piece));
        if outcome.is_err() {
            break;
        }
    }
    // The fault of the statement says more than the fault of its record.
    let recorded = script_run.record_deferred(conn);
    outcome = outcome.and(match pieces.last() {
        Some(last) => recorded.map_err(|fault| located(fault, of, last)),
        None => recorded,
    });
    if script_run.has_locks() {
        outcome = outcome.and(query::run(conn, "UNLOCK TABLES"));
    }
    outcome?;
    let account = watch.ledger.finish(*conn)?;
    Ok(Execution { account, ..watch.ledger.touched().into() })
}

/// What is recorded while a script runs.
struct Watch<'s> {
    ledger: Ledger<'s>,
    /// Collects the warnings of the server, if it can be asked for them.
    notices: Option<&'s Notices>,
    /// How long the statements may wait for a lock.
    limit: Duration,
}

impl Watch<'_> {
    /// Runs a statement.
    fn run(&mut self, conn: &mut Conn, number: u32, piece: &Piece<'_>) -> Result<(), Fault> {
        send(conn, piece)?;
        if self.ledger.counts(number) {
            self.ledger.count(number, conn.affected_rows());
        }
        self.notices.map_or(Ok(()), |notices| warnings::collect(conn, notices, piece.offset))
    }
}

fn located(fault: Fault, number: u32, piece: &Piece<'_>) -> Fault {
    let at = fault.details.offset.unwrap_or(piece.offset);
    fault.at(at).in_statement(number, piece.text)
}

/// Refuses to resume a script whose remaining statements need something that ended with the session.
fn refuse_lost(script: &Script<'_>, pieces: &[Piece<'_>]) -> Result<(), Fault> {
    let rest = || pieces.iter().skip(script.from as usize - 1);
    if !asks_for_last_row(rest().map(|piece| piece.text)) {
        return Ok(());
    }
    let fault = lost_with_session(script.from - 1);
    Err(match rest().next() {
        Some(piece) => fault.at(piece.offset).in_statement(script.from, piece.text),
        None => fault,
    })
}

/// Repeats a statement that is done, if it changed the session, which has ended since, or began a transaction that is not committed.
fn run_again(
    conn: &mut &mut Conn,
    script_run: &mut ScriptRun<'_, '_>,
    from: u32,
    number: u32,
    piece: &Piece<'_>,
) -> Result<(), Fault> {
    match resolved_kind(conn, piece.text)? {
        _ if computes_variable(piece.text) => Err(lost_with_session(number)),
        Kind::Temporary => Err(lost_with_session(number)),
        Kind::Setting => send(conn, piece),
        kind @ (Kind::Chains | Kind::Unchains) => {
            script_run.resume_autocommit(kind == Kind::Unchains);
            send(conn, piece)
        }
        Kind::Commits if number + 1 == from && chains(piece.text) && !script_run.is_chained() => {
            script_run.resume_open();
            Mysql::begin(conn)
        }
        _ => Ok(()),
    }
}

/// Runs a statement in the transaction of the engine.
fn run_in_transaction(
    conn: &mut Conn,
    number: u32,
    piece: &Piece<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), Fault> {
    let what = match kind(piece.text) {
        Kind::Begins | Kind::Chains => "it begins a transaction, and it already runs in one",
        Kind::Commits | Kind::RollsBack | Kind::Unchains => "it would end the transaction that it runs in",
        Kind::ReadsClient => return Err(reads_client()),
        Kind::Distributed => return Err(distributed()),
        _ => {
            return watch
                .run(conn, number, piece)
                .map_err(|fault| if is_rolled_back(conn) { fault } else { fault.lost_transaction() });
        }
    };
    Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT))
}

/// Rolls back, and returns whether everything was rolled back: tables that are not transactional keep their changes.
fn is_rolled_back(conn: &mut Conn) -> bool {
    if query::read_all(conn, "ROLLBACK").is_err() || conn.warnings() == 0 {
        return true;
    }
    let codes = conn.query_map("SHOW WARNINGS", |row: Row| get::<u16>(&row, 1));
    !codes.is_ok_and(|codes| codes.contains(&Some(query::NOT_ROLLED_BACK)))
}

/// Runs a statement outside the engine's transaction.
fn non_transactional(
    conn: &mut &mut Conn,
    script_run: &mut ScriptRun<'_, '_>,
    lookup: &mut LookupState,
    number: u32,
    piece: &Piece<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), Fault> {
    let kind = resolved_kind(conn, piece.text)?;
    let survives = LookupState::survives(&kind);
    // If a statement drops several objects and one is missing, others may already be dropped.
    let is_partial = match &kind {
        Kind::Defines(subjects) => subjects.len() > 1,
        Kind::Other => true,
        _ => false,
    };
    let is_rows = matches!(kind, Kind::Data | Kind::Temporary);
    if asks_for_counts(piece.text) {
        return Err(asks_for_row_count());
    }
    let mut mark = String::new();
    let class = match kind {
        Kind::Data | Kind::Temporary => StatementClass::Common(Plain),
        Kind::Setting if is_about_next(piece.text) => StatementClass::Unrecorded,
        Kind::Setting => StatementClass::Common(Repeatable),
        Kind::Repeatable => StatementClass::RepeatableMayCommit,
        Kind::Distributed => return Err(distributed()),
        Kind::Chains => StatementClass::AutocommitOff,
        Kind::Unchains => StatementClass::AutocommitOn,
        Kind::Begins => StatementClass::Common(Begin),
        Kind::Commits => StatementClass::Common(Commit),
        Kind::RollsBack => StatementClass::Common(Rollback),
        Kind::Locks => StatementClass::LockTables,
        Kind::Unlocks => StatementClass::UnlockTables,
        Kind::Defines(subjects) => {
            // It reads the definition that the statement changes, and so waits for the same lock.
            let patience = script_run.patience().min(watch.limit);
            mark = patiently(patience, || outcome::mark(conn, &subjects, lookup))?;
            let is_verifiable = !mark.is_empty() && outcome::is_conclusive(piece.text, &subjects);
            if is_verifiable {
                StatementClass::VerifiableImplicitCommit
            } else {
                StatementClass::ImplicitCommit
            }
        }
        Kind::Other => StatementClass::MayCommit,
        Kind::ReadsClient => return Err(reads_client()),
    };
    let statement = Statement { number, class, mark };
    let done = script_run.run_statement(conn, statement, &mut |conn| {
        watch.ledger.before(number, *conn)?;
        // A statement that the server could not parse, refused as read-only or did not get has done nothing.
        watch.run(conn, number, piece).map_err(|fault| {
            let did_nothing =
                fault.kind() == FaultKind::ReadOnly || is_syntax(&fault) || query::is_too_long(&fault);
            let leaves = (is_partial && !did_nothing) || (is_rows && !is_rolled_back(conn));
            if leaves { fault.partial() } else { fault }
        })
    });
    if !survives {
        *lookup = LookupState::default();
    }
    done
}

/// The kind of a statement. If the statement sets `autocommit` to a variable, the value of the variable decides:
/// `SET autocommit = @OLD_AUTOCOMMIT`.
fn resolved_kind<'t>(conn: &mut Conn, text: &'t str) -> Result<Kind<'t>, Fault> {
    let Some(variable) = autocommit_variable(text) else { return Ok(kind(text)) };
    let sql = format!("SELECT UPPER(CAST(@{variable} AS CHAR)) IN ('0', 'OFF', 'FALSE')");
    let is_off = query::column::<bool>(conn, &sql).map_err(fault)?;
    Ok(if is_off == Some(true) { Kind::Chains } else { Kind::Unchains })
}

fn is_syntax(fault: &Fault) -> bool {
    query::code_of(fault) == Some(query::SYNTAX)
}

fn send(conn: &mut Conn, piece: &Piece<'_>) -> Result<(), Fault> {
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
