//! [`Trial`]: a set, and what a test does on the way.

use std::fmt;

use crate::backend::{Driver, TestDriver};
use crate::dialect::TableName;
use crate::error::MigrationError;
use crate::id::MigrationId;
use crate::runner::MigrationRunner;
use crate::schema::{Schema, SchemaChange};
use crate::sql::same_name;
use crate::status::State;
use crate::target::Target;
use crate::test_utils::backend::TestBackend;
use crate::test_utils::database::TestDatabase;
use crate::test_utils::generate::wanted::{Values, Wanted};

use super::row_counts::RowCounts;

/// A message for the person who reads the failure.
pub(super) type Outcome<T = ()> = Result<T, String>;

/// How many migrations at most are applied as one step, if they are valid only together.
const MOST_TOGETHER: usize = 8;

pub(super) struct Trial<B: TestBackend> {
    pub(super) runner: MigrationRunner<B>,
    pub(super) stops: Vec<Stop<B>>,
    pub(super) end: Target,
    pub(super) goes_back: bool,
    /// The rows that are generated for each table.
    pub(super) rows: Wanted,
    /// The tables for which none are generated.
    pub(super) exempt: Vec<String>,
    /// Creates a database.
    pub(super) create: Box<dyn Fn() -> TestDatabase<B>>,
}

type Action<B> = dyn Fn(<B as Driver>::Conn<'_>) -> Result<(), <B as TestDriver>::Error>;

/// Something to do before or after a migration.
pub(super) struct Stop<B: TestBackend> {
    pub(super) id: MigrationId,
    pub(super) moment: Moment,
    pub(super) action: Box<Action<B>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
    Undone,
}

impl Moment {
    /// The method that adds a stop.
    fn method(self) -> &'static str {
        match self {
            Self::Before => "seed_before",
            Self::After => "check_after",
            Self::Undone => "check_undone",
        }
    }
}

impl<B: TestBackend> Trial<B> {
    pub(super) fn new(runner: MigrationRunner<B>) -> Self {
        let (stops, exempt) = (Vec::new(), Vec::new());
        let create = Box::new(TestDatabase::fresh);
        let rows = Wanted { rows: 3, values: Values::Distinct };
        Self { runner, stops, end: Target::Latest, goes_back: false, rows, exempt, create }
    }

    /// Opens a database like the application does.
    pub(super) fn open(&self, database: &TestDatabase<B>) -> Outcome<B::Connection> {
        let mut conn = database.connect_quick();
        let prepared = self.runner.prepare(B::borrow(&mut conn));
        prepared.map_err(|error| format!("`prepare_connection` failed: {error}"))?;
        Ok(conn)
    }

    pub(super) fn run(&self, conn: &mut B::Conn<'_>) -> Outcome {
        let planned = self.planned(conn)?;
        self.refuse_misplaced_stops(conn, &planned)?;
        let before = self.schema(conn)?;
        // Between two stops it runs as the application does, so migrations that are valid only together are run together.
        for id in &planned {
            if self.has_stop(id, Moment::Before) {
                self.run_to(conn, Target::Before(id.clone()))?;
                self.act(conn, id, Moment::Before)?;
            }
            if self.has_stop(id, Moment::After) {
                self.run_to(conn, Target::Through(id.clone()))?;
                self.act(conn, id, Moment::After)?;
            }
        }
        self.run_to(conn, self.end.clone())?;
        if !self.goes_back {
            return Ok(());
        }
        let mut steps = 0;
        for id in planned.iter().rev() {
            steps += 1;
            if self.has_stop(id, Moment::Undone) {
                self.run_to(conn, Target::Back(steps))?;
                self.act(conn, id, Moment::Undone)?;
                steps = 0;
            }
        }
        self.run_to(conn, Target::Back(steps))?;
        match differences(&before, &self.schema(conn)?) {
            Some(difference) => Err(format!("the rollback does not restore the schema:\n{difference}")),
            None => Ok(()),
        }
    }

