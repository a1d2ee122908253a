//! Applying migrations.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::check::{Outcome, equal, fails, holds};
use super::ground::{Behaviour, Ground, ids, perform};
use super::testbed::Testbed;
use crate::backend::{Backend, TrackingTable};
use crate::dialect::{Dialect, TableName};
use crate::direction::Direction;
use crate::error::ErrorKind;
use crate::history::Record;
use crate::migration::Migration;
use crate::plan::{Plan, TransactionMode};
use crate::policy::Policy;
use crate::problem::{ProblemKind, Verdict};
use crate::runner::MigrationRunner;
use crate::sql::Position;
use crate::status::State;
use crate::target::Target;

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("where nothing is pending nothing is written", nothing_pending_writes_nothing),
        ("looking creates nothing", looking_creates_nothing),
        ("a migration is applied once", a_migration_is_applied_once),
        ("dependencies come first", dependencies_come_first),
        ("a target is where a run ends", a_target_is_where_a_run_ends),
        ("a late migration runs, and is the newest", a_late_migration_is_the_newest),
        ("a script that fails leaves what it must, and says where", a_failing_script),
        ("a batch is all or nothing", a_batch_is_all_or_nothing),
        ("a panic in code leaves what it must", a_panic_leaves_what_it_must),
        ("code is a migration, and its error is passed on", code_is_a_migration),
        ("code that ends its transaction is an error", ending_the_transaction_is_an_error),
        ("a migration that touches the records is an error", touching_the_records_is_an_error),
        ("a transaction of the caller's is refused and left open", an_open_transaction_is_refused),
        ("what a policy denies is refused before anything is done", a_policy_denies),
        ("what is for other databases or environments does not run", others_do_not_run),
        ("status, pending, list, history and is_applied agree", everybody_agrees),
        ("a plan does nothing, and is carried out if nothing has changed", a_plan_is_carried_out),
        ("a thousand migrations are applied", a_thousand_are_applied),
    ]
}

fn nothing_pending_writes_nothing<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let report = it.run(&it.runner([])?)?;
    holds("a run of no migrations finds nothing to do", report.is_up_to_date())?;
    equal("the tracking table after a run of no migrations", &it.tracking()?, &TrackingTable::MISSING)?;

    let set = it.runner([it.makes("1_a", "thing_a")])?;
    it.run(&set)?;
    let before = it.tracking()?;
    for target in [Target::Latest, Target::Steps(9), Target::Through("1_a".into()), Target::Back(0)] {
        let report = it.run_to(&set, target.clone())?;
        holds(&format!("{target:?} finds nothing to do"), report.is_up_to_date())?;
    }
    equal("the tracking table", &it.tracking()?, &before)
}

fn looking_creates_nothing<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.makes("1_a", "thing_a")])?;
    equal(
        "the number of steps of a plan",
        &it.with(|conn| set.plan(B::lend(conn), Target::Latest))?.steps().len(),
        &1,
    )?;
    equal("the plan back", &it.with(|conn| set.plan(B::lend(conn), Target::Empty))?.steps().len(), &0)?;
    equal("the status", &it.with(|conn| set.status(B::lend(conn)))?.entries[0].state, &State::Pending)?;
    equal("what is pending", &it.with(|conn| set.pending(B::lend(conn)))?, &["1_a"])?;
    equal("is_applied", &it.with(|conn| set.is_applied(B::lend(conn), "1_a"))?, &false)?;
    equal("the records", &it.history(&set)?.records().len(), &0)?;
    equal("the tracking table", &it.tracking()?, &TrackingTable::MISSING)?;
    it.has(&[])
}

