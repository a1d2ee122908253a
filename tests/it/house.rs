//! The floors of the source code: a module uses only its own floor and those below, and no two files use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;
use words::words;

mod imports;
mod words;

/// The floors of `DESIGN.md`, the lowest first. A module may use its own floor and those below.
const FLOORS: [&[&str]; 7] = [
    &["id", "checksum", "dialect", "direction", "doubt", "printable", "sql", "diff"],
    &[
        "location",
        "notice",
        "script_options",
        "history",
        "dangling",
        "step",
        "touched",
        "account",
        "stored",
        "snapshot",
        "stored_limits",
        "log_entry",
        "objection",
        "placeholder",
        "effect",
        "problem",
        "progress",
        "refusal",
        "remedy",
        "report",
        "fault",
        "cancel",
        "transaction_fit",
        "foreign",
        "schema",
        "impact",
        "drift",
        "error",
    ],
    &["backend"],
    &["migration", "discovery"],
    &["graph", "target", "plan", "policy", "approval", "recovery", "adopt", "status", "validation"],
    &["lock", "event", "hooks", "execute", "rehearsal"],
    &["build", "state", "runner", "test_utils"],
];

/// The databases that the crate has an adapter for, as spelled in code.
const DATABASES: [&str; 3] = ["sqlite", "postgres", "mysql"];

/// The floor of pure logic: it uses no database, no file and no clock.
const PURE_FLOOR: usize = 4;
const ACTING: [&str; 5] = ["crate::backend", "std::fs", "std::time", "std::env", "rusqlite::"];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<PathBuf> {
    let mut folders = vec![src()];
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

/// The path of a file relative to `src`, with `/` between the parts.
fn name(path: &Path) -> String {
    let parts = path.strip_prefix(src()).unwrap().iter().map(|part| part.to_str().unwrap());
    parts.collect::<Vec<_>>().join("/")
}

/// The module of a file: that of `src/plan/up.rs` is `plan`.
fn module(path: &Path) -> String {
    name(path).split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file, without its tests, comments and documentation.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that code names after `crate::`.
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
            // A capitalized name is a re-export, which only documentation may use.
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
fn no_files_use_each_other() {
    let imports = Imports::of(&|path| fs::read_to_string(src().join(path)).unwrap());
    // The analysis must find a path, a re-export and a call of a child; a module that only declares others uses nothing.
    assert!(imports.uses("plan.rs", "plan/check.rs"));
    assert!(imports.uses("plan/check.rs", "plan/setting.rs"));
    assert!(imports.uses("runner.rs", "discovery/source.rs"));
    assert!(!imports.uses("discovery.rs", "discovery/source.rs"));
    assert!(imports.len() > 800, "only {} uses were found", imports.len());
    assert_none("files that use each other", &imports.circles());
    assert_none("modules that use each other", &imports.by_module().circles());
}

#[test]
fn no_files_of_the_packages_use_each_other() {
    for (package, fewest) in [("cli", 300), ("compat/switchy_database", 9), ("compat/moosicbox_schema", 5)] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(package).join("src");
        let imports = Imports::of(&|path| fs::read_to_string(root.join(path)).unwrap());
        assert!(imports.len() > fewest, "only {} uses were found in {package}", imports.len());
        assert_none(&format!("files of {package} that use each other"), &imports.circles());
    }
}

#[test]
fn no_source_file_has_outgrown_its_noun() {
    for path in sources().iter().filter(|path| !path.ends_with("tests.rs")) {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

/// Only the adapters, the splitting of their scripts, and the crate root may depend on which databases are enabled.
#[test]
fn no_other_file_asks_which_servers_there_are() {
    let may_ask = |name: &str| {
        name == "lib.rs"
            || ["backend", "sql"].contains(&name.split('/').next().unwrap().trim_end_matches(".rs"))
    };
    let mut asking = BTreeSet::new();
    for path in sources().iter().filter(|path| !may_ask(&name(path))) {
        let words = words(&fs::read_to_string(path).unwrap());
        let asks = |words: &[String]| {
            words[0] == "feature" && words[1] == "=" && ["\"mysql\"", "\"postgres\""].contains(&&*words[2])
        };
        if words.windows(3).any(asks) {
            asking.insert(name(path));
        }
    }
    assert_none("files that ask for the feature `postgres` or `mysql`", &asking);
}

/// The code that the adapters share must not depend on a database.
#[test]
fn the_shared_code_of_the_port_names_no_database() {
    let mut naming = BTreeSet::new();
    for path in sources() {
        let name = name(&path);
        let is_shared = match name.strip_prefix("backend/") {
            Some(file) => !file.contains('/') && !DATABASES.iter().any(|own| file == format!("{own}.rs")),
            None => name == "backend.rs",
        };
        if !is_shared {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let mut words = words(&text);
        if name == "backend.rs" {
            words = without_contents(&words);
        }
        let found: BTreeSet<String> = words
            .iter()
            .filter(|word| DATABASES.iter().any(|own| word.to_lowercase().contains(own)))
            .cloned()
            .collect();
        if !found.is_empty() {
            naming.insert(format!("{name}: {}", found.into_iter().collect::<Vec<_>>().join(" ")));
        }
    }
    assert_none("files that name a database", &naming);
}

/// Removes `mod x;`, `use x::X;` and their attributes.
fn without_contents(words: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let items = words.split_inclusive(|word| [";", "{", "}"].contains(&word.as_str()));
    let mut is_in_use = false;
    for item in items {
        let mut words = item.iter().map(String::as_str).collect::<Vec<_>>();
        while words.starts_with(&["#", "["]) {
            let mut depth = 0;
            let end = words.iter().position(|word| {
                depth += i32::from(*word == "[") - i32::from(*word == "]");
                depth == 0 && *word == "]"
            });
            words.drain(..=end.unwrap_or(words.len() - 1));
        }
        is_in_use |= words.iter().take(6).any(|word| ["mod", "use"].contains(word));
        if !is_in_use {
            kept.extend(item.iter().cloned());
        }
        is_in_use &= words.last() != Some(&";");
    }
    kept
}

#[track_caller]
fn assert_none(what: &str, found: &BTreeSet<String>) {
    let listed = found.iter().map(String::as_str).collect::<Vec<_>>().join("\n  ");
    assert!(found.is_empty(), "there are {what}:\n  {listed}");
}

/// These functions ignore errors after the first row and after the first result set.
#[test]
fn answers_of_mysql_are_read_to_their_end() {
    for path in sources().iter().filter(|path| path.to_string_lossy().contains("mysql")) {
        let code = code(path);
        for hasty in [".query_first", ".query_drop", ".exec_"] {
            assert!(!code.contains(hasty), "{} uses {hasty}", path.display());
        }
    }
}

/// The reader of a finding or an error may use the command line, and cannot call a function there. Only a `Remedy` names functions.
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
