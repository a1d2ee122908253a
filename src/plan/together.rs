//! Which steps are committed together, and which cannot be committed at all, because rows would reference missing rows.

use super::TransactionMode;
use crate::account::StepFinding;
use crate::dangling::Broken;
use crate::effect::Unparented;
use crate::location::Location;
use crate::problem::{Problem, ProblemKind};
use crate::step::{Atomicity, ForeignKeys, Step};

/// A step: how it runs, and which rows would reference missing rows if it were committed.
pub(super) struct Outcome<'a> {
    pub(super) step: &'a Step,
    pub(super) foreign_keys: ForeignKeys,
    /// Whether its effects are unknown, as those of code.
    pub(super) is_opaque: bool,
    pub(super) orphans: Vec<Unparented>,
    /// What else would refer to something that is missing; `None` if that is unknown.
    pub(super) references: Option<Vec<StepFinding>>,
}

impl Outcome<'_> {
    fn broken(&self) -> Broken {
        let rows =
            self.orphans.iter().map(|outcome| (outcome.child.clone(), outcome.parent.clone(), outcome.rows));
        Broken::rows(rows)
    }

    fn is_checked(&self) -> bool {
        self.foreign_keys == ForeignKeys::Checked
    }

    /// Whether it can share a transaction with a similar step.
    fn may_join(&self) -> bool {
        self.is_checked() && self.step.atomicity == Atomicity::Transaction
    }
}