fn a_migration_is_applied_once<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    let report = it.run(&set)?;
    equal("what the first run applied", &*ids(&report.applied), &["1_a", "2_b"])?;
    holds("it was applied upwards", report.applied.iter().all(|step| step.direction == Direction::Up))?;
    it.has(&["thing_a", "thing_b"])?;
    it.records(&["1_a", "2_b"])?;
    let before = it.tracking()?;
    let report = it.run(&set)?;
    holds("the second run finds nothing to do", report.is_up_to_date())?;
    equal("what was applied already", &report.already, &2)?;
    equal("the tracking table after the second run", &it.tracking()?, &before)?;
    let longer =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    equal("what a longer set applies", &*ids(&it.run(&longer)?.applied), &["3_c"])?;
    it.records(&["1_a", "2_b", "3_c"]).map(drop)
}

fn dependencies_come_first<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([
        it.makes("1_posts", "thing_a").depends_on("2_users"),
        it.makes("3_late", "thing_b"),
        it.makes("2_users", "thing_c").depends_on_if_present("9_nowhere"),
    ])?;
    let order = ["2_users", "1_posts", "3_late"];
    equal("the order of application", &*ids(&it.run(&set)?.applied), &order)?;
    it.records(&order)?;
    let back = it.run_to(&set, Target::Empty)?;
    equal("the order of undoing", &*ids(&back.applied), &["3_late", "1_posts", "2_users"])?;
    it.records(&[]).map(drop)
}

fn a_target_is_where_a_run_ends<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let names = [("1_a", "thing_a"), ("2_b", "thing_b"), ("3_c", "thing_c"), ("4_d", "thing_d")];
    let set = it.runner(names.map(|(id, thing)| it.makes(id, thing)))?;
    let ways: [(Target, &[&str]); 6] = [
        (Target::Before("1_a".into()), &[]),
        (Target::Through("1_a".into()), &["thing_a"]),
        (Target::Before("3_c".into()), &["thing_a", "thing_b"]),
        (Target::Steps(1), &["thing_a", "thing_b", "thing_c"]),
        (Target::BackTo("2_b".into()), &["thing_a", "thing_b"]),
        (Target::Latest, &["thing_a", "thing_b", "thing_c", "thing_d"]),
    ];
    for (target, things) in ways {
        it.run_to(&set, target)?;
        it.has(things)?;
        equal("the number of records", &it.tracking()?.records.len(), &things.len())?;
    }
    let unknown = it.run_to(&set, Target::Through("5_e".into()));
    fails("going to a migration that the set does not have", unknown, ErrorKind::UnknownMigration).map(drop)
}

fn a_late_migration_is_the_newest<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.run(&it.runner([it.makes("1_a", "thing_a"), it.makes("3_c", "thing_c")])?)?;
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    let report = it.run(&set)?;
    equal("what was applied", &*ids(&report.applied), &["2_b"])?;
    let notes: Vec<ProblemKind> = report.notes.iter().map(|note| note.kind).collect();
    equal("what is noted", &notes, &[ProblemKind::OutOfOrder])?;
    it.records(&["1_a", "3_c", "2_b"])?;
    let back = it.run_to(&set, Target::Back(1))?;
    equal("what is undone first", &*ids(&back.applied), &["2_b"])
}

fn a_failing_script<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let fails_at = it.bed.script(&[it.bed.make("thing_b"), it.bed.fails()]);
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.breaks("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    let error = fails("the run", it.run(&set), ErrorKind::Step)?;
    equal("the migration in the error", &error.migration(), &Some(&"2_b".into()))?;
    equal("the report of the error", &*ids(&error.report().applied), &["1_a"])?;
    let line = error.location().and_then(|at| at.position).map(|position| position.line);
    let expected = Position::of(&fails_at, fails_at.rfind(&it.bed.fails()).unwrap_or_default());
    equal("the line of the error", &line, &Some(expected.line))?;
    let failed = error.statement().unwrap_or_default();
    let fails = it.bed.fails();
    holds(
        &format!("{failed:?} is the statement that failed, {fails:?}"),
        failed.contains(fails.trim_end_matches(';')),
    )?;
    it.remains(("2_b", Some(2)), &["thing_a"], &["thing_b"])?;

    let corrected =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    if it.can().rollback {
        equal("what a corrected set applies", &*ids(&it.run(&corrected)?.applied), &["2_b", "3_c"])
    } else {
        refused(it, &corrected, ProblemKind::Dirty)
    }
}

