//! [`Refused`]: a statement that is certain to be refused, as the text of its script shows.

use super::Setting;
use crate::direction::Direction;
use crate::error::Abridged;
use crate::graph::Graph;
use crate::problem::{Problem, ProblemKind};
use crate::refusal::Refusal;
use crate::step::Atomicity;

/// The finding about a refused statement, and where it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    /// The schema that must be the current one; `None` if the statement is refused anywhere.
    pub(crate) only_in: Option<String>,
}

/// The refused statements of a script from this number on: each statement once, and each reason once.
pub(crate) fn refused(
    graph: &Graph,
    (place, direction): (usize, Direction),
    (atomicity, from): (Atomicity, u32),
    setting: Setting<'_>,
) -> Vec<Refused> {
    let mut found: Vec<Refusal> = Vec::new();
    for refusal in setting.scripts.refusals(place, direction, atomicity) {
        let is_known = |other: &Refusal| {
            let (one, known) = (&refusal.fault.details, &other.fault.details);
            refusal.only_in == other.only_in && (one.message == known.message || one.offset == known.offset)
        };
        if refusal.is_from(from) && !found.iter().any(is_known) {
            found.push(refusal);
        }
    }
    let finding = |Refusal { fault, only_in }| {
        let details = &fault.details;
        let (at, text) = setting.scripts.located(place, direction, details.offset.unwrap_or_default());
        let statement = details.statement.as_ref().map_or(&*text, |(_, statement)| statement);
        let finding = format!("fails at {at} in `{}`: {fault}", Abridged(statement));
        let remedy = fault.own_remedy().unwrap_or_else(|| "correct it".into());
        let problem = Problem::new(ProblemKind::Fails, &graph.metas()[place].id, finding, remedy).at(at);
        Refused { problem, only_in }
    };
    found.into_iter().map(finding).collect()
}
