//! Steps outside a transaction, and recoveries by a person.

use super::check::{Outcome, equal, fails, holds};
use super::forward::refused;
use super::ground::{Behaviour, Ground, committed, ids};
use super::testbed::Testbed;
use crate::backend::Backend;
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::error::ErrorKind;
use crate::history::Record;
use crate::log_entry::{LogEntry, LogEntryKind, Signature};
use crate::migration::Migration;
use crate::problem::ProblemKind;
use crate::recovery::Recovery;
use crate::runner::MigrationRunner;
use crate::status::State;
use crate::target::Target;

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("a step outside a transaction is clean when it is done", a_non_transactional_step_is_clean),
        ("a step outside a transaction is dirty where it stopped", a_non_transactional_step_is_dirty),
        ("a step that fails in its first statement is as the backend says", the_first_statement_fails),
        ("undoing outside a transaction is dirty where it stopped", a_non_transactional_way_back_is_dirty),
        ("a step goes on where it stopped, with the rest of its script corrected", a_step_goes_on),
        ("a step goes on from the statement that somebody names", a_step_goes_on_from_a_statement),
        ("a rollback goes on where it stopped", a_rollback_goes_on),
        ("a step is marked done, and its line says by whom", a_step_is_marked_done),
        ("a record is forgotten, and what it did stays", a_record_is_forgotten),
        ("migrations are assumed applied, and do not run", migrations_are_assumed),
        ("a database that was there before is baselined", a_database_is_baselined),
        ("a correction that makes no sense is refused", nonsense_is_refused),
        ("a record that was deleted by hand is noticed", a_deleted_record_is_noticed),
        ("a record that was added by hand is noticed", an_added_record_is_noticed),
    ]
}

/// A migration outside a transaction, with a down script.
fn non_transactional<B: Backend, T: Testbed<B>>(
    it: &Ground<'_, B, T>,
    id: &str,
    up: &[String],
    down: &[String],
) -> Migration<B> {
    let (up, down) = (it.bed.script(up), it.bed.script(down));
    Migration::from_scripts(id, up, Some(down)).outside_transaction()
}

fn a_non_transactional_step_is_clean<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let bed = it.bed;
    let up = [bed.make("thing_b"), bed.make("thing_c")];
    let down = [bed.unmake("thing_c"), bed.unmake("thing_b")];
    let set = it.runner([it.makes("1_a", "thing_a"), non_transactional(it, "2_b", &up, &down)])?;
    equal("what was applied", &*ids(&it.run(&set)?.applied), &["1_a", "2_b"])?;
    it.has(&["thing_a", "thing_b", "thing_c"])?;
    let record = it.records(&["1_a", "2_b"])?.records()[1].clone();
    equal("whether it is dirty", &record.dirty, &None)?;
    holds("its duration was measured", record.duration.is_some())?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())?;
    equal("what was undone", &*ids(&it.run_to(&set, Target::Back(1))?.applied), &["2_b"])?;
    it.has(&["thing_a"])?;
    it.records(&["1_a"])?;
    equal("the lines in the log", &it.history(&set)?.log().len(), &1)
}

/// Runs a set whose second migration stays dirty at its second statement.
fn stopped<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome<MigrationRunner<B>> {
    let bed = it.bed;
    let up = [bed.make("thing_b"), bed.fails(), bed.make("thing_c")];
    let down = [bed.unmake("thing_c"), bed.unmake("thing_b")];
    let set = it.runner([
        it.makes("1_a", "thing_a"),
        non_transactional(it, "2_b", &up, &down),
        it.makes("3_d", "thing_d"),
    ])?;
    let error = fails("the run", it.run(&set), ErrorKind::Step)?;
    equal("the report of the error", &*ids(&error.report().applied), &["1_a"])?;
    Ok(set)
}

fn a_non_transactional_step_is_dirty<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = stopped(it)?;
    it.has(&["thing_a", "thing_b"])?;
    it.records(&["1_a", "2_b"])?;
    let dirty = it.dirty("2_b")?;
    equal("what is dirty", &(dirty.direction, dirty.statement), &(Direction::Up, Some(2)))?;
    holds("what went wrong is recorded", dirty.failure.is_some_and(|failure| !failure.is_empty()))?;
    equal("is_applied", &it.with(|conn| set.is_applied(B::lend(conn), "2_b"))?, &false)?;
    let status = it.with(|conn| set.status(B::lend(conn)))?;
    holds("the status says so", matches!(status.entries[1].state, State::Dirty(_)))?;
    refused(it, &set, ProblemKind::Dirty)?;
    fails("a rollback over it", it.run_to(&set, Target::Empty), ErrorKind::Refused)?;
    it.has(&["thing_a", "thing_b"])
}

