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
        place += repaired_at + 1;
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
            place += repaired_at + 1;
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
