//! [`Plan`]: what a run would do. It is decided by a pure function of the set, the history and the target.

use std::fmt;

use crate::dialect::{Dialect, TableName};
use crate::error::{Failure, Result};
use crate::graph::Graph;
use crate::history::{Basis, History};
use crate::migration::Meta;
use crate::problem::{Problem, ProblemKind};
use crate::report::Migrations;
use crate::step::{Direction, Step};
use crate::target::Target;

mod check;
mod down;
#[cfg(test)]
mod tests;
mod up;

/// What a run would do, and what is wrong with that. Its Display is the dry run.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, Target};
///
/// let runner = MigrationRunner::new([
///     Migration::sql("2_posts", "CREATE TABLE posts (author REFERENCES users)").depends_on("1_users"),
///     Migration::sql("1_users", "CREATE TABLE users (name)").describe("Who writes."),
/// ])?;
/// let conn = Connection::open_in_memory()?;
/// let plan = runner.plan(&conn, Target::Latest)?;
/// assert!(plan.to_string().contains("1. up 1_users: Who writes."));
/// assert!(plan.to_string().contains("2. up 2_posts; needs 1_users"));
/// assert_eq!(runner.apply(&conn, plan)?.applied.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    basis: Basis,
    already: usize,
    steps: Vec<Step>,
    problems: Vec<Problem>,
    mode: TransactionMode,
}

impl Plan {
    /// The digest of the history that the plan was made for.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// How many migrations that history has.
    pub fn already(&self) -> usize {
        self.already
    }

    /// What is to be done, in this order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Everything that was found. Some of it may keep the plan from being carried out.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How the steps are committed.
    pub fn mode(&self) -> TransactionMode {
        self.mode
    }
}

/// How the steps of a run are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransactionMode {
    /// Each migration with its record: if one fails, those before it stay.
    #[default]
    PerMigration,
    /// All steps of a run with their records, or none.
    Batch,
}

/// What surrounds a plan, besides the set and the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) environment: Option<&'a str>,
    pub(crate) mode: TransactionMode,
    pub(crate) table: &'a TableName,
    /// The columns of that table that say that a migration is finished.
    pub(crate) finished: Finished,
}

/// How a tracking table says that a migration is finished: what a person has to write there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// `dirty = 0` for a `name`
    NotDirty,
    /// `status = 'completed'` for an `id`, in tables of older programs
    Completed,
}

impl Setting<'_> {
    /// Why a migration does not run here, if it does not.
    pub(crate) fn excludes(&self, meta: &Meta) -> Option<ProblemKind> {
        let is_for_database = meta.databases.is_empty() || meta.databases.contains(&self.dialect);
        let mut environments = meta.environments.iter();
        let is_for_environment =
            meta.environments.is_empty() || environments.any(|name| Some(&**name) == self.environment);
        match (is_for_database, is_for_environment) {
            (false, _) => Some(ProblemKind::OtherDatabase),
            (true, false) => Some(ProblemKind::OtherEnvironment),
            (true, true) => None,
        }
    }
}

/// Decides what to do.
///
/// # Errors
/// The target names a migration that the set does not have.
pub(crate) fn plan(graph: &Graph, history: &History, target: &Target, setting: Setting<'_>) -> Result<Plan> {
    if let Some(id) = target.migration().filter(|id| graph.place(id).is_none()) {
        return Err(Failure::Unknown { id: id.clone(), nearest: graph.nearest(id) }.into());
    }
    let (direction, places) = match target {
        Target::Latest | Target::Through(_) | Target::Before(_) | Target::Steps(_) => {
            (Direction::Up, up::select(graph, history, target, setting))
        }
        Target::Back(_) | Target::BackTo(_) | Target::Empty => {
            (Direction::Down, down::select(graph, history, target))
        }
    };
    let steps: Vec<Step> = match direction {
        Direction::Up => places.iter().map(|&place| step(graph, place, direction)).collect(),
        Direction::Down => places
            .iter()
            .filter_map(|&record| graph.place(&history.records()[record].id))
            .map(|place| step(graph, place, direction))
            .collect(),
    };
    let problems = match direction {
        Direction::Up => check::up(graph, history, &places, &steps, setting),
        Direction::Down => check::down(graph, history, &places, &steps, setting),
    };
    Ok(Plan { basis: history.basis(), already: history.records().len(), steps, problems, mode: setting.mode })
}

fn step(graph: &Graph, place: usize, direction: Direction) -> Step {
    let meta = &graph.metas()[place];
    Step {
        id: meta.id.clone(),
        direction,
        atomicity: meta.atomicity,
        description: meta.description.as_deref().map(str::to_owned),
        needs: match direction {
            Direction::Up => graph.needs(place).iter().map(|&need| graph.metas()[need].id.clone()).collect(),
            Direction::Down => Vec::new(),
        },
        databases: meta.databases.clone(),
        environments: meta.environments.clone(),
        origin: meta.origin_of(direction).to_string(),
        checksum: meta.checksum,
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let already = Migrations(self.already);
        match (self.steps.len(), self.mode) {
            (0, _) => write!(f, "nothing to do, with {already} applied")?,
            (1, _) => write!(f, "1 step, with {already} applied before:")?,
            (steps, TransactionMode::PerMigration) => {
                write!(f, "{steps} steps, with {already} applied before:")?;
            }
            (steps, TransactionMode::Batch) => {
                write!(f, "{steps} steps in one transaction, with {already} applied before:")?;
            }
        }
        for (number, step) in (1..).zip(&self.steps) {
            write!(f, "\n  {number}. {step}")?;
        }
        for problem in &self.problems {
            let mark = if problem.kind.is_refused() { "refused" } else { "note" };
            write!(f, "\n  {mark}, {}: {problem}", problem.kind)?;
        }
        Ok(())
    }
}
