//! What the steps of a plan destroy, as the planner uses it.

use super::ahead::OLDER_VERSION;
use super::{Plan, together};
use crate::direction::Direction;
use crate::effect::{Effect, EffectKind, Evidence, FailureCause, Forecast, QuotedText, losses};
use crate::error::Abridged;
use crate::fault::Fault;
use crate::location::Location;
use crate::policy::Policy;
use crate::problem::{Problem, ProblemKind, Verdict};
use crate::remedy::Remedy;
use crate::step::{DataLoss, ForeignKeys, Step};

/// The expected effects of a step.
#[derive(Debug)]
pub(crate) struct StepForecast {
    pub(crate) forecast: Forecast,
    pub(crate) is_code: bool,
    pub(crate) data_loss: DataLoss,
    pub(crate) foreign_keys: ForeignKeys,
    /// Where the script fails, if it does.
    pub(crate) failure_at: Location,
    /// Where the words in double quotes are.
    pub(crate) quoted_at: Vec<Location>,
}

impl StepForecast {
    /// The words in double quotes that are texts.
    pub(crate) fn quoted<'s>(&'s self, step: &'s Step) -> impl Iterator<Item = Problem> + 's {
        let words = self.forecast.quoted.iter().zip(&self.quoted_at);
        words.map(|(word, at)| quoted(step, word, at))
    }
}

impl Policy {
    /// Whether the policy needs the effects of a plan.
    pub(crate) fn wants_effects(&self, plan: &Plan) -> bool {
        let kinds = [ProblemKind::Destructive, ProblemKind::Opaque];
        let says = |kind: &ProblemKind| self.verdict(*kind, plan.direction()) > Verdict::Allow;
        let refusable = [ProblemKind::Together, ProblemKind::QuotedString];
        let refuses = refusable.iter().any(|kind| self.verdict(*kind, plan.direction()) == Verdict::Deny);
        plan.steps().iter().any(|step| step.direction == Direction::Up) && (refuses || kinds.iter().any(says))
    }
}

impl Plan {
    /// The plan for a database that has nothing to lose.
    pub(crate) fn without_effects(mut self) -> Self {
        for step in &mut self.steps {
            step.effects = Some(Vec::new());
        }
        self
    }

    /// The plan for a database that has nothing to lose, with what its steps destroy elsewhere: an object that the catalogue has is not in
    /// this database.
    pub(crate) fn with_effects_elsewhere(mut self, step_forecasts: &[StepForecast], policy: &Policy) -> Self {
        let direction = self.direction();
        let mut found = Vec::new();
        for (step, step_forecast) in self.steps.iter_mut().zip(step_forecasts) {
            let of_catalog = |effect: &&Effect| effect.evidence == Evidence::Catalog;
            let effects: Vec<Effect> =
                step_forecast.forecast.effects.iter().filter(of_catalog).cloned().collect();
            if step.direction == Direction::Up {
                found.extend(destructive(step, &effects, None, step_forecast.data_loss));
            }
            step.effects = Some(effects);
        }
        self.problems.extend(policy.judge(found, direction));
        self
    }

    /// The plan with the first step that is certain to fail, and with the words in double quotes that are texts.
    pub(crate) fn with_failures(mut self, step_forecasts: &[StepForecast], policy: &Policy) -> Self {
        let direction = self.direction();
        let mut found = Vec::new();
        for (number, (step, step_forecast)) in self.steps.iter().zip(step_forecasts).enumerate() {
            found.extend(step_forecast.quoted(step));
            let forecast = &step_forecast.forecast;
            let failure = forecast.certain_failure().filter(|_| !step.is_stored && self.failing.is_none());
            if let Some(fault) = failure {
                found.push(fails(step, forecast, fault, &step_forecast.failure_at));
                self.failing = Some(number);
            }
        }
        self.problems.extend(policy.judge(found, direction));
        self
    }

