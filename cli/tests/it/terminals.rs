//! Behaviour on a terminal: questions, and a progress bar.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::{BINARY, Shell};

/// Runs a command on a terminal with this answer, and returns the screen and the exit code; `None` if the program `script`, which creates
/// the terminal, does not exist.
pub(crate) fn typed(shell: &Shell, line: &str, answer: &str) -> Option<(String, i32)> {
    if !Path::new("/usr/bin/script").exists() {
        eprintln!("not run: there is no `script`");
        return None;
    }
    let mut child = Command::new("/usr/bin/script")
        .args(["-qefc", &format!("{BINARY} {line}"), "/dev/null"])
        .current_dir(shell.path())
        .env("TERM", "xterm")
        .env("COLUMNS", "2000")
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

/// A title, a bell, a color by a single byte, a cleared screen, texts from right to left, and what looks like a line of its own.
const HOSTILE: &str =
    "\u{1b}]0;pwned\u{7}\u{9b}31m\u{1b}[2J\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{85}\nFAKE\r";

/// What of it reached the terminal.
fn obeyed(seen: &str) -> Vec<&'static str> {
    let raw = [
        "\u{1b}]",
        "\u{7}",
        "\u{9b}",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2066}",
        "\u{200f}",
        "\u{61c}",
        "\u{2028}",
        "\u{85}",
        "\nFAKE",
        "\rFAKE",
    ];
    raw.into_iter().filter(|raw| seen.contains(raw)).collect()
}