/// Checks that a run is refused for this reason, among others, and changes nothing.
#[track_caller]
pub(super) fn refused<B: Backend, T: Testbed<B>>(
    it: &Ground<'_, B, T>,
    set: &MigrationRunner<B>,
    kind: ProblemKind,
) -> Outcome {
    let before = it.tracking()?;
    let error = fails("the run", it.run(set), ErrorKind::Refused)?;
    let kinds: Vec<ProblemKind> = error.problems().iter().map(|problem| problem.kind).collect();
    holds(&format!("{kind:?} is among the reasons of the refusal, {kinds:?}"), kinds.contains(&kind))?;
    equal("the tracking table after a refusal", &it.tracking()?, &before)
}

fn a_batch_is_all_or_nothing<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let batch = |last| {
        Outcome::Ok(it.runner([it.makes("1_a", "thing_a"), last])?.transaction(TransactionMode::Batch))
    };
    let (broken, whole) = (batch(it.breaks("2_b", "thing_b"))?, batch(it.makes("2_b", "thing_b"))?);
    if !it.can().rollback {
        refused(it, &whole, ProblemKind::NotInBatch)?;
        return it.has(&[]);
    }
    let error = fails("the batch", it.run(&broken), ErrorKind::Step)?;
    equal("the report of the error", &*ids(&error.report().applied), &ids(&[]))?;
    equal("the tracking table after a batch that failed", &it.tracking()?, &TrackingTable::MISSING)?;
    it.has(&[])?;
    equal("what the batch applies", &*ids(&it.run(&whole)?.applied), &["1_a", "2_b"])?;
    it.has(&["thing_a", "thing_b"])?;
    it.records(&["1_a", "2_b"]).map(drop)
}

fn a_panic_leaves_what_it_must<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let panics = it.code("2_b", Some("thing_b"), || resume_unwind(Box::new("on purpose")));
    let set = it.runner([it.makes("1_a", "thing_a"), panics])?;
    it.with(|conn| {
        let outcome = catch_unwind(AssertUnwindSafe(|| set.run(B::lend(conn))));
        holds("the panic of the code goes on", outcome.is_err())?;
        equal("`in_transaction` after a panic", &B::in_transaction(conn)?, &false)
    })?;
    it.remains(("2_b", None), &["thing_a"], &["thing_b"])?;
    it.records(if it.can().rollback { &["1_a"] } else { &["1_a", "2_b"] }).map(drop)
}

/// An error type that a migration in code returns.
#[derive(Debug, thiserror::Error)]
#[error("nothing is left to count")]
struct Counted;

fn code_is_a_migration<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.code("1_a", Some("thing_a"), || Ok(()))])?;
    equal("what was applied", &*ids(&it.run(&set)?.applied), &["1_a"])?;
    it.has(&["thing_a"])?;
    equal("the checksum of code", &it.tracking()?.records[0].checksum, &None)?;

    let failing = it.code("2_b", Some("thing_b"), || Err(Counted.into()));
    let set = it.runner([it.code("1_a", None, || Ok(())), failing])?;
    let error = fails("code that fails", it.run(&set), ErrorKind::Step)?;
    holds(
        &format!("the error of the code is passed on: {error}"),
        error.to_string().contains("nothing is left to count"),
    )?;
    holds(
        "the error of the code is its cause",
        matches!(error.cause(), Some(cause) if cause.is::<Counted>()),
    )?;
    it.remains(("2_b", None), &["thing_a"], &["thing_b"])
}