    /// The plan with what its steps destroy and the findings about that.
    pub(crate) fn with_step_forecasts(mut self, step_forecasts: Vec<StepForecast>, policy: &Policy) -> Self {
        self = self.with_failures(&step_forecasts, policy);
        let direction = self.direction();
        let (mut found, mut follows_code) = (Vec::new(), false);
        let outcomes =
            self.steps.iter().zip(&step_forecasts).map(|(step, step_forecast)| together::Outcome {
                step,
                foreign_keys: step_forecast.foreign_keys,
                is_opaque: step_forecast.is_code,
                orphans: step_forecast.forecast.orphans.clone(),
                references: step_forecast.forecast.references.clone(),
            });
        let outcomes: Vec<_> = outcomes.collect();
        found.extend(together::findings(&outcomes, self.mode));
        let place_of = |problem: &Problem| self.steps.iter().position(|step| step.id == problem.migration);
        let is_reached =
            |problem: &Problem| self.failing.is_none_or(|failing| place_of(problem) < Some(failing));
        found.extend(together::references(&outcomes, self.mode).into_iter().filter(is_reached));
        let is_denied = policy.verdict(ProblemKind::BrokenReference, direction) == Verdict::Deny;
        let ends = |problem: &&Problem| match problem.kind {
            ProblemKind::BrokenReference => is_denied,
            kind => kind == ProblemKind::Fails,
        };
        let cannot_end = found.iter().find(ends);
        let place = cannot_end.and_then(place_of);
        self.failing = self.failing.into_iter().chain(place).min();
        for (step, step_forecast) in self.steps.iter_mut().zip(step_forecasts) {
            let StepForecast { mut forecast, is_code, data_loss, .. } = step_forecast;
            let is_unexplained = forecast.failure.is_some() && losses(&forecast.effects).is_none();
            // The copy does not have what code creates, so a script after code may fail only on the copy.
            let is_opaque = is_code || (follows_code && is_unexplained);
            follows_code |= is_code;
            // A script that is certain to fail takes nothing away.
            let may_work = forecast.certain_failure().is_none();
            let is_missing = is_unexplained && !is_opaque && !step.is_stored && may_work;
            if let Some(fault) = forecast.failure.as_ref().filter(|_| is_missing) {
                let why = format!("a statement could not be tried out: {fault}");
                forecast.effects.push(Effect::new(EffectKind::Unknown, why, Evidence::SchemaCopy));
            }
            if step.direction == Direction::Up {
                found.extend(destructive(step, &forecast.effects, forecast.failure.as_ref(), data_loss));
                found.extend(unread(step, &forecast.effects));
                found.extend(is_opaque.then(|| opaque(step, is_code)));
            }
            if step.is_stored {
                found.extend(untrusted(step, &forecast));
            }
            // What code destroys is unknown.
            step.effects = (!is_opaque).then_some(forecast.effects);
        }
        self.problems.extend(policy.judge(found, direction));
        self
    }
}

fn destructive(
    step: &Step,
    effects: &[Effect],
    failure: Option<&Fault>,
    data_loss: DataLoss,
) -> Option<Problem> {
    let known: Vec<Effect> =
        effects.iter().filter(|effect| effect.kind != EffectKind::Unread).cloned().collect();
    let lost = losses(&known).filter(|_| data_loss == DataLoss::Undeclared)?;
    let is_unknown = |effect: &Effect| !effect.kind.is_destructive() || effect.kind == EffectKind::Unknown;
    let own_remedy = failure.and_then(Fault::own_remedy);
    let remedy = own_remedy.filter(|_| known.iter().all(is_unknown));
    let declare = || Remedy::metadata("allow", "[\"destructive\"]").only_if("that is meant");
    Some(Problem::new(ProblemKind::Destructive, &step.id, lost, remedy.unwrap_or_else(declare)))
}

/// The finding that a script is certain to fail.
fn fails(step: &Step, forecast: &Forecast, fault: &Fault, at: &Location) -> Problem {
    let (why, remedy) = match forecast.cause {
        FailureCause::Rows => (
            "fails because of rows that this database has",
            "make it work with the rows that are there, or correct them, and run again",
        ),
        _ => ("fails on a copy of this database's schema", "correct it and run again"),
    };
    let statement = in_statement(fault.details.statement.as_ref().map(|(_, text)| text.as_str()));
    let finding = format!("{why}, at {at}{statement}: {fault}");
    let remedy = fault.advice().unwrap_or_else(|| remedy.into());
    Problem::new(ProblemKind::Fails, &step.id, finding, remedy).at(at.clone())
}

fn quoted(step: &Step, quoted: &QuotedText, at: &Location) -> Problem {
    let statement = in_statement(Some(&quoted.statement));
    let finding = format!(
        "has the word \"{0}\" in double quotes, at {at}{statement}: no column has this name, so SQLite takes it as the text '{0}'",
        crate::printable::Printable(&quoted.text)
    );
    let remedy = "put a text into single quotes, or write the right name of the column";
    Problem::new(ProblemKind::QuotedString, &step.id, finding, remedy).at(at.clone())
}

fn in_statement(text: Option<&str>) -> String {
    text.map(|text| format!(" in `{}`", Abridged(text))).unwrap_or_default()
}

/// The finding about statements that run what their text does not show.
fn unread(step: &Step, effects: &[Effect]) -> Option<Problem> {
    let mut statements = effects.iter().filter(|effect| effect.kind == EffectKind::Unread);
    let first = statements.next()?;
    let more = match statements.count() {
        0 => String::new(),
        1 => " and another such statement".to_owned(),
        more => format!(" and {more} more such statements"),
    };
    let finding = format!("runs `{}`{more}, and what it does cannot be read", first.object);
    Some(Problem::note(ProblemKind::Opaque, &step.id, finding))
}

fn opaque(step: &Step, is_code: bool) -> Problem {
    let finding = if is_code {
        "is code, and what it takes away is not known before it runs"
    } else {
        "follows code, and what it takes away is not known before that has run"
    };
    Problem::note(ProblemKind::Opaque, &step.id, finding)
}

fn untrusted(step: &Step, forecast: &Forecast) -> Option<Problem> {
    let fault = forecast.failure.as_ref()?;
    let place = match &fault.details.statement {
        Some((number, text)) => format!(", in its statement {number}, `{}`", crate::error::Abridged(text)),
        None => String::new(),
    };
    Some(Problem::new(
        ProblemKind::Untrusted,
        &step.id,
        format!("has a stored script that failed when it was tried on a copy of the schema{place}: {fault}"),
        fault.own_remedy().unwrap_or_else(|| OLDER_VERSION.into()),
    ))
}
