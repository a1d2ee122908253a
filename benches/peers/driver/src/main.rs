//! Runs the programs in turns, computes medians, and writes `benches/RESULTS.md` and `benches/results.svg`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

mod chart;

/// One line of a table.
pub struct Entry {
    /// The folder, which is also the name of its program.
    program: &'static str,
    /// Whether all migrations run in one transaction. Only `fresh` does this.
    batch: bool,
    /// The crate whose version is named.
    krate: &'static str,
    note: &'static str,
}

impl Entry {
    /// Whether this is the work by hand, or this crate in any form.
    fn is_own(&self) -> bool {
        self.program == "floor" || self.program.starts_with("ours")
    }
}

const fn entry(program: &'static str, krate: &'static str, note: &'static str) -> Entry {
    Entry { program, batch: false, krate, note }
}

/// To add an entry, add a folder, a line here, and its name in `run`.
const ENTRIES: &[Entry] = &[
    entry("floor", "rusqlite", "by hand"),
    Entry { batch: true, ..entry("floor", "rusqlite", "by hand, one transaction") },
    entry("ours", "switchy_schema", "this crate"),
    Entry { batch: true, ..entry("ours", "switchy_schema", "this crate, one transaction") },
    entry("ours_build", "switchy_schema", "this crate, read when the program is built"),
    entry("rusqlite_migration", "rusqlite_migration", ""),
    entry("refinery", "refinery", ""),
    entry("diesel", "diesel_migrations", ""),
    entry("sqlx", "sqlx", ""),
    entry("published", "switchy_schema", "as published"),
];

const COUNTS: [usize; 3] = [10, 100, 1_000];
const WORKS: [(&str, &str); 4] = [
    ("fresh", "A new database: making the set and applying all of it"),
    ("pending", "An update: making the set and applying one more migration"),
    ("start", "A start: opening the file, making the set, and finding that nothing is pending"),
    ("steady", "The same call again on the same connection and set"),
];

/// The nanoseconds of a task, by task, count and index in `ENTRIES`.
pub type Medians = BTreeMap<(&'static str, usize, usize), f64>;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rounds: usize = env::args().nth(1).map_or(15, |word| word.parse().unwrap());
    let medians = measure(root, rounds);
    let names: Vec<String> = ENTRIES.iter().map(|entry| name(root, entry)).collect();
    fs::write(root.join("../RESULTS.md"), page(root, rounds, &names, &medians)).unwrap();
    fs::write(root.join("../results.svg"), chart::draw(&names, &medians)).unwrap();
}

fn program(root: &Path, name: &str) -> PathBuf {
    root.join("target/release").join(name)
}

/// Measures the programs in turns, so that a slow phase of the machine affects all of them. The order is random but the same in each run of
/// the driver.
fn measure(root: &Path, rounds: usize) -> Medians {
    let folder = |entry: &Entry| root.join("work").join(entry.program);
    let _ = fs::remove_dir_all(root.join("work"));
    let call = |entry: &Entry, work: &str, count: usize| -> Vec<f64> {
        let mut command = Command::new(program(root, &format!("peer_{}", entry.program)));
        command.arg(work).arg(count.to_string()).arg(folder(entry));
        if entry.batch {
            command.arg("batch");
        }
        answer(&mut command).lines().map(|line| line.parse().unwrap()).collect()
    };
    for entry in ENTRIES.iter().filter(|entry| !entry.batch) {
        fs::create_dir_all(folder(entry)).unwrap();
        COUNTS.iter().for_each(|&count| drop(call(entry, "prepare", count)));
    }
    let mut times: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let mut seed = 1;
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for ((work, _), count) in WORKS.into_iter().flat_map(|work| COUNTS.map(|count| (work, count))) {
            for place in shuffled(ENTRIES.len(), &mut seed) {
                let entry = &ENTRIES[place];
                if entry.batch && work != "fresh" {
                    continue;
                }
                // A process measures each task once, except `steady`, which repeats its call.
                for _ in 0..if work == "steady" { 1 } else { 3 } {
                    times.entry((work, count, place)).or_default().extend(call(entry, work, count));
                }
            }
        }
    }
    let _ = fs::remove_dir_all(root.join("work"));
    times.into_iter().map(|(key, times)| (key, median(times))).collect()
}