/// Names in a database, messages of its triggers, paths and descriptions come from anybody.
#[cfg(unix)]
#[test]
fn nothing_from_outside_reaches_the_terminal_raw() {
    let mut shell = Shell::new();
    let toml =
        |text: &str| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<Vec<_>>().concat();
    let quoted = |mark: char| format!("{mark}{HOSTILE}{mark}");
    let folder = HOSTILE.replace('/', "");
    shell.write(
        "switchy-schema.toml",
        &format!("database-url = \"sqlite:app.db\"\ndir = \"{}\"\n", toml(&folder)),
    );
    let write = |id: &str, file: &str, text: &str| shell.write(&format!("{folder}/{id}/{file}"), text);
    let (name, text) = (quoted('"'), quoted('\''));
    write(
        "2025-01-01-000000_a",
        "up.sql",
        &format!("CREATE TABLE {name} (b); CREATE TABLE p (q); CREATE TABLE k (q REFERENCES p (q))"),
    );
    write("2025-01-01-000000_a", "down.sql", &format!("DROP TABLE {name}"));
    write("2025-01-01-000000_a", "metadata.toml", &format!("description = \"{}\"\n", toml(HOSTILE)));
    let check = |shell: &Shell, line: &str, is_told: bool| -> bool {
        let Some((seen, _)) = typed(shell, line, if line.starts_with("rollback") { "n\n" } else { "" })
        else {
            return false;
        };
        assert_eq!(obeyed(&seen), Vec::<&str>::new(), "{line}: {seen:?}");
        assert_eq!(seen.contains("pwned"), is_told, "{line}: {seen:?}");
        true
    };
    if !check(&shell, "migrate", false) {
        return;
    }
    for (line, is_told) in
        [("list", true), ("status", true), ("plan", false), ("config", true), ("rollback --all", true)]
    {
        check(&shell, line, is_told);
    }
    // Each is the second migration, which fails.
    for (script, is_told) in [
        (
            format!(
                "INSERT INTO {name} VALUES (1); CREATE TRIGGER t BEFORE DELETE ON {name} BEGIN SELECT raise(ABORT, {text}); END; DELETE FROM {name}"
            ),
            true,
        ),
        (format!("SELECT {name}.x"), true),
        (format!("DROP TABLE {}", name.replace("pwned", "pwned2")), true),
        (format!("SELECT 1; CREATE TABLE IF NOT EXISTS {name} (b) x"), true),
        (format!("CREATE VIEW {name} AS SELECT 1"), true),
        (format!("-- {HOSTILE}\nSELECT {text} FROM missing"), true),
        (format!("PRAGMA journal_mode = {name}"), true),
        (format!("ATTACH {text} AS x; SELECT * FROM x.y"), true),
    ] {
        shell.write(&format!("{folder}/2025-01-02-000000_b/up.sql"), &script);
        for line in ["migrate", "plan", "validate", "plan --sql", "migrate -v"] {
            let Some((seen, _)) = typed(&shell, line, "") else { return };
            // A script has lines.
            let seen = if line == "plan --sql" { seen.replace("\nFAKE", "") } else { seen };
            assert_eq!(obeyed(&seen), Vec::<&str>::new(), "{line}: {seen:?}");
            assert!(line != "migrate" || seen.contains("pwned") == is_told, "{line}: {seen:?}");
        }
        let output = shell.run("migrate --json").stdout;
        let output = String::from_utf8(output).unwrap();
        assert_eq!(obeyed(&output), Vec::<&str>::new(), "{output}");
        serde_json::from_str::<serde_json::Value>(&output).unwrap();
    }
    shell.remove(&format!("{folder}/2025-01-02-000000_b"));
    let conn = shell.database();
    let insert = "INSERT INTO __switchy_migrations (name, run_on, dirty, failure, down_sql) VALUES (?1, ?1, 1, ?1, ?1)";
    conn.execute(insert, [HOSTILE]).unwrap();
    conn.execute_batch(
        "CREATE TABLE __switchy_migrations_log (name TEXT NOT NULL, event TEXT NOT NULL, logged_on TEXT NOT NULL,
            applied_on TEXT, checksum TEXT, program TEXT, who TEXT, why TEXT)",
    )
    .unwrap();
    let insert = "INSERT INTO __switchy_migrations_log VALUES (?1, ?1, ?1, ?1, ?1, ?1, ?1, ?1)";
    conn.execute(insert, [HOSTILE]).unwrap();
    for (line, is_told) in [
        ("status", true),
        ("history", true),
        ("plan", true),
        ("validate", true),
        ("migrate", true),
        ("downgrade", true),
        ("graph", false),
        ("list", true),
        ("unlock", false),
        ("repair retry 2025-01-01-000000_a", false),
    ] {
        check(&shell, line, is_told);
    }
    let status = shell.run("status --json").stdout;
    let status = String::from_utf8(status).unwrap();
    assert_eq!(obeyed(&status), Vec::<&str>::new(), "{status}");
    let parsed: serde_json::Value = serde_json::from_str(&status).unwrap();
    let last = &parsed["migrations"][1];
    for key in ["id", "applied_on"] {
        assert_eq!(last[key], HOSTILE, "as it is stored: {status}");
    }
}

/// In a protected environment, `y` is not enough: its name says that this database is meant.
#[test]
fn somebody_types_the_name_of_a_protected_database() {
    for (line, answer, code) in [
        ("database drop --env production", "y\n", 4),
        ("database drop --env production -y", "\n", 4),
        ("database drop --env production -y", "other.db\n", 4),
        ("database drop --env production -y", "app.db\n", 0),
        ("database drop --env production --confirm app.db", "n\n", 4),
        ("database drop --env production --confirm app.db", "y\n", 0),
        ("database drop", "n\n", 4),
        ("database reset", "y\n", 0),
    ] {
        let mut shell = Shell::with_set();
        shell.run("migrate -q");
        let Some((seen, ended)) = typed(&shell, line, answer) else { return };
        assert_eq!(ended, code, "{line} {answer:?}: {seen}");
        assert!(seen.contains("This drops the database sqlite:app.db with everything in it."), "{seen}");
        let is_there = shell.path().join("app.db").exists();
        assert_eq!(is_there, code == 4 || line.contains("reset"), "{line} {answer:?}: {seen}");
    }
}
