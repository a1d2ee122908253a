//! Undoing migrations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check::{Outcome, equal, fails, holds};
use super::forward::refused;
use super::ground::{Behaviour, Ground, committed, ids, perform};
use super::testbed::Testbed;
use crate::backend::Backend;
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::error::{ErrorKind, MigrationError};
use crate::history::Record;
use crate::log_entry::LogEntryKind;
use crate::migration::Migration;
use crate::plan::TransactionMode;
use crate::problem::ProblemKind;
use crate::report::Report;
use crate::script_options::ScriptOptions;
use crate::stored::{StoredDown, StoredScript};
use crate::target::Target;

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("what is undone is gone, newest first, with a line in the log", what_is_undone_is_gone),
        ("a rollback to a migration leaves it", a_rollback_to_a_migration),
        ("without a way back nothing is undone", without_a_down_script),
        ("a way back that fails leaves what it must", a_failing_down_script),
        ("what is undone together comes back together", a_batch_comes_back),
        ("code can be undone", code_can_be_undone),
        ("a redo undoes and applies", a_redo_undoes_and_applies),
        ("a redo that fails leaves what it must", a_failing_redo),
        ("a protected environment asks before going back", a_protected_environment_asks),
        ("a database that is ahead is refused", a_database_ahead_is_refused),
        ("an older program goes back by what is stored", an_older_program_goes_back),
        ("a stored way back that cannot be trusted is not run", what_cannot_be_trusted_is_not_run),
    ]
}

fn what_is_undone_is_gone<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    let set = set.program("notes 1.2");
    it.run(&set)?;
    equal("the lines in the log after applying", &it.history(&set)?.log().len(), &0)?;
    let checksums: Vec<_> = it.tracking()?.records.into_iter().map(|record| record.checksum).collect();
    let report = it.with(|conn| set.rollback(B::lend(conn), 2))?;
    equal("what was undone", &*ids(&report.applied), &["3_c", "2_b"])?;
    holds("it was done downwards", report.applied.iter().all(|step| step.direction == Direction::Down))?;
    it.has(&["thing_a"])?;
    it.records(&["1_a"])?;
    let history = it.history(&set)?;
    let lines: Vec<_> = history
        .log()
        .iter()
        .map(|log_entry| {
            (log_entry.id.as_str(), log_entry.kind.clone(), log_entry.checksum, log_entry.program.as_deref())
        })
        .collect();
    let line = |id, place: usize| (id, LogEntryKind::RolledBack, checksums[place], Some("notes 1.2"));
    equal("the lines in the log", &lines, &[line("3_c", 2), line("2_b", 1)])?;
    equal("what is applied again", &*ids(&it.run(&set)?.applied), &["2_b", "3_c"])?;
    it.has(&["thing_a", "thing_b", "thing_c"])?;
    equal("what `Back` undoes of fewer", &it.run_to(&set, Target::Back(9))?.applied.len(), &3)?;
    it.has(&[])?;
    it.records(&[])?;
    equal("the lines in the log", &it.history(&set)?.log().len(), &5)
}

fn a_rollback_to_a_migration<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    it.run(&set)?;
    let report = it.with(|conn| set.rollback_to(B::lend(conn), "1_a"))?;
    equal("what was undone", &*ids(&report.applied), &["3_c", "2_b"])?;
    it.records(&["1_a"])?;
    let report = it.with(|conn| set.rollback_to(B::lend(conn), "2_b"))?;
    equal("what is undone after a migration that is not applied", &*ids(&report.applied), &ids(&[]))?;
    it.has(&["thing_a"])
}

fn without_a_down_script<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([
        it.makes("1_a", "thing_a"),
        it.script("2_b", &[it.bed.make("thing_b")]),
        it.makes("3_c", "thing_c"),
    ])?;
    it.run(&set)?;
    let before = it.tracking()?;
    let error = fails("a rollback without a way back", it.run_to(&set, Target::Empty), ErrorKind::Refused)?;
    equal("what is wrong", &error.problems()[0].kind, &ProblemKind::Irreversible)?;
    equal("the tracking table", &it.tracking()?, &before)?;
    equal("the lines in the log", &it.history(&set)?.log().len(), &0)?;
    it.has(&["thing_a", "thing_b", "thing_c"])
}

/// A migration that creates a thing, and whose down script removes it and then fails.
fn fails_after_undo<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>, id: &str, thing: &str) -> Migration<B> {
    let down = it.bed.script(&[it.bed.unmake(thing), it.bed.fails()]);
    Migration::from_scripts(id, it.bed.make(thing), Some(down))
}

