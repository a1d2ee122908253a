//! Wrong folders and databases on the command line: each command ends with an exit code and a message, on a terminal too, and changes
//! nothing. The cases are those of the library.

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

use cases::sizes::LARGEST;
use cases::{Place, TABLES};

use crate::shell::{BINARY, profile};

#[path = "../../../tests/it/bad_input/cases/mod.rs"]
#[allow(dead_code, reason = "the library's tests use more of it")]
mod cases;

/// The longest output for a person, in bytes: the message and the line with its mark.
const LONGEST: usize = 5000;

/// Each reads the folder and the database.
const COMMANDS: [&str; 4] = ["status", "plan", "validate", "migrate"];

fn command(place: &Place, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(place.path()).env_clear().env("PATH", "/usr/bin:/bin").env("USER", "ada");
    command.env("TERM", "xterm").env("COLUMNS", "2000").envs(profile()).stdin(Stdio::null());
    command
}

/// Runs a command on a terminal that the program `script` makes; `None` if it does not exist.
fn on_terminal(place: &Place, line: &str) -> Option<Output> {
    if !std::path::Path::new("/usr/bin/script").exists() {
        return None;
    }
    let shown = format!("{BINARY} --database-url sqlite:app.db {line}");
    Some(command(place, "/usr/bin/script").args(["-qefc", &shown, "/dev/null"]).output().unwrap())
}

/// What a terminal would obey, apart from the colors and the lines of the program itself.
fn obeyed(seen: &str) -> Option<char> {
    let mut rest = seen.to_owned();
    while let Some(at) = rest.find("\u{1b}[") {
        let end = rest[at + 2..].find(|c: char| !c.is_ascii_digit() && c != ';').map(|len| at + 2 + len)?;
        match rest.as_bytes()[end] {
            // A color, or the line that the progress bar erases.
            b'm' | b'K' => rest.replace_range(at..=end, ""),
            _ => return Some('\u{1b}'),
        }
    }
    let is_obeyed = |c: char| {
        (c.is_control() && !['\n', '\r', '\t'].contains(&c))
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || c == '\u{2066}'
    };
    rest.chars().find(|&c| is_obeyed(c))
}

/// Runs the commands in each row of a table, and compares the first line of each message with the snapshot.
fn check(table: &str, commands: &[&'static str]) {
    let rows = TABLES.iter().find(|(name, _)| *name == table).unwrap().1();
    let (mut log, mut wrong) = (String::new(), Vec::new());
    let mut is_whole = true;
    for (name, make) in rows.into_iter().filter(|(name, _)| !LARGEST.contains(&&**name)) {
        let place = Place::new();
        make(&place);
        if !place.is_tried() {
            is_whole = false;
            continue;
        }
        writeln!(log, "== {name}").unwrap();
        let (before, alone) = (place.everything(), place.read_by_sqlite_alone());
        let mut told: Vec<(String, Vec<&str>)> = Vec::new();
        for &line in commands {
            let mut command = command(&place, BINARY);
            command.args(["--database-url", "sqlite:app.db"]).args(line.split(' '));
            let output = command.output().unwrap();
            let (stdout, stderr) =
                (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
            let code = output.status.code();
            if !matches!(code, Some(0..=7)) || stderr.contains("panicked") {
                wrong.push(format!("{name}: {line} ended with {code:?}: {stderr}"));
            }
            if stderr.len() > LONGEST {
                wrong.push(format!("{name}: {line} says {} bytes", stderr.len()));
            }
            if let Some(c) = obeyed(&(stdout + &stderr)) {
                wrong.push(format!("{name}: {line} prints {c:?}: {stderr:?}"));
            }
            // Progress comes before the message, and findings follow it, a line for each.
            let message = stderr.lines().find(|line| line.starts_with("error: ")).or(stderr.lines().next());
            let finding = stderr.lines().find(|line| line.starts_with("  - ")).unwrap_or_default();
            let text = place.normal(&format!("{}{finding}", message.unwrap_or("no message")));
            let text = format!("{} {text}", code.unwrap_or(-1));
            match told.iter_mut().find(|(known, _)| *known == text) {
                Some((_, lines)) => lines.push(line),
                None => told.push((text, vec![line])),
            }
            if code != Some(0) {
                let mut after = place.everything();
                let lock = place.path().join("app.db-migrate");
                if !before.contains_key(&lock) {
                    after.remove(&lock);
                }
                place.recovered(&before, &mut after, alone.as_ref());
                if before != after {
                    wrong.push(format!("{name}: {line} changed {before:?} to {after:?}"));
                }
            }
        }
        for (text, lines) in told {
            let text: String = text.chars().take(400).collect();
            writeln!(log, "{}: {text}", lines.join(", ")).unwrap();
        }
        // A run that succeeds has changed the database, and there is nothing left to say.
        for &line in commands.iter().skip(1).step_by(2) {
            let Some(output) = on_terminal(&place, line) else { break };
            let seen = String::from_utf8_lossy(&output.stdout);
            if let Some(c) = obeyed(&seen) {
                wrong.push(format!("{name}: {line} on a terminal prints {c:?}: {seen:?}"));
            }
            if !matches!(output.status.code(), Some(0..=7)) || seen.contains("panicked") {
                wrong.push(format!(
                    "{name}: {line} on a terminal ended with {:?}: {seen}",
                    output.status.code()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "YYYY-MM-DD HH:MM:SS");
    settings.add_filter(r"\(\d+\.\d ms", "(0.0 ms");
    // What is not tried here is missing.
    if is_whole {
        settings.bind(|| insta::assert_snapshot!(format!("bad_{table}"), log));
    }
}

#[test]
fn names() {
    check("names", &COMMANDS);
}

#[test]
fn encodings() {
    check("encodings", &COMMANDS);
}

#[test]
fn links() {
    check("links", &COMMANDS);
}

#[test]
fn metadata() {
    // None of them reads the database.
    check("metadata", &COMMANDS[2..]);
}

#[test]
fn databases() {
    check("databases", &COMMANDS);
}

#[test]
fn tables() {
    check("tables", &COMMANDS);
}

#[test]
fn system() {
    // Others have the database in some rows.
    let waiting = [
        "status --lock-timeout 0.1",
        "plan --lock-timeout 0.1",
        "validate --lock-timeout 0.1",
        "migrate --lock-timeout 0.1",
    ];
    check("system", &waiting);
}

/// Where nobody may mount a small disk, a process can still be kept from making its files larger.
#[test]
fn a_process_that_may_not_make_files_larger_changes_nothing() {
    let place = Place::new();
    place.up("2025-01-02-000000_x", "CREATE TABLE x (y);\nINSERT INTO x VALUES (zeroblob(1000000));");
    let before = std::fs::read(place.database()).unwrap();
    let mut command = command(&place, "sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"", BINARY]);
    let output = command.args(["--database-url", "sqlite:app.db", "migrate"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let error = said.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert_eq!(
        error,
        "error: migration `2025-01-02-000000_x` failed at migrations/2025-01-02-000000_x/up.sql: disk I/O error; it failed during a commit, and whether that was done is not known; check the disk, then run again; the next run finds out"
    );
    assert!(std::fs::read(place.database()).unwrap() == before, "{said}");
}

#[test]
fn sizes() {
    // Reading megabytes takes seconds in a test.
    check("sizes", &COMMANDS[3..]);
}
