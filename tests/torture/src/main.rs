//! Starts and kills processes that migrate and write SQLite databases, by the thousand, and checks what is left.
//!
//! Each database has a life of several rounds. In a round, programs with different sets migrate it, undo and repair, while others write
//! rows as an application does; most of them are killed. A log outside SQLite says what was acknowledged. When all processes of a round have
//! ended, the checker compares the database with the log.

#![allow(clippy::expect_used, reason = "without its log it cannot say anything")]

mod application;
mod check;
mod conductor;
mod job;
mod log;
mod migrator;
mod set;

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};

use conductor::{Life, Totals, Violations};
use job::{Job, Role, Sabotage};

/// Starts and kills processes that migrate and write SQLite databases, and checks what is left.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// How long, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Repeats the random choices of a run; the moments of kills still depend on the clock
    #[arg(long)]
    seed: Option<u64>,
    /// Repeats only the life of this database
    #[arg(long)]
    life: Option<u64>,
    /// How many databases are used at once
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// How long a process that is not killed may take, in seconds
    #[arg(long, default_value_t = 60.0)]
    patience: f64,
    /// A deliberate fault, to see that it is reported
    #[arg(long, value_enum, hide = true)]
    sabotage: Option<Sabotage>,
}

#[derive(Subcommand)]
enum Command {
    /// The job of a process that another one started
    #[command(hide = true)]
    Job(Job),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.command {
        Some(Command::Job(job)) => work(job).map(|()| ExitCode::SUCCESS),
        None => torture(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn work(job: &Job) -> Result<(), Box<dyn std::error::Error>> {
    if job.sabotage == Some(Sabotage::Hang) {
        loop {
            std::thread::park();
        }
    }
    match job.role {
        Role::Migrate => migrator::migrate(job)?,
        Role::Write => application::write(job)?,
    }
    Ok(())
}

fn torture(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let began = Instant::now();
    let end = began + Duration::try_from_secs_f64(options.minutes * 60.0)?;
    let folder = tempfile::Builder::new().prefix("torture-").tempdir()?;
    let patience = Duration::try_from_secs_f64(options.patience)?;
    let (totals, next) = (Totals::default(), AtomicU64::new(0));
    // One database after the other, until the time is over or something is wrong.
    let lives = || -> Result<Option<Violations>, String> {
        while !totals.is_over() {
            let number = options.life.unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
            let life = Life { seed, number, sabotage: options.sabotage, patience };
            let violations = life.live(folder.path(), &totals);
            if !matches!(violations, Ok(None)) {
                totals.end();
                return violations.map_err(|error| format!("life {number}: {error}"));
            }
        }
        Ok(None)
    };
    let at_once = if options.life.is_some() { 1 } else { options.at_once.max(1) };
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(lives)).collect();
        while !totals.is_over() && !threads.iter().any(ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(100));
            if Instant::now() >= end {
                totals.end();
            }
            show(&totals, began.elapsed());
        }
        totals.end();
        let results =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a panic".to_owned())));
        results.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    });
    if stderr().is_terminal() {
        eprintln!();
    }
    if !matches!(&found, Ok(found) if found.is_empty()) {
        // It is evidence.
        let _ = folder.keep();
    }
    let found = found?;
    println!("{} in {} s, seed {seed}", line(&totals), began.elapsed().as_secs());
    println!("violations: {}", found.iter().map(|violations| violations.what.len()).sum::<usize>());
    for Violations { life, number, folder, what } in &found {
        println!("\nin {} ({life}):", folder.display());
        for what in what.iter().take(20) {
            println!("  {what}");
        }
        println!("to repeat: cargo run --release -p torture -- --seed {seed} --life {number}");
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The progress: one line, which is written again on a terminal.
fn show(totals: &Totals, elapsed: Duration) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{} s: {}", elapsed.as_secs(), line(totals));
        let _ = stderr().flush();
    }
}

fn line(totals: &Totals) -> String {
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    format!(
        "{} databases, {} processes started, {} killed, {} steps acknowledged, {} found unfinished, {} files set aside, {} rows checked",
        count(&totals.databases),
        count(&totals.started),
        count(&totals.killed),
        count(&totals.steps),
        count(&totals.unfinished),
        count(&totals.set_aside),
        count(&totals.rows)
    )
}
