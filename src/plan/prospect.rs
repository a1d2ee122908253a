//! What a plan's steps take away, as the planner uses it.

use super::{Plan, together};
use crate::effect::{Effect, EffectKind, Evidence, Outlook, losses};
use crate::policy::Policy;
use crate::problem::{Problem, ProblemKind};
use crate::step::{DataLoss, Direction, ForeignKeys, Step};

/// What is to be expected of a step.
#[derive(Debug)]
pub(crate) struct Prospect {
    pub(crate) outlook: Outlook,
    pub(crate) is_code: bool,
    pub(crate) data_loss: DataLoss,
    pub(crate) foreign_keys: ForeignKeys,
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
        let (mut found, mut follows_code) = (Vec::new(), false);
        let left = self.steps.iter().zip(&prospects).map(|(step, prospect)| together::Left {
            step,
            foreign_keys: prospect.foreign_keys,
            is_opaque: prospect.is_code,
            orphans: prospect.outlook.orphans.clone(),
        });
        found.extend(together::findings(&left.collect::<Vec<_>>(), self.mode));
        for (step, prospect) in self.steps.iter_mut().zip(prospects) {
            let Prospect { mut outlook, is_code, data_loss, .. } = prospect;
            let is_untold = outlook.failure.is_some() && losses(&outlook.effects).is_none();
            // The copy does not have what code makes, so what follows it may fail there and nowhere else.
            let is_opaque = is_code || (follows_code && is_untold);
            follows_code |= is_code;
            if let Some(fault) =
                outlook.failure.as_ref().filter(|_| is_untold && !is_opaque && !step.is_stored)
            {
                let why = format!("a statement could not be tried out: {fault}");
                outlook.effects.push(Effect::new(EffectKind::Unknown, why, Evidence::Rehearsal));
            }
            if step.direction == Direction::Up {
                found.extend(destructive(step, &outlook, data_loss));
                found.extend(is_opaque.then(|| opaque(step, is_code)));
            }
            if step.is_stored {
                found.extend(untrusted(step, &outlook));
            }
            // What code takes away is known to nobody.
            step.effects = (!is_opaque).then_some(outlook.effects);
        }
        self.problems.extend(policy.judge(found, direction));
        self
    }
}

fn destructive(step: &Step, outlook: &Outlook, data_loss: DataLoss) -> Option<Problem> {
    let lost = losses(&outlook.effects).filter(|_| data_loss == DataLoss::Undeclared)?;
    let is_unknown = |effect: &Effect| !effect.kind.is_destructive() || effect.kind == EffectKind::Unknown;
    let told = outlook.failure.as_ref().and_then(|fault| fault.remedy.as_deref());
    let remedy = told.filter(|_| outlook.effects.iter().all(is_unknown));
    let declare = "if that is meant, declare it with allow = [\"destructive\"] in its metadata";
    Some(Problem::new(ProblemKind::Destructive, &step.id, lost, remedy.unwrap_or(declare)))
}

fn opaque(step: &Step, is_code: bool) -> Problem {
    let finding = if is_code {
        "is code, and what it takes away is not known before it runs"
    } else {
        "follows code, and what it takes away is not known before that has run"
    };
    Problem::note(ProblemKind::Opaque, &step.id, finding)
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
