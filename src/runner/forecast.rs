//! Plans, and the expected effects of their scripts.

use super::MigrationRunner;
use super::goal::Goal;
use crate::backend::{Backend, ForecastRequest, patiently};
use crate::diff::{is_only_at_ends, lines};
use crate::direction::Direction;
use crate::effect::{Forecast, PlannedScript, Trust};
use crate::error::Printable;
use crate::error::Result;
use crate::history::History;
use crate::migration::Action;
use crate::plan::{Plan, Scripts, Setting, StepForecast, plan};
use crate::policy::Policy;
use crate::problem::ProblemKind;
use crate::step::{DataLoss, ForeignKeys};
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// Returns what [`run_to`](Self::run_to) would do and what it would destroy. It only reads the database.
    ///
    /// The scripts are tried on a copy of the schema in memory to find what they remove, and the rows of that are counted.
    ///
    /// # Errors
    /// If the database cannot be read, or the target names a migration that the set does not have. Problems that would prevent the
    /// plan from being carried out are no error here: they are in the plan.
    #[allow(clippy::needless_pass_by_value)]
    pub fn plan(&self, mut conn: B::Conn<'_>, target: Target) -> Result<Plan> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let history = self.read_history(conn)?;
        let plan = plan(self.set.graph(), &history, &target, self.setting())?;
        self.with_forecast(conn, self.explained(plan, &history), &history)
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
        let plan = plan(self.set.graph(), history, goal.target, self.setting())?;
        let plan = self.explained(plan, history);
        let needs_confirmation =
            plan.is_stored() || self.policy.wants_effects(&plan) || self.protected_environment().is_some();
        match self.forecaster.or(goal.forecaster) {
            Some(forecaster) if needs_confirmation && !plan.steps().is_empty() => {
                forecaster(self, conn, plan, history)
            }
            _ => Ok(plan),
        }
    }

    pub(super) fn with_forecast(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Plan,
        history: &History,
    ) -> Result<Plan> {
        let tables = [self.table.clone(), self.table.log()];
        let is_blank = patiently(self.lock_timeout, || B::is_blank(conn, &tables));
        if is_blank.map_err(self.reading())? && !plan.is_stored() {
            // Nothing can be destroyed in it.
            return Ok(plan.without_effects());
        }
        // The scripts after a stored script that cannot be used would only seem to fail.
        if plan.is_stored() && plan.refuse_if(|_| true).is_err() {
            return Ok(plan);
        }
        let forecasts = self.forecasts(conn, &plan, history)?;
        Ok(self.with_forecasts(plan, forecasts, &self.policy))
    }

    pub(super) fn with_forecasts(&self, plan: Plan, forecasts: Vec<Forecast>, policy: &Policy) -> Plan {
        let step_forecasts = plan.steps().iter().zip(forecasts).map(|(step, forecast)| {
            let found = self.find(step).filter(|_| !step.is_stored);
            StepForecast {
                foreign_keys: found.map_or(ForeignKeys::Unchecked, |(meta, _)| meta.foreign_keys),
                forecast,
                is_code: found.is_some_and(|(_, body)| body.is_code(step.direction)),
                data_loss: found.map_or(DataLoss::Undeclared, |(meta, _)| meta.data_loss),
            }
        });
        let step_forecasts = step_forecasts.collect();
        plan.with_step_forecasts(step_forecasts, policy)
    }

    /// The expected effects of each step.
    pub(super) fn forecasts(
        &self,
        conn: &mut B::Conn<'_>,
        plan: &Plan,
        history: &History,
    ) -> Result<Vec<Forecast>> {
        let stored = Self::stored(plan, history);
        let planned = |step: &crate::step::Step| {
            let found = self.find_with(&stored, step);
            let foreign_keys = found.map_or_else(Default::default, |(meta, _)| meta.foreign_keys);
            let text = found.and_then(|(_, body)| body.action(step.direction)).and_then(Action::text);
            // The part that is done has no further effects.
            let rest = step.from.zip(text).and_then(|(from, text)| text.get(B::offset_of(text, from)?..));
            let trust = if step.is_stored { Trust::Database } else { Trust::Program };
            PlannedScript::new(rest.or(text), trust).under(foreign_keys).running(step.atomicity)
        };
        let scripts: Vec<PlannedScript<'_>> = plan.steps().iter().map(planned).collect();
        let tables = [self.table.clone(), self.table.log()];
        let request =
            ForecastRequest { scripts: &scripts, tables: &tables, prepare: self.prepare.as_deref() };
        let failed = |fault| self.database("try out the migrations", fault);
        patiently(self.lock_timeout, || B::forecast(conn, &request)).map_err(failed)
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
