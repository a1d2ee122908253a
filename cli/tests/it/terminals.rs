//! Behaviour on a terminal: questions, and a progress bar.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::{BINARY, Shell};

/// Runs a command on a terminal with this answer, and returns the screen and the exit code; `None` if the program `script`, which creates
/// the terminal, does not exist.
fn typed(shell: &Shell, line: &str, answer: &str) -> Option<(String, i32)> {
    if !Path::new("/usr/bin/script").exists() {
        eprintln!("not run: there is no `script`");
        return None;
    }
    let mut child = Command::new("/usr/bin/script")
        .args(["-qefc", &format!("{BINARY} {line}"), "/dev/null"])
        .current_dir(shell.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap()))
}

#[test]
fn somebody_is_asked() {
    for (line, answer, code, left) in [
        ("rollback --all", "n\n", 4, 3),
        ("rollback --all", "\n", 4, 3),
        ("rollback --all", "y\n", 0, 0),
        ("rollback --env production", "n\n", 4, 3),
        ("rollback --env production", "yes\n", 0, 2),
        ("rollback", "", 0, 2),
    ] {
        let mut shell = Shell::with_set();
        shell.run("migrate -q");
        let Some((seen, ended)) = typed(&shell, line, answer) else { return };
        assert_eq!(ended, code, "{line} {answer:?}: {seen}");
        let asked = seen.contains("Do this? [y/N]");
        assert_eq!(asked, !answer.is_empty(), "{seen}");
        assert_eq!(
            asked,
            seen.contains("drops the table `notes` with 0 rows"),
            "what is asked about is shown: {seen}"
        );
        let count: i64 = shell
            .database()
            .query_row("SELECT count(*) FROM __switchy_migrations", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, left, "{line} {answer:?}: {seen}");
    }
}

#[test]
fn a_terminal_has_colors_and_no_lines_of_progress() {
    let shell = Shell::with_set();
    let Some((seen, code)) = typed(&shell, "migrate", "") else { return };
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("applied 2025-01-03-000000_notes") && seen.contains('░'), "{seen}");
    assert!(!seen.lines().any(|line| line.starts_with("1/3")), "{seen}");
    let (seen, _) = typed(&shell, "status", "").unwrap();
    assert!(seen.contains("\u{1b}["), "{seen}");
    let (seen, _) = typed(&shell, "status --color never", "").unwrap();
    assert!(!seen.contains("\u{1b}["), "{seen}");
}

#[test]
fn a_terminal_shows_how_far_a_copy_is() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q --steps 2");
    let Some((seen, code)) = typed(&shell, "rehearse", "") else { return };
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("pages of the database copied"), "{seen}");
    let (seen, _) = typed(&shell, "migrate --snapshot=always", "").unwrap();
    assert!(seen.contains("pages of the database copied"), "{seen}");
    let names = std::fs::read_dir(shell.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let snapshot =
        names.map(|name| name.into_string().unwrap()).find(|name| name.contains("-snapshot-")).unwrap();
    let (seen, _) = typed(&shell, &format!("restore {snapshot} --yes"), "").unwrap();
    assert!(seen.contains("pages of the database copied") && seen.contains("was restored from"), "{seen}");
    // Elsewhere nothing is shown.
    let said = String::from_utf8(shell.run("rehearse").stderr).unwrap();
    assert!(!said.contains("copied"), "{said}");
}

/// What another tool does not store is assumed only after a confirmation.
#[test]
fn somebody_is_asked_what_to_believe() {
    for (answer, code, left) in [("n\n", 4, 0), ("y\n", 0, 2)] {
        let mut shell = Shell::with_set();
        shell
            .sql("CREATE TABLE users (name TEXT); ALTER TABLE users ADD email TEXT; PRAGMA user_version = 2");
        let Some((seen, ended)) = typed(&shell, "adopt", answer) else { return };
        assert_eq!(ended, code, "{answer:?}: {seen}");
        assert!(
            seen.contains("Believe it? [y/N]") && seen.contains("assumed   `2025-01-02-000000_email`"),
            "{seen}"
        );
        let status = shell.run("status -q").stdout;
        let applied =
            String::from_utf8(status).unwrap().lines().filter(|line| line.contains(" applied ")).count();
        assert_eq!(applied, left, "{seen}");
    }
}
