//! Interrupts the engine at every call of the file system. It ends with an error if a promise is broken.
//!
//! ```text
//! cargo run --release -p crashes
//! cargo run --release -p crashes -- --only update/wal/power/17
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use crashes::{
    Act, Bench, Campaign, Fault, Mode, Oracle, Point, SNAPSHOT_FAULTS, SnapshotCampaign, SnapshotTrial,
    Synchronous, Trial, Workload, interrupt_this_process,
};

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--interrupt", rest)) = arguments.split_first().map(|(first, rest)| (&**first, rest)) {
        std::process::exit(interrupt_this_process(rest)?);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut campaign = Campaign {
        workloads: Workload::all(),
        modes: Mode::ALL.to_vec(),
        faults: Fault::ALL.to_vec(),
        synchronous: Synchronous::Full,
        stride: 1,
        threads,
    };
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut only = String::new();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        let number = || {
            value
                .parse::<u64>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{value} is not a number"))
        };
        match &**name {
            "--stride" => campaign.stride = number()?,
            "--threads" => {
                campaign.threads = usize::try_from(number()?).unwrap_or(threads);
            }
            "--only" => only.clone_from(value),
            _ => return Err(format!("{name} is unknown")),
        }
    }
    let mut parts = only.split('/').filter(|part| !part.is_empty());
    let name = parts.next();
    let mut acts = Act::ALL.to_vec();
    acts.retain(|act| name.is_none_or(|name| act.name() == name));
    if acts.is_empty() || name.is_none() {
        keep(&mut campaign.workloads, name, |workload| workload.name.to_owned())?;
    } else {
        campaign.workloads.clear();
    }
    keep(&mut campaign.modes, parts.next(), Mode::to_string)?;
    keep(&mut campaign.faults, parts.next(), Fault::to_string)?;
    if let Some(at) = parts.next() {
        let at = at.parse().map_err(|_| format!("{at} is not a number"))?;
        return Ok(repeat(&campaign, program, acts.first().copied(), at));
    }
    let faults = SNAPSHOT_FAULTS.into_iter().filter(|fault| campaign.faults.contains(fault)).collect();
    let (modes, stride, threads) = (campaign.modes.clone(), campaign.stride, campaign.threads);
    let mut tally = campaign.run();
    tally.add(SnapshotCampaign { program, acts, modes, faults, stride, threads }.run());
    println!("{tally}\n{} points, {} violations", tally.points(), tally.violations.len());
    Ok(tally.violations.is_empty())
}

/// Interrupts one workload once, and returns whether all promises were kept.
fn repeat(campaign: &Campaign, program: PathBuf, act: Option<Act>, at: u64) -> bool {
    let (mode, fault) = (campaign.modes[0], campaign.faults[0]);
    let point = if let (Some(act), true) = (act, campaign.workloads.is_empty()) {
        SnapshotTrial::new(program, act, mode).interrupt(fault, at)
    } else {
        let (bench, workload) = (Bench::new(), &campaign.workloads[0]);
        let oracle = Oracle::of(workload);
        Trial::new(&bench, workload, &oracle, mode, campaign.synchronous).interrupt(fault, at)
    };
    match point {
        Point::NotReached => println!("the workload ends before that"),
        Point::Sound => println!("everything is as it must be"),
        Point::Violation(what) => {
            println!("VIOLATION {what}");
            return false;
        }
    }
    true
}

/// Keeps what has this name.
fn keep<T>(all: &mut Vec<T>, name: Option<&str>, name_of: impl Fn(&T) -> String) -> Result<(), String> {
    let Some(name) = name else { return Ok(()) };
    let names: Vec<String> = all.iter().map(&name_of).collect();
    all.retain(|one| name_of(one) == name);
    if all.is_empty() { Err(format!("{name} is none of: {}", names.join(", "))) } else { Ok(()) }
}
