//! `migrate`, `rollback`, `redo`, `downgrade`

use serde_json::Value;
use switchy_schema::{MigrationError, Plan, Problem, ProblemKind, Report, Target, TransactionMode, Verdict};

use super::created::create;
use super::redone::Redone;
use super::snapshots::keeping;
use super::watch::{Watch, watched};
use super::work::Work;
use super::{plan, schema};
use crate::args::{Downgrade, Migrate, Rollback, Way};
use crate::blank::Blank;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Outcome};
use crate::remedy::in_shell;
use crate::session::{Access, Database, Existed};
use crate::{ids, json, text};

/// Applies the pending migrations.
pub(super) fn migrate<B: Database>(mut work: Work<'_, B>, migrate: &Migrate) -> Result<Outcome> {
    if migrate.batch {
        work.runner = work.runner.transaction(TransactionMode::Batch);
    }
    if migrate.create && !migrate.way.dry_run.dry_run {
        let (existed, address) = create(&work)?;
        if existed == Existed::No {
            work.output().say(&format!("created the database {address}"));
        }
    }
    let target = ids::target(&work.runner, migrate.target())?;
    run(work, target, Access::Make, &migrate.way, Confirmation::EngineDecides)
}

/// Applies all migrations to a new database.
pub(super) fn all<B: Database>(work: Work<'_, B>) -> Result<Outcome> {
    let mut session = work.open(Access::Make)?;
    let (work, watch) = watched(work, &mut session);
    finished(&work, &mut session, &watch, None, |work, session| {
        work.runner.run_to(B::conn(session), Target::Latest)
    })
}

/// Undoes the migrations that were applied last.
pub(super) fn rollback<B: Database>(work: Work<'_, B>, rollback: &Rollback) -> Result<Outcome> {
    let target = ids::target(&work.runner, rollback.target())?;
    let confirmation =
        if target == Target::Empty { Confirmation::Always } else { Confirmation::EngineDecides };
    run(work, target, Access::Change, &rollback.way, confirmation)
}

/// Undoes the newest migration and applies it again.
pub(super) fn redo<B: Database>(work: Work<'_, B>, way: &Way) -> Result<Outcome> {
    run(work, Target::Redo, Access::Change, way, Confirmation::EngineDecides)
}

/// Undoes the migrations that the set does not have.
pub(super) fn downgrade<B: Database>(mut work: Work<'_, B>, downgrade: &Downgrade) -> Result<Outcome> {
    work.runner = work.runner.stored_limits(downgrade.limits());
    run(work, Target::Known, Access::Change, &downgrade.way, Confirmation::Always)
}

/// Whether the run asks for confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    /// The engine decides: in a protected environment it asks before steps that delete something.
    EngineDecides,
    Always,
}

fn run<B: Database>(
    work: Work<'_, B>,
    target: Target,
    access: Access,
    way: &Way,
    confirmation: Confirmation,
) -> Result<Outcome> {
    let work = keeping(work, &way.snapshots)?;
    if way.dry_run.dry_run {
        return plan::plan(&work, target);
    }
    let mut session = work.open(access)?;
    refuse_hollow(&work, &mut session, &target)?;
    let redone = Redone::before(&work, &mut session, &target)?;
    let approved = match confirmation {
        Confirmation::EngineDecides => None,
        Confirmation::Always => confirmed_plan(&work, &mut session, &target)?,
    };
    let (mut work, watch) = watched(work, &mut session);
    if approved.is_some() {
        work.runner = work.runner.confirm(|_| true);
    }
    finished(&work, &mut session, &watch, redone, |work, session| match approved {
        Some(plan) => work.runner.apply(B::conn(session), plan),
        None => work.runner.run_to(B::conn(session), target),
    })
}

/// Does a run, and reports it. `redone` is what a redo runs.
fn finished<B: Database>(
    work: &Work<'_, B>,
    session: &mut B::Session,
    watch: &Watch,
    redone: Option<Redone>,
    run: impl FnOnce(&Work<'_, B>, &mut B::Session) -> switchy_schema::Result<Report>,
) -> Result<Outcome> {
    let result = run(work, session);
    watch.end();
    match result {
        Ok(report) if report.is_up_to_date() => Ok(outcome(work.context.output, &report).with(watch.waits())),
        Ok(report) => {
            if let Some(redone) = redone {
                work.output().say(&redone.text());
            }
            let written = schema::keep(work, session);
            Ok(schema::told(outcome(work.context.output, &report).with(watch.waits()), written))
        }
        Err(error) => {
            if !error.report().applied.is_empty()
                && let Err(failure) = schema::keep(work, session)
            {
                work.output().note(&schema::unwritten(&failure));
            }
            if redone.is_some() && is_changed(&error) {
                work.output()
                    .note("a script that is being written runs again with `redo --policy development`");
            }
            Err(watch.explain(error))
        }
    }
}

/// Refuses a run that would do nothing although somebody expects something: the folder is empty where that is an accident, or a script is
/// as `create` wrote it.
fn refuse_hollow<B: Database>(work: &Work<'_, B>, session: &mut B::Session, target: &Target) -> Result<()> {
    let applies = matches!(
        target,
        Target::Latest | Target::Through(_) | Target::Before(_) | Target::Steps(_) | Target::Redo
    );
    let environment = work.context.settings.environment.as_ref().map(|setting| &*setting.value);
    let is_protected = environment.is_some_and(|name| name.eq_ignore_ascii_case("production"));
    let why = if is_protected {
        Some(("this is a protected environment", ""))
    } else {
        let for_new = ", or create the first migration of a new project";
        work.context.settings.verdicts.is_strict().then_some(("the policy is strict", for_new))
    };
    let empty = work.folder.as_ref().filter(|folder| folder.is_empty).zip(why);
    let blank = Blank::all(&work.runner);
    if !applies || (empty.is_none() && blank.is_empty()) {
        return Ok(());
    }
    let plan = work.runner.plan(B::conn(session), target.clone())?;
    if Exit::of_problems(plan.problems()) != Exit::Done {
        // The engine refuses it.
        return Ok(());
    }
    if let (Some((folder, (why, otherwise))), true) = (empty, plan.steps().is_empty()) {
        let what = format!("nothing was done: {}, and {why}", folder.emptiness());
        let remedy = format!("check the path, or whether the folder is mounted{otherwise}");
        return Err(Failure::refused(format!("{what}; {remedy}")));
    }
    let blank = plan::blank(work, &plan);
    Blank::refuse_unwritten(&blank)?;
    for blank in blank {
        work.output().note(&blank.finding());
    }
    Ok(())
}

/// Whether a run was refused because a script was changed after it was applied.
fn is_changed(error: &MigrationError) -> bool {
    let is_changed =
        |problem: &Problem| problem.kind == ProblemKind::Changed && problem.verdict == Verdict::Deny;
    error.problems().iter().any(is_changed)
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
            "nothing was done: this undoes {}, and there is no terminal to confirm it",
            text::counted(plan.steps().len(), "migration")
        );
        return Err(Failure::unconfirmed(format!("{what}; see it with --dry-run, and confirm with --yes")));
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
        report.baseline.as_ref().map(ToString::to_string).unwrap_or_default()
    } else {
        text::done(report)
    };
    Outcome::new(text, Value::Object(json::report(report)))
}
