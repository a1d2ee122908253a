//! What is stored for a migration: its script, its checksum and its date; and texts with special characters.

use std::thread;
use std::time::{Duration, Instant};

use super::check::{Outcome, equal, fails, holds, recent};
use super::forward::refused;
use super::ground::{Behaviour, Ground, ids};
use super::testbed::Testbed;
use crate::backend::Backend;
use crate::checksum::Checksum;
use crate::error::ErrorKind;
use crate::log_entry::LogEntryKind;
use crate::migration::Migration;
use crate::problem::ProblemKind;
use crate::recovery::Recovery;
use crate::runner::MigrationRunner;
use crate::status::State;
use crate::step::ForeignKeys;
use crate::stored::StoredDown;
use crate::target::Target;

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("an empty script is a migration", an_empty_script_is_a_migration),
        ("a script is run and kept to the last character", scripts_are_kept),
        ("a long script is run and not kept, but its way back is", long_scripts_are_not_kept),
        ("a NUL in a script is refused", a_nul_is_refused),
        ("migrations of any name are told apart", ids_are_told_apart),
        ("a changed script is refused until it is accepted", a_changed_script_is_refused),
        ("dates are UTC with milliseconds, and follow each other", dates_follow_each_other),
        ("a duration is that of the script", durations_are_measured),
    ]
}

fn an_empty_script_is_a_migration<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let comments = format!("{}\n\n{}", it.bed.comment("nothing"), it.bed.comment("at all"));
    let empty = |id: &str, text: &str| Migration::from_scripts(id, text.to_owned(), Some(text.to_owned()));
    let set = it.runner([empty("1_a", ""), empty("2_b", "\n \r\n"), empty("3_c", &comments)])?;
    equal("what was applied", &*ids(&it.run(&set)?.applied), &["1_a", "2_b", "3_c"])?;
    let history = it.records(&["1_a", "2_b", "3_c"])?;
    equal("the script that is kept", &history.records()[0].up_sql.as_deref(), &Some(""))?;
    equal("what is undone", &it.run_to(&set, Target::Empty)?.applied.len(), &3)
}

fn scripts_are_kept<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let things =
        ["thing \"quoted\"", "thing 100 % \\n $1 ?1 :x", "thing it's", "thing; --", "thing_ünïcødé 表"];
    let made = it.bed.script(&things.map(|thing| it.bed.make(thing)));
    let up = format!("{}\r\n{made}\n\t ", it.bed.comment("it's \"odd\", 100 % \\ ü 🦀"));
    let down = it.bed.script(&things.map(|thing| it.bed.unmake(thing)));
    let migration = Migration::from_scripts("1_a", format!("\u{feff}{up}"), Some(down.clone()));
    let set = it.runner([migration.foreign_keys(ForeignKeys::Unchecked)])?;
    it.run(&set)?;
    it.has(&things)?;
    let record = it.tracking()?.records.remove(0);
    equal("the checksum", &record.checksum, &Some(Checksum::of(&up)))?;
    equal("the script that is kept", &record.up_sql.as_deref(), &Some(&*up))?;
    let Some(StoredDown::Script(stored)) = &record.down else {
        return holds("the way back is kept", false);
    };
    equal("the way back that is kept", &stored.text, &down)?;
    holds("how the way back runs is kept", stored.options.contains("foreign_keys=off"))?;
    holds("the way back that is kept is intact", stored.is_intact(&record.id))?;
    it.run_to(&set, Target::Empty)?;
    it.has(&[])
}

fn long_scripts_are_not_kept<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let long = |text: String, length: usize| format!("{text}{}", "\n".repeat(length - text.len()));
    let sized = |id: &str, thing: &str, length: usize| {
        let down = long(it.bed.unmake(thing), 100_000);
        Migration::from_scripts(id, long(it.bed.make(thing), length), Some(down))
    };
    let set = it.runner([sized("1_a", "thing_a", 65_536), sized("2_b", "thing_b", 65_537)])?;
    it.run(&set)?;
    it.has(&["thing_a", "thing_b"])?;
    let records = it.tracking()?.records;
    let kept: Vec<Option<usize>> =
        records.iter().map(|record| record.up_sql.as_ref().map(String::len)).collect();
    equal("the length of the scripts that are kept", &kept, &[Some(65_536), None])?;
    for record in &records {
        let length = match &record.down {
            Some(StoredDown::Script(script)) if script.is_intact(&record.id) => script.text.len(),
            _ => 0,
        };
        equal("the length of the way back that is kept", &length, &100_000)?;
    }
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())
}

fn a_nul_is_refused<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    for (up, down) in
        [(format!("{}\0", it.bed.make("thing_a")), None), (String::new(), Some("\0".to_owned()))]
    {
        let set = [Migration::<B>::from_scripts("1_a", up, down)];
        fails("a set with a NUL in a script", MigrationRunner::for_backend(set), ErrorKind::Source)?;
    }
    Ok(())
}

