//! Validation: all findings at once.

use std::collections::HashMap;

use super::MigrationRunner;
use crate::approval::Consent;
use crate::backend::{Backend, TrackingTable};
use crate::direction::Direction;
use crate::discovery::MigrationSource;
use crate::effect::{FailureCause, Forecast, Sample};
use crate::error::{Failure, MigrationError, Remains, Result, StepFailure};
use crate::execute::Executor;
use crate::fault::Fault;
use crate::history::History;
use crate::hooks::Hooks;
use crate::id::MigrationId;
use crate::lock::Holding;
use crate::migration::Meta;
use crate::plan::check::conflict;
use crate::plan::placeholders;
use crate::plan::refused::refused;
use crate::plan::{Plan, Setting, TransactionMode, plan};
use crate::policy::Policy;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::report::Report;
use crate::schema::SchemaChange;
use crate::step::Step;
use crate::target::Target;
use crate::validation::{findings, judged, lints};

impl<B: Backend> MigrationRunner<B> {
    /// Returns everything that is wrong with a database, its history and the set: what a run would find, what
    /// [`validate_source`](Self::validate_source) finds, the first pending script that fails on a copy of this database, and what differs from
    /// the schema that the applied migrations produce ([`drift`](Self::drift)).
    ///
    /// The copy has up to 1000 rows of each table, 32 MiB in total, so that a script is found that only an empty database accepts. For a
    /// new unique index, the live table is searched for duplicates.
    ///
    /// Nothing is changed. Each finding has the verdict that a run would give it; what the policy allows is a note.
    ///
    /// # Errors
    /// If the database cannot be read, or cannot be copied.
    #[allow(clippy::needless_pass_by_value)]
    pub fn validate(&self, mut conn: B::Conn<'_>) -> Result<Vec<Problem>> {
        self.cancellable(|| self.validate_within(&mut conn))
    }

    fn validate_within(&self, conn: &mut B::Conn<'_>) -> Result<Vec<Problem>> {
        self.run_session_sql(conn)?;
        let history = self.read_history(conn)?;
        let (history, _) = self.foreseen(conn, history, &Target::Latest)?;
        let policy = self.policy.reporting_allowed();
        let plan = plan(self.set.graph(), &history, &Target::Latest, self.setting_under(&policy))?;
        let plan = self.refused_here(conn, plan, self.setting_under(&policy))?;
        let plan = self.explained(plan, &history);
        let forecasts = self.forecasts(conn, &plan, &history, Sample::Large)?;
        let mut found: Vec<Problem> = Vec::new();
        // A script after code may need what the code creates, which the copy does not have.
        let is_script = |step: &&Step| self.find(step).is_some_and(|(_, body)| !body.is_code(step.direction));
        let scripts = plan.steps().iter().take_while(is_script).zip(&forecasts);
        let failing = scripts.filter_map(|(step, forecast)| self.failing(step, forecast));
        let failing: Vec<Problem> = failing.take(1).collect();
        // A failure that is not certain is a separate finding.
        let without_doubts = |forecast: Forecast| Forecast {
            failure: if forecast.cause == FailureCause::Unknown { None } else { forecast.failure },
            ..forecast
        };
        let forecasts = forecasts.into_iter().map(without_doubts).collect();
        let plan = self.with_forecasts(plan, forecasts, &policy);
        found.extend(plan.problems().iter().cloned());
        found.extend(failing.into_iter().filter(|_| plan.failing_step().is_none()));
        // The script and the name of an applied migration can no longer be changed.
        let is_late = |problem: &Problem| {
            let kinds = [
                ProblemKind::QuotedString,
                ProblemKind::Unconventional,
                ProblemKind::Placeholder,
                ProblemKind::LiteralPlaceholder,
                ProblemKind::DownPart,
            ];
            kinds.contains(&problem.kind) && history.get(&problem.migration).is_some()
        };
        found.extend(self.examined()?.into_iter().filter(|problem| !is_late(problem)));
        found.extend(self.drifted(conn));
        Ok(judged(found, &self.policy, self.set.graph().metas()))
    }