fn the_first_statement_fails<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([non_transactional(it, "1_a", &[it.bed.fails(), it.bed.make("thing_a")], &[])])?;
    fails("the run", it.run(&set), ErrorKind::Step)?;
    it.has(&[])?;
    if B::STATEMENTS_ARE_ATOMIC {
        it.records(&[])?;
        return fails("the next run", it.run(&set), ErrorKind::Step).map(drop);
    }
    equal("the statement that is recorded", &it.dirty("1_a")?.statement, &Some(1))?;
    refused(it, &set, ProblemKind::Dirty)
}

fn a_non_transactional_way_back_is_dirty<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let bed = it.bed;
    let down = [bed.unmake("thing_a"), bed.fails(), bed.unmake("thing_b")];
    let set =
        it.runner([non_transactional(it, "1_a", &[bed.make("thing_a"), bed.make("thing_b")], &down)])?;
    it.run(&set)?;
    let before = it.tracking()?.records.remove(0);
    fails("the rollback", it.run_to(&set, Target::Back(1)), ErrorKind::Step)?;
    it.has(&["thing_b"])?;
    let dirty = it.dirty("1_a")?;
    equal("what is dirty", &(dirty.direction, dirty.statement), &(Direction::Down, Some(2)))?;
    equal("the date of what is dirty", &it.tracking()?.records[0].run_on, &before.run_on)?;
    equal("the lines in the log", &it.history(&set)?.log().len(), &0)?;
    refused(it, &set, ProblemKind::Dirty)?;

    it.by_hand(&bed.unmake("thing_b"))?;
    let lines = it.recover(&set, Recovery::MarkDone("1_a".into()))?;
    equal("what the line in the log says", &kinds(&lines), &[("1_a", LogEntryKind::MarkedUndone)])?;
    it.records(&[]).map(drop)
}

/// The set of `stopped`, with another script for the second migration.
fn corrected<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>, up: &[&str]) -> Outcome<MigrationRunner<B>> {
    let up: Vec<String> = up.iter().map(|thing| it.bed.make(thing)).collect();
    let down = [it.bed.unmake("thing_c"), it.bed.unmake("thing_b")];
    it.runner([
        it.makes("1_a", "thing_a"),
        non_transactional(it, "2_b", &up, &down),
        it.makes("3_d", "thing_d"),
    ])
}

fn a_step_goes_on<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    stopped(it)?;
    let set = corrected(it, &["thing_b", "thing_x", "thing_c"])?;
    if !B::STATEMENTS_ARE_ATOMIC {
        let retry = it.recover(&set, Recovery::Retry("2_b".into()));
        return fails("going on behind what may be half done", retry, ErrorKind::Recovery).map(drop);
    }
    let lines = it.recover(&set, Recovery::Retry("2_b".into()))?;
    equal("what the line in the log says", &kinds(&lines), &[("2_b", LogEntryKind::Retried)])?;
    let again = it.recover(&set, Recovery::Retry("2_b".into()));
    fails("asking for it twice", again, ErrorKind::Recovery)?;
    equal("what is pending", &it.with(|conn| set.pending(B::lend(conn)))?, &["2_b", "3_d"])?;
    // The statements that are done must not have changed in the script. Not every backend can check this.
    let other = corrected(it, &["thing_y", "thing_x", "thing_c"])?;
    refused(it, &other, ProblemKind::Changed)?;
    if B::offset_of("", 1).is_none() {
        refused(it, &set, ProblemKind::Changed)?;
        it.recover(&set, Recovery::RetryFrom { migration: "2_b".into(), statement: 2 })?;
    }
    let plan = it.with(|conn| set.plan(B::lend(conn), Target::Latest))?;
    equal("where it goes on", &plan.steps()[0].from, &Some(2))?;
    // If its statement ran again, `thing_b` would exist again.
    it.by_hand(&it.bed.unmake("thing_b"))?;
    equal("what was applied", &*ids(&it.run(&set)?.applied), &["2_b", "3_d"])?;
    it.has(&["thing_a", "thing_c", "thing_d", "thing_x"])?;
    let history = it.records(&["1_a", "2_b", "3_d"])?;
    equal("whether it is dirty", &history.records()[1].dirty, &None)?;
    equal("its checksum", &history.records()[1].checksum, &set.list().get(1).and_then(|meta| meta.checksum))?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())
}

