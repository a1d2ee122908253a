//! Interrupts the engine at every call of the file system. It ends with an error if a promise is broken.
//!
//! ```text
//! cargo run --release -p crashes
//! cargo run --release -p crashes -- --only update/wal/power/17
//! ```

use std::process::ExitCode;

use crashes::{Bench, Campaign, Fault, Mode, Oracle, Point, Synchronous, Trial, Workload};

const USAGE: &str = "usage: crashes [--stride N] [--threads N] [--only WORKLOAD[/MODE[/FAULT[/K]]]]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all promises were kept.
fn run() -> Result<bool, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut campaign = Campaign {
        workloads: Workload::all(),
        modes: Mode::ALL.to_vec(),
        faults: Fault::ALL.to_vec(),
        synchronous: Synchronous::Full,
        stride: 1,
        threads,
    };
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{value} is not a number"))
        };
        match &*name {
            "--stride" => campaign.stride = number()?,
            "--threads" => {
                campaign.threads = usize::try_from(number()?).map_err(|error| error.to_string())?
            }
            "--only" => only = Some(value),
            _ => return Err(format!("{name} is unknown")),
        }
    }
    let only = only.unwrap_or_default();
    let mut parts = only.split('/').filter(|part| !part.is_empty());
    keep(&mut campaign.workloads, parts.next(), |workload| workload.name.to_owned())?;
    keep(&mut campaign.modes, parts.next(), Mode::to_string)?;
    keep(&mut campaign.faults, parts.next(), Fault::to_string)?;
    if let Some(at) = parts.next() {
        let at = at.parse().map_err(|_| format!("{at} is not a number"))?;
        let bench = Bench::new();
        let workload = &campaign.workloads[0];
        let oracle = Oracle::of(workload);
        let trial = Trial::new(&bench, workload, &oracle, campaign.modes[0], Synchronous::Full);
        return Ok(match trial.interrupt(campaign.faults[0], at) {
            Point::NotReached => {
                println!("the workload ends before that");
                true
            }
            Point::Sound => {
                println!("everything is as it must be");
                true
            }
            Point::Violation(what) => {
                println!("VIOLATION {what}");
                false
            }
        });
    }
    let tally = campaign.run();
    println!("{tally}\n{} points, {} violations", tally.points(), tally.violations.len());
    Ok(tally.violations.is_empty())
}

/// Keeps what has this name.
fn keep<T>(all: &mut Vec<T>, name: Option<&str>, name_of: impl Fn(&T) -> String) -> Result<(), String> {
    let Some(name) = name else { return Ok(()) };
    let names: Vec<String> = all.iter().map(&name_of).collect();
    all.retain(|one| name_of(one) == name);
    if all.is_empty() { Err(format!("{name} is none of: {}", names.join(", "))) } else { Ok(()) }
}
