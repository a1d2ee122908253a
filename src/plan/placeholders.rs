//! The placeholders of a plan that cannot be replaced, and what looks like one and is not.

use super::{Plan, Setting};
use crate::direction::Direction;
use crate::graph::Graph;
use crate::placeholder::Placeholder;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::step::Step;

impl Plan {
    /// The plan with the findings about the placeholders of its scripts. Those of scripts out of the database are there already.
    pub(super) fn with_placeholders(mut self, graph: &Graph, setting: Setting<'_>) -> Self {
        let of_step = |step: &Step| {
            let place = graph.place(&step.id).filter(|_| !step.is_stored)?;
            Some(found(graph, place, step.direction, setting))
        };
        let found = self.steps.iter().filter_map(of_step).flatten().collect();
        let direction = self.direction();
        self.problems.extend(setting.policy.judge(found, direction));
        self
    }
}

/// The findings about the placeholders of a script.
pub(crate) fn found(graph: &Graph, place: usize, direction: Direction, setting: Setting<'_>) -> Vec<Problem> {
    let id = &graph.metas()[place].id;
    let at = |offset| setting.scripts.located(place, direction, offset).0;
    let gaps = setting.scripts.gaps(place, direction).iter();
    let mut found: Vec<Problem> = gaps.map(|gap| gap.problem(id, at(gap.offset))).collect();
    found.extend(setting.scripts.literal(place, direction).map(|(offset, name)| {
        let at = at(offset);
        let finding =
            format!("has `${{{name}}}` at {at}, which is not replaced, because no placeholder is declared");
        let as_text = Remedy::metadata_for("placeholders", "false", "if it is text");
        let remedy = if Placeholder::is_name(&name) {
            Remedy::DeclarePlaceholder { name }.or(as_text)
        } else {
            as_text
        };
        Problem::new(ProblemKind::LiteralPlaceholder, id, finding, remedy).at(at)
    }));
    found
}