fn a_step_goes_on_from_a_statement<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    stopped(it)?;
    let from = |statement| Recovery::RetryFrom { migration: "2_b".into(), statement };
    // The second statement is run by hand, and the first one is changed.
    it.by_hand(&it.bed.make("thing_x"))?;
    let set = corrected(it, &["thing_y", "thing_x", "thing_c"])?;
    fails("a statement that there is not", it.recover(&set, from(0)), ErrorKind::Recovery)?;
    it.recover(&set, from(3))?;
    equal("what was applied", &*ids(&it.run(&set)?.applied), &["2_b", "3_d"])?;
    it.has(&["thing_a", "thing_b", "thing_c", "thing_d", "thing_x"])?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())
}

fn a_rollback_goes_on<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let bed = it.bed;
    let up = [bed.make("thing_a"), bed.make("thing_b")];
    let set = |middle: String| {
        it.runner([non_transactional(
            it,
            "1_a",
            &up,
            &[bed.unmake("thing_a"), middle, bed.unmake("thing_b")],
        )])
    };
    let broken = set(bed.fails())?;
    it.run(&broken)?;
    fails("the rollback", it.run_to(&broken, Target::Back(1)), ErrorKind::Step)?;
    it.has(&["thing_b"])?;
    let whole = set(bed.make("thing_x"))?;
    if B::STATEMENTS_ARE_ATOMIC {
        it.recover(&whole, Recovery::Retry("1_a".into()))?;
    }
    if !B::STATEMENTS_ARE_ATOMIC || B::offset_of("", 1).is_none() {
        it.recover(&whole, Recovery::RetryFrom { migration: "1_a".into(), statement: 2 })?;
    }
    refused(it, &whole, ProblemKind::Dirty)?;
    equal("what was undone", &*ids(&it.run_to(&whole, Target::Back(1))?.applied), &["1_a"])?;
    it.has(&["thing_x"])?;
    it.records(&[]).map(drop)
}

fn kinds(lines: &[LogEntry]) -> Vec<(&str, LogEntryKind)> {
    lines.iter().map(|log_entry| (log_entry.id.as_str(), log_entry.kind.clone())).collect()
}

fn a_step_is_marked_done<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = stopped(it)?.program("notes 1.2");
    it.by_hand(&it.bed.make("thing_c"))?;
    let before = it.tracking()?.records.remove(1);
    let lines = it.recover(&set, Recovery::MarkDone("2_b".into()))?;
    equal("what the line in the log says", &kinds(&lines), &[("2_b", LogEntryKind::MarkedDone)])?;
    equal("the log", &it.history(&set)?.log(), &&*lines)?;
    let log_entry = &lines[0];
    equal("who asked", &log_entry.who.as_deref(), &Some("ada"))?;
    equal("why", &log_entry.why.as_deref(), &Some("it's \"so\", 100 %"))?;
    equal("with what", &log_entry.program.as_deref(), &Some("notes 1.2"))?;
    let expected = Record { dirty: None, ..before };
    equal("the record", &it.tracking()?.records[1], &expected)?;
    equal("what is left to apply", &*ids(&it.run(&set)?.applied), &["3_d"])?;
    it.has(&["thing_a", "thing_b", "thing_c", "thing_d"])
}

fn a_record_is_forgotten<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = stopped(it)?;
    let lines = it.recover(&set, Recovery::Forget("2_b".into()))?;
    equal("what the line in the log says", &kinds(&lines), &[("2_b", LogEntryKind::Forgotten)])?;
    it.records(&["1_a"])?;
    it.has(&["thing_a", "thing_b"])?;
    // A clean record is removed too, even that of a migration that the program does not have.
    let other = it.runner([it.makes("9_other", "thing_e")])?;
    it.recover(&other, Recovery::Forget("1_a".into()))?;
    it.records(&[])?;
    equal("what is applied then", &*ids(&it.run(&other)?.applied), &["9_other"])?;
    equal("the lines in the log", &it.history(&set)?.log().len(), &2)
}

fn migrations_are_assumed<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let names =
        [("1_a", "thing_a"), ("2_b", "thing_b"), ("3_c", "thing_c"), ("4_d", "thing_d"), ("5_e", "thing_e")];
    let set = it.runner(names.map(|(id, thing)| it.makes(id, thing)))?;
    let assumed = LogEntryKind::AssumedApplied;
    let lines = it.recover(&set, Recovery::AssumeApplied("2_b".into()))?;
    equal("the line in the log", &kinds(&lines), &[("2_b", assumed.clone())])?;
    let range = Recovery::AssumeRangeApplied { from: "2_b".into(), through: "4_d".into() };
    let lines = it.recover(&set, range)?;
    equal("the lines in the log", &kinds(&lines), &[("3_c", assumed.clone()), ("4_d", assumed.clone())])?;
    equal("what is applied", &*ids(&it.run_to(&set, Target::Through("4_d".into()))?.applied), &["1_a"])?;
    let lines = it.recover(&set, Recovery::AssumeAllApplied)?;
    equal("the line in the log", &kinds(&lines), &[("5_e", assumed)])?;
    it.has(&["thing_a"])?;
    let history = it.records(&["2_b", "3_c", "4_d", "1_a", "5_e"])?;
    let record = &history.records()[0];
    equal(
        "the checksum of what is assumed",
        &Some(record.checksum),
        &set.list().get(1).map(|meta| meta.checksum),
    )?;
    equal("the script of what is assumed", &record.up_sql, &Some(it.bed.make("thing_b")))?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())
}

