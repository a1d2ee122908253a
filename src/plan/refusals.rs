//! The refused statements of a plan.

use super::refused::{Refused, refused};
use super::{Plan, Setting};
use crate::graph::Graph;
use crate::problem::{Problem, ProblemKind};
use crate::step::Step;

impl Plan {
    /// The plan with the statements that are refused anywhere. Those that are refused only in a certain schema are kept apart.
    pub(super) fn with_refusals(mut self, graph: &Graph, setting: Setting<'_>) -> Self {
        let of_step = |step: &Step| {
            let place = graph.place(&step.id).filter(|_| !step.is_stored)?;
            Some(refused(graph, (place, step.direction), (step.atomicity, step.from.unwrap_or(1)), setting))
        };
        let found = self.steps.iter().filter_map(of_step).flatten();
        let (anywhere, elsewhere): (Vec<_>, Vec<_>) = found.partition(|found| found.only_in.is_none());
        self.refused_elsewhere = elsewhere;
        self.refusing(anywhere, setting)
    }

    /// Whether it depends on the current schema what is refused.
    pub(crate) fn depends_on_schema(&self) -> bool {
        !self.refused_elsewhere.is_empty()
    }

    /// The plan with the statements that are refused where this is the current schema.
    pub(crate) fn refused_in(mut self, schema: &str, setting: Setting<'_>) -> Self {
        let is_here =
            |found: &Refused| found.only_in.as_deref().is_some_and(|only| only.eq_ignore_ascii_case(schema));
        let here: Vec<_> = std::mem::take(&mut self.refused_elsewhere).into_iter().filter(is_here).collect();
        self.refusing(here, setting)
    }

    fn refusing(mut self, found: Vec<Refused>, setting: Setting<'_>) -> Self {
        let mut problems: Vec<Problem> = found.into_iter().map(|found| found.problem).collect();
        problems.retain(|problem| {
            !self.problems.iter().any(|known| known.at == problem.at && known.kind == problem.kind)
        });
        let direction = self.direction();
        self.problems.extend(setting.policy.judge(problems, direction));
        let fails = |step: &Step| {
            self.problems.iter().any(|it| it.kind == ProblemKind::Fails && it.migration == step.id)
        };
        self.failing = self.steps.iter().position(fails);
        self
    }
}
