//! `migrate`, `rollback`, `redo`, `downgrade`

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use switchy_schema::{Direction, Event, MigrationId, Plan, Report, Target, TransactionMode};

use super::{Work, plan};
use crate::args::{Downgrade, DryRun, Migrate, Rollback};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{self, Outcome};
use crate::progress::Progress;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, text};

/// Applies the pending migrations.
pub(super) fn migrate<B: Database>(mut work: Work<'_, B>, migrate: &Migrate) -> Result<Outcome> {
    if migrate.batch {
        work.runner = work.runner.transaction(TransactionMode::Batch);
    }
    run(work, migrate.target(), Access::Make, migrate.dry_run, Confirmation::EngineDecides)
}

/// Undoes the migrations that were applied last.
pub(super) fn rollback<B: Database>(work: Work<'_, B>, rollback: &Rollback) -> Result<Outcome> {
    let target = rollback.target();
    let confirmation =
        if target == Target::Empty { Confirmation::Always } else { Confirmation::EngineDecides };
    run(work, target, Access::Change, rollback.dry_run, confirmation)
}

/// Undoes the newest migration and applies it again.
pub(super) fn redo<B: Database>(work: Work<'_, B>, dry_run: DryRun) -> Result<Outcome> {
    run(work, Target::Redo, Access::Change, dry_run, Confirmation::EngineDecides)
}

/// Undoes the migrations that the set does not have.
pub(super) fn downgrade<B: Database>(mut work: Work<'_, B>, downgrade: Downgrade) -> Result<Outcome> {
    work.runner = work.runner.stored_limits(downgrade.limits());
    run(work, Target::Known, Access::Change, downgrade.dry_run, Confirmation::Always)
}

/// Whether the run asks for confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    /// The engine decides: in a protected environment it asks before steps that delete something.
    EngineDecides,
    Always,
}

fn run<B: Database>(
    mut work: Work<'_, B>,
    target: Target,
    access: Access,
    dry_run: DryRun,
    confirmation: Confirmation,
) -> Result<Outcome> {
    if dry_run.dry_run {
        return plan::plan(&work, target, false);
    }
    let mut session = work.open(access)?;
    let approved = match confirmation {
        Confirmation::EngineDecides => None,
        Confirmation::Always => confirmed_plan(&work, &mut session, &target)?,
    };
    let interrupt = Interrupt::listen(B::interrupter(&mut session), work.output());
    let progress = Arc::new(Progress::new(work.output()));
    let (listening, showing, asked) = (interrupt.clone(), Arc::clone(&progress), interrupt.clone());
    let (empty_downs, output) = (empty_downs(&work), work.output().clone());
    work.runner = work
        .runner
        .observe(move |event| {
            listening.observe(event);
            showing.observe(event);
            if let Event::Finished { step, .. } = event
                && step.direction == Direction::Down
                && empty_downs.contains(&step.id)
            {
                output.note(&format!("`{}` has a script to undo it that does nothing", step.id));
            }
        })
        .stop_when(move || asked.is_requested());
    let result = match approved {
        Some(plan) => work.runner.confirm(|_| true).apply(B::conn(&mut session), plan),
        None => work.runner.run_to(B::conn(&mut session), target),
    };
    interrupt.end();
    progress.end();
    match result {
        Ok(report) => Ok(outcome(work.context.output, &report)),
        Err(error) => {
            let failure = Failure::from(error);
            Err(if interrupt.is_requested() { failure.after_interrupt() } else { failure })
        }
    }
}

/// The migrations whose down script does nothing although their up script does something: most likely nobody wrote the down script.
fn empty_downs<B: Database>(work: &Work<'_, B>) -> HashSet<MigrationId> {
    let script = |id: &MigrationId, way| work.runner.script(id.clone(), way);
    let has_empty_down = |id: &&MigrationId| {
        script(id, Direction::Down).is_some_and(text::is_blank)
            && !script(id, Direction::Up).is_some_and(text::is_blank)
    };
    work.runner.list().iter().map(|meta| &meta.id).filter(has_empty_down).cloned().collect()
}

/// Asks for confirmation, and returns the confirmed plan; `None` if the plan has no steps, or if the engine refuses it in any case.
fn confirmed_plan<B: Database>(
    work: &Work<'_, B>,
    session: &mut B::Session,
    target: &Target,
) -> Result<Option<Plan>> {
    let plan = work.runner.plan(B::conn(session), target.clone())?;
    if plan.steps().is_empty() || Exit::of_problems(plan.problems()) != Exit::Done {
        return Ok(None);
    }
    if work.context.global.yes {
        return Ok(Some(plan));
    }
    if !output::can_ask() {
        let what = format!(
            "nothing was done: {} to be undone, and nobody can be asked",
            text::counted(plan.steps().len(), "migration")
        );
        return Err(Failure::unconfirmed(format!(
            "{what}; look at it with --dry-run, and say yes with --yes"
        )));
    }
    if confirm_plan(&plan) {
        Ok(Some(plan))
    } else {
        Err(Failure::unconfirmed("nothing was done: the answer was no"))
    }
}

/// Shows a plan, and asks whether to carry it out.
pub(crate) fn confirm_plan(plan: &Plan) -> bool {
    output::ask(&format!("{}\nDo this?", plan.worded(&in_shell)))
}

fn outcome(output: &output::Output, report: &Report) -> Outcome {
    let text = if report.is_up_to_date() {
        output.say(&format!("nothing to do, with {} applied", text::counted(report.already, "migration")));
        String::new()
    } else {
        text::done(report)
    };
    Outcome::new(text, Value::Object(json::report(report)))
}
