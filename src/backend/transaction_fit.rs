//! Whether a script fits into a transaction, decided by the transaction statements in it.

use super::script_faults::{KEEP_OUT, outside_transaction};
use super::transaction_rules::TransactionRules;
use crate::remedy::Remedy;
use crate::sql::transactions::{Control, Ends, Shape, shape};
use crate::step::Atomicity;
use crate::transaction_fit::{TransactionConflict, TransactionFit};

/// Whether a script fits into a transaction, decided by its statements, each with its byte offset.
pub(super) fn transaction_fit<B: TransactionRules>(statements: &[(Control, usize)]) -> TransactionFit {
    let controls: Vec<Control> = statements.iter().map(|(control, _)| *control).collect();
    let offset = |number: u32| statements[number as usize - 1].1;
    let refuses = |control: &Control| matches!(control, Control::Refuses | Control::SetsOnlyOutside);
    let refusing = controls.iter().position(refuses);
    let kind = shape(&controls);
    if let Some(place) = inside(&controls, refuses) {
        let found = TransactionConflict::new(statements[place].1, REFUSES, MOVE_OUT);
        return TransactionFit::Divided(found.hopeless());
    }
    let found = match (kind, refusing) {
        (Shape::Plain, _) if is_for_outside(&controls) => {
            return if refusing.is_some() { TransactionFit::Outside } else { TransactionFit::Either };
        }
        (Shape::Surrounded, _) => return TransactionFit::Outside,
        (Shape::Plain | Shape::One(_), None) => return TransactionFit::Inside,
        (Shape::Plain | Shape::One(_), Some(place)) => {
            let is_setting = controls[place] == Control::SetsOnlyOutside;
            TransactionConflict::new(
                statements[place].1,
                REFUSES,
                if is_setting { set_elsewhere() } else { divide() },
            )
        }
        (Shape::Own, refusing) => {
            let begins =
                |control: &Control| matches!(control, Control::Begins | Control::BeginsOwn | Control::Chains);
            let begins = controls.iter().position(begins);
            let takes_back = controls.contains(&Control::Ends) || controls.contains(&Control::Chains);
            let is_isolated = controls.contains(&Control::Isolates) || controls.contains(&Control::BeginsOwn);
            let remedy = own(refusing.is_some() || takes_back || is_isolated);
            TransactionConflict::new(begins.map_or(0, |place| statements[place].1), BEGINS, remedy)
        }
        (Shape::Escapes(Ends { first, .. }), refusing) => {
            let is_outside = refusing.is_some() || controls.contains(&Control::SetsOutside);
            TransactionConflict::new(offset(first), ENDS, escapes(is_outside))
        }
        (Shape::Unfinished(number), refusing) => {
            let remedy = if refusing.is_some() { remove_and_outside() } else { KEEP_OUT.into() };
            let found =
                TransactionConflict::new(offset(number), "begins a transaction and does not end it", remedy);
            // Another statement may have ended the transaction.
            if B::HAS_IMPLICIT_COMMITS { found } else { found.hopeless() }
        }
        (Shape::Unmatched(number), refusing) => {
            let finding = match controls[number as usize - 1] {
                Control::Begins | Control::BeginsOwn => "begins a transaction inside another one",
                _ => ENDS,
            };
            let remedy = match refusing {
                Some(_) => remove_and_outside(),
                None if B::REFUSES_UNMATCHED => KEEP_OUT.into(),
                None => remove_or_outside(),
            };
            let found = TransactionConflict::new(offset(number), finding, remedy);
            // A savepoint may have begun the transaction.
            let is_hopeless = B::REFUSES_UNMATCHED && !controls.contains(&Control::Saves);
            if is_hopeless { found.hopeless() } else { found }
        }
    };
    TransactionFit::Divided(found)
}

/// The first matching statement between one that begins a transaction and the one that ends it.
fn inside(controls: &[Control], is_meant: impl Fn(&Control) -> bool) -> Option<usize> {
    let mut is_open = false;
    controls.iter().position(|control| {
        match control {
            Control::Begins | Control::BeginsOwn => is_open = true,
            Control::Commits | Control::Ends => is_open = false,
            _ => {}
        }
        is_open && is_meant(control)
    })
}

/// Whether the script has only statements that cannot run in a transaction, and settings.
fn is_for_outside(controls: &[Control]) -> bool {
    let wants = |control: &Control| {
        matches!(control, Control::Refuses | Control::SetsOutside | Control::SetsOnlyOutside)
    };
    controls.iter().any(wants) && controls.iter().all(|control| wants(control) || *control == Control::Sets)
}

/// The two statements of a script that are skipped because they begin and end a transaction that is not the script's. In a transaction,
/// they are the `BEGIN` and `COMMIT` of its only transaction, which the engine begins and ends. Outside a transaction, they are the
/// statements with which it leaves the transaction of another runner.
pub(super) fn skipped_ends(controls: &[Control], atomicity: Atomicity) -> Option<Ends> {
    match (shape(controls), atomicity) {
        (Shape::One(ends), Atomicity::Transaction) | (Shape::Escapes(ends), Atomicity::NonTransactional) => {
            Some(ends)
        }
        _ => None,
    }
}

/// The short form that tests compare: "inside", or the offset of the statement that does not fit and the first word of its finding.
#[cfg(test)]
pub(super) fn in_short(fit: &TransactionFit) -> String {
    match fit {
        TransactionFit::Inside => "inside".to_owned(),
        TransactionFit::Outside => "outside".to_owned(),
        TransactionFit::Either => "either".to_owned(),
        TransactionFit::Divided(conflict) => {
            let verb = conflict.finding.split(' ').next().unwrap_or_default();
            format!("{} {verb}{}", conflict.offset, if conflict.is_hopeless { ", hopeless" } else { "" })
        }
    }
}

const BEGINS: &str = "begins a transaction, and it already runs in one";
const ENDS: &str = "would end the transaction that it runs in";
const REFUSES: &str = "has a statement that cannot run in a transaction";

const MOVE_OUT: &str = "move it out of the transaction of its script, into a migration of its own";

fn divide() -> Remedy {
    Remedy::from("move that statement into a migration of its own, which then runs outside a transaction")
        .or(outside("to run all of its statements so"))
}

fn own(needs_outside: bool) -> Remedy {
    let outside = outside("so that its transactions are its own");
    if needs_outside {
        return outside;
    }
    Remedy::from("remove its BEGIN and COMMIT, since each migration already is one transaction").or(outside)
}

fn escapes(needs_outside: bool) -> Remedy {
    if needs_outside {
        return outside("to run it without one, and its COMMIT and BEGIN are passed over");
    }
    Remedy::from("remove its COMMIT and BEGIN, since each migration already is one transaction")
        .or(outside("to run it without one, and these two are passed over"))
}

fn set_elsewhere() -> Remedy {
    Remedy::from("set it where the connection is opened")
        .or(outside("to run all of its statements outside a transaction"))
}

fn remove_or_outside() -> Remedy {
    Remedy::from(KEEP_OUT).or(outside("to run it without one"))
}

fn remove_and_outside() -> Remedy {
    Remedy::from("remove its BEGIN, COMMIT and ROLLBACK").then(outside_transaction())
}

fn outside(purpose: &'static str) -> Remedy {
    Remedy::metadata_for("run_in_transaction", "false", purpose)
}
