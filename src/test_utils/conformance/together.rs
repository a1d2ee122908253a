//! Hooks and observers, and several concurrent runs.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::check::{Outcome, Unmet, equal, fails, holds};
use super::ground::{Behaviour, Ground, PATIENCE, ids, perform};
use super::records;
use super::testbed::Testbed;
use crate::backend::{Backend, TrackingTable};
use crate::cancel::CancelToken;
use crate::dialect::TableName;
use crate::error::ErrorKind;
use crate::event::Event;
use crate::fault::BoxError;
use crate::hooks::Hooks;
use crate::lock::Lock;
use crate::migration::Migration;
use crate::runner::MigrationRunner;
use crate::step::Step;
use crate::target::Target;

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("hooks are called around each step", hooks_are_called),
        ("a hook that fails undoes its step", a_failing_hook),
        ("an observer is told everything in order", an_observer_sees_everything),
        ("a cancelled run leaves nothing of its step", a_cancelled_run_ends),
        ("runners of different tables do not disturb each other", runners_are_apart),
        ("a tracking table may have any name", tables_have_any_name),
        ("a run waits for the one that is under way", a_run_waits),
        ("runs that start at once apply each migration once", runs_start_at_once),
        ("without a lock too no migration is applied twice", runs_without_a_lock),
    ]
}

/// The calls that were noted, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn hooks_are_called<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let notes = Notes::default();
    let (before, during, after) = (notes.clone(), notes.clone(), notes.clone());
    let hook = it.bed.make("thing_hook");
    let hooks = Hooks::<B>::for_backend()
        .before(move |step, mut conn| {
            before.add(format!("before {} {}", step.direction, step.id));
            perform::<B>(&mut conn, &hook).map_err(|fault| fault.to_string().into())
        })
        .after(move |step, _| {
            after.add(format!("after {} {}", step.direction, step.id));
            Ok(())
        });
    let code = it.code("1_a", None, move || {
        during.add("code");
        Ok(())
    });
    let unmake = it.bed.unmake("thing_hook");
    let code = code.undo(move |mut conn: B::Conn<'_>| {
        // The thing that the `before` hook created exists here.
        perform::<B>(&mut conn, &unmake).map_err(|fault| fault.to_string())
    });
    let set = it.runner([code])?.hooks(hooks);
    it.run(&set)?;
    it.has(&["thing_hook"])?;
    equal("what was called", &notes.take(), &["before up 1_a", "code", "after up 1_a"])?;
    it.by_hand(&it.bed.unmake("thing_hook"))?;
    it.run_to(&set, Target::Back(1))?;
    it.has(&[])?;
    equal("what was called going back", &notes.take(), &["before down 1_a", "after down 1_a"])?;
    it.records(&[]).map(drop)
}

fn a_failing_hook<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let notes = Notes::default();
    let log = notes.clone();
    let vetoes = |id: &'static str| {
        move |step: &Step, _: B::Conn<'_>| -> Result<(), BoxError> {
            if step.id == id { Err("not today".into()) } else { Ok(()) }
        }
    };
    let set = || it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")]);
    let before = set()?.hooks(Hooks::<B>::for_backend().before(vetoes("1_a")));
    fails("a run whose `before` hook fails", it.run(&before), ErrorKind::Hook)?;
    it.has(&[])?;
    it.records(&[])?;

    let after = Hooks::<B>::for_backend().after(vetoes("2_b")).on_error(move |step, error, _| {
        log.add(format!("{} {:?}", step.id, error.kind()));
    });
    let error = fails("a run whose `after` hook fails", it.run(&set()?.hooks(after)), ErrorKind::Hook)?;
    holds(&format!("the error says what the hook said: {error}"), error.to_string().contains("not today"))?;
    equal("the report of the error", &*ids(&error.report().applied), &["1_a"])?;
    equal("what `on_error` was told", &notes.take(), &["2_b Hook"])?;
    // The statements of the step have run.
    it.remains(("2_b", Some(2)), &["thing_a"], &["thing_b"])
}

