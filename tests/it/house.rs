//! The house keeps its floors: arrows point down only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of `DESIGN.md`, the lowest first. A module may use its own floor and those below.
const FLOORS: [&[&str]; 7] = [
    &["id", "checksum", "dialect", "sql", "diff"],
    &[
        "history",
        "orphans",
        "step",
        "touched",
        "stored",
        "log_entry",
        "effect",
        "problem",
        "progress",
        "remedy",
        "report",
        "fault",
        "transaction_fit",
        "foreign",
        "error",
    ],
    &["backend"],
    &["migration", "discovery"],
    &["graph", "target", "plan", "policy", "recovery", "adopt", "status", "validation"],
    &["lock", "event", "hooks", "execute"],
    &["build", "runner", "test_utils"],
];

/// Where reasoning happens nothing acts: no database, no file, no clock.
const PURE_FLOOR: usize = 4;
const ACTING: [&str; 5] = ["crate::backend", "std::fs", "std::time", "std::env", "rusqlite::"];

fn sources() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// `src/plan/up.rs` belongs to `plan`.
fn module(path: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(src).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file, without its tests, comments and documentation.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Everything a file says behind `crate::`, as the modules it names.
fn used(code: &str) -> Vec<String> {
    let names =
        |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    code.match_indices("crate::").map(|(at, found)| names(&code[at + found.len()..])).collect()
}

#[test]
fn arrows_point_down_only() {
    let floor_of: BTreeMap<&str, usize> = (0..)
        .zip(FLOORS)
        .flat_map(|(floor, modules)| modules.iter().map(move |name| (*name, floor)))
        .collect();
    let mut looked_at = 0;
    for path in sources().iter().filter(|path| !path.ends_with("lib.rs") && !path.ends_with("tests.rs")) {
        let module = module(path);
        let floor = floor_of.get(&*module).unwrap_or_else(|| panic!("{module} has no floor"));
        for name in used(&code(path)) {
            // A name with a capital is a re-export, which only documentation may use.
            if let Some(used) = floor_of.get(&*name) {
                looked_at += 1;
                assert!(
                    used <= floor,
                    "{} is on floor {floor} and uses {name} on floor {used}",
                    path.display()
                );
            }
        }
    }
    assert!(looked_at > 100, "only {looked_at} uses were found");
}

#[test]
fn reasoning_touches_nothing() {
    let sources = sources().into_iter().filter(|path| !path.ends_with("tests.rs"));
    for path in sources.filter(|path| FLOORS[PURE_FLOOR].contains(&&*module(path))) {
        let code = code(&path);
        for acting in ACTING {
            assert!(!code.contains(acting), "{} uses {acting}", path.display());
        }
    }
}

#[test]
fn no_source_file_has_outgrown_its_noun() {
    for path in sources().iter().filter(|path| !path.ends_with("tests.rs")) {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        assert!(lines <= 520, "{} has {lines} lines", path.display());
    }
}

/// They pass over errors behind the first row, and behind the first answer.
#[test]
fn answers_of_mysql_are_read_to_their_end() {
    for path in sources().iter().filter(|path| path.to_string_lossy().contains("mysql")) {
        let code = code(path);
        for hasty in [".query_first", ".query_drop", ".exec_"] {
            assert!(!code.contains(hasty), "{} uses {hasty}", path.display());
        }
    }
}

/// Who reads a finding or an error may sit at a command line, where nobody calls a function. What to call says a `Remedy`.
#[test]
fn what_to_call_is_said_by_a_remedy_only() {
    for path in sources().iter().filter(|path| !path.ends_with("remedy.rs") && module(path) != "test_utils") {
        let code = code(path);
        for called in [
            "`Recovery::",
            "`Adopt::",
            "`Doubt::",
            "`recover`",
            "`lock_timeout`",
            "`table_name`",
            "`confirm`",
        ] {
            assert!(!code.contains(called), "{} says {called}", path.display());
        }
    }
}
