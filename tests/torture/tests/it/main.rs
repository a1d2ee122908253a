//! A short torture, and deliberate faults that the checker must report.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests panic on failure")]

use std::process::{Command, Output};

fn torture(arguments: &str, folder: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torture"));
    command.args(arguments.split(' ')).env("TMPDIR", folder).output().unwrap()
}

#[test]
fn killed_processes_leave_what_was_acknowledged_and_true_records() {
    let folder = tempfile::tempdir().unwrap();
    // A slow machine needs longer until something is killed and something is applied.
    let is_enough = ["0.08", "0.5", "5"].into_iter().any(|minutes| {
        let output = torture(&format!("--minutes {minutes} --patience 600"), folder.path());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{said}");
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("\nviolations: 0\n"), "{said}");
        let count =
            |what: &str| said.split(", ").find_map(|part| part.strip_suffix(what)?.parse::<usize>().ok());
        [" killed", " steps acknowledged"].into_iter().all(|what| count(what).unwrap() > 0)
    });
    assert!(is_enough);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the databases are gone");
}

#[test]
fn a_deliberate_fault_is_reported_with_its_seed_and_its_folder() {
    let faults = [
        // The row is missing, or has the values from before.
        ("acknowledge-early", "was acknowledged"),
        ("lose-row", "was acknowledged and is missing"),
        ("run-twice", "02_index is recorded, and was applied "),
        ("lose-record", "02_index is not recorded, and 1 is the result of SELECT"),
        ("hang --patience 0.5", "hangs"),
    ];
    for (fault, violation) in faults {
        let folder = tempfile::tempdir().unwrap();
        let output = torture(&format!("--minutes 10 --seed 7 --sabotage {fault}"), folder.path());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{fault}: {said}");
        assert!(said.contains(violation), "{fault}: {said}");
        assert!(said.contains("-- --seed 7 --life "), "{fault}: {said}");
        let kept = said.lines().find_map(|line| line.strip_prefix("in ")?.split(' ').next()).unwrap();
        assert!(std::path::Path::new(kept).join("notes.db").is_file(), "{fault}: {said}");
    }
}
