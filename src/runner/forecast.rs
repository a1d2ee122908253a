//! Plans, and the expected effects of their scripts.

use super::MigrationRunner;
use super::goal::Goal;
use crate::backend::{Backend, ForecastRequest, patiently};
use crate::diff::{is_only_at_ends, lines};
use crate::direction::Direction;
use crate::effect::{FailureCause, Forecast, PlannedScript, Sample, Trust};
use crate::error::Result;
use crate::history::History;
use crate::location::Location;
use crate::migration::Action;
use crate::plan::{Plan, Scripts, Setting, StepForecast, plan};
use crate::policy::Policy;
use crate::printable::Printable;
use crate::problem::{ProblemKind, Verdict};
use crate::step::{DataLoss, ForeignKeys, Step};
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// Returns what [`run_to`](Self::run_to) would do and what it would destroy. It only reads the database.
    ///
    /// The scripts are tried on a copy of the schema in memory, with a few rows of each table. The plan says what they remove and how
    /// many rows that is, and the first script that is certain to fail, as a refused problem of the kind
    /// [`Fails`](ProblemKind::Fails). [`apply`](Self::apply) refuses such a plan before the first write.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, ProblemKind, Target};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let first = Migration::sql("1_jobs", "CREATE TABLE jobs (name)");
    /// MigrationRunner::new([first.clone()])?.run(&conn)?;
    /// conn.execute_batch("INSERT INTO jobs VALUES ('backup')")?;
    ///
    /// let second = Migration::sql("2_made_at", "ALTER TABLE jobs ADD made_at NOT NULL DEFAULT CURRENT_TIMESTAMP");
    /// let runner = MigrationRunner::new([first, second])?;
    /// let plan = runner.plan(&conn, Target::Latest)?;
    /// assert_eq!(plan.problems()[0].kind, ProblemKind::Fails);
    /// assert!(plan.problems()[0].finding.contains("Cannot add a column with non-constant default"));
    /// assert!(runner.apply(&conn, plan).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the database cannot be read, or the target names a migration that the set does not have. Problems that would prevent the
    /// plan from being carried out are no error here: they are in the plan.
    #[allow(clippy::needless_pass_by_value)]
    pub fn plan(&self, mut conn: B::Conn<'_>, target: Target) -> Result<Plan> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let history = self.read_history(conn)?;
        let (history, baseline) = self.foreseen(conn, history, &target)?;
        let plan = plan(self.set.graph(), &history, &target, self.setting())?.with_baseline(baseline);
        let plan = self.refused_here(conn, plan, self.setting())?;
        let plan = self.tried_out(conn, self.explained(plan, &history), &history, true)?;
        self.with_snapshot(conn, plan)
    }

    pub(super) fn is_blank(&self, conn: &mut B::Conn<'_>) -> Result<bool> {
        let tables = [self.table.clone(), self.table.log()];
        patiently(self.lock_timeout, || B::is_blank(conn, &tables)).map_err(self.reading())
    }

    pub(super) fn setting(&self) -> Setting<'_> {
        self.setting_under(&self.policy)
    }

    pub(super) fn setting_under<'s>(&'s self, policy: &'s Policy) -> Setting<'s> {
        Setting {
            dialect: B::DIALECT,
            environment: self.environment.as_deref(),
            mode: self.mode,
            policy,
            scripts: self,
            program: self.program.as_deref(),
        }
    }

    /// A plan with everything that must be known before it is carried out. `goal.forecaster` is for a target that may need a stored
    /// script; `policy` and `environment` store the function themselves.
    pub(super) fn checked_plan(
        &self,
        conn: &mut B::Conn<'_>,
        history: &History,
        goal: Goal<'_, B>,
    ) -> Result<Plan> {
        let plan = self.plan_without_snapshot(conn, history, goal)?;
        self.with_snapshot(conn, plan)
    }

    /// Does the work of `checked_plan`, for a database of which no snapshot is made.
    pub(super) fn plan_without_snapshot(
        &self,
        conn: &mut B::Conn<'_>,
        history: &History,
        goal: Goal<'_, B>,
    ) -> Result<Plan> {
        let plan = (goal.planner)(self.set.graph(), history, goal.target, self.setting())?;
        let plan = self.refused_here(conn, plan, self.setting())?;
        let plan = self.explained(plan, history);
        let needs_effects = plan.is_stored()
            || self.policy.wants_effects(&plan)
            || self.protected_environment().is_some()
            || self.keeper.as_ref().is_some_and(|keeper| keeper.wants_effects());
        match self.forecaster.or(goal.forecaster) {
            Some(forecaster) if needs_effects && !plan.steps().is_empty() => {
                forecaster(self, conn, plan, history)
            }
            _ => Ok(plan),
        }
    }

    /// The plan with the statements that are refused because of the schema that is current here. The database is asked only if a script has
    /// such a statement.
    pub(super) fn refused_here(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Plan,
        setting: Setting<'_>,
    ) -> Result<Plan> {
        if !plan.depends_on_schema() {
            return Ok(plan);
        }
        let current = patiently(self.lock_timeout, || B::current_schema(conn)).map_err(self.reading())?;
        Ok(match current {
            Some(schema) => plan.refused_in(&schema, setting),
            None => plan,
        })
    }

    /// The plan with the snapshot that a run keeps.
    pub(super) fn with_snapshot(&self, conn: &mut B::Conn<'_>, plan: Plan) -> Result<Plan> {
        match &self.keeper {
            Some(keeper) => keeper.planned(conn, &self.site(), plan),
            None => Ok(plan),
        }
    }

    pub(super) fn with_forecast(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Plan,
        history: &History,
    ) -> Result<Plan> {
        let tries_in_blank = self.policy.verdict(ProblemKind::QuotedString, Direction::Up) == Verdict::Deny;
        self.tried_out(conn, plan, history, tries_in_blank)
    }

    /// A plan with the expected effects of its scripts. In an empty database, which has nothing to lose, they are tried out only to find
    /// what is wrong with them, and only if `tries_in_blank`.
    fn tried_out(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Plan,
        history: &History,
        tries_in_blank: bool,
    ) -> Result<Plan> {
        let is_blank = self.is_blank(conn)? && !plan.is_stored();
        if is_blank && !tries_in_blank && !B::REACHES_BEYOND {
            return Ok(plan.without_effects());
        }
        // The scripts after a stored script that cannot be used would only seem to fail.
        if plan.is_stored() && plan.refuse_if(|_| true).is_err() {
            return Ok(plan);
        }
        let forecasts = self.forecasts(conn, &plan, history, Sample::Small)?;
        if is_blank {
            let step_forecasts = self.step_forecasts(&plan, forecasts);
            let plan = plan.with_effects_elsewhere(&step_forecasts, &self.policy);
            return Ok(plan.with_failures(&step_forecasts, &self.policy));
        }
        Ok(self.with_forecasts(plan, forecasts, &self.policy))
    }

    pub(super) fn with_forecasts(&self, plan: Plan, forecasts: Vec<Forecast>, policy: &Policy) -> Plan {
        let step_forecasts = self.step_forecasts(&plan, forecasts);
        plan.with_step_forecasts(step_forecasts, policy)
    }

    pub(super) fn step_forecasts(&self, plan: &Plan, forecasts: Vec<Forecast>) -> Vec<StepForecast> {
        let has_hooks = !self.hooks.is_empty_around_steps();
        let step_forecast = |(step, mut forecast): (&Step, Forecast)| {
            let found = self.find(step).filter(|_| !step.is_stored);
            if has_hooks {
                // A hook may create what a script needs.
                forecast.cause = FailureCause::Unknown;
            }
            let text = || found.and_then(|(_, body)| body.action(step.direction)).and_then(Action::text);
            let at = |offset| match found {
                Some((meta, _)) => meta.located(step.direction, text(), offset),
                None => Location::file(step.origin.clone()),
            };
            StepForecast {
                failure_at: at(forecast.failure.as_ref().and_then(|fault| fault.details.offset)),
                quoted_at: forecast.quoted.iter().map(|quoted| at(Some(quoted.offset))).collect(),
                foreign_keys: found.map_or(ForeignKeys::Unchecked, |(meta, _)| meta.foreign_keys),
                forecast,
                is_code: found.is_some_and(|(_, body)| body.is_code(step.direction)),
                data_loss: found.map_or(DataLoss::Undeclared, |(meta, _)| meta.data_loss),
            }
        };
        plan.steps().iter().zip(forecasts).map(step_forecast).collect()
    }

    /// The expected effects of each step.
    pub(super) fn forecasts(
        &self,
        conn: &mut B::Conn<'_>,
        plan: &Plan,
        history: &History,
        sample: Sample,
    ) -> Result<Vec<Forecast>> {
        let stored = self.stored(plan, history);
        let text = |step: &Step| {
            let body = self.find_with(&stored, step).map(|(_, body)| body);
            body.and_then(|body| body.action(step.direction)).and_then(Action::sql)
        };
        // The part of a script that is done has no further effects.
        let begin = |step: &Step| {
            let rest = step.from.zip(text(step)).and_then(|(from, text)| B::offset_of(text, from));
            rest.unwrap_or_default()
        };
        let begins: Vec<usize> = plan.steps().iter().map(begin).collect();
        let planned = |(step, &begin): (&Step, &usize)| {
            let found = self.find_with(&stored, step);
            let foreign_keys = found.map_or_else(Default::default, |(meta, _)| meta.foreign_keys);
            let trust = if step.is_stored { Trust::Database } else { Trust::Program };
            let rest = text(step).and_then(|text| text.get(begin..));
            PlannedScript::new(rest, trust).under(foreign_keys).running(step.atomicity)
        };
        let scripts: Vec<PlannedScript<'_>> = plan.steps().iter().zip(&begins).map(planned).collect();
        let tables = [self.table.clone(), self.table.log()];
        let prepare = self.prepare.as_deref();
        let limits = self.stored_limits;
        let request = ForecastRequest { scripts: &scripts, tables: &tables, prepare, sample, limits };
        let secrets = self.set.secrets();
        let failed = |fault| Self::whole_database("try out the migrations", secrets.mask_fault(fault));
        let forecasts = patiently(self.lock_timeout, || B::forecast(conn, &request)).map_err(failed)?;
        let as_written = |(step, (forecast, begin)): (&Step, (Forecast, usize))| {
            let mut forecast = forecast.after(begin);
            let action = self.find_with(&stored, step).and_then(|(_, body)| body.action(step.direction));
            if let Some(script) = action.and_then(Action::as_script) {
                script.move_forecast(&mut forecast);
            }
            secrets.mask_forecast(&mut forecast);
            forecast
        };
        Ok(plan.steps().iter().zip(forecasts.into_iter().zip(begins)).map(as_written).collect())
    }

    /// Adds the changed lines of scripts that changed, if both texts are known.
    pub(super) fn explained(&self, mut plan: Plan, history: &History) -> Plan {
        for problem in plan.problems_mut() {
            let direction = match problem.kind {
                ProblemKind::Changed => Direction::Up,
                ProblemKind::ChangedDown => Direction::Down,
                _ => continue,
            };
            let before = history.get(&problem.migration).and_then(|record| record.script(direction));
            let place = self.set.graph().place(&problem.migration);
            let after = place.and_then(|place| self.text(place, direction));
            let Some((before, after)) = before.zip(after) else { continue };
            if is_only_at_ends(before, after) {
                // The changed lines look the same.
                problem
                    .finding
                    .push_str("; the texts differ only in white space at the end of a line or of the file");
                continue;
            }
            let printable = |line: &str| Printable(line).to_string();
            let lines = lines(before, after);
            problem.detail = lines.map(|lines| lines.lines().map(printable).collect::<Vec<_>>().join("\n"));
        }
        plan
    }
}
