//! Whether a script fits into a transaction, decided by what its statements do to one.

use crate::fit::{Fit, Misfit};
use crate::sql::transactions::{Control, Ends, Shape, shape};
use crate::step::Atomicity;

/// What a database makes of transactions that a script leaves unmatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each database has one")]
pub(super) enum Unmatched {
    /// An end without a beginning and a beginning without an end are errors (SQLite).
    Fails,
    /// An end without a beginning does nothing (PostgreSQL).
    EndDoesNothing,
    /// Other statements may have ended it (MySQL).
    MayBeEnded,
}

/// Whether a script fits into a transaction, by its statements with the byte offset of each.
pub(super) fn fit(statements: &[(Control, usize)], unmatched: Unmatched) -> Fit {
    let controls: Vec<Control> = statements.iter().map(|(control, _)| *control).collect();
    let offset = |number: u32| statements[number as usize - 1].1;
    let refusing = controls.iter().position(|control| *control == Control::Refuses);
    let found = match (shape(&controls), refusing) {
        (Shape::Plain, _) if is_for_outside(&controls) => return Fit::Outside,
        (Shape::Plain | Shape::One(_), None) => return Fit::Inside,
        (Shape::Plain, Some(place)) => Misfit::new(statements[place].1, REFUSES, DIVIDE),
        (Shape::One(_), Some(place)) => {
            Misfit::new(statements[place].1, REFUSES, "take it out of the transaction of its script")
        }
        (Shape::Own, refusing) => {
            let begins =
                controls.iter().position(|control| matches!(control, Control::Begins | Control::BeginsOwn));
            let remedy = if refusing.is_some() { OUTSIDE } else { OWN };
            Misfit::new(begins.map_or(0, |place| statements[place].1), BEGINS, remedy)
        }
        (Shape::Escapes(Ends { first, .. }), refusing) => {
            let is_outside = refusing.is_some() || controls.contains(&Control::SetsOutside);
            Misfit::new(offset(first), ENDS, if is_outside { ESCAPES_ONLY } else { ESCAPES })
        }
        (Shape::Unfinished(number), refusing) => {
            let remedy = if refusing.is_some() { REMOVE_AND_OUTSIDE } else { REMOVE };
            let found = Misfit::new(offset(number), "begins a transaction and does not end it", remedy);
            if unmatched == Unmatched::MayBeEnded { found } else { found.hopeless() }
        }
        (Shape::Unmatched(number), refusing) => {
            let finding = match controls[number as usize - 1] {
                Control::Begins | Control::BeginsOwn => "begins a transaction inside another one",
                _ => ENDS,
            };
            let remedy = if refusing.is_some() { REMOVE_AND_OUTSIDE } else { REMOVE };
            let found = Misfit::new(offset(number), finding, remedy);
            // A savepoint may have begun it.
            let is_hopeless = unmatched == Unmatched::Fails && !controls.contains(&Control::Saves);
            if is_hopeless { found.hopeless() } else { found }
        }
    };
    Fit::Divided(found)
}

/// Whether it has nothing but statements that cannot run in a transaction, and settings.
fn is_for_outside(controls: &[Control]) -> bool {
    let wants = |control: &Control| matches!(control, Control::Refuses | Control::SetsOutside);
    controls.iter().any(wants) && controls.iter().all(|control| wants(control) || *control == Control::Sets)
}

/// The two statements that are passed over in a script, since they begin and end what the engine begins and ends: its one transaction, or
/// outside a transaction that of another runner which it wants to leave.
pub(super) fn passed_over(controls: &[Control], atomicity: Atomicity) -> Option<Ends> {
    match (shape(controls), atomicity) {
        (Shape::One(ends), Atomicity::Transaction) | (Shape::Escapes(ends), Atomicity::Guarded) => Some(ends),
        _ => None,
    }
}

const BEGINS: &str = "begins a transaction, and it already runs in one";
const ENDS: &str = "would end the transaction that it runs in";
const REFUSES: &str = "has a statement that cannot run in a transaction";

const DIVIDE: &str = "move that statement into a migration of its own, which then runs outside a transaction, or set \
                      run_in_transaction = false in its metadata to run all of its statements so";
const OUTSIDE: &str = "set run_in_transaction = false in its metadata, and its transactions are its own";
const OWN: &str = "remove its BEGIN and COMMIT, since each migration already is one transaction, or set run_in_transaction = false in \
                   its metadata, and its transactions are its own";
const ESCAPES: &str = "remove its COMMIT and BEGIN, since each migration already is one transaction, or set run_in_transaction = false \
                       in its metadata to run it without one, and these two are passed over";
const ESCAPES_ONLY: &str = "set run_in_transaction = false in its metadata to run it without one, and its COMMIT and BEGIN are passed over";
const REMOVE: &str = "remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction";
const REMOVE_AND_OUTSIDE: &str =
    "remove its BEGIN, COMMIT and ROLLBACK, and set run_in_transaction = false in its metadata";