fn ending_the_transaction_is_an_error<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    if it.can().rollback {
        let ends = Migration::function("1_a", |mut conn: B::Conn<'_>| {
            B::commit(&mut conn).map_err(|fault| fault.to_string())
        });
        fails("code that commits", it.run(&it.runner([ends])?), ErrorKind::Step)?;
        it.records(&[])?;
    }
    if let Some(commit) = it.bed.commits() {
        let set = it.runner([it.script("1_a", &[it.bed.make("thing_a"), commit.clone()])])?;
        if it.can().rollback {
            // A backend that parses scripts refuses this one before it runs.
            let error = it.run(&set).map_err(|error| error.kind());
            let is_refused = matches!(error, Err(ErrorKind::Step | ErrorKind::Refused));
            holds(&format!("a script that commits fails: {error:?}"), is_refused)?;
            it.has(&[])?;
            it.records(&[])?;
        } else {
            // There is no transaction to commit, so a backend may accept the script, like any other migration, or refuse it before it runs.
            match it.run(&set) {
                Ok(_) => it.records(&["1_a"]).map(drop)?,
                Err(error) if error.kind() == ErrorKind::Refused => {
                    it.has(&[])?;
                    it.records(&[]).map(drop)?;
                }
                Err(error) => equal("the error of a script that commits", &error.kind(), &ErrorKind::Step)?,
            }
        }
    }
    it.with(|conn| equal("`in_transaction` afterwards", &B::in_transaction(conn)?, &false))
}

fn touching_the_records_is_an_error<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.run(&it.runner([it.makes("1_a", "thing_a")])?)?;
    let adds = Migration::function("2_b", |mut conn: B::Conn<'_>| {
        let record = Record::new("0_odd", None);
        B::insert(&mut conn, &TableName::default(), &record).map_err(|fault| fault.to_string())
    });
    let error = fails(
        "code that adds a record",
        it.run(&it.runner([it.makes("1_a", "thing_a"), adds])?),
        ErrorKind::Step,
    )?;
    holds(
        &format!("the error speaks of the table: {error}"),
        error.to_string().contains("__switchy_migrations"),
    )?;
    if it.can().rollback {
        it.records(&["1_a"])?;
        if let Some(tampers) = it.bed.tampers(&TableName::default()) {
            let script = it.script("2_b", &[it.bed.make("thing_b"), tampers]);
            let set = it.runner([it.makes("1_a", "thing_a"), script])?;
            fails("a script that removes the records", it.run(&set), ErrorKind::Step)?;
            it.records(&["1_a"])?;
            it.has(&["thing_a"])?;
        }
    }
    Ok(())
}

fn an_open_transaction_is_refused<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.makes("0_z", "thing_z"), it.makes("1_a", "thing_a")])?;
    it.run_to(&set, Target::Steps(1))?;
    let before = it.tracking()?;
    it.with(|conn| {
        B::begin(conn)?;
        if it.can().rollback {
            perform::<B>(conn, &it.bed.make("thing_b"))?;
        }
        fails("a run inside a transaction", set.run(B::lend(conn)), ErrorKind::OpenTransaction)?;
        let plan = set.plan(B::lend(conn), Target::Latest)?;
        fails("a plan inside a transaction", set.apply(B::lend(conn), plan), ErrorKind::OpenTransaction)?;
        equal("`in_transaction` after the refusal", &B::in_transaction(conn)?, &true)?;
        Outcome::Ok(B::rollback(conn)?)
    })?;
    it.has(&["thing_z"])?;
    equal("the tracking table", &it.tracking()?, &before)?;
    equal("what is applied afterwards", &*ids(&it.run(&set)?.applied), &["1_a"])
}

fn a_policy_denies<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let strict = Policy::default().with(ProblemKind::Irreversible, Verdict::Deny);
    let set = || it.runner([it.makes("1_a", "thing_a"), it.script("2_b", &[it.bed.make("thing_b")])]);
    refused(it, &set()?.policy(strict), ProblemKind::Irreversible)?;
    it.has(&[])?;
    equal("the tracking table", &it.tracking()?, &TrackingTable::MISSING)?;
    equal("what the default applies", &*ids(&it.run(&set()?)?.applied), &["1_a", "2_b"])
}