fn an_observer_sees_everything<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let notes = Notes::default();
    let log = notes.clone();
    it.run(&it.runner([it.makes("2_b", "thing_b")])?)?;
    let set =
        it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.breaks("3_c", "thing_c")])?;
    let set = set.observe(move |event| {
        log.add(match event {
            Event::Planned { plan, .. } => format!("{} steps planned", plan.steps().len()),
            // How many statements it takes to make a thing is the database's affair.
            Event::Statement { .. } => return,
            Event::Copying { .. } => "copies".to_owned(),
            Event::Warning { problem } => format!("{} {}", problem.kind, problem.migration),
            Event::Started { step, number, of } => format!("{number}/{of} {} {}", step.direction, step.id),
            Event::Finished { step, .. } => format!("finished {}", step.id),
            Event::Failed { step, error } => format!("failed {} {:?}", step.id, error.kind()),
            Event::Notice { notice, .. } => format!("said {notice}"),
            Event::Waiting { .. } => "waits".to_owned(),
            Event::Blocked { lock, .. } => format!("waits for {lock}"),
            Event::Retrying { attempt, .. } => format!("tries for the {attempt}. time"),
        });
    });
    fails("the run", it.run(&set), ErrorKind::Step)?;
    let expected = [
        "out of order 1_a",
        "2 steps planned",
        "1/2 up 1_a",
        "finished 1_a",
        "2/2 up 3_c",
        "failed 3_c Step",
    ];
    equal("what was told", &notes.take(), &expected)
}

fn a_cancelled_run_ends<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set =
        || it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b"), it.makes("3_c", "thing_c")]);
    let token = CancelToken::new();
    let stop = token.clone();
    let run = set()?.cancel_with(&token).observe(move |event| match event {
        Event::Started { step, .. } if step.id == "2_b" => stop.cancel(),
        _ => {}
    });
    let error = fails("a run that is cancelled in its second step", it.run(&run), ErrorKind::Stopped)?;
    equal("the report of the error", &*ids(&error.report().applied), &["1_a"])?;
    it.has(&["thing_a"])?;
    it.records(&["1_a"])?;
    fails("a run that is cancelled before it begins", it.run(&run), ErrorKind::Stopped)?;
    equal("what the next run applies", &*ids(&it.run(&set()?)?.applied), &["2_b", "3_c"])?;
    it.has(&["thing_a", "thing_b", "thing_c"])
}

fn runners_are_apart<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let first = it.runner([it.makes("1_it", "thing_a"), it.makes("2_it", "thing_b")])?;
    let second =
        it.runner([it.makes("1_it", "thing_c"), it.makes("3_it", "thing_d")])?.table_name("library")?;
    it.run(&first)?;
    equal("what the second runner applies", &*ids(&it.run(&second)?.applied), &["1_it", "3_it"])?;
    it.has(&["thing_a", "thing_b", "thing_c", "thing_d"])?;
    holds("the first runner finds nothing to do", it.run(&first)?.is_up_to_date())?;
    it.run_to(&second, Target::Back(1))?;
    it.has(&["thing_a", "thing_b", "thing_c"])?;
    it.records(&["1_it", "2_it"])?;
    equal("the lines in the log of the first", &it.history(&first)?.log().len(), &0)?;
    equal("the lines in the log of the second", &it.history(&second)?.log().len(), &1)?;
    equal("the records of the second", &it.history(&second)?.records().len(), &1)
}

fn tables_have_any_name<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    for name in records::NAMES {
        let set = it.runner([it.makes("1_a", "thing_a"), it.makes("2_b", "thing_b")])?.table_name(name)?;
        let is_named = |unmet: Unmet| Unmet::new(format!("of the table `{name}`: {unmet}"));
        let whole = || -> Outcome {
            equal("what was applied", &it.run(&set)?.applied.len(), &2)?;
            holds("the next run finds nothing to do", it.run(&set)?.is_up_to_date())?;
            it.tracking_of(&TableName::new(name).map_err(|error| Unmet::new(error.to_string()))?)?;
            equal("what was undone", &it.run_to(&set, Target::Empty)?.applied.len(), &2)?;
            equal("the lines in the log", &it.history(&set)?.log().len(), &2)?;
            it.has(&[])
        };
        whole().map_err(is_named)?;
    }
    equal("the tracking table of the usual name", &it.tracking()?, &TrackingTable::MISSING)
}

/// An event that happens once, and that threads can wait for.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open; returns `false` if the wait times out.
    fn pass(&self) -> bool {
        let is_open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.0.1.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open);
        *passed.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The lock for runs: the default lock if the database has one, otherwise a file in this folder.
fn lock<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>, folder: &tempfile::TempDir) -> Lock {
    if it.can().lock { Lock::default() } else { Lock::File(folder.path().join("lock")) }
}

fn a_folder() -> Outcome<tempfile::TempDir> {
    tempfile::tempdir().map_err(|error| Unmet::new(format!("there is no temporary folder: {error}")))
}

