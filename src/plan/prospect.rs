//! What a plan's steps take away, as the planner uses it.

use super::Plan;
use crate::effect::{Effect, Outlook};
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
    /// The plan with what its steps take away, and with the findings about that.
    pub(crate) fn foreseeing(mut self, prospects: Vec<Prospect>, policy: &Policy) -> Self {
        let direction = self.direction();
        let mut found = Vec::new();
        for (step, prospect) in self.steps.iter_mut().zip(prospects) {
            let Prospect { outlook, is_code, data_loss } = prospect;
            if step.direction == Direction::Up {
                found.extend(destructive(step, &outlook.effects, data_loss));
                found.extend(is_code.then(|| opaque(step)));
            }
            if step.is_stored {
                found.extend(untrusted(step, &outlook));
            }
            step.effects = Some(outlook.effects);
        }
        self.problems.extend(policy.judge(found, direction));
        self
    }
}

fn destructive(step: &Step, effects: &[Effect], data_loss: DataLoss) -> Option<Problem> {
    let lost: Vec<String> =
        effects.iter().filter(|effect| effect.kind.is_destructive()).map(ToString::to_string).collect();
    let is_finding = !lost.is_empty() && data_loss == DataLoss::Undeclared;
    is_finding.then(|| {
        Problem::new(
            ProblemKind::Destructive,
            &step.id,
            lost.join(", "),
            "if that is meant, declare it with allow = [\"destructive\"] in its metadata",
        )
    })
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
