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
        let is_skipped = rules.skipped.is_some_and(|ends| ends.has(number));
        if number < script.from {
            if !is_skipped && B::only_sets_session(statement) {
                B::run_statement(conn, statement).map_err(located)?;
            }
            continue;
        }
        script.begin_statement(number, || of).map_err(located)?;
        if is_skipped {
            continue;
        }
        if script.atomicity == Atomicity::Transaction {
            observed::<S, B>(conn, rules, &mut ledger, number, statement).map_err(located)?;
            if (rules.may_end)(statement) && !B::in_transaction(conn)? {
                return Err(located(ended_transaction()));
            }
            continue;
        }
        progress(conn, ScriptProgress { statement: number, of, mark: Some(String::new()) })?;
        let run = || match cancel::check() {
            Ok(()) => observed::<S, B>(conn, rules, &mut ledger, number, statement),
            Err(fault) => Err(fault),
        };
        patiently(script.lock_timeout.unwrap_or(script.patience), run).map_err(located)?;
        progress(conn, ScriptProgress { statement: number + 1, of, mark: None })
            .map_err(|fault| located(fault.partial()))?;
    }
    let account = ledger.finish(&mut *(rules.tables)(conn))?;
    Ok(Execution { account, ..ledger.touched().into() })
}

/// Runs a statement, and records in the ledger what it does.
fn observed<S: Statements, B: for<'c> Driver<Conn<'c> = &'c mut S>>(
    conn: &mut &mut S,
    rules: &Rules<S>,
    ledger: &mut Ledger<'_>,
    number: u32,
    statement: &str,
) -> Result<(), Fault> {
    ledger.before(number, &mut *(rules.tables)(conn))?;
    if ledger.counts(number) {
        let rows = conn.change(statement)?;
        ledger.count(number, rows);
        return Ok(());
    }
    B::run_statement(conn, statement)
}