fn a_database_is_baselined<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.by_hand(&it.bed.make("thing_a"))?;
    it.by_hand(&it.bed.make("thing_b"))?;
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    let lines = it.recover(&set, Recovery::Baseline("2_b".into()))?;
    let baselined = LogEntryKind::Baselined;
    equal("the lines in the log", &kinds(&lines), &[("1_a", baselined.clone()), ("2_b", baselined)])?;
    equal("what is left to apply", &*ids(&it.run(&set)?.applied), &["3_c"])?;
    it.has(&["thing_a", "thing_b", "thing_c"])?;
    it.records(&["1_a", "2_b", "3_c"])?;
    let again = it.recover(&set, Recovery::Baseline("3_c".into()));
    fails("a second baseline", again, ErrorKind::Recovery).map(drop)
}

fn nonsense_is_refused<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b").depends_on("1_a")])?;
    let nonsense = |recovery: Recovery, kind| {
        let before = it.tracking()?;
        fails(&format!("{recovery:?}"), it.recover(&set, recovery), kind)?;
        equal("the tracking table", &it.tracking()?, &before)?;
        equal("the lines in the log", &it.history(&set)?.log().len(), &0)
    };
    nonsense(Recovery::Forget("1_a".into()), ErrorKind::Recovery)?;
    nonsense(Recovery::AssumeApplied("2_b".into()), ErrorKind::Recovery)?;
    it.run_to(&set, Target::Steps(1))?;
    nonsense(Recovery::MarkDone("1_a".into()), ErrorKind::Recovery)?;
    nonsense(Recovery::Accept("1_a".into()), ErrorKind::Recovery)?;
    nonsense(Recovery::AssumeApplied("1_a".into()), ErrorKind::Recovery)?;
    nonsense(Recovery::Forget("3_c".into()), ErrorKind::UnknownMigration)?;
    it.with(|conn| {
        B::begin(conn)?;
        let recovery = Recovery::Forget("1_a".into());
        let outcome = set.recover(B::lend(conn), recovery, Signature::of("ada"));
        fails("a correction inside a transaction", outcome, ErrorKind::OpenTransaction)?;
        equal("`in_transaction` after the refusal", &B::in_transaction(conn)?, &true)?;
        Outcome::Ok(B::rollback(conn)?)
    })
}

fn a_deleted_record_is_noticed<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    for id in ["1_a", "2_b"] {
        it.run(&set)?;
        it.with(|conn| committed::<B, _>(conn, |conn| B::delete(conn, &table, &id.into())))?;
        equal("what is pending", &it.with(|conn| set.pending(B::lend(conn)))?, &[id])?;
        it.by_hand(&it.bed.unmake(if id == "1_a" { "thing_a" } else { "thing_b" }))?;
        equal("what is applied again", &*ids(&it.run(&set)?.applied), &[id])?;
        it.tracking()?;
    }
    it.has(&["thing_a", "thing_b"])
}

fn an_added_record_is_noticed<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let add = |id: &str| {
        let record = Record::new(id, None);
        it.with(|conn| committed::<B, _>(conn, |conn| B::insert(conn, &table, &record)))
    };
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    it.run_to(&set, Target::Steps(1))?;
    // A record without a checksum, as written by a program that records names only.
    add("2_b")?;
    equal("what is applied", &*ids(&it.run(&set)?.applied), &["3_c"])?;
    it.has(&["thing_a", "thing_c"])?;
    let history = it.records(&["1_a", "2_b", "3_c"])?;
    holds("the checksum that was missing is filled in", history.records()[1].checksum.is_some())?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())?;

    // One record is deleted and another is inserted, so the number stays the same.
    it.with(|conn| committed::<B, _>(conn, |conn| B::delete(conn, &table, &"3_c".into())))?;
    add("4_d")?;
    let error = fails("the run after that", it.run(&set), ErrorKind::Refused)?;
    holds("the database is ahead", error.is_database_ahead())
}
