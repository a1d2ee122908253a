//! [`Plan`]: what a run would do. A pure function of the set, the history and the target decides it.

use std::cmp::Ordering;
use std::fmt;

use crate::direction::Direction;
use crate::error::{Failure, Result};
use crate::graph::Graph;
use crate::history::{History, HistoryDigest};
use crate::id::MigrationId;
use crate::problem::Problem;
use crate::remedy::{Remedy, Render, Worded, Wording, for_programmers};
use crate::report::Migrations;
use crate::snapshot::PlannedSnapshot;
use crate::step::{Atomicity, Step};
use crate::target::Target;

mod ahead;
pub(crate) mod check;
pub(crate) mod convention;
mod down;
mod down_part;
pub(crate) mod placeholders;
mod refusals;
pub(crate) mod refused;
mod renamed;
mod setting;
mod step_forecast;
pub(crate) mod stored;
#[cfg(test)]
mod tests;
mod together;
mod up;

use refused::Refused;
pub use setting::TransactionMode;
pub(crate) use setting::{Scripts, Setting};
pub(crate) use step_forecast::StepForecast;

/// What a run would do, and the problems of that. Its Display is the dry run.
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
    digest: HistoryDigest,
    already: usize,
    steps: Vec<Step>,
    problems: Vec<Problem>,
    mode: TransactionMode,
    target: Target,
    /// The place of the first step that is certain to fail.
    failing: Option<usize>,
    /// The statements that are refused if a certain schema is the current one.
    refused_elsewhere: Vec<Refused>,
    snapshot: Option<PlannedSnapshot>,
    /// The migration at which a run takes the database to be, if it has to record that first.
    baseline: Option<MigrationId>,
}

impl Plan {
    fn of(
        history: &History,
        target: &Target,
        setting: Setting<'_>,
        (steps, problems): (Vec<Step>, Vec<Problem>),
        direction: Direction,
    ) -> Self {
        Self {
            digest: history.digest(),
            already: history.count(),
            steps,
            problems: setting.policy.judge(problems, direction),
            mode: setting.mode,
            target: target.clone(),
            failing: None,
            refused_elsewhere: Vec::new(),
            snapshot: None,
            baseline: None,
        }
    }

    /// With what the texts of its scripts show.
    fn with_texts(self, graph: &Graph, setting: Setting<'_>) -> Self {
        self.with_placeholders(graph, setting).with_down_parts(graph, setting).with_refusals(graph, setting)
    }

    /// The digest of the history that the plan was made for.
    pub fn digest(&self) -> HistoryDigest {
        self.digest
    }

    /// How many migrations that history has.
    pub fn already(&self) -> usize {
        self.already
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// All findings. Some of them may prevent the plan from being carried out.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The step that is certain to fail, if there is one. The steps after it are not reached.
    pub fn failing_step(&self) -> Option<&Step> {
        self.steps.get(self.failing?)
    }

    /// What a run keeps before the first step; `None` if the runner has no `snapshot` setting, or nothing is to be done.
    pub fn snapshot(&self) -> Option<&PlannedSnapshot> {
        self.snapshot.as_ref()
    }

    /// The migration through which a run records everything as applied before the first step, without running it, since
    /// [`baseline_if`](crate::MigrationRunner::baseline_if) recognises the database. The digest and the number of applied migrations are those
    /// after it.
    pub fn baseline(&self) -> Option<&MigrationId> {
        self.baseline.as_ref()
    }

    /// With the migration at which the database is taken to be.
    pub(crate) fn with_baseline(self, baseline: Option<MigrationId>) -> Self {
        Self { baseline, ..self }
    }

    /// Whether a run to this plan writes nothing.
    pub(crate) fn is_nothing_to_do(&self) -> bool {
        self.steps.is_empty() && self.baseline.is_none()
    }

    /// With what a run keeps before the first step.
    #[cfg(feature = "sqlite")]
    pub(crate) fn with_snapshot(self, snapshot: PlannedSnapshot) -> Self {
        Self { snapshot: Some(snapshot), ..self }
    }

    /// With one more finding.
    #[cfg(feature = "sqlite")]
    pub(crate) fn with_problem(mut self, problem: Problem, policy: &crate::policy::Policy) -> Self {
        let direction = self.direction();
        self.problems.extend(policy.judge(vec![problem], direction));
        self
    }

    /// The dry run, with the remedy of each finding in your words. The `Display` of a plan words them for a programmer.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }

    pub(crate) fn problems_mut(&mut self) -> &mut [Problem] {
        &mut self.problems
    }

    /// Whether a plan made at another time, perhaps by someone else, does the same to the same database and destroys the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.steps.iter().zip(&other.steps);
        (self.digest, self.mode, self.steps.len()) == (other.digest, other.mode, other.steps.len())
            && pairs.all(|(own, others)| own.is_same(others) && own.has_same_effects(others))
    }

