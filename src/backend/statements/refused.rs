//! What a backend over a session refuses in a script, since it cannot keep account of it as the adapter of the database does.

use crate::fault::{Fault, FaultKind};
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::sql::transactions::Ends;
use crate::step::Atomicity;
use crate::transaction_fit::{TransactionConflict, TransactionFit};

/// Why a statement is refused in a script that runs with this atomicity.
pub(in crate::backend) type Why = fn(&str, Atomicity) -> Option<Fault>;

/// The refused statements of a script, each with its number from 1 and its fault. What is skipped does not run.
pub(in crate::backend) fn refused<'t>(
    statements: impl IntoIterator<Item = (usize, &'t str)>,
    atomicity: Atomicity,
    skipped: Option<Ends>,
    why: Why,
) -> impl Iterator<Item = (u32, &'t str, Fault)> {
    let runs = move |number: u32| !skipped.is_some_and(|ends| ends.has(number));
    (1..)
        .zip(statements)
        .filter(move |(number, _)| runs(*number))
        .filter_map(move |(number, (offset, text))| Some((number, text, why(text, atomicity)?.at(offset))))
}

/// The refused statements of a script, for its plan.
pub(in crate::backend) fn refusals<'t>(
    statements: impl IntoIterator<Item = (usize, &'t str)>,
    atomicity: Atomicity,
    skipped: Option<Ends>,
    why: Why,
) -> Vec<Refusal> {
    let found = refused(statements, atomicity, skipped, why);
    found.map(|(number, text, fault)| Refusal::new(fault.in_statement(number, text))).collect()
}

/// The fit, without remedies that would lead to another refusal. The adapter of the database also offers to run a script outside a
/// transaction. `outside` are the statements that are refused there.
pub(in crate::backend) fn fitting(fit: TransactionFit, outside: impl Fn() -> Vec<Refusal>) -> TransactionFit {
    let runs_outside = |remedy: &Remedy| matches!(remedy, Remedy::SetMetadata { .. });
    let offered = |remedies: &[Remedy]| remedies.iter().any(runs_outside);
    match fit {
        TransactionFit::Divided(TransactionConflict {
            remedy: Remedy::Either(all),
            offset,
            finding,
            is_hopeless,
        }) if offered(&all) && !outside().is_empty() => {
            let others = all.into_iter().filter(|remedy| !runs_outside(remedy));
            let remedy = others.reduce(Remedy::or).unwrap_or(Remedy::Either(Vec::new()));
            TransactionFit::Divided(TransactionConflict { offset, finding, remedy, is_hopeless })
        }
        TransactionFit::Divided(conflict) if runs_outside(&conflict.remedy) => {
            let remedy = outside().first().and_then(|refusal| refusal.fault.own_remedy());
            let remedy = remedy.unwrap_or(conflict.remedy);
            TransactionFit::Divided(TransactionConflict { remedy, ..conflict })
        }
        fit => fit,
    }
}

/// The fault of a statement that begins or ends a transaction outside that of the engine. If the script fails then, it would not be known
/// which of its statements stay.
pub(in crate::backend) fn own_transaction() -> Fault {
    let what = "it begins or ends a transaction of its own, and this driver does not tell what stays of that if it fails";
    Fault::new(FaultKind::Other, what).remedy(
        "take BEGIN, COMMIT, ROLLBACK and the like out of the script, or run it with the blocking adapter of the database",
    )
}