fn shuffled(count: usize, seed: &mut u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    for end in (1..count).rev() {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        places.swap(end, (*seed >> 33) as usize % (end + 1));
    }
    places
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn page(root: &Path, rounds: usize, names: &[String], medians: &Medians) -> String {
    let mut page =
        include_str!("head.md").replace("{rounds}", &rounds.to_string()).replace("{machine}", &machine(root));
    for (work, what) in WORKS {
        write!(page, "\n## {what}\n\n| `{work}` |").unwrap();
        COUNTS.iter().for_each(|count| write!(page, " {count} |").unwrap());
        write!(page, "\n|---|{}", "--:|".repeat(COUNTS.len())).unwrap();
        let mut faster: Vec<String> = vec![];
        for (place, name) in names.iter().enumerate() {
            let value = |place: usize, count| medians.get(&(work, count, place)).copied();
            if value(place, COUNTS[0]).is_none() {
                continue;
            }
            write!(page, "\n| {name} |").unwrap();
            let mut counts = vec![];
            for count in COUNTS {
                let (this, floor) = (value(place, count).unwrap(), value(0, count).unwrap());
                write!(page, " {} ({}×) |", time(this), ratio(this / floor)).unwrap();
                let ours =
                    value(ENTRIES.iter().position(|entry| entry.program == "ours").unwrap(), count).unwrap();
                if !ENTRIES[place].is_own() && this < ours {
                    counts.push(count.to_string());
                }
            }
            if !counts.is_empty() {
                faster.push(format!("{name} ({})", counts.join(", ")));
            }
        }
        let faster = if faster.is_empty() { "nobody".into() } else { faster.join(", ") };
        writeln!(page, "\n\nFaster than this crate: {faster}.").unwrap();
    }
    page.push_str(include_str!("size.md"));
    let crates = |entry: &Entry| tree(root, entry).len();
    let small =
        |entry: &Entry| fs::metadata(program(root, &format!("small_{}", entry.program))).unwrap().len();
    for (entry, name) in ENTRIES.iter().zip(names).filter(|(entry, _)| !entry.batch) {
        let sqlite = answer(
            Command::new(program(root, &format!("peer_{}", entry.program)))
                .args(["sqlite", "1"])
                .arg(root.join("target")),
        );
        let more = (small(entry) as f64 - small(&ENTRIES[0]) as f64) / 1024.0;
        let crates = crates(entry) as i64 - crates(&ENTRIES[0]) as i64;
        writeln!(page, "| {name} | {more:.0} | {crates} | {} |", sqlite.trim()).unwrap();
    }
    page
}

/// The name of an entry, with its version.
fn name(root: &Path, entry: &Entry) -> String {
    let tree = tree(root, entry);
    let found = tree.iter().find_map(|line| line.strip_prefix(entry.krate)?.strip_prefix(" v"));
    let version = found.unwrap().split(' ').next().unwrap();
    let note = if entry.note.is_empty() { String::new() } else { format!(", {}", entry.note) };
    format!("{} {version}{note}", entry.krate)
}

/// All crates that an entry depends on, including itself.
fn tree(root: &Path, entry: &Entry) -> BTreeSet<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "-e", "normal", "--prefix", "none", "--manifest-path"]);
    let tree = answer(cargo.arg(root.join(entry.program).join("Cargo.toml")));
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn machine(root: &Path) -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line[key.len().min(line.len())..].trim_matches([' ', '\t', ':', '=', '"']).to_owned()
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let system = field(&read("/etc/os-release"), "PRETTY_NAME");
    let kernel = answer(Command::new("uname").arg("-sr"));
    let disk = answer(Command::new("df").arg("--output=fstype").arg(root));
    let rustc = answer(Command::new("rustc").arg("-V"));
    let cores = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cpu}, {cores} cores; {system}, {}, {}; {}",
        kernel.trim(),
        disk.lines().last().unwrap_or_default(),
        rustc.trim()
    )
}

fn answer(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A time with three digits.
pub fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    format!("{value:.*} {unit}", if value < 10.0 { 2 } else { usize::from(value < 100.0) })
}

pub fn ratio(ratio: f64) -> String {
    format!("{ratio:.*}", if ratio < 10.0 { 2 } else { usize::from(ratio < 100.0) })
}