fn a_run_waits<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    if !it.can().connections {
        return a_run_inside_another(it);
    }
    let folder = a_folder()?;
    let (inside, goes_on) = (Gate::default(), Gate::default());
    let (entered, leaves) = (inside.clone(), goes_on.clone());
    let code = it.code("1_a", None, move || {
        entered.open();
        if leaves.pass() { Ok(()) } else { Err("nobody let it go on".into()) }
    });
    let first = it.runner([code.clone(), it.makes("2_b", "thing_b")])?.lock(lock(it, &folder));
    let notes = Notes::default();
    let heard = notes.clone();
    let patience = Duration::from_millis(300);
    let second =
        it.runner([code, it.makes("2_b", "thing_b")])?.lock(lock(it, &folder)).lock_timeout(patience);
    let second = second.observe(move |event| {
        if let Event::Waiting { .. } = event {
            heard.add("waits");
        }
    });
    thread::scope(|scope| {
        let running = scope.spawn(|| it.run(&first));
        let has_entered = inside.pass();
        let began = Instant::now();
        let outcome = it.run(&second);
        let waited = began.elapsed();
        goes_on.open();
        let done = running.join().map_err(|_| Unmet::new("the first run panicked"))?;
        holds("the code of the first run was run", has_entered)?;
        fails("the second run", outcome, ErrorKind::LockTimeout)?;
        holds(&format!("{waited:?} is as long as it was to wait"), waited >= patience)?;
        holds("the second run says that it waits", !notes.take().is_empty())?;
        equal("what the first run applied", &*ids(&done?.applied), &["1_a", "2_b"])
    })?;
    holds("the second run finds nothing to do then", it.run(&second)?.is_up_to_date())?;
    it.has(&["thing_b"])
}

/// With only one connection, a second run can only start inside the first, and is refused.
fn a_run_inside_another<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let notes = Notes::default();
    let log = notes.clone();
    let inner = it.runner([it.makes("1_a", "thing_a")])?.lock_timeout(Duration::from_millis(100));
    let outer = Migration::function("2_b", move |conn: B::Conn<'_>| {
        log.add(if inner.run(conn).is_err() { "refused" } else { "done" });
        Ok::<(), BoxError>(())
    });
    let set = it.runner([it.makes("1_a", "thing_a").depends_on("2_b"), outer])?;
    equal("what was applied", &*ids(&it.run(&set)?.applied), &["2_b", "1_a"])?;
    equal("the run inside another one", &notes.take(), &["refused"])?;
    it.has(&["thing_a"])
}

/// Runs four runners at once, and returns the number of steps that they committed, and the errors of those that failed.
fn at_once<B: Backend, T: Testbed<B>>(
    it: &Ground<'_, B, T>,
    set: &(dyn Fn() -> Outcome<MigrationRunner<B>> + Sync),
) -> Outcome<(usize, Vec<String>)> {
    let starts: Vec<_> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Outcome::Ok(it.run(&set()?)))).collect();
        starts.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let (mut applied, mut failed) = (0, Vec::new());
    for start in starts {
        match start.map_err(|_| Unmet::new("a run panicked"))?? {
            Ok(report) => applied += report.applied.len(),
            Err(error) => {
                applied += error.report().applied.len();
                failed.push(error.to_string());
            }
        }
    }
    Ok((applied, failed))
}

const SIX: [(&str, &str); 6] = [
    ("1_a", "thing_a"),
    ("2_b", "thing_b"),
    ("3_c", "thing_c"),
    ("4_d", "thing_d"),
    ("5_e", "thing_e"),
    ("6_f", "thing_f"),
];

fn runs_start_at_once<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let folder = a_folder()?;
    let set = || Ok(it.runner(SIX.map(|(id, thing)| it.makes(id, thing)))?.lock(lock(it, &folder)));
    let (applied, failed) = at_once(it, &set)?;
    equal("the runs that failed", &failed, &Vec::<String>::new())?;
    equal("the number of steps that were done", &applied, &SIX.len())?;
    it.records(&SIX.map(|(id, _)| id))?;
    it.has(&SIX.map(|(_, thing)| thing))
}

fn runs_without_a_lock<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let set = || Ok(it.runner(SIX.map(|(id, thing)| it.makes(id, thing)))?.lock(Lock::Off));
    // Concurrent runs may fail, but no step may be applied twice.
    let (applied, failed) = at_once(it, &set)?;
    let recorded = it.tracking()?.records.len();
    equal(&format!("the number of records after {failed:?}"), &recorded, &applied)?;
    let rest = it.run(&set()?)?.applied.len();
    equal("the number of steps that were done", &(applied + rest), &SIX.len())?;
    it.records(&SIX.map(|(id, _)| id))?;
    it.has(&SIX.map(|(_, thing)| thing))
}
