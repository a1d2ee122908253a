//! [`Setting`]: the inputs of a plan besides the set and the history.

use crate::dialect::Dialect;
use crate::direction::Direction;
use crate::graph::Graph;
use crate::history::Dirty;
use crate::location::Location;
use crate::migration::Meta;
use crate::placeholder::Gap;
use crate::policy::Policy;
use crate::problem::{ProblemKind, Verdict};
use crate::refusal::Refusal;
use crate::script_options::{Atomicity, ScriptOptions};
use crate::stored::StoredScript;
use crate::transaction_fit::TransactionFit;

/// How the steps of a run are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransactionMode {
    /// Each migration with its record: if one fails, the previous ones stay applied.
    #[default]
    PerMigration,
    /// All steps of a run with their records in one transaction.
    Batch,
}

/// What a plan must know of the scripts of a set, which the plan does not contain.
pub(crate) trait Scripts {
    /// Whether the migration at a place fits into a transaction in a direction.
    fn transaction_fit(&self, place: usize, direction: Direction) -> &TransactionFit;

    /// The statements that are certain to be refused if the script at a place runs with this atomicity.
    fn refusals(&self, place: usize, direction: Direction, atomicity: Atomicity) -> Vec<Refusal>;

    /// The placeholders of the script at a place that cannot be replaced.
    fn gaps(&self, place: usize, direction: Direction) -> &[Gap];

    /// The first `${...}` of the script at a place, with its offset, if no placeholder is declared and it is not said to be text.
    fn literal(&self, place: usize, direction: Direction) -> Option<(usize, String)>;

    /// The placeholders of a script in the database that cannot be replaced, with their places.
    fn stored_gaps(&self, script: &StoredScript) -> Vec<(Gap, Location)>;

    /// How many statements the script at a place has; `None` if it is no script, or a placeholder in it has no value.
    fn statements(&self, place: usize, direction: Direction) -> Option<u32>;

    /// Whether placeholders in the script at a place are replaced.
    fn has_values(&self, place: usize, direction: Direction) -> bool;

    /// The text of the script at a place in a direction, as its author wrote it, if it is a script.
    fn text(&self, place: usize, direction: Direction) -> Option<&str>;

    /// The position of a byte offset in a script, and the statement that begins there.
    fn located(&self, place: usize, direction: Direction, offset: usize) -> (Location, String);
}

/// The inputs of a plan besides the set and the history.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) environment: Option<&'a str>,
    pub(crate) mode: TransactionMode,
    pub(crate) policy: &'a Policy,
    pub(crate) scripts: &'a dyn Scripts,
    /// The program and its version.
    pub(crate) program: Option<&'a str>,
}

impl Setting<'_> {
    /// Whether the policy reports a kind of finding about applying.
    pub(super) fn reports(&self, kind: ProblemKind) -> bool {
        self.policy.verdict(kind, Direction::Up) > Verdict::Allow
    }

    /// How the migration at a place runs in a direction.
    pub(crate) fn options(&self, graph: &Graph, place: usize, direction: Direction) -> ScriptOptions {
        let meta = &graph.metas()[place];
        match self.scripts.transaction_fit(place, direction) {
            // A script that does not fit fails as part of one transaction.
            TransactionFit::Either if self.mode == TransactionMode::Batch => {
                meta.options(&TransactionFit::Inside)
            }
            fit => meta.options(fit),
        }
    }

    /// How many statements the script of an unfinished step has now, if its placeholders give it another number of them than in the run
    /// that did not finish: the numbers of its statements then mean others. The text without the values does not show it.
    pub(crate) fn counted_anew(&self, place: usize, dirty: &Dirty) -> Option<u32> {
        let count = self.scripts.statements(place, dirty.direction)?;
        (self.scripts.has_values(place, dirty.direction) && dirty.of != Some(count)).then_some(count)
    }

    /// Why a migration does not run here, if it does not.
    pub(crate) fn excludes(&self, meta: &Meta) -> Option<ProblemKind> {
        meta.excluded(self.dialect, self.environment)
    }
}
