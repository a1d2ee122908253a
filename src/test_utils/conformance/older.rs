//! Databases that existed before their migrations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::check::{Outcome, Unmet, equal, fails, holds};
use super::ground::{Behaviour, Ground, ids};
use super::testbed::Testbed;
use crate::backend::Backend;
use crate::dialect::TableName;
use crate::error::ErrorKind;
use crate::fault::BoxError;
use crate::id::MigrationId;
use crate::log_entry::LogEntryKind;
use crate::report::{Baselined, Report};
use crate::runner::MigrationRunner;
use crate::target::Target;

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("a database that is recognised is recorded at the migration", recognised),
        ("a database that is not recognised gets everything", not_recognised),
        ("a function that fails records nothing", a_failing_function),
        ("of runs that start at once, one records the database", one_records),
    ]
}

/// A runner whose first migration is in a database that the function recognises.
fn set<B: Backend, T: Testbed<B>>(
    it: &Ground<'_, B, T>,
    recognise: impl Fn() -> Result<bool, BoxError> + Send + Sync + 'static,
) -> Outcome<MigrationRunner<B>> {
    let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?;
    Ok(set.baseline_if(
        move |mut conn| {
            // It can query the database.
            B::read(&mut conn, &TableName::default()).map_err(|fault| fault.to_string())?;
            recognise()
        },
        "1_a",
    ))
}

fn here() -> Baselined {
    Baselined::Here(vec![MigrationId::from("1_a")])
}

fn recognised<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.by_hand(&it.bed.make("thing_a"))?;
    let set = set(it, || Ok(true))?;
    let plan = it.with(|conn| set.plan(B::lend(conn), Target::Latest))?;
    equal("the baseline of the plan", &plan.baseline(), &Some(&MigrationId::from("1_a")))?;
    it.records(&[])?;
    let report = it.run(&set)?;
    equal("what was recorded", &report.baseline, &Some(here()))?;
    equal("what was applied", &*ids(&report.applied), &["2_b"])?;
    it.has(&["thing_a", "thing_b"])?;
    it.records(&["1_a", "2_b"])?;
    let history = it.history(&set)?;
    let log: Vec<_> = history.log().iter().map(|entry| (entry.kind.clone(), entry.id.as_str())).collect();
    equal("the log", &*log, &[(LogEntryKind::Baselined, "1_a")])?;
    let report = it.run(&set)?;
    equal("the second run", &(report.applied.len(), report.already, report.baseline), &(0, 2, None))
}

fn not_recognised<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.by_hand(&it.bed.make("thing_other"))?;
    let report = it.run(&set(it, || Ok(false))?)?;
    equal("what was recorded", &report.baseline, &None)?;
    equal("what was applied", &*ids(&report.applied), &["1_a", "2_b"])?;
    it.records(&["1_a", "2_b"]).map(drop)
}

fn a_failing_function<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.by_hand(&it.bed.make("thing_a"))?;
    let calls = AtomicUsize::new(0);
    // The second call is in the transaction that writes the records.
    let second = move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(true),
        _ => Err(BoxError::from("not today")),
    };
    for set in [set(it, || Err("not today".into()))?, set(it, second)?] {
        let error = fails("a run whose function fails", it.run(&set), ErrorKind::Hook)?;
        holds(&format!("the error says why: {error}"), error.to_string().contains("not today"))?;
        it.records(&[])?;
        it.has(&["thing_a"])?;
    }
    equal("what is recorded then", &it.run(&set(it, || Ok(true))?)?.baseline, &Some(here()))
}

fn one_records<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    it.by_hand(&it.bed.make("thing_a"))?;
    let start = || it.run(&set(it, || Ok(true))?).map_err(Unmet::from);
    let reports: Vec<Outcome<Report>> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        let joined = starts.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|outcome| outcome.unwrap_or_else(|_| Err(Unmet::new("a run panicked")))).collect()
    });
    let reports = reports.into_iter().collect::<Outcome<Vec<Report>>>()?;
    let count = reports.iter().filter(|report| report.baseline == Some(here())).count();
    equal("how many runs recorded the database", &count, &1)?;
    it.has(&["thing_a", "thing_b"])?;
    it.records(&["1_a", "2_b"]).map(drop)
}
