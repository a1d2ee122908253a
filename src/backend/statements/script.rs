//! Runs the statements of a script one by one.

use crate::account::Execution;
use crate::backend::driver::{Driver, Progress};
use crate::backend::faults::ended_transaction;
use crate::backend::last_row::asks_for_last_row;
use crate::backend::retry::patiently;
use crate::backend::script::Script;
use crate::backend::script_faults::lost_with_session;
use crate::backend::server_ledger::{Ledger, Tables};
use crate::backend::statements::Statements;
use crate::backend::statements::refused::{Why, refused};
use crate::cancel;
use crate::fault::Fault;
use crate::progress::ScriptProgress;
use crate::sql::act::Grammar;
use crate::sql::pieces::Piece;
use crate::sql::transactions::Ends;
use crate::step::Atomicity;

/// What a backend knows about the statements of a script.
pub(in crate::backend) struct Rules<S> {
    /// The two statements that begin and end a transaction that is not the script's.
    pub(in crate::backend) skipped: Option<Ends>,
    /// Whether a statement may end the transaction that it runs in.
    pub(in crate::backend) may_end: fn(&str) -> bool,
    /// How the database reads a statement.
    pub(in crate::backend) grammar: &'static Grammar,
    /// Counts the rows of the tables that a script replaces.
    pub(in crate::backend) tables: for<'s> fn(&'s mut S) -> Box<dyn Tables + 's>,
    /// Why a statement is refused, before any of the script runs.
    pub(in crate::backend) why_refused: Why,
    /// What becomes of a statement that is done when its script is resumed in another session.
    pub(in crate::backend) again: fn(&str) -> Again,
    /// Whether something of a statement outside a transaction may stay, although it failed. If in doubt, it is `true`.
    pub(in crate::backend) may_stay: fn(&mut S, &str, &Fault) -> bool,
}

/// What becomes of a statement that is done when its script is resumed in another session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Again {
    /// Its effect stays.
    Skipped,
    /// It changed the session, and runs again.
    Runs,
    /// What it made ended with the session, and running it again need not make the same.
    Lost,
}

/// Runs a script from its first statement that is not done. Outside a transaction, each statement is marked before it runs, so a person
/// must decide about an interrupted one.
pub(in crate::backend) fn run<S: Statements, B: for<'c> Driver<Conn<'c> = &'c mut S>>(
    conn: &mut &mut S,
    script: &Script<'_>,
    rules: &Rules<S>,
    progress: &mut Progress<'_, B>,
) -> Result<Execution, Fault> {
    let statements = B::statements(script.text)?;
    // The plan refuses this too, but not in a script that the database stores.
    let mut refusals =
        refused(statements.iter().copied(), script.atomicity, rules.skipped, rules.why_refused);
    if let Some((_, statement, fault)) = refusals.next() {
        return Err(fault.in_statement(script.from, statement));
    }
    let pieces: Vec<Piece<'_>> =
        statements.iter().map(|(offset, text)| Piece { offset: *offset, text }).collect();
    let mut ledger = Ledger::new(&pieces, script, rules.grammar, &mut *(rules.tables)(conn))?;
    let of = u32::try_from(statements.len()).ok();
    let rest = || statements.iter().skip((script.from.max(1) - 1) as usize).map(|(_, text)| *text);
    if script.from > 1 && asks_for_last_row(rest()) {
        return Err(lost_with_session(script.from - 1));
    }
    for (number, (offset, statement)) in (1..).zip(statements.iter().copied()) {
        let located = |fault: Fault| {
            let at = offset + fault.details.offset.unwrap_or_default();
            fault.at(at).in_statement(number, statement)
        };
        if number < script.from {
            // As a fault of the statement that it would go on with, it changes nothing about how far the script is.
            let located = |fault: Fault| fault.at(offset).in_statement(script.from, statement);
            match (rules.again)(statement) {
                Again::Skipped => {}
                Again::Runs => B::run_session_sql(conn, statement).map_err(located)?,
                Again::Lost => return Err(located(lost_with_session(number))),
            }
            continue;
        }
        script.begin_statement(number, || of).map_err(located)?;
        if rules.skipped.is_some_and(|ends| ends.has(number)) {
            continue;
        }
        if script.atomicity == Atomicity::Transaction {
            observed::<S, B>(conn, rules, &mut ledger, script, (number, statement)).map_err(located)?;
            if (rules.may_end)(statement) && !B::in_transaction(conn)? {
                return Err(located(ended_transaction()));
            }
            continue;
        }
        progress(conn, ScriptProgress { statement: number, of, mark: Some(String::new()) })?;
        patiently(script.lock_timeout.unwrap_or(script.patience), || {
            cancel::check()?;
            match observed::<S, B>(conn, rules, &mut ledger, script, (number, statement)) {
                // It is not tried again: what it left would be there twice.
                Err(fault) if fault.details.is_partial => Ok(Err(fault)),
                outcome => outcome.map(Ok),
            }
        })
        .and_then(|done| done)
        .map_err(located)?;
        progress(conn, ScriptProgress { statement: number + 1, of, mark: None })
            .map_err(|fault| located(fault.partial()))?;
    }
    let account = ledger.finish(&mut *(rules.tables)(conn))?;
    Ok(Execution { account, ..ledger.touched().into() })
}

/// Runs a statement, and records in the ledger what it does. The fault of a statement of which something may stay is partial; in a
/// transaction nothing stays.
fn observed<S: Statements, B: for<'c> Driver<Conn<'c> = &'c mut S>>(
    conn: &mut &mut S,
    rules: &Rules<S>,
    ledger: &mut Ledger<'_>,
    script: &Script<'_>,
    (number, statement): (u32, &str),
) -> Result<(), Fault> {
    ledger.before(number, &mut *(rules.tables)(conn))?;
    let done = if ledger.counts(number) {
        conn.change(statement).map(|rows| ledger.count(number, rows))
    } else {
        B::run_statement(conn, statement)
    };
    let is_outside = script.atomicity == Atomicity::NonTransactional;
    done.map_err(|fault| {
        let stays = is_outside && (rules.may_stay)(conn, statement, &fault);
        if stays { fault.partial() } else { fault }
    })
}