fn a_failing_down_script<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([fails_after_undo(it, "1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    it.run(&set)?;
    let before = it.tracking()?.records.remove(0);
    let error = fails("the rollback", it.run_to(&set, Target::Empty), ErrorKind::Step)?;
    equal("the report of the error", &*ids(&error.report().applied), &["2_b"])?;
    let after = it.records(&["1_a"])?.records()[0].clone();
    equal("the lines in the log", &it.history(&set)?.log().len(), &1)?;
    if it.can().rollback {
        equal("the record of what was not undone", &after, &before)?;
        return it.has(&["thing_a"]);
    }
    let dirty = it.dirty("1_a")?;
    equal("what is dirty", &(dirty.direction, dirty.statement), &(Direction::Down, Some(2)))?;
    equal("the date of what is dirty", &after.run_on, &before.run_on)?;
    it.has(&[])
}

fn a_batch_comes_back<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([fails_after_undo(it, "1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    it.run(&set)?;
    let before = it.tracking()?;
    let batch = set.transaction(TransactionMode::Batch);
    let kind = if it.can().rollback { ErrorKind::Step } else { ErrorKind::Refused };
    fails("the rollback", it.run_to(&batch, Target::Empty), kind)?;
    equal("the tracking table", &it.tracking()?, &before)?;
    equal("the lines in the log", &it.history(&batch)?.log().len(), &0)?;
    it.has(&["thing_a", "thing_b"])
}

fn code_can_be_undone<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let unmake = it.bed.unmake("thing_a");
    let code = it.code("1_a", Some("thing_a"), || Ok(())).undo(move |mut conn: B::Conn<'_>| {
        perform::<B>(&mut conn, &unmake).map_err(|fault| fault.to_string())
    });
    let set = it.runner([code])?;
    it.run(&set)?;
    it.has(&["thing_a"])?;
    equal("the way back that is kept", &it.tracking()?.records[0].down, &Some(StoredDown::Code))?;
    equal("what was undone", &*ids(&it.run_to(&set, Target::Back(1))?.applied), &["1_a"])?;
    it.has(&[])?;
    it.records(&[]).map(drop)
}

fn a_redo_undoes_and_applies<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    it.run(&set)?;
    it.by_hand(&it.bed.make("thing_c"))?;
    let report = it.with(|conn| set.redo(B::lend(conn)))?;
    equal("what was redone", &*ids(&report.applied), &["2_b", "2_b"])?;
    let ways: Vec<Direction> = report.applied.iter().map(|step| step.direction).collect();
    equal("the ways", &ways, &[Direction::Down, Direction::Up])?;
    it.has(&["thing_a", "thing_b", "thing_c"])?;
    it.records(&["1_a", "2_b"])?;
    equal("the lines in the log", &it.history(&set)?.log().len(), &1)
}

fn a_failing_redo<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let fails_now = Arc::new(AtomicBool::new(false));
    let (is_failing, unmake) = (Arc::clone(&fails_now), it.bed.unmake("thing_a"));
    let code = it.code("1_a", Some("thing_a"), move || {
        if is_failing.load(Ordering::Relaxed) { Err("not again".into()) } else { Ok(()) }
    });
    let code = code.undo(move |mut conn: B::Conn<'_>| {
        perform::<B>(&mut conn, &unmake).map_err(|fault| fault.to_string())
    });
    let set = it.runner([code])?;
    it.run(&set)?;
    let before = it.tracking()?;
    fails_now.store(true, Ordering::Relaxed);
    fails("the redo", it.with(|conn| set.redo(B::lend(conn))), ErrorKind::Step)?;
    if it.can().rollback {
        equal("the tracking table after a redo that failed", &it.tracking()?, &before)?;
        equal("the lines in the log", &it.history(&set)?.log().len(), &0)?;
    } else {
        equal("what is dirty", &it.dirty("1_a")?.direction, &Direction::Up)?;
        equal("the lines in the log", &it.history(&set)?.log().len(), &1)?;
    }
    it.has(&["thing_a"])
}

fn a_protected_environment_asks<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = || Outcome::Ok(it.runner([it.makes("1_a", "thing_a")])?.environment("production"));
    it.run(&it.runner([it.makes("1_a", "thing_a")])?)?;
    let error = fails(
        "a rollback that nobody was asked about",
        it.run_to(&set()?, Target::Back(1)),
        ErrorKind::Refused,
    )?;
    equal("what is wrong", &error.problems()[0].kind, &ProblemKind::Unconfirmed)?;
    let no = set()?.confirm(|_| false);
    fails("a rollback that was declined", it.run_to(&no, Target::Back(1)), ErrorKind::Refused)?;
    it.has(&["thing_a"])?;
    it.records(&["1_a"])?;
    let yes = set()?.confirm(|plan| plan.steps().len() == 1);
    equal("what was undone with a yes", &*ids(&it.run_to(&yes, Target::Back(1))?.applied), &["1_a"])?;
    it.has(&[])
}