/// A finding for each step that is not committed separately.
pub(super) fn findings(steps: &[Outcome<'_>], mode: TransactionMode) -> Vec<Problem> {
    if mode == TransactionMode::Batch {
        let is_known = !steps.iter().any(|outcome| outcome.is_opaque);
        let last =
            steps.last().filter(|_| is_known).filter(|last| last.is_checked() && !last.orphans.is_empty());
        return last.map(|last| fails(last, "")).into_iter().collect();
    }
    let (mut found, mut place) = (Vec::new(), 0);
    // The effects of the steps after code are unknown too.
    let has_code = steps.iter().any(|outcome| outcome.is_opaque);
    let steps = &steps[..steps.iter().position(|outcome| outcome.is_opaque).unwrap_or(steps.len())];
    while let Some(first) = steps.get(place) {
        place += 1;
        if !first.is_checked() || first.orphans.is_empty() {
            continue;
        }
        let rest = if first.may_join() { &steps[place..] } else { &[] };
        let joining = &rest[..rest.iter().take_while(|outcome| outcome.may_join()).count()];
        let Some(repaired_at) = joining.iter().position(|outcome| outcome.orphans.is_empty()) else {
            if has_code && joining.len() == rest.len() {
                break;
            }
            found.push(fails(first, ", and no later step that can share its transaction fixes that"));
            break;
        };
        let last = &joining[repaired_at].step.id;
        let with = match repaired_at {
            0 => format!("`{last}`"),
            between => format!("the {} steps after it", between + 1),
        };
        let why = first.broken().reason();
        let finding =
            format!("will be one transaction with {with}, since in between {why} until `{last}` is done");
        found.push(Problem::note(ProblemKind::Together, &first.step.id, finding));
        place += repaired_at;
    }
    found
}

/// The findings about the first step after which something refers to what is missing, if no step after it repairs that.
pub(super) fn references(steps: &[Outcome<'_>], mode: TransactionMode) -> Vec<Problem> {
    // After an unknown step, nothing is known.
    let known =
        &steps[..steps.iter().position(|outcome| outcome.references.is_none()).unwrap_or(steps.len())];
    let broken = |outcome: &Outcome<'_>| outcome.references.as_ref().is_some_and(|found| !found.is_empty());
    let mut place = 0;
    while let Some(first) = known.get(place) {
        place += 1;
        if !broken(first) {
            continue;
        }
        let may_join = |other: &&Outcome<'_>| {
            let is_similar = other.foreign_keys == first.foreign_keys;
            mode == TransactionMode::Batch
                || is_similar && [first, other].iter().all(|it| it.step.atomicity == Atomicity::Transaction)
        };
        let joining = known[place..].iter().take_while(may_join).count();
        if let Some(repaired_at) = known[place..place + joining].iter().position(|outcome| !broken(outcome)) {
            place += repaired_at;
            continue;
        }
        if place + joining == known.len() && known.len() < steps.len() {
            return Vec::new();
        }
        let found = first.references.iter().flatten();
        let problem = |finding: &StepFinding| {
            Problem::new(finding.kind, &first.step.id, finding.what.clone(), finding.remedy.clone())
                .at(Location::file(first.step.origin.clone()))
        };
        return found.map(problem).collect();
    }
    Vec::new()
}

fn fails(outcome: &Outcome<'_>, why_still_broken: &str) -> Problem {
    let fault = outcome.broken().fault(why_still_broken, outcome.step.atomicity);
    let remedy = fault.advice();
    let finding = format!("will fail here: {fault}");
    Problem { remedy, ..Problem::note(ProblemKind::Fails, &outcome.step.id, finding) }
        .at(Location::file(outcome.step.origin.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the findings about steps, each a word: `a!` leaves rows or references without what they refer to, `a~` runs outside a
    /// transaction, `a&` runs under enforced foreign keys, `a?` is code. `expected` has the findings about rows under both modes.
    #[track_caller]
    fn check(steps: &str, expected: [&str; 2]) {
        let found = [TransactionMode::PerMigration, TransactionMode::Batch].map(|mode| {
            let steps = parsed(steps);
            let said = |problem: &Problem| match (problem.kind, problem.finding.split_once(", since")) {
                (ProblemKind::Together, Some((with, _))) => {
                    format!("{} {}", problem.migration, with.trim_start_matches("will be one transaction "))
                }
                _ => format!("{} fails", problem.migration),
            };
            let outcomes: Vec<Outcome<'_>> = steps.iter().map(outcome).collect();
            findings(&outcomes, mode).iter().map(said).collect::<Vec<_>>().join("; ")
        });
        assert_eq!(found, expected, "for the steps `{steps}`");
    }

    /// Compares the step of the findings about references.
    #[track_caller]
    fn check_references(steps: &str, expected: [&str; 2]) {
        let found = [TransactionMode::PerMigration, TransactionMode::Batch].map(|mode| {
            let steps = parsed(steps);
            let outcomes: Vec<Outcome<'_>> = steps.iter().map(outcome).collect();
            references(&outcomes, mode)
                .iter()
                .map(|it| it.migration.to_string())
                .collect::<Vec<_>>()
                .join("; ")
        });
        assert_eq!(found, expected, "for the steps `{steps}`");
    }

    fn parsed(steps: &str) -> Vec<(Step, &str)> {
        let step = |word| {
            let (id, marks) = str::split_at(word, 1);
            let is_outside = marks.contains('~');
            let atomicity = if is_outside { Atomicity::NonTransactional } else { Atomicity::Transaction };
            let step = Step { atomicity, ..Step::up(id) };
            (step, marks)
        };
        steps.split(' ').map(step).collect()
    }

    fn outcome<'a>((step, marks): &'a (Step, &str)) -> Outcome<'a> {
        let is_broken = marks.contains('!');
        let orphan = || Unparented { child: "child".to_owned(), parent: "parent".to_owned(), rows: 2 };
        let finding = || StepFinding::new(ProblemKind::BrokenReference, "refers to nothing", "correct it");
        let is_opaque = marks.contains('?');
        Outcome {
            step,
            foreign_keys: if marks.contains('&') { ForeignKeys::Enforced } else { ForeignKeys::Checked },
            is_opaque,
            orphans: is_broken.then(orphan).into_iter().collect(),
            references: (!is_opaque).then(|| is_broken.then(finding).into_iter().collect()),
        }
    }

    #[test]
    fn a_step_that_leaves_rows_without_parents_is_one_transaction_with_the_step_that_repairs_it() {
        check("a b", ["", ""]);
        check("a! b", ["a with `b`", ""]);
        check("a! b! c", ["a with the 2 steps after it", ""]);
        check("a! b! c d!", ["a with the 2 steps after it; d fails", "d fails"]);
        check("a! b c! d", ["a with `b`; c with `d`", ""]);
        check("a! b! c d! e", ["a with the 2 steps after it; d with `e`", ""]);
        check("a b! c", ["b with `c`", ""]);
        check("a b! c! d! e f! g", ["b with the 3 steps after it; f with `g`", ""]);
    }

    #[test]
    fn a_step_that_none_repairs_fails() {
        check("a!", ["a fails", "a fails"]);
        check("a! b!", ["a fails", "b fails"]);
        check("a! b~", ["a fails", ""]);
        check("a!~ b", ["a fails", ""]);
        check("a! b&", ["a fails", ""]);
        check("a! b! c~ d", ["a fails", ""]);
    }

    #[test]
    fn nothing_is_said_about_what_is_not_checked_or_not_known() {
        check("a!& b", ["", ""]);
        check("a!&", ["", ""]);
        check("a! b?", ["", ""]);
        check("a! b! c? d", ["", ""]);
        check("a! b~ c?", ["a fails", ""]);
        check("a? b!", ["", ""]);
        check("a! b c?", ["a with `b`", ""]);
    }

    #[test]
    fn a_broken_reference_is_reported_unless_a_step_of_the_same_transaction_may_repair_it() {
        check_references("a b", ["", ""]);
        check_references("a!", ["a", "a"]);
        check_references("a b! c", ["", ""]);
        check_references("a! b! c", ["", ""]);
        check_references("a! b c!", ["c", "c"]);
        check_references("a! b c! d", ["", ""]);
        check_references("a b! c! d! e f!", ["f", "f"]);
        check_references("a!~ b", ["a", ""]);
        check_references("a! b~", ["a", ""]);
        check_references("a! b&", ["a", ""]);
        check_references("a!& b&", ["", ""]);
        check_references("a!& b!& c", ["a", ""]);
        check_references("a! b! c!", ["a", "a"]);
        check_references("a! b?", ["", ""]);
        check_references("a! b~ c?", ["a", ""]);
        check_references("a? b!", ["", ""]);
        check_references("a! b c?", ["", ""]);
    }
}
