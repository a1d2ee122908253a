//! The detection of the database that a folder is for, if none is named.

use std::process::Output;

use serde_json::Value;

use crate::shell::Shell;

type Files<'a> = &'a [(&'a str, &'a str)];

/// Runs `validate` on a folder with these files, and returns the JSON, the text, and the output.
#[track_caller]
fn validate(files: Files<'_>, line: &str) -> (Value, String, Output) {
    let mut shell = Shell::new();
    for (path, text) in files {
        shell.write(path, text);
    }
    let output = shell.run(&format!("{line} --json"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap(), said, output)
}

const POSTGRES: &str = "CREATE TABLE a (id BIGSERIAL PRIMARY KEY, b JSONB DEFAULT '{}'::jsonb);
    CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;";
const MYSQL: &str = "CREATE TABLE a (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB;";
const SQLITE: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT);";
const PLAIN: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT);";

/// 26 of 27 sets for servers were refused, because SQLite could not parse them.
#[test]
fn a_set_for_a_server_is_not_judged_by_sqlite() {
    let up = "migrations/2025-01-01-000000_a/up.sql";
    let down = ("migrations/2025-01-01-000000_a/down.sql", "DROP TABLE a");
    let meta = |text| ("migrations/2025-01-01-000000_a/metadata.toml", text);
    let config = |text| ("switchy-schema.toml", text);
    let table: [(Files<'_>, &str, &str, &str); 13] = [
        (&[(up, POSTGRES), down], "validate", "postgres", "script"),
        (&[(up, MYSQL), down], "validate", "mysql", "script"),
        (&[(up, SQLITE), down], "validate", "sqlite", "script"),
        (&[(up, PLAIN), down], "validate", "sqlite", "assumed"),
        (&[(up, PLAIN), down], "validate --dialect postgres", "postgres", "setting"),
        (&[(up, PLAIN), down], "validate --dialect mariadb", "mysql", "setting"),
        (&[(up, PLAIN), down, config("dialect = 'postgresql'\n")], "validate", "postgres", "setting"),
        (&[(up, PLAIN), down, meta("databases = ['postgres']\n")], "validate", "postgres", "layout"),
        (&[("migrations/postgres/2025-01-01-000000_a/up.sql", POSTGRES)], "validate", "postgres", "layout"),
        (&[("migrations/2025-01-01-000000_a/up.mysql.sql", MYSQL)], "validate", "mysql", "layout"),
        (
            &[
                ("migrations/sqlite/2025-01-01-000000_a/up.sql", SQLITE),
                ("migrations/postgres/2025-01-01-000000_a/up.sql", POSTGRES),
            ],
            "validate",
            "sqlite",
            "script",
        ),
        (
            &[
                ("migrations/sqlite/2025-01-01-000000_a/up.sql", SQLITE),
                ("migrations/postgres/2025-01-01-000000_a/up.sql", POSTGRES),
            ],
            "validate --dialect postgres",
            "postgres",
            "setting",
        ),
        (&[(up, PLAIN), down], "validate --database-url sqlite:app.db", "sqlite", "address"),
    ];
    for (files, line, dialect, from) in table {
        let (json, said, output) = validate(files, line);
        assert_eq!(
            (json["dialect"].as_str(), json["dialect_from"].as_str()),
            (Some(dialect), Some(from)),
            "{files:?}"
        );
        assert!(output.status.success(), "{line} {files:?}: {json:#}");
        assert_eq!(said.contains("is assumed"), ["script", "assumed"].contains(&from), "{said}");
        assert_eq!(
            said.contains("their scripts are not run"),
            dialect != "sqlite" && from != "address",
            "{said}"
        );
    }
}

#[test]
fn what_is_wrong_for_its_own_database_is_still_refused() {
    let up = "migrations/2025-01-01-000000_a/up.sql";
    let (json, _, output) =
        validate(&[(up, "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT); SELEKT 1")], "validate");
    assert_eq!(output.status.code(), Some(4), "{json:#}");
    let script = "CREATE TABLE a (id BIGSERIAL); CREATE INDEX CONCURRENTLY i ON a (id)";
    let (json, _, output) = validate(&[(up, script)], "validate");
    assert_eq!(output.status.code(), Some(4), "{json:#}");
    let problems = json["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem["kind"] == "not_in_transaction"), "{json:#}");
}

#[test]
fn an_address_and_a_dialect_may_not_contradict_each_other() {
    let mut shell = Shell::new();
    shell.write("migrations/2025-01-01-000000_a/up.sql", PLAIN);
    shell.runs(&["validate --dialect mysql --database-url sqlite:app.db", "validate --dialect oracle"]);
    shell.assert("dialects");
}