fn others_do_not_run<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it
        .runner([
            it.makes("1_a", "thing_a").only_on([Dialect::Other("elsewhere")]),
            it.makes("2_b", "thing_b").environments(["tests"]),
            it.makes("3_c", "thing_c").environments(["production"]),
            it.makes("4_d", "thing_d").only_on([B::DIALECT, Dialect::Other("elsewhere")]),
        ])?
        .environment("tests");
    let report = it.run(&set)?;
    equal("what was applied", &*ids(&report.applied), &["2_b", "4_d"])?;
    let notes: Vec<ProblemKind> = report.notes.iter().map(|note| note.kind).collect();
    equal("what is noted", &notes, &[ProblemKind::OtherDatabase, ProblemKind::OtherEnvironment])?;
    it.has(&["thing_b", "thing_d"])?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())
}

fn everybody_agrees<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    it.run_to(&set, Target::Steps(2))?;
    let listed: Vec<&str> = set.list().iter().map(|meta| meta.id.as_str()).collect();
    equal("the list", &listed, &["1_a", "2_b", "3_c"])?;
    equal("what is pending", &it.with(|conn| set.pending(B::lend(conn)))?, &["3_c"])?;
    for (id, is_applied) in [("1_a", true), ("2_b", true), ("3_c", false)] {
        equal(
            &format!("is_applied of `{id}`"),
            &it.with(|conn| set.is_applied(B::lend(conn), id))?,
            &is_applied,
        )?;
    }
    let unknown = it.with(|conn| set.is_applied(B::lend(conn), "4_d"));
    fails("asking for a migration that nobody knows", unknown, ErrorKind::UnknownMigration)?;
    let history = it.history(&set)?;
    equal("the history", &history.records(), &&*it.tracking()?.records)?;
    let states: Vec<State> =
        it.with(|conn| set.status(B::lend(conn)))?.entries.into_iter().map(|entry| entry.state).collect();
    let recorded = |place: usize| State::Applied(history.records()[place].clone());
    equal("the status", &states, &[recorded(0), recorded(1), State::Pending])
}

fn a_plan_is_carried_out<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    let plan = || it.with(|conn| set.plan(B::lend(conn), Target::Latest));
    let (plan, stale) = (plan()?, plan()?);
    let steps: Vec<&str> = plan.steps().iter().map(|step| step.id.as_str()).collect();
    equal("the steps of the plan", &steps, &["1_a", "2_b"])?;
    equal("the tracking table after a plan", &it.tracking()?, &TrackingTable::MISSING)?;
    equal(
        "what the plan does",
        &*ids(&it.with(|conn| set.apply(B::lend(conn), plan))?.applied),
        &steps_of(&stale),
    )?;
    it.has(&["thing_a", "thing_b"])?;
    let again = it.with(|conn| set.apply(B::lend(conn), stale));
    fails("a plan for another state", again, ErrorKind::Stale)?;
    it.records(&["1_a", "2_b"]).map(drop)
}

fn steps_of(plan: &Plan) -> Vec<&str> {
    plan.steps().iter().map(|step| step.id.as_str()).collect()
}

fn a_thousand_are_applied<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let id = |number: usize| format!("{number:04}_it");
    let nothing = |number: usize| it.script(&id(number), &[it.bed.comment(&number.to_string())]);
    let set = it.runner((0..1_000).map(nothing))?;
    let set = if it.can().rollback { set.transaction(TransactionMode::Batch) } else { set };
    equal("the number of steps", &it.run(&set)?.applied.len(), &1_000)?;
    let recorded: Vec<String> = it.tracking()?.records.iter().map(|record| record.id.to_string()).collect();
    equal("the records", &recorded, &(0..1_000).map(id).collect::<Vec<_>>())?;
    let report = it.run(&set)?;
    equal("what was applied already", &(report.already, report.applied.len()), &(1_000, 0))
}