    /// The migrations that a run would apply, in order.
    pub(super) fn planned(&self, conn: &mut B::Conn<'_>) -> Outcome<Vec<MigrationId>> {
        let plan = self.runner.plan(B::lend(conn), self.end.clone()).map_err(worded)?;
        Ok(plan.steps().iter().map(|step| step.id.clone()).collect())
    }

    /// The migrations that a new database gets. There must be some, and every stop must belong to one of them.
    pub(super) fn planned_from_nothing(&self, conn: &mut B::Conn<'_>) -> Outcome<Vec<MigrationId>> {
        let planned = self.planned(conn)?;
        if planned.is_empty() {
            return Err("the set has no migration that a new database gets, so there is nothing to test; \
                are the folder and the environment the right ones?"
                .to_owned());
        }
        self.refuse_misplaced_stops(conn, &planned)?;
        Ok(planned)
    }

    /// Whether a table is named by `without_generated_rows`.
    pub(super) fn is_exempt(&self, table: &str) -> bool {
        self.exempt.iter().any(|exempt| same_name(exempt, table))
    }

    pub(super) fn count_rows(&self, conn: &mut B::Conn<'_>) -> Outcome<RowCounts> {
        let schema = self.schema(conn)?;
        Ok(RowCounts::read::<B>(conn, &schema, |table| !self.is_exempt(table)))
    }

    /// Undoes the newest migrations, which were applied as one step, and compares with what was there before that step.
    pub(super) fn undo(
        &self,
        conn: &mut B::Conn<'_>,
        ids: &[MigrationId],
        schema: &Schema,
        rows: &RowCounts,
    ) -> Outcome {
        let above = self.count_rows(conn)?;
        self.run_to(conn, Target::Back(ids.len()))?;
        let names = ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        if let Some(difference) = differences(schema, &self.schema(conn)?) {
            return Err(format!("undoing {names} does not restore the schema:\n{difference}"));
        }
        match rows.losses(&above, &self.count_rows(conn)?, &names) {
            Some(losses) => Err(format!("undoing {names} loses rows:\n{losses}")),
            None => Ok(()),
        }
    }

    /// Refuses a stop that would never be made, since a check that does not run proves nothing.
    pub(super) fn refuse_misplaced_stops(&self, conn: &mut B::Conn<'_>, planned: &[MigrationId]) -> Outcome {
        let Some(stop) = self.stops.iter().find(|stop| !planned.contains(&stop.id)) else { return Ok(()) };
        let method = stop.moment.method();
        let unknown = |error| format!("`{method}` cannot run: {error}");
        self.runner.is_applied(B::lend(conn), stop.id.clone()).map_err(unknown)?;
        let status = self.runner.status(B::lend(conn)).map_err(worded)?;
        let entry = status.entries.into_iter().find(|entry| entry.id == stop.id);
        let why = match entry.map(|entry| entry.state) {
            Some(State::Pending) => "comes after the end of the run",
            Some(State::OtherDatabase) => "is for another database",
            Some(State::OtherEnvironment) => "is for another environment",
            Some(State::Unread) => "is not read",
            _ => "is already applied",
        };
        Err(format!("`{method}` cannot run: `{}` {why}", stop.id))
    }

    /// Applies the next migration, and as many after it as are valid only together with it. Returns none if nothing is left.
    pub(super) fn step_up(&self, conn: &mut B::Conn<'_>) -> Outcome<Vec<MigrationId>> {
        let planned = self.planned(conn)?;
        let mut first_error = None;
        for count in 1..=planned.len().min(MOST_TOGETHER) {
            match self.runner.run_to(B::lend(conn), Target::Steps(count)) {
                Ok(report) => {
                    let applied: Vec<MigrationId> = report.applied.into_iter().map(|step| step.id).collect();
                    self.refuse_stops_within(&applied)?;
                    return Ok(applied);
                }
                Err(error) => _ = first_error.get_or_insert(error),
            }
        }
        first_error.map_or_else(|| Ok(Vec::new()), |error| Err(worded(error)))
    }

