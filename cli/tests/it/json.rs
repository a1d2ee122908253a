//! `docs/cli-json.md` describes the output of `--json`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::shell::Shell;

const DOCUMENT: &str = include_str!("../../../docs/cli-json.md");

/// All keys of a value, except those that are ids.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                found.insert(key.clone());
                if key != "scripts" {
                    keys(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_documented_and_every_object_has_its_head() {
    let mut shell = Shell::with_set();
    shell.non_transactional(
        "2025-01-05-000000_half",
        "CREATE TABLE a (b);\nINSERT INTO missing VALUES (1);\n",
    );
    shell.write("theirs/V1__a.sql", "SELECT '${x}';");
    shell.write("theirs/R__b.sql", "");
    shell.sql("PRAGMA user_version = 1");
    let mut found = BTreeSet::new();
    for line in [
        "init",
        "create x",
        "import --from flyway theirs --dir ours --dry-run",
        "import --from flyway theirs --dir ours",
        "import --from flyway theirs --dir ours",
        "list",
        "manifest --check",
        "manifest",
        "manifest --check",
        "status",
        "plan --sql",
        "validate --strict",
        "migrate",
        "migrate",
        "status",
        "repair done 2025-01-05-000000_half",
        "plan --back 1",
        "rollback --all",
        "rollback --steps 2",
        "rollback -y --all",
        "plan --snapshot",
        "migrate --snapshot --steps 1",
        "snapshots",
        "restore nothing",
        "migrate --to nothing",
        "adopt --from sqlx",
        "adopt --dry-run",
        "history",
        "graph",
        "drift",
        "schema",
        "schema --write schema.sql",
        "schema --check schema.sql",
        "unlock",
        "config",
        "completions bash",
        "man",
        "man nothing",
        "nonsense",
        "migrate --dir nowhere",
        "migrate --database-url nowhere/x.db",
        "status --database-url postgres://127.0.0.1:1/x",
    ] {
        let output = shell.run(&format!("{line} --json"));
        let value: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shell.log));
        assert_eq!(value["version"], 1, "{line}");
        assert_eq!(value["exit_code"], output.status.code().unwrap(), "{line}");
        let command = value["command"].as_str().unwrap();
        assert!(
            command == line.split(' ').next().unwrap() || (line == "nonsense" && command.is_empty()),
            "{line}"
        );
        let may_fail = [0, 3, 4, 5, 7].contains(&output.status.code().unwrap());
        let is_told = value["error"]["message"].is_string()
            || value["failing"].is_string()
            || value["unknown"]["why"].is_string();
        assert!(may_fail || is_told, "{line}");
        keys(&value, &mut found);
    }
    // What differs, and why nothing can be said.
    let set = Shell::with_set();
    for (line, sql) in [
        ("migrate", ""),
        ("drift --repair", "CREATE TABLE by_hand (a)"),
        ("drift", "DELETE FROM __switchy_migrations"),
    ] {
        set.database().execute_batch(sql).unwrap();
        let args: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let output = set.command(&args).output().unwrap();
        keys(&serde_json::from_slice(&output.stdout).unwrap(), &mut found);
    }
    assert!(found.len() > 40 && found.contains("difference") && found.contains("remedy"), "{found:?}");
    for key in found {
        assert!(DOCUMENT.contains(&format!("`{key}`")), "{key} is not documented");
    }
}
