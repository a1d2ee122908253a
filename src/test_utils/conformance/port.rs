//! The methods of a backend for transactions and scripts.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::check::{Outcome, equal, holds};
use super::ground::{Behaviour, Ground, PATIENCE, committed, perform, script};
use super::testbed::Testbed;
use crate::backend::{Backend, Scope};
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::history::Record;
use crate::notice::Notices;
use crate::progress::ScriptProgress;
use crate::step::{Atomicity, ForeignKeys};

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("a connection tells whether a transaction is open", open_transactions_are_reported),
        ("a transaction is committed if its body succeeds", a_transaction_is_committed),
        ("a transaction is rolled back if its body fails or unwinds", a_transaction_is_rolled_back),
        ("a script outside a transaction tells each statement that is done", a_script_reports_its_statements),
        ("a script stops where it is told to", a_script_stops),
        ("a fault of a script has its statement and its place", a_fault_has_its_place),
    ]
}

fn open_transactions_are_reported<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.with(|conn| {
        equal("`in_transaction` at first", &B::in_transaction(conn)?, &false)?;
        B::rollback(conn)?;
        equal("`in_transaction` after a rollback of nothing", &B::in_transaction(conn)?, &false)?;
        B::begin(conn)?;
        equal("`in_transaction` after `begin`", &B::in_transaction(conn)?, &true)?;
        B::commit(conn)?;
        equal("`in_transaction` after `commit`", &B::in_transaction(conn)?, &false)?;
        B::begin(conn)?;
        B::rollback(conn)?;
        equal("`in_transaction` after `rollback`", &B::in_transaction(conn)?, &false)
    })
}

/// Creates an empty tracking table.
fn with_table<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Result<TableName, Fault> {
    let table = TableName::default();
    it.with(|conn| committed::<B, _>(conn, |conn| B::create_table(conn, &table, &[])))?;
    Ok(table)
}

fn recorded<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>, table: &TableName) -> Result<usize, Fault> {
    it.with(|conn| Ok(B::read(conn, table)?.records.len()))
}

fn a_transaction_is_committed<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = with_table(it)?;
    let given = it.with(|conn| {
        let given = committed::<B, _>(conn, |conn| {
            equal("`in_transaction` inside it", &B::in_transaction(conn)?, &true)
                .map_err(|unmet| fault(&unmet.to_string()))?;
            B::insert(conn, &table, &Record::new("1_a", None))?;
            perform::<B>(conn, &it.bed.make("thing_a"))?;
            Ok(7)
        })?;
        equal("`in_transaction` after it", &B::in_transaction(conn)?, &false)?;
        Outcome::Ok(given)
    })?;
    equal("what its body returned", &given, &7)?;
    equal("the number of records on another connection", &recorded(it, &table)?, &1)?;
    it.has(&["thing_a"])
}

fn fault(what: &str) -> Fault {
    Fault::new(FaultKind::Other, what.to_owned())
}

fn a_transaction_is_rolled_back<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = with_table(it)?;
    for unwinds in [false, true] {
        it.with(|conn| {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                committed::<B, ()>(conn, |conn| {
                    B::insert(conn, &table, &Record::new("1_a", None))?;
                    if it.can().rollback {
                        perform::<B>(conn, &it.bed.make("thing_a"))?;
                    }
                    if unwinds {
                        resume_unwind(Box::new("on purpose"));
                    }
                    Err(fault("on purpose"))
                })
            }));
            match outcome {
                Ok(outcome) => {
                    let found = outcome.map_err(|fault| fault.to_string());
                    equal("the outcome", &found, &Err("on purpose".to_owned()))?;
                }
                Err(_) => holds("nothing unwinds that did not unwind before", unwinds)?,
            }
            equal("`in_transaction` after it", &B::in_transaction(conn)?, &false)?;
            equal("the number of records", &B::read(conn, &table)?.records.len(), &0)
        })?;
        equal("the number of records on another connection", &recorded(it, &table)?, &0)?;
        it.has(&[])?;
    }
    Ok(())
}