    /// Refuses a stop between migrations that are applied as one step.
    fn refuse_stops_within(&self, step: &[MigrationId]) -> Outcome {
        let [first, .., last] = step else { return Ok(()) };
        for id in step {
            let (moment, other) = if id != first && self.has_stop(id, Moment::Before) {
                (Moment::Before, first)
            } else if id != last && self.has_stop(id, Moment::After) {
                (Moment::After, last)
            } else if id != first && self.has_stop(id, Moment::Undone) {
                (Moment::Undone, first)
            } else {
                continue;
            };
            let method = moment.method();
            return Err(format!(
                "`{method}` cannot run: `{id}` is valid only together with `{other}`; use `{method}` with `{other}`"
            ));
        }
        Ok(())
    }

    pub(super) fn run_to(&self, conn: &mut B::Conn<'_>, target: Target) -> Outcome {
        self.runner.run_to(B::lend(conn), target).map(drop).map_err(worded)
    }

    pub(super) fn has_stop(&self, id: &MigrationId, moment: Moment) -> bool {
        self.stops.iter().any(|stop| stop.moment == moment && stop.id == *id)
    }

    /// Does what the test does at a moment.
    pub(super) fn act(&self, conn: &mut B::Conn<'_>, id: &MigrationId, moment: Moment) -> Outcome {
        for stop in self.stops.iter().filter(|stop| stop.moment == moment && stop.id == *id) {
            let failed = |error| format!("`{}` of `{id}` failed: {}", moment.method(), B::fault_of(error));
            (stop.action)(B::lend(conn)).map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn schema(&self, conn: &mut B::Conn<'_>) -> Outcome<Schema> {
        let schema = self.runner.dump_schema(B::lend(conn)).map_err(worded)?;
        let tables = self.runner.engine_tables();
        let names: Vec<&str> = tables.iter().map(TableName::as_str).collect();
        let within = tables.first().and_then(TableName::schema);
        let beyond = B::definitions_beyond(conn, within, &names);
        let beyond = beyond.map_err(|fault| format!("the schema cannot be read: {fault}"))?;
        Ok(Schema::new([schema.definitions(), &beyond].concat()))
    }

    pub(super) fn schema_of_new_database(&self) -> Outcome<Schema> {
        let database = (self.create)();
        let mut owned = self.open(&database)?;
        let conn = &mut B::borrow(&mut owned);
        self.planned_from_nothing(conn)?;
        self.run_to(conn, self.end.clone())?;
        self.schema(conn)
    }
}

impl<B: TestBackend> fmt::Debug for Trial<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stops: Vec<_> = self.stops.iter().map(|stop| (stop.moment, &stop.id)).collect();
        f.debug_struct("Trial")
            .field("runner", &self.runner)
            .field("stops", &stops)
            .field("end", &self.end)
            .field("goes_back", &self.goes_back)
            .finish_non_exhaustive()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(super) fn worded(error: MigrationError) -> String {
    error.to_string()
}

/// How a schema differs from the expected one; `None` if they are the same.
pub(super) fn differences(expected: &Schema, found: &Schema) -> Option<String> {
    let one = |change: &SchemaChange| {
        let what = match (&change.before, &change.after) {
            (_, None) => "missing",
            (None, _) => "extra",
            _ => "changed",
        };
        format!("{what} {} `{}`:\n{}", change.kind, change.name, change.diff())
    };
    let changes: Vec<String> = expected.changes_to(found).iter().map(one).collect();
    (!changes.is_empty()).then(|| changes.join("\n"))
}

/// Refuses a database whose content is damaged.
pub(super) fn refuse_damage<B: TestBackend>(conn: &mut B::Conn<'_>) -> Outcome {
    let found = B::damage(conn).map_err(|fault| format!("the database cannot be checked: {fault}"))?;
    found.map_or(Ok(()), Err)
}
