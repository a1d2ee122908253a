//! The help, the completions and the man pages.

use crate::shell::Shell;

const COMMANDS: [&str; 25] = [
    "init",
    "create",
    "import",
    "status",
    "list",
    "manifest",
    "plan",
    "migrate",
    "rollback",
    "redo",
    "downgrade",
    "snapshots",
    "restore",
    "baseline",
    "adopt",
    "validate",
    "repair",
    "history",
    "graph",
    "unlock",
    "database",
    "wait",
    "config",
    "completions",
    "man",
];

#[test]
fn the_help_names_everything() {
    let mut shell = Shell::new();
    shell.runs(&["", "--version", "--help", "-h"]);
    for command in COMMANDS {
        shell.run(&format!("{command} -h"));
    }
    for how in ["retry", "done", "forget", "accept", "assume"] {
        shell.run(&format!("repair {how} -h"));
    }
    for how in ["create", "drop", "reset", "exists"] {
        shell.run(&format!("database {how} -h"));
    }
    shell.assert("help");
}

#[test]
fn completions_and_pages_are_made_of_the_same() {
    let mut shell = Shell::new();
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let made = shell.run(&format!("completions {name}"));
        let text = String::from_utf8(made.stdout).unwrap();
        assert!(text.contains("switchy-schema") && text.contains("SWITCHY_COMPLETE"), "{name}: {text}");
        assert!(made.status.success() && made.stderr.is_empty());
    }
    let page = String::from_utf8(shell.run("man").stdout).unwrap();
    assert!(page.starts_with(".ie") && page.contains(".TH") && page.contains("rollback"), "{page}");
    let page = String::from_utf8(shell.run("man migrate").stdout).unwrap();
    assert!(page.contains("batch"), "{page}");
    let mut shell = Shell::new();
    shell.runs(&["completions tcsh", "man migrat"]);
    shell.assert("help_unknown");
}
