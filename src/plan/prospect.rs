//! What a plan's steps take away, as the planner uses it.

use super::Plan;
use crate::effect::{Effect, EffectKind, Evidence, Outlook, losses};
use crate::policy::Policy;
use crate::problem::{Problem, ProblemKind};
use crate::step::{DataLoss, Direction, Step};

/// What is to be expected of a step.
#[derive(Debug)]
pub(crate) struct Prospect {
    pub(crate) outlook: Outlook,
    pub(crate) is_code: bool,
    pub(crate) data_loss: DataLoss,
}

impl Plan {
    /// The plan for a database that has nothing to be taken away.
    pub(crate) fn without_effects(mut self) -> Self {
        for step in &mut self.steps {
            step.effects = Some(Vec::new());
        }
        self
    }

    /// The plan with what its steps take away, and with the findings about that.
    pub(crate) fn foreseeing(mut self, prospects: Vec<Prospect>, policy: &Policy) -> Self {
        let direction = self.direction();
        let mut found = Vec::new();
        for (step, prospect) in self.steps.iter_mut().zip(prospects) {
            let Prospect { mut outlook, is_code, data_loss } = prospect;
            let is_told = step.is_stored || losses(&outlook.effects).is_some();
            if let Some(fault) = outlook.failure.as_ref().filter(|_| !is_told) {
                let why = format!("a statement could not be tried out: {fault}");
                outlook.effects.push(Effect::new(EffectKind::Unknown, why, Evidence::Rehearsal));
            }
            if step.direction == Direction::Up {
                found.extend(destructive(step, &outlook.effects, data_loss));
                found.extend(is_code.then(|| opaque(step)));
            }
            if step.is_stored {
                found.extend(untrusted(step, &outlook));
            }
            // What code takes away is known to nobody.
            step.effects = (!is_code).then_some(outlook.effects);
        }
        self.problems.extend(policy.judge(found, direction));
        self
    }
}

fn destructive(step: &Step, effects: &[Effect], data_loss: DataLoss) -> Option<Problem> {
    let lost = losses(effects).filter(|_| data_loss == DataLoss::Undeclared)?;
    let remedy = "if that is meant, declare it with allow = [\"destructive\"] in its metadata";
    Some(Problem::new(ProblemKind::Destructive, &step.id, lost, remedy))
}

fn opaque(step: &Step) -> Problem {
    Problem::note(
        ProblemKind::Opaque,
        &step.id,
        "is code, and what it takes away is not known before it runs",
    )
}

fn untrusted(step: &Step, outlook: &Outlook) -> Option<Problem> {
    let fault = outlook.failure.as_ref()?;
    let place = match &fault.statement {
        Some((number, text)) => format!(", in its statement {number}, `{}`", crate::error::Abridged(text)),
        None => String::new(),
    };
    Some(Problem::new(
        ProblemKind::Untrusted,
        &step.id,
        format!("has a stored script that failed when it was tried on a copy of the schema{place}: {fault}"),
        fault.remedy.as_deref().unwrap_or("undo it with the version of the program that applied it"),
    ))
}
