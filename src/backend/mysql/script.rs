//! Runs a script, statement by statement.

use std::time::Duration;

use mysql::Conn;

use super::non_transactional::{ScriptRun, Statement, StatementClass};
use super::outcome::{self, LookupState};
use super::query::{self, fault};
use super::refusals::reads_client;
use super::row_group::{Extent, RowGroups};
use super::statement::{Watch, is_rolled_back, is_syntax, located, send};
use super::{Mysql, settings, transactions};
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
use crate::sql::mysql::{
    GRAMMAR, Kind, asks_for_counts, autocommit_variable, computes_variable, is_about_next, kind, statements,
};
use crate::sql::pieces::Piece;
use crate::sql::transactions::Ends;
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
    let watch = Watch { ledger: Ledger::new(pieces, script, &GRAMMAR, *conn)?, notices, limit };
    let skipped = transactions::skipped(pieces, script.atomicity);
    let groups = RowGroups::default();
    let mut running = Running { script, pieces, of, skipped, script_run, lookup, groups, watch };
    let mut outcome = Ok(());
    let mut number = 1;
    while let (Ok(()), Some(piece)) = (&outcome, running.piece(number)) {
        match running.run(conn, number, piece) {
            Ok(next) => number = next,
            Err(fault) => outcome = Err(fault),
        }
    }
    // The fault of the statement says more than the fault of its record.
    let Running { mut script_run, watch, .. } = running;
    let recorded = match &outcome {
        // The record of a step that runs nothing else says it next.
        Ok(()) if script.session.is_some() => Ok(()),
        _ => script_run.record_deferred(conn),
    };
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

/// A script that is running.
struct Running<'s, 'r, 'p> {
    script: &'s Script<'s>,
    pieces: &'s [Piece<'s>],
    /// The number of statements.
    of: u32,
    skipped: Option<Ends>,
    script_run: ScriptRun<'r, 'p>,
    lookup: &'s mut LookupState,
    groups: RowGroups,
    watch: Watch<'s>,
}

impl<'s> Running<'s, '_, '_> {
    /// The statement with this number, from 1.
    fn piece(&self, number: u32) -> Option<&'s Piece<'s>> {
        self.pieces.get((number as usize).checked_sub(1)?)
    }

    /// Runs a statement, or several that share a transaction, and returns the number of the next one.
    fn run(&mut self, conn: &mut &mut Conn, number: u32, piece: &Piece<'_>) -> Result<u32, Fault> {
        let from = self.script.from;
        if number < from {
            let again = run_again(conn, &mut self.script_run, from, number, piece);
            return again.map(|()| number + 1).map_err(|fault| located(fault, from, piece));
        }
        let size = self.group_size(conn, number).map_err(|fault| located(fault, number, piece))?;
        if size > 1 {
            return self.run_group(conn, number, size);
        }
        self.run_one(conn, number, piece).map_err(|fault| located(fault, number, piece))?;
        Ok(number + 1)
    }

    fn run_one(&mut self, conn: &mut &mut Conn, number: u32, piece: &Piece<'_>) -> Result<(), Fault> {
        self.script.begin_statement(number, || Some(self.of))?;
        let is_skipped = self.skipped.is_some_and(|ends| ends.has(number));
        match self.script.atomicity {
            Atomicity::Transaction if is_skipped => Ok(()),
            Atomicity::NonTransactional if is_skipped => {
                let class = StatementClass::Common(Repeatable);
                let statement = Statement { number, class, mark: String::new() };
                self.script_run.run_statement(conn, statement, &mut |_| Ok(()))
            }
            Atomicity::Transaction => run_in_transaction(conn, number, piece, &mut self.watch),
            Atomicity::NonTransactional => self.non_transactional(conn, number, piece),
        }
    }

    /// The number of statements, from this one on, that share a transaction.
    fn group_size(&mut self, conn: &mut Conn, number: u32) -> Result<usize, Fault> {
        // `SET TRANSACTION` is about the transaction of the next statement only.
        let is_set_apart = self.piece(number - 1).is_some_and(|before| is_about_next(before.text));
        if self.script.atomicity == Atomicity::Transaction || is_set_apart || !self.script_run.is_closed() {
            return Ok(1);
        }
        let rest = self.pieces.get(number as usize - 1..).unwrap_or_default();
        self.groups.size(conn, rest, self.lookup)
    }

    /// Runs statements that only change rows in one transaction with the record that they are done.
    fn run_group(&mut self, conn: &mut &mut Conn, first: u32, size: usize) -> Result<u32, Fault> {
        let Self { script, pieces, of, script_run, watch, .. } = self;
        let group = || (first..).zip(pieces.iter().skip(first as usize - 1).take(size));
        let mut last = first;
        let outcome = script_run.run_together(conn, first, &mut |conn| {
            let mut extent = Extent::new();
            for (number, piece) in group() {
                last = number;
                let run = script.begin_statement(number, || Some(*of)).and_then(|()| {
                    watch.ledger.before(number, *conn)?;
                    watch.run_rows(conn, number, piece)
                });
                if extent.is_full_with(run.map_err(|fault| located(fault, number, piece))?) {
                    break;
                }
            }
            Ok(last + 1)
        });
        outcome.map_err(|fault| match group().find(|(number, _)| *number == last) {
            // The record or the commit failed.
            Some((number, piece)) if fault.details.statement.is_none() => located(fault, number, piece),
            _ => fault,
        })
    }

    /// Runs a statement outside the engine's transaction.
    fn non_transactional(
        &mut self,
        conn: &mut &mut Conn,
        number: u32,
        piece: &Piece<'_>,
    ) -> Result<(), Fault> {
        let Self { script_run, lookup, watch, .. } = self;
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
            if is_rows {
                return watch.run_rows(conn, number, piece).map(drop);
            }
            // A statement that the server could not parse, refused as read-only or did not get has done nothing.
            watch.run(conn, number, piece).map(drop).map_err(|fault| {
                let did_nothing = fault.kind() == FaultKind::ReadOnly
                    || is_syntax(&fault)
                    || query::is_too_long(&fault)
                    || query::is_refused_whole(piece.text, &fault);
                if is_partial && !did_nothing { fault.partial() } else { fault }
            })
        });
        if !survives {
            **lookup = LookupState::default();
        }
        if is_rows && done.as_ref().is_err_and(|fault| fault.details.is_partial) {
            script_run.record_unknown_transaction(conn, self.script.from);
        }
        done
    }
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
                .map(drop)
                .map_err(|fault| if is_rolled_back(conn) { fault } else { fault.lost_transaction() });
        }
    };
    Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT))
}

/// The kind of a statement. If the statement sets `autocommit` to a variable, the value of the variable decides:
/// `SET autocommit = @OLD_AUTOCOMMIT`.
fn resolved_kind<'t>(conn: &mut Conn, text: &'t str) -> Result<Kind<'t>, Fault> {
    let Some(variable) = autocommit_variable(text) else { return Ok(kind(text)) };
    let sql = format!("SELECT UPPER(CAST(@{variable} AS CHAR)) IN ('0', 'OFF', 'FALSE')");
    let is_off = query::column::<bool>(conn, &sql).map_err(fault)?;
    Ok(if is_off == Some(true) { Kind::Chains } else { Kind::Unchains })
}