fn a_database_ahead_is_refused<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.run(&it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?)?;
    let older = it.runner([it.makes("1_a", "thing_a"), it.makes("3_c", "thing_c")])?;
    refused(it, &older, ProblemKind::DatabaseAhead)?;
    holds("the error says so", it.run(&older).is_err_and(|error| error.is_database_ahead()))?;
    fails("a rollback of what is not known", it.run_to(&older, Target::Back(1)), ErrorKind::Refused)?;
    it.has(&["thing_a", "thing_b"])
}

fn an_older_program_goes_back<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.run(&it.runner([
        it.makes("1_a", "thing_a"),
        it.makes("2_b", "thing_b"),
        it.makes("3_c", "thing_c"),
    ])?)?;
    let older = it.runner([it.makes("1_a", "thing_a")])?.program("notes 1.0");
    let back = it.with(|conn| older.downgrade(B::lend(conn)));
    if !it.can().forecast {
        untrusted(back)?;
        it.records(&["1_a", "2_b", "3_c"])?;
        return it.has(&["thing_a", "thing_b", "thing_c"]);
    }
    equal("what was undone", &*ids(&back?.applied), &["3_c", "2_b"])?;
    it.has(&["thing_a"])?;
    it.records(&["1_a"])?;
    let history = it.history(&older)?;
    let kinds: Vec<_> =
        history.log().iter().map(|log_entry| (log_entry.id.as_str(), &log_entry.kind)).collect();
    let downgraded = &LogEntryKind::Downgraded;
    equal("the lines in the log", &kinds, &[("3_c", downgraded), ("2_b", downgraded)])?;
    equal("the program in the log", &history.log()[0].program.as_deref(), &Some("notes 1.0"))?;
    holds("the older program is up to date now", it.run(&older)?.is_up_to_date())
}

#[track_caller]
fn untrusted(back: Result<Report, MigrationError>) -> Outcome {
    let error = fails("going back by what is stored", back, ErrorKind::Refused)?;
    let kinds: Vec<ProblemKind> = error.problems().iter().map(|problem| problem.kind).collect();
    holds(
        &format!("it is refused as untrusted, and not as {kinds:?}"),
        kinds.contains(&ProblemKind::Untrusted),
    )
}

fn what_cannot_be_trusted_is_not_run<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let known = || it.makes("1_a", "thing_a");
    it.run(&it.runner([known(), it.makes("2_b", "thing_b")])?)?;
    let whole = it.tracking()?.records.remove(1);
    let older = it.runner([known()])?;
    let stored = |text: String| StoredScript::new(&whole.id, &text, ScriptOptions::default());
    let mut odd = vec![StoredScript { checksum: None, ..stored(it.bed.unmake("thing_b")) }];
    odd.push(StoredScript { text: it.bed.unmake("thing_a"), ..stored(it.bed.unmake("thing_b")) });
    // Scripts that undo the migration, and then do something that is not allowed.
    let tampers = it.bed.tampers(&table).into_iter().chain(it.bed.commits());
    odd.extend(tampers.map(|statement| stored(it.bed.script(&[it.bed.unmake("thing_b"), statement]))));
    odd.push(stored(it.bed.script(&[it.bed.unmake("thing_b"), it.bed.fails()])));
    for script in odd {
        let damaged = Record { down: Some(StoredDown::Script(script)), ..whole.clone() };
        it.with(|conn| committed::<B, _>(conn, |conn| B::update(conn, &table, &damaged)))?;
        untrusted(it.with(|conn| older.downgrade(B::lend(conn))))?;
        it.records(&["1_a", "2_b"])?;
        it.has(&["thing_a", "thing_b"])?;
    }
    for down in [None, Some(StoredDown::Code)] {
        let lost = Record { down, ..whole.clone() };
        it.with(|conn| committed::<B, _>(conn, |conn| B::update(conn, &table, &lost)))?;
        let error = fails(
            "a downgrade without a script",
            it.with(|conn| older.downgrade(B::lend(conn))),
            ErrorKind::Refused,
        )?;
        equal("what is wrong", &error.problems()[0].kind, &ProblemKind::Irreversible)?;
    }
    it.has(&["thing_a", "thing_b"])
}