fn ids_are_told_apart<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let long = format!("2_{}", "x".repeat(253));
    let longer = format!("2_{}y", "x".repeat(252));
    let odd = [
        "1_it's \"odd\"",
        "3_100 % \\n $1 ?1 :x `b` [c]",
        "4_; DROP --",
        "5_ünïcødé 表 🦀",
        "6_a",
        "6_A",
        "6_ä",
        "6_a ",
    ];
    let all: Vec<&str> = odd.into_iter().chain([&*long, &*longer]).collect();
    let set = it.runner(all.iter().map(|id| Migration::from_scripts(*id, "", Some(String::new()))))?;
    let mut sorted: Vec<String> = set.list().iter().map(|meta| meta.id.to_string()).collect();
    let report = it.run(&set)?;
    equal("what was applied", &*ids(&report.applied), &*sorted)?;
    let recorded: Vec<String> = it.tracking()?.records.iter().map(|record| record.id.to_string()).collect();
    equal("the records", &recorded, &sorted)?;
    holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())?;
    for id in &all {
        equal(&format!("is_applied of `{id}`"), &it.with(|conn| set.is_applied(B::lend(conn), *id))?, &true)?;
    }
    it.run_to(&set, Target::Empty)?;
    let lines = it.history(&set)?;
    let logged: Vec<String> = lines.log().iter().map(|log_entry| log_entry.id.to_string()).collect();
    sorted.reverse();
    equal("the lines of the log", &logged, &sorted)
}

fn a_changed_script_is_refused<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let text = format!("{}\n\n", it.bed.make("thing_a"));
    let set = |text: String| it.runner([Migration::from_scripts("1_a", text, None)]);
    it.run(&set(text.clone())?)?;
    let same = set(text.replace('\n', "\r\n"))?;
    holds("other line ends are no change", it.run(&same)?.is_up_to_date())?;

    let changed = set(it.bed.make("thing_b"))?.program("notes 1.2");
    refused(it, &changed, ProblemKind::Changed)?;
    let status = it.with(|conn| changed.status(B::lend(conn)))?;
    holds("the status says so", matches!(status.entries[0].state, State::Changed(_)))?;
    it.has(&["thing_a"])?;

    let before = it.tracking()?.records.remove(0);
    it.recover(&changed, Recovery::Accept("1_a".into()))?;
    let after = it.tracking()?.records.remove(0);
    equal("the checksum after accepting", &after.checksum, &Some(Checksum::of(&it.bed.make("thing_b"))))?;
    equal("the script after accepting", &after.up_sql, &Some(it.bed.make("thing_b")))?;
    equal("the date after accepting", &after.run_on, &before.run_on)?;
    holds("it is up to date now", it.run(&changed)?.is_up_to_date())?;
    it.has(&["thing_a"])?;
    let history = it.history(&changed)?;
    let log_entry = &history.log()[0];
    equal(
        "the line in the log",
        &(&log_entry.kind, log_entry.checksum),
        &(&LogEntryKind::Accepted, before.checksum),
    )?;
    equal("who accepted", &log_entry.who.as_deref(), &Some("ada"))?;
    equal("why", &log_entry.why.as_deref(), &Some("it's \"so\", 100 %"))?;
    equal("with what", &log_entry.program.as_deref(), &Some("notes 1.2"))?;
    equal("the date of application in the log", &log_entry.applied_on, &Some(before.run_on))
}

fn dates_follow_each_other<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")])?;
    it.run_to(&set, Target::Steps(1))?;
    thread::sleep(Duration::from_millis(20));
    it.run(&set)?;
    let dates: Vec<String> = it.tracking()?.records.into_iter().map(|record| record.run_on).collect();
    for date in &dates {
        recent("the date of a record", date)?;
    }
    let later = format!("{dates:?} follow each other");
    holds(&later, dates[0] < dates[1] && dates[1] <= dates[2])?;
    thread::sleep(Duration::from_millis(20));
    it.run_to(&set, Target::Back(1))?;
    let history = it.history(&set)?;
    let log_entry = &history.log()[0];
    recent("the date of a line in the log", &log_entry.logged_on)?;
    holds(&format!("{} is later than {}", log_entry.logged_on, dates[2]), log_entry.logged_on > dates[2])?;
    equal("the date of application in the log", &log_entry.applied_on.as_ref(), &Some(&dates[2]))?;
    let kept: Vec<String> = it.tracking()?.records.into_iter().map(|record| record.run_on).collect();
    equal("the dates of those that stay", &*kept, &dates[..2])
}

fn durations_are_measured<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let sleeps = it.code("2_b", None, || {
        thread::sleep(Duration::from_millis(30));
        Ok(())
    });
    let set = it.runner([it.makes("1_a", "thing_a"), sleeps])?;
    let began = Instant::now();
    let report = it.run(&set)?;
    let elapsed = began.elapsed();
    for (record, step) in it.tracking()?.records.iter().zip(&report.applied) {
        let measured = step.duration;
        let kept = record.duration.map(|duration| duration.as_millis());
        equal(&format!("the milliseconds of `{}`", record.id), &kept, &Some(measured.as_millis()))?;
        holds(&format!("{measured:?} is not longer than the run, {elapsed:?}"), measured <= elapsed)?;
    }
    let slow = report.applied[1].duration;
    holds(&format!("{slow:?} is as long as the code slept"), slow >= Duration::from_millis(30))
}