    /// Returns what the author should know about the set before shipping it: names that break the convention, missing down scripts,
    /// unused files, dependencies that cannot be satisfied here, words in double quotes that are no names, and the first migration whose
    /// script fails when the whole set is replayed in an empty database in memory. None of the lints prevents the set from running.
    ///
    /// The replay also runs migrations in code, but no hooks.
    ///
    /// ```
    /// use switchy_schema::{Migration, MigrationRunner, ProblemKind};
    ///
    /// let runner = MigrationRunner::new([
    ///     Migration::reversible("2026-11-22-190907_notes", "CREATE TABLE notes (text)", "DROP TABLE notes"),
    ///     Migration::reversible("2026-11-23-080000_index", "CREATE INDEX i ON note (text)", "DROP INDEX i"),
    /// ])?;
    /// let found = runner.validate_source();
    /// assert_eq!(found.len(), 1);
    /// assert_eq!(found[0].kind, ProblemKind::Fails);
    /// assert_eq!(found[0].migration, "2026-11-23-080000_index");
    /// assert_eq!(found[0].at.as_ref().unwrap().position.unwrap().line, 1);
    /// assert!(found[0].finding.contains("no such table: main.note"));
    /// # Ok::<(), switchy_schema::MigrationError>(())
    /// ```
    pub fn validate_source(&self) -> Vec<Problem> {
        let examined = self.examined();
        let found = examined.unwrap_or_else(findings);
        judged(found, &self.policy, self.set.graph().metas())
    }

    /// Returns what is wrong with a source: why it cannot be read, why its migrations are not a set, or else what
    /// [`validate_source`](Self::validate_source) finds. The lints are always included.
    ///
    /// ```
    /// use switchy_schema::{Migration, MigrationRunner, ProblemKind, Sqlite};
    ///
    /// let found = MigrationRunner::<Sqlite>::examine([
    ///     Migration::reversible("2026-11-22-190907_a", "", "").depends_on("b"),
    ///     Migration::reversible("b", "", "").depends_on("2026-11-22-190907_a"),
    /// ]);
    /// assert_eq!(
    ///     found.iter().map(|problem| (problem.migration.as_str(), problem.kind)).collect::<Vec<_>>(),
    ///     [("b", ProblemKind::Unconventional), ("2026-11-22-190907_a", ProblemKind::Cycle)],
    /// );
    /// ```
    #[allow(clippy::needless_pass_by_value)]
    pub fn examine(source: impl MigrationSource<B>) -> Vec<Problem> {
        let migrations = match source.migrations() {
            Ok(migrations) => migrations,
            Err(error) => return judged(findings(error), &Policy::DEFAULT, []),
        };
        let metas: Vec<Meta> = migrations.iter().map(|migration| migration.meta.clone()).collect();
        match Self::for_backend(migrations) {
            Ok(runner) => runner.validate_source(),
            Err(error) => {
                let mut found = lints(&metas);
                found.extend(findings(error));
                judged(found, &Policy::DEFAULT, &metas)
            }
        }
    }

    /// The drift of the database. If it is not known what the migrations produce, that is no finding about the database.
    fn drifted(&self, conn: &mut B::Conn<'_>) -> Vec<Problem> {
        // A server may lack a part of the catalog. `drift` returns that error; the other findings are worth more without it.
        let Ok(drift) = self.current_drift(conn) else { return Vec::new() };
        let problem = |(change, finding, remedy): (&SchemaChange, String, Remedy)| {
            let name = MigrationId::from(change.name.clone());
            let detail = Some(change.diff());
            Problem { detail, ..Problem::new(ProblemKind::Drift, &name, finding, remedy) }
        };
        drift.findings().map(problem).collect()
    }

