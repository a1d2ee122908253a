//! `--snapshot`, `snapshots` and `restore`.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use crate::shell::Shell;

/// A folder with the set and a database that has one row, and a pending migration that drops the table.
fn shell() -> Shell {
    let mut shell = Shell::with_set();
    shell.run("migrate");
    shell.sql("INSERT INTO users VALUES ('ada', 'ada@example.org')");
    shell.migration("2025-01-04-000000_gone", "DROP TABLE users;", Some("CREATE TABLE users (name, email);"));
    shell
}

fn users(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let Ok(mut statement) = conn.prepare("SELECT name FROM users") else {
        return vec!["no table".to_owned()];
    };
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Runs a command that prints JSON, and returns its exit code and the object.
fn json(shell: &Shell, args: &[&str]) -> (i32, Value) {
    let output = shell.command(&[args, &["--json"]].concat()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), value)
}

fn text(shell: &Shell, args: &[&str]) -> (i32, String) {
    let output = shell.command(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

fn path(value: &Value) -> PathBuf {
    value.as_str().unwrap_or_else(|| panic!("{value}")).into()
}

#[test]
fn a_run_keeps_a_snapshot_and_restore_puts_it_back() {
    let shell = shell();
    let app = shell.path().join("app.db");
    let (_, plan) = json(&shell, &["plan", "--snapshot"]);
    assert_eq!(plan["snapshot"]["bytes"], std::fs::metadata(&app).unwrap().len());
    assert_eq!(json(&shell, &["plan"]).1["snapshot"], Value::Null);

    let (exit, run) = json(&shell, &["migrate", "--snapshot=if-destructive"]);
    assert_eq!((exit, run["restored"].is_null()), (0, true));
    let snapshot = path(&run["snapshot"]);
    assert_eq!((users(&snapshot), users(&app)), (vec!["ada".to_owned()], vec!["no table".to_owned()]));

    let (_, listed) = json(&shell, &["snapshots"]);
    let one = &listed["snapshots"][0];
    assert_eq!(path(&one["path"]), snapshot);
    assert_eq!((&one["applied"], &one["before"]), (&3.into(), &"run".into()));
    assert_eq!(one["newest"], "2025-01-03-000000_notes");
    let (_, table) = text(&shell, &["snapshots"]);
    assert!(table.starts_with("MADE (UTC)") && table.contains("2025-01-03-000000_notes"), "{table}");

    let name = snapshot.file_name().unwrap().to_str().unwrap();
    let (exit, said) = text(&shell, &["restore", name]);
    assert_eq!(exit, 4, "{said}");
    assert!(said.contains("no terminal to confirm it; confirm with --yes"), "{said}");
    assert_eq!(users(&app), ["no table"]);
    let (exit, restored) = json(&shell, &["restore", name, "--yes"]);
    assert_eq!((exit, users(&app)), (0, vec!["ada".to_owned()]));
    assert_eq!(path(&restored["snapshot"]), snapshot);
    assert_eq!(users(&path(&restored["set_aside"])), ["no table"]);
    assert_eq!(json(&shell, &["snapshots"]).1["snapshots"][0]["before"], "restore");
}

#[test]
fn the_snapshots_are_listed_and_restored_in_words() {
    let mut shell = Shell::with_set();
    shell.runs(&["snapshots", "restore app.db-snapshot-2025-01-01T00-00-00.000", "migrate --steps 2 -q"]);
    shell.run("migrate --snapshot=always");
    let (_, listed) = json(&shell, &["snapshots"]);
    let path = listed["snapshots"][0]["path"].as_str().unwrap().to_owned();
    shell.runs(&[
        "snapshots",
        &format!("restore {path}"),
        &format!("restore {path} --yes"),
        "snapshots",
        "status",
    ]);
    shell.log = shell.log.replace(&*shell.path().canonicalize().unwrap().to_string_lossy(), "FOLDER");
    shell.assert("snapshots_in_words");
}

#[test]
fn a_run_that_fails_restores_where_it_is_told_to() {
    let shell = shell();
    shell.migration("2025-01-05-000000_wrong", "SELECT * FROM missing;", None);
    let args = ["migrate", "--snapshot", "--after-failure=restore"];
    let (exit, said) = text(&shell, &args);
    assert_eq!((exit, users(&shell.path().join("app.db"))), (1, vec!["ada".to_owned()]), "{said}");
    assert!(said.contains("the database was restored from ") && !said.contains("applied "), "{said}");
    let (_, run) = json(&shell, &args);
    assert_eq!((&run["error"]["kind"], run["done"].as_array().unwrap().len()), (&"step".into(), 0));
    assert_eq!(users(&path(&run["restored"]["snapshot"])), ["ada"]);

    let (_, run) = json(&shell, &["migrate", "--snapshot"]);
    assert_eq!(run["done"].as_array().unwrap().len(), 1);
    assert!(run["restored"].is_null() && path(&run["snapshot"]).exists(), "{run}");
}

#[test]
fn the_configuration_file_can_ask_for_snapshots() {
    let shell = shell();
    std::fs::create_dir(shell.path().join("copies")).unwrap();
    let file =
        |rest: &str| shell.write("switchy-schema.toml", &format!("database-url = \"sqlite:app.db\"\n{rest}"));
    file(
        "snapshot = \"under-100MB\"\nsnapshot-dir = \"copies\"\nkeep-snapshots = 1\nafter-failure = \"restore\"\n",
    );
    assert!(json(&shell, &["migrate", "--snapshot=never"]).1["snapshot"].is_null());
    let (exit, run) = json(&shell, &["rollback"]);
    assert_eq!(exit, 0, "{run}");
    assert!(path(&run["snapshot"]).starts_with(shell.path().canonicalize().unwrap().join("copies")), "{run}");
    assert_eq!(json(&shell, &["snapshots"]).1["snapshots"].as_array().unwrap().len(), 1);
    let settings = &json(&shell, &["config"]).1["settings"];
    assert_eq!(settings["snapshot"]["value"], "under-100000kB");
    assert_eq!(settings["after_failure"]["value"], "restore");
    file("snapshot = \"sometimes\"\n");
    let (exit, said) = text(&shell, &["migrate"]);
    assert_eq!(exit, 2);
    assert!(said.contains("switchy-schema.toml:2: it is one of always, if-destructive, never"), "{said}");
}

/// The address is not used: what the command cannot do is said before a connection is opened.
#[test]
fn a_server_has_no_snapshots_and_the_error_names_its_own_tool() {
    let shell = shell();
    for (url, tool) in
        [("postgres://ada@localhost:1/app", "`pg_dump`"), ("mysql://ada@localhost:1/app", "`mariadb-dump`")]
    {
        for args in [
            &["migrate", "--snapshot"][..],
            &["rollback", "--snapshot=if-destructive"],
            &["plan", "--snapshot"],
            &["snapshots"],
            &["restore", "x"],
        ] {
            let (exit, said) = text(&shell, &[args, &["--database-url", url]].concat());
            assert_eq!(exit, 2, "{url} {args:?}: {said}");
            assert!(
                said.contains("snapshots are for SQLite") && said.contains(tool),
                "{url} {args:?}: {said}"
            );
        }
    }
}