    /// The same plan, committed in this way.
    pub(crate) fn committed(self, mode: TransactionMode) -> Self {
        Self { mode, ..self }
    }

    /// Whether it runs scripts that are stored in the database.
    pub(crate) fn is_stored(&self) -> bool {
        self.steps.iter().any(|step| step.is_stored)
    }

    /// The direction of the first step.
    pub(crate) fn direction(&self) -> Direction {
        self.steps.first().map_or(Direction::Up, |step| step.direction)
    }

    /// The target of the plan.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How the steps are committed.
    pub fn mode(&self) -> TransactionMode {
        self.mode
    }
}

/// Decides which steps reach a target, and finds their problems. It is a function type, so a program that only applies migrations does
/// not link the functions that undo them.
pub(crate) type Planner = fn(&Graph, &History, &Target, Setting<'_>) -> Result<Plan>;

/// Plans for any target.
///
/// # Errors
/// The target names a migration that the set does not have.
pub(crate) fn plan(graph: &Graph, history: &History, target: &Target, setting: Setting<'_>) -> Result<Plan> {
    if let Some(id) = target.migration().filter(|id| graph.place(id).is_none()) {
        return Err(Failure::Unknown { id: id.clone(), nearest: graph.nearest(id) }.into());
    }
    let (steps, problems) = match target {
        Target::Latest | Target::Through(_) | Target::Before(_) | Target::Steps(_) => {
            return plan_up(graph, history, target, setting);
        }
        Target::Back(_) | Target::BackTo(_) | Target::Empty | Target::Redo => {
            let records = down::select(graph, history, target);
            let places = records.iter().filter_map(|&record| graph.place(&history.records()[record].id));
            let directions = if *target == Target::Redo {
                &[Direction::Down, Direction::Up][..]
            } else {
                &[Direction::Down]
            };
            let steps: Vec<Step> = places
                .flat_map(|place| {
                    directions.iter().map(move |&direction| step(graph, history, place, direction, setting))
                })
                .collect();
            let problems = check::down(graph, history, &records, &steps, setting);
            (steps, problems)
        }
        Target::Known => stored::plan(graph, history, setting),
    };
    let mut plan =
        Plan::of(history, target, setting, (steps, problems), Direction::Down).with_texts(graph, setting);
    // A redo is one transaction if possible, so that no one sees the migration undone in between.
    let is_atomic = plan.steps.iter().all(|step| step.atomicity == Atomicity::Transaction);
    if *target == Target::Redo && is_atomic {
        plan.mode = TransactionMode::Batch;
    }
    Ok(plan)
}

/// Plans for a target that applies migrations and is in the set.
#[allow(clippy::unnecessary_wraps, reason = "it is a `Planner`")]
pub(crate) fn plan_up(
    graph: &Graph,
    history: &History,
    target: &Target,
    setting: Setting<'_>,
) -> Result<Plan> {
    let places = up::select(graph, history, target, setting);
    let steps: Vec<Step> =
        places.iter().map(|&place| step(graph, history, place, Direction::Up, setting)).collect();
    let problems = check::up(graph, history, &places, &steps, setting);
    Ok(Plan::of(history, target, setting, (steps, problems), Direction::Up).with_texts(graph, setting))
}

fn step(graph: &Graph, history: &History, place: usize, direction: Direction, setting: Setting<'_>) -> Step {
    let meta = &graph.metas()[place];
    Step {
        id: meta.id.clone(),
        direction,
        atomicity: setting.options(graph, place, direction).atomicity,
        from: history.get(&meta.id).and_then(|record| record.resumed(direction)),
        description: meta.description.as_deref().map(str::to_owned),
        needs: match direction {
            Direction::Up => graph.needs(place).iter().map(|&need| graph.metas()[need].id.clone()).collect(),
            Direction::Down => Vec::new(),
        },
        databases: meta.databases.clone(),
        environments: meta.environments.clone(),
        origin: meta.origin_of(direction).to_string(),
        checksum: meta.checksum,
        is_stored: false,
        effects: None,
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)
    }
}

impl Render for Plan {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        let already = Migrations(self.already);
        if let Some(id) = &self.baseline {
            let recorded = "everything through it is recorded as applied, and not run";
            writeln!(f, "the database is taken to be at `{id}`: {recorded}")?;
        }
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
            let failing = self.failing.map(|failing| failing + 1);
            match failing.map(|failing| (number.cmp(&failing), failing)) {
                Some((Ordering::Equal, _)) => write!(f, "\n     fails, as the problem below says")?,
                Some((Ordering::Greater, failing)) => {
                    write!(f, "\n     is not reached, since step {failing} fails")?;
                }
                Some((Ordering::Less, _)) | None => {}
            }
        }
        self.snapshot.iter().try_for_each(|snapshot| write!(f, "\n  {snapshot}"))?;
        for problem in &self.problems {
            write!(f, "\n  {}, {}: ", problem.verdict, problem.kind)?;
            problem.render(f, wording)?;
        }
        Ok(())
    }
}
