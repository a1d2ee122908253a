//! Scripts and messages of megabytes: what a person and a log get of them is short. A line of a dump has all rows of a table.

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

/// The most characters of a script that an error shows in one piece.
const AROUND: usize = 200;

/// An output of one error.
fn bears(shell: &mut Shell, line: &str) -> String {
    let output = shell.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let said = format!("{out}{err}");
    assert!(said.len() <= 4096, "{} bytes of `{line}`: {}", said.len(), said.get(..5000).unwrap_or(&said));
    said
}

/// The same of an error in a script whose long texts consist of `y`.
fn bears_script(shell: &mut Shell, line: &str) -> String {
    let said = bears(shell, line);
    assert!(!said.contains(&"y".repeat(AROUND)), "`{line}`: {said}");
    said
}

fn extended_insert() -> String {
    let rows: Vec<String> = (0..2000).map(|row| format!("({row},'{}')", "y".repeat(500))).collect();
    format!(
        "CREATE TABLE t (a INT NOT NULL, s TEXT); INSERT INTO t VALUES {},('bad',nothing,'z');\n",
        rows.join(",")
    )
}

fn on_each(test: impl Fn(&mut Shell, &str)) {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    test(&mut shell, "sqlite");
    if let Some(database) = servers::postgres() {
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", &postgres_url(&database));
        test(&mut shell, "postgres");
    }
    if let Some(database) = servers::mysql() {
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", &mysql_url(&database));
        test(&mut shell, "mysql");
    }
}

#[test]
fn of_a_line_of_megabytes_the_part_around_the_error_is_shown() {
    on_each(|shell, dialect| {
        shell.migration("2025-01-01-000000_it", &extended_insert(), None);
        for line in [
            "migrate",
            "migrate --color always",
            "migrate --json",
            "plan",
            "plan --json",
            "validate",
            "validate --json",
        ] {
            bears_script(shell, &format!("{line} --table {}", line.replace([' ', '-'], "_")));
        }
        let said = bears_script(shell, "migrate --table last");
        if dialect == "postgres" {
            assert!(said.contains("/up.sql:1:1018960 ]"), "{said}");
            assert!(said.contains("yyy'),('bad',nothing,'z');"), "{said}");
        }
        bears_script(shell, "status");
        bears_script(shell, "status --json");
    });
}

/// A dump of 5 MB with one value that does not fit printed 15 MB, with all rows of the table.
#[test]
fn of_a_dump_of_megabytes_the_value_that_does_not_fit_is_shown() {
    let rows: Vec<String> = (0..10_000).map(|row| format!("({row},'{}')", "y".repeat(500))).collect();
    let script =
        format!("CREATE TABLE t(a int, s text); INSERT INTO t VALUES {},('bad','z');\n", rows.join(","));
    for url in [servers::postgres().as_ref().map(postgres_url), servers::mysql().as_ref().map(mysql_url)] {
        let Some(url) = url else { continue };
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", &url);
        shell.write("migrations/1.sql", &script);
        let said = bears_script(&mut shell, "migrate --table text");
        assert!(said.contains("bad"), "{said}");
        if url.starts_with("postgres") {
            assert!(said.contains(",('bad','z');"), "{said}");
        }
        bears_script(&mut shell, "migrate --json --table json");
    }
}

/// An error that names a long word, and a word that is one.
#[test]
fn of_a_long_message_the_ends_are_shown() {
    on_each(|shell, dialect| {
        let word = "y".repeat(200_000);
        let mut scripts = vec![
            format!("SELECT {word}"),
            format!("SELEKT '{word}'"),
            format!("SELECT '{word}', {word} FROM ({word}"),
        ];
        if dialect == "postgres" {
            scripts.push("DO $$ BEGIN RAISE EXCEPTION '%', repeat('y ', 100000); END $$".to_owned());
            scripts.push("DO $$ BEGIN RAISE WARNING '%', repeat('y ', 100000); END $$; SELEKT 1".to_owned());
            scripts.push("CREATE TABLE u (a TEXT UNIQUE); INSERT INTO u VALUES (repeat('y ', 200)), (repeat('y ', 200))".to_owned());
        }
        for (place, script) in scripts.iter().enumerate() {
            shell.migration("2025-01-01-000000_it", script, None);
            for line in ["migrate", "migrate --json"] {
                bears(shell, &format!("{line} --table t{place}"));
            }
            shell.non_transactional(
                "2025-01-01-000000_it",
                &format!("CREATE TABLE kept{place} (a INT); {script}"),
            );
            for line in ["migrate", "migrate", "migrate --json", "status", "status --json", "validate --json"]
            {
                bears(shell, &format!("{line} --table n{place}"));
            }
            shell.remove("migrations/2025-01-01-000000_it");
        }
    });
}

#[test]
fn of_a_long_change_a_part_is_shown() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    let script = |text: &str| format!("CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES ('{text}');\n");
    shell.migration("2025-01-01-000000_line", &script(&"y".repeat(60_000)), None);
    let lines = |value: &str| {
        format!("CREATE TABLE w (a TEXT);\n{}", format!("INSERT INTO w VALUES ('{value}');\n").repeat(2000))
    };
    shell.migration("2025-01-03-000000_more", &lines("y"), None);
    assert!(shell.run("migrate").status.success(), "{}", shell.log);
    shell.migration("2025-01-01-000000_line", &script(&format!("{}z", "y".repeat(60_000))), None);
    bears_script(&mut shell, "migrate");
    bears_script(&mut shell, "migrate --json");
    bears_script(&mut shell, "validate");
    shell.migration("2025-01-01-000000_line", &script(&"y".repeat(60_000)), None);
    shell.migration("2025-01-03-000000_more", &lines("yy"), None);
    let said = bears_script(&mut shell, "migrate");
    assert!(said.contains("@@"), "{said}");
    bears_script(&mut shell, "migrate --json");
}

#[test]
fn of_many_findings_the_first_are_shown() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    for number in 10..99 {
        shell.migration(&format!("2025-01-01-0000{number}_it"), "SELECT 1", None);
    }
    assert!(shell.run("migrate").status.success());
    for number in 10..99 {
        shell.migration(
            &format!("2025-01-01-0000{number}_it"),
            &format!("SELECT 2; -- {}", "y".repeat(700)),
            None,
        );
    }
    let said = bears_script(&mut shell, "migrate");
    assert!(said.contains("more, which --json lists"), "{said}");
}

#[test]
fn a_long_line_of_metadata_or_of_the_session_is_cut() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    shell.migration("2025-01-01-000000_it", "SELECT 1", None);
    let long = "y".repeat(200_000);
    bears(&mut shell, &format!("status --session-sql SELEKT_{}", long.get(..100_000).unwrap()));
    for metadata in [
        format!("description = \"{long}\"\nunknown = 1\n"),
        format!("unknown_{long} = 1\n"),
        format!("depends_on = [\"{long}\", 7]\n"),
        format!("description = \"{long}\n"),
    ] {
        shell.write("migrations/2025-01-01-000000_it/metadata.toml", &metadata);
        for line in ["migrate", "migrate --json", "validate", "list"] {
            bears(&mut shell, line);
        }
    }
}
