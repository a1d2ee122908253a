//! An application's own binary, with migrations in code.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::Shell;

/// The path of the example, which `cargo test` builds together with the tests.
fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(format!("own_binary{}", std::env::consts::EXE_SUFFIX))
}

#[test]
fn it_has_the_same_commands() {
    let mut shell = Shell::new();
    shell.set("DATABASE_URL", "notes.db");
    for args in [
        &["status", "--exit-code"][..],
        &["list"],
        &["plan", "--sql"],
        &["validate"],
        &["migrate", "--table", "t"],
        &["status", "--exit-code", "--table", "t"],
        &["rollback", "--table", "t"],
        &["rollback", "--table", "t"],
        &["repair", "forget", "2025-01-02-000000_lower_names", "--table", "t"],
        &["rollback", "--table", "t"],
        &["history", "--table", "t"],
        &["migrate", "--database-url", "postgres://127.0.0.1:1/app"],
        &["migrate", "--nonsense"],
    ] {
        let mut command = shell.like(Command::new(binary()), args);
        let output = command.output().expect("the example, which `cargo test` without `--test` builds");
        shell.note(&args.join(" "), &output);
    }
    shell.assert("own_binary");
}

/// The program recognises a database that is older than its migrations.
#[test]
fn what_a_run_records_first_is_said_by_every_look() {
    let mut shell = Shell::new();
    shell.set("DATABASE_URL", "app.db");
    shell.sql("CREATE TABLE users (name TEXT)");
    for args in
        [&["status"][..], &["plan"], &["validate"], &["validate", "--json"], &["migrate"], &["validate"]]
    {
        let mut command = shell.like(Command::new(binary()), args);
        let output = command.output().expect("the example, which `cargo test` without `--test` builds");
        shell.note(&args.join(" "), &output);
    }
    shell.assert("own_binary_baseline");
}

#[test]
fn its_own_ids_are_completed() {
    let shell = Shell::new();
    let mut command = shell.like(Command::new(binary()), &["--", "it", "migrate", "--to", "lower"]);
    let output = command.env("SWITCHY_COMPLETE", "fish").output().unwrap();
    // With the description, which fish shows beside it.
    let expected = "2025-01-02-000000_lower_names\tWhat SQLite cannot do by itself.";
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), expected);
}
