//! A program that migrates: at random, as one of the programs, to one of the targets.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use fastrand::Rng;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::{
    AfterFailure, Direction, ErrorKind, Event, Lock, MigrationError, MigrationRunner, Recovery, Report,
    Signature, Snapshot, Target, TransactionMode,
};

use crate::job::{Job, PATIENCE, Snapshots};
use crate::log::Log;
use crate::set::Program;

/// The message of the error that a script ends with at random.
const MISHAP: &str = "the script failed by chance";

/// Does a few things to the database, one after the other.
pub(crate) fn migrate(job: &Job) -> rusqlite::Result<()> {
    let log = Log::open(&job.log());
    let conn = connect(job, Chance::Mishaps)?;
    let mut random = Rng::with_seed(job.seed);
    for _ in 0..random.u8(1..4) {
        let program = [Program::Old, Program::Branch, Program::New, Program::New][random.usize(..4)];
        let result = act(&runner(job, program), &conn, job, &mut random);
        say(&log, program, &result);
    }
    Ok(())
}

/// Whether the scripts sleep and fail at random.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chance {
    Mishaps,
    None,
}

/// Opens the database as an application that migrates it does.
pub(crate) fn connect(job: &Job, chance: Chance) -> rusqlite::Result<Connection> {
    let conn = job.connect()?;
    add_stamp(&conn, job, chance)?;
    Ok(conn)
}

/// Adds the function `stamp()`, which scripts call for the key of a row of the ledger. It gives kills time to hit a script.
fn add_stamp(conn: &Connection, job: &Job, chance: Chance) -> rusqlite::Result<()> {
    // The engine's own connections begin elsewhere, so no stamp is given twice.
    let first = job.first_id() + if chance == Chance::None { 500_000 } else { 0 };
    let state = Mutex::new((Rng::with_seed(job.seed), first));
    conn.create_scalar_function("stamp", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        let mut state = state.lock().map_err(|_| rusqlite::Error::UserFunctionError("it panicked".into()))?;
        let (random, next) = &mut *state;
        if chance == Chance::Mishaps {
            match random.u8(..) {
                0..3 => return Err(rusqlite::Error::UserFunctionError(MISHAP.into())),
                3..120 => std::thread::sleep(Duration::from_micros(random.u64(0..4000))),
                _ => {}
            }
        }
        *next += 1;
        Ok(*next)
    })
}

/// A runner of a program, which writes each step that it begins to the log.
pub(crate) fn runner(job: &Job, program: Program) -> MigrationRunner {
    let (log, own) = (Log::open(&job.log()), job.clone());
    let runner = MigrationRunner::new(program.migrations()).unwrap_or_else(|error| panic!("{error}"));
    let runner = runner
        .program(format!("torture {program:?}"))
        .lock(if job.is_unlocked { Lock::Off } else { Lock::Sidecar })
        .lock_timeout(PATIENCE)
        .prepare_connection(move |conn| Ok(add_stamp(conn, &own, Chance::None)?))
        .observe(move |event| {
            if let Event::Started { step, .. } = event {
                log.began(format!("{} {}", step.direction, step.id));
            }
        });
    match job.snapshots {
        Snapshots::Never => runner,
        Snapshots::Keep => runner.snapshot(Snapshot::Always.keep(1)),
        Snapshots::Restore => runner.snapshot(Snapshot::Always.keep(1).after_failure(AfterFailure::Restore)),
    }
}

fn act(
    runner: &MigrationRunner,
    conn: &Connection,
    job: &Job,
    random: &mut Rng,
) -> switchy_schema::Result<Report> {
    match random.u8(0..20) {
        0..6 => runner.run(conn),
        6..9 => runner.run_to(conn, Target::Steps(random.usize(1..4))),
        9..12 => runner.rollback(conn, random.usize(1..5)),
        12 => runner.rollback_to(conn, "01_notes"),
        13 => runner.redo(conn),
        14 => runner.downgrade(conn),
        15 => {
            let plan = runner.plan(conn, Target::Latest)?;
            std::thread::sleep(Duration::from_millis(random.u64(0..5)));
            runner.apply(conn, plan)
        }
        16 => self::runner(job, Program::New)
            .transaction(TransactionMode::Batch)
            .run_to(conn, Target::Before("07_outside".into())),
        // A correction while others work needs the lock.
        _ if job.is_unlocked => runner.run(conn),
        _ => mend(runner, conn),
    }
}

/// Lets the steps that did not finish continue, as a person would who has read the error.
pub(crate) fn mend(runner: &MigrationRunner, conn: &Connection) -> switchy_schema::Result<Report> {
    let history = runner.history(conn)?;
    let mut is_undone = false;
    for record in history.records() {
        let Some(dirty) = &record.dirty else { continue };
        is_undone |= dirty.direction == Direction::Down;
        if !dirty.is_to_resume {
            let why = Signature::of("torture").because("its process was killed");
            runner.recover(conn, Recovery::Retry(record.id.clone()), why)?;
        }
    }
    if is_undone { runner.rollback(conn, 1) } else { runner.run(conn) }
}

/// Writes to the log what is acknowledged, and errors that nothing explains.
pub(crate) fn say(log: &Log, program: Program, result: &switchy_schema::Result<Report>) {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            if !is_expected(error) {
                log.unexpected(format!("{program:?}, {:?}: {error}", error.kind()));
            }
            error.report()
        }
    };
    for step in &report.applied {
        log.done(format!("{} {}", step.direction, step.id));
    }
}

/// A refusal, another process that was faster, or a script that failed by chance.
fn is_expected(error: &MigrationError) -> bool {
    // A recovery may name a migration that this program does not have, and that another process has undone meanwhile.
    let is_refusal = matches!(
        error.kind(),
        ErrorKind::Refused | ErrorKind::Recovery | ErrorKind::Stale | ErrorKind::UnknownMigration
    );
    is_refusal || error.to_string().contains(MISHAP)
}

/// The files that restores have set aside.
pub(crate) fn set_aside(database: &Path) -> Vec<PathBuf> {
    let entries = database.parent().into_iter().flat_map(Path::read_dir).flatten();
    let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_whole = |path: &PathBuf| {
        let name = path.to_string_lossy();
        // A copy that a kill interrupted is not the copy of anything that was replaced.
        name.contains("-set-aside-") && !name.contains(".partial")
    };
    names.filter(is_whole).collect()
}