/// Runs a script as a step does, and returns the statement numbers that the backend reported.
fn run_script<B: Backend, T: Testbed<B>>(
    it: &Ground<'_, B, T>,
    text: &str,
    atomicity: Atomicity,
    veto: Option<u32>,
) -> (Vec<u32>, Result<(), Fault>) {
    let mut numbers = Vec::new();
    let mut progress = |_: &mut B::Conn<'_>, reached: ScriptProgress| {
        // Progress with a mark means that the statement begins. The statements before it are done, and may be reported by the mark only.
        let is_news = reached.mark.is_none() || reached.statement > 1;
        if is_news && numbers.last() != Some(&reached.statement) {
            numbers.push(reached.statement);
        }
        let is_vetoed = is_news && veto == Some(reached.statement);
        if is_vetoed { Err(fault("on purpose")) } else { Ok(()) }
    };
    let scope = Scope::new(ForeignKeys::Checked, PATIENCE);
    let notices = Notices::default();
    let script = script(text, atomicity, &notices);
    let outcome = it.with(|conn| match atomicity {
        Atomicity::Transaction => {
            B::transaction(conn, &scope, |conn| B::run_script(conn, &script, &mut progress))
        }
        Atomicity::NonTransactional => {
            B::outside_transaction(conn, &scope, |conn| B::run_script(conn, &script, &mut progress))
        }
    });
    (numbers, outcome.map(drop))
}

fn a_script_reports_its_statements<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let make = |things: &[&str]| {
        let statements: Vec<String> = things.iter().map(|thing| it.bed.make(thing)).collect();
        it.bed.script(&statements)
    };
    let scripts = [
        (make(&["thing_a", "thing_b", "thing_c"]), vec![2, 3, 4]),
        (String::new(), Vec::new()),
        (format!("\n{}\n \n", it.bed.comment("nothing")), Vec::new()),
        (format!("{}\n{}\n", it.bed.comment("one"), make(&["thing_d"])), vec![2]),
    ];
    for (text, expected) in scripts {
        let (numbers, outcome) = run_script(it, &text, Atomicity::NonTransactional, None);
        outcome?;
        equal(&format!("the statements that are next in {text:?}"), &numbers, &expected)?;
    }
    it.has(&["thing_a", "thing_b", "thing_c", "thing_d"])
}

fn a_script_stops<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let text = it.bed.script(&["thing_a", "thing_b", "thing_c"].map(|thing| it.bed.make(thing)));
    let (numbers, outcome) = run_script(it, &text, Atomicity::NonTransactional, Some(2));
    let found = outcome.map_err(|fault| fault.to_string());
    equal("the outcome of a script that was stopped", &found, &Err("on purpose".to_owned()))?;
    equal("the statements that were told", &*numbers, &[2])?;
    // The statement whose progress failed took effect or not, depending on whether both share a transaction.
    let mut things = it.with(|conn| it.bed.things(B::lend(conn)));
    things.retain(|thing| thing != "thing_a");
    equal("the things behind it that are there", &things, &Vec::<String>::new())
}

fn a_fault_has_its_place<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let fails = it.bed.fails();
    for atomicity in [Atomicity::Transaction, Atomicity::NonTransactional] {
        // Multi-byte characters precede it, so that an offset in characters differs from one in bytes.
        let first = format!("thing_ü_{}", u8::from(atomicity == Atomicity::NonTransactional));
        let text = it.bed.script(&[it.bed.make(&first), fails.clone(), it.bed.make("thing_c")]);
        let (numbers, outcome) = run_script(it, &text, atomicity, None);
        let Err(fault) = outcome else { return holds("a statement that fails is a fault", false) };
        let reported = if atomicity == Atomicity::NonTransactional { &[2][..] } else { &[] };
        equal("the statements that were told", &*numbers, reported)?;
        let number = fault.details.statement.as_ref().map(|(number, _)| *number);
        equal("the number of the statement that failed", &number, &Some(2))?;
        let failed = fault.details.statement.as_ref().map_or("", |(_, text)| text);
        holds(
            &format!("{failed:?} is the statement that failed, {fails:?}"),
            failed.contains(fails.trim_end_matches(';')),
        )?;
        let start = text.find(&fails).unwrap_or_default();
        let offset = fault.details.offset.unwrap_or(usize::MAX);
        let what = format!(
            "the place of the fault, {:?}, is in its statement, from {start} on",
            fault.details.offset
        );
        holds(&what, (start..start + fails.len()).contains(&offset))?;
    }
    Ok(())
}