    /// The findings about the set alone.
    fn examined(&self) -> Result<Vec<Problem>> {
        let mut found = lints(self.set.graph().metas());
        found.extend(self.down_misfits());
        let policy = self.policy.reporting_allowed();
        let setting = Setting { mode: TransactionMode::PerMigration, ..self.setting_under(&policy) };
        let plan = plan(self.set.graph(), &History::default(), &Target::Latest, setting)?;
        found.extend(plan.problems().iter().cloned());
        found.extend(self.quoted(&plan));
        if let Some(error) = self.replayed(plan) {
            found.extend(error.failed_in_trial("when the set is replayed in an empty database"));
        }
        Ok(found)
    }

    /// The down scripts that do not fit into their transactions, and their statements that are certain to be refused. A plan reports those
    /// of the up scripts.
    fn down_misfits(&self) -> Vec<Problem> {
        let setting = self.setting();
        let runs_here = |place: &usize| setting.excludes(&self.set.graph().metas()[*place]).is_none();
        let places = (0..self.set.graph().metas().len()).filter(runs_here);
        let graph = self.set.graph();
        let of_script = |place| {
            let atomicity = setting.options(graph, place, Direction::Down).atomicity;
            let refused = refused(graph, (place, Direction::Down), (atomicity, 1), setting).into_iter();
            let refused = refused.filter(|found| found.only_in.is_none()).map(|found| found.problem);
            let placeholders = placeholders::found(graph, place, Direction::Down, setting);
            let conflict = conflict(graph, place, Direction::Down, setting);
            conflict.into_iter().chain(refused).chain(placeholders).collect::<Vec<_>>()
        };
        places.flat_map(of_script).collect()
    }

    /// The words in double quotes that are texts. Each script is checked after those before it have run in an empty database.
    fn quoted(&self, plan: &Plan) -> Vec<Problem> {
        let try_out = |conn: &mut B::Conn<'_>| {
            self.forecasts(conn, plan, &History::default(), Sample::None).unwrap_or_default()
        };
        // The replay reports what is wrong with the preparation.
        let forecasts = B::scratch(self.prepare.as_deref(), try_out).ok().flatten().unwrap_or_default();
        let step_forecasts = self.step_forecasts(plan, forecasts);
        let steps = plan.steps().iter().zip(&step_forecasts);
        steps.flat_map(|(step, step_forecast)| step_forecast.quoted(step)).collect()
    }

    /// Carries out a plan in an empty database in memory, and returns the error it ended with.
    fn replayed(&self, plan: Plan) -> Option<MigrationError> {
        let (holding, stored, hooks) = (Holding::of(&self.table), HashMap::new(), Hooks::for_backend());
        let executor =
            Executor { hooks: &hooks, observer: None, is_stopped: None, ..self.executor(&holding, &stored) };
        let approved = plan.approve(Consent::NotNeeded).ok()?;
        let mut report = Report::default();
        let replayed = B::scratch(self.prepare.as_deref(), |conn| {
            // If a setting is impossible in memory, such as one that needs another file, the script that needs it fails.
            let _ = self.run_session_sql(conn);
            executor.execute(conn, approved, &TrackingTable::MISSING, &History::default(), &mut report)
        });
        match replayed {
            Ok(None | Some(Ok(()))) => None,
            Ok(Some(Err(stop))) => Some(self.failure(stop)),
            Err(fault) => Some(Self::whole_database("replay the migrations", fault)),
        }
    }

    /// The finding that a pending script failed on a copy of the schema.
    fn failing(&self, step: &Step, forecast: &Forecast) -> Option<Problem> {
        let fault = forecast.failure.as_ref()?;
        let (meta, body) = self.find(step)?;
        let at = meta.located(step.direction, body.up.text(), fault.details.offset);
        let mut shown = Fault::new(fault.kind(), fault.details.message.clone());
        shown.details.statement.clone_from(&fault.details.statement);
        shown.details.remedy.clone_from(&fault.details.remedy);
        let failure = StepFailure {
            migration: step.id.clone(),
            direction: step.direction,
            remains: Remains::Nothing,
            at,
            fault: shown,
            applied_before: 0,
            undone_before: Vec::new(),
            problems: Vec::new(),
            notices: Vec::new(),
            tries: 1,
        };
        MigrationError::from(Failure::Step(failure)).failed_in_trial("on a copy of this database's schema")
    }
}
