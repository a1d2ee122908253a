//! `plan --sql`, run by the databases' own clients: afterwards the tool knows what they did.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

/// Runs a script with a client, and returns what it printed as errors; `Ok` if it succeeded.
fn feed(mut client: Command, script: &str) -> Result<(), String> {
    client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = client.spawn().expect("the client is installed");
    // A client that stops at an error closes its input.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(errors) }
}

fn sqlite3(shell: &Shell) -> Command {
    let mut client = Command::new("sqlite3");
    client.current_dir(shell.path()).arg("app.db");
    client
}

fn psql(url: &str) -> Command {
    let mut client = Command::new("psql");
    client.args(["-X", "-q", url]);
    client
}

fn mariadb(url: &str) -> Command {
    let url = url::Url::parse(url).unwrap();
    let mut client = Command::new("mariadb");
    client.arg("--no-defaults").arg(format!("--user={}", url.username()));
    match url.query_pairs().find(|(key, _)| key == "socket") {
        Some((_, socket)) => client.arg(format!("--socket={socket}")),
        None => client.args([
            format!("--host={}", url.host_str().unwrap()),
            format!("--port={}", url.port().unwrap_or(3306)),
        ]),
    };
    if let Some(password) = url.password() {
        client.arg(format!("--password={password}"));
    }
    client.arg(url.path().trim_start_matches('/'));
    client
}

fn script(shell: &Shell, arguments: &[&str]) -> String {
    let output = shell.command(&[&["plan", "--sql"], arguments].concat()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

fn json(shell: &Shell, arguments: &[&str]) -> serde_json::Value {
    let output = shell.command(&[arguments, &["--json"]].concat()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn succeeds(shell: &Shell, arguments: &[&str]) {
    let output = shell.command(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a run leaves: everything is applied, nothing is wrong, and there is nothing to do.
fn is_up_to_date(shell: &Shell, count: u64) {
    let status = json(shell, &["status", "--exit-code"]);
    assert_eq!(status["exit_code"], 0, "{status:#}");
    let validated = json(shell, &["validate"]);
    let is_about_the_run = |it: &&serde_json::Value| {
        it["verdict"] == "refused" || ["drift", "changed_down_script"].iter().any(|kind| it["kind"] == *kind)
    };
    let wrong: Vec<_> = validated["problems"].as_array().unwrap().iter().filter(is_about_the_run).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let migrated = json(shell, &["migrate"]);
    assert_eq!((&migrated["already"], &migrated["exit_code"]), (&count.into(), &0.into()), "{migrated:#}");
    assert_eq!(migrated["done"].as_array().unwrap().len(), 0, "{migrated:#}");
}

/// The records, without what differs from run to run.
fn records(shell: &Shell) -> serde_json::Value {
    let mut status = json(shell, &["status"]);
    for migration in status["migrations"].as_array_mut().unwrap() {
        let migration = migration.as_object_mut().unwrap();
        migration.remove("applied_on");
        migration.remove("duration_ms");
    }
    status["migrations"].clone()
}

/// Forth and back with the client; then with the tool, which leaves the same; and then single steps with the client.
fn forth_and_back(shell: &Shell, client: &dyn Fn() -> Command, count: u64) {
    let plan = script(shell, &[]);
    feed(client(), &plan).unwrap();
    is_up_to_date(shell, count);
    let by_client = records(shell);
    // A script is for one state of the database.
    assert!(feed(client(), &plan).is_err(), "it ran twice");
    is_up_to_date(shell, count);

    feed(client(), &script(shell, &["--back", &count.to_string()])).unwrap();
    let status = json(shell, &["status"]);
    let migrations = status["migrations"].as_array().unwrap();
    assert!(migrations.iter().all(|migration| migration["state"] == "pending"), "{status:#}");
    let history = json(shell, &["history"]);
    let events = history["events"].as_array().unwrap();
    let undone = events.iter().filter(|event| event["event"] == "rolled back").count();
    assert_eq!(u64::try_from(undone).unwrap(), count, "{history:#}");

    succeeds(shell, &["migrate"]);
    assert_eq!(records(shell), by_client);
    feed(client(), &script(shell, &["--back", "2"])).unwrap();
    feed(client(), &script(shell, &["--steps", "1"])).unwrap();
    feed(client(), &script(shell, &["--steps", "1"])).unwrap();
    is_up_to_date(shell, count);
}

#[test]
fn sqlite3_carries_out_a_plan() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    shell.migration(
        "2025-01-01-000000_users",
        "-- it's the first\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n\
         INSERT INTO users VALUES (1, 'Ada;\n-- ''x'' ')",
        Some("DROP TABLE users -- and no more"),
    );
    shell.migration(
        "2025-01-02-000000_posts",
        "CREATE TABLE posts (author REFERENCES users);\r\nCREATE TABLE log (x);\r\n\
         CREATE TRIGGER t AFTER INSERT ON posts BEGIN\r\n  INSERT INTO log VALUES (new.author);\r\n  SELECT 1;\r\nEND;\r\n",
        Some("DROP TRIGGER t;\r\nDROP TABLE log;\r\nDROP TABLE posts;\r\n"),
    );
    shell.migration(
        "2025-01-03-000000_own",
        "BEGIN;\nINSERT INTO posts VALUES (1);\nCOMMIT;\n",
        Some("DELETE FROM posts"),
    );
    shell.non_transactional(
        "2025-01-04-000000_mode",
        "PRAGMA journal_mode = DELETE;\nINSERT INTO users VALUES (2, 'Bo');",
    );
    shell.write("migrations/2025-01-04-000000_mode/down.sql", "DELETE FROM users WHERE id = 2;");
    forth_and_back(&shell, &|| sqlite3(&shell), 4);
    // Without the folder, with the down scripts that the client stored.
    std::fs::remove_dir_all(shell.path().join("migrations")).unwrap();
    std::fs::create_dir(shell.path().join("migrations")).unwrap();
    succeeds(&shell, &["downgrade", "--yes"]);
}

#[test]
fn sqlite3_undoes_a_step_that_takes_a_parent_or_comes_too_late() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    shell.migration(
        "2025-01-01-000000_users",
        "CREATE TABLE users (id INTEGER PRIMARY KEY);\nCREATE TABLE posts (author REFERENCES users);\n\
         INSERT INTO users VALUES (1);",
        None,
    );
    feed(sqlite3(&shell), &script(&shell, &[])).unwrap();
    let moves = "INSERT INTO posts SELECT id FROM users;\nDELETE FROM users WHERE id = 7;";
    shell.migration("2025-01-02-000000_moves", moves, None);
    let plan = script(&shell, &[]);
    // Between the plan and the script, the row changes.
    shell.sql("UPDATE users SET id = 7");
    let why = feed(sqlite3(&shell), &plan).unwrap_err();
    assert!(why.contains("no_row_loses_its_parent"), "{why}");
    assert_eq!(json(&shell, &["status"])["migrations"][1]["state"], "pending");
    let count: i64 = shell.database().query_row("SELECT count(*) FROM posts", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0);

    // Another run was faster.
    shell.sql("UPDATE users SET id = 1");
    let plan = script(&shell, &[]);
    succeeds(&shell, &["migrate"]);
    let why = feed(sqlite3(&shell), &plan).unwrap_err();
    assert!(why.contains("the_history_is_the_one_of_the_plan"), "{why}");
}

#[test]
fn what_the_client_would_misread_is_refused() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    shell.migration("2025-01-01-000000_a", "SELECT 4\n/\n2;", None);
    shell.run("plan --sql");
    shell.migration("2025-01-01-000000_a", "SELECT 'a\r\nb';", None);
    shell.run("plan --sql");
    // A plan that a run would refuse gives no script.
    shell.migration("2025-01-01-000000_a", "SELECT nothing;", None);
    shell.run("plan --sql");
    shell.migration("2025-01-01-000000_a", "CREATE TABLE a (b);\n", Some("DROP TABLE a;\n"));
    shell.runs(&["plan --sql", "migrate -q", "plan --sql --back 1", "plan --sql"]);
    shell.assert("client_script");
}

/// Names and texts that mean something to a client, in a shell with another encoding.
#[test]
fn odd_names_are_only_names_for_the_client() {
    const IDS: [&str; 6] = [
        "2025-01-01-000000_it's",
        "2025-01-02-000000_semi;colon -- dash /* ",
        "2025-01-03-000000_.quit \"quote\" `tick`",
        "2025-01-04-000000_:USER ${x} %s $$ $switchy$",
        "2025-01-05-000000_\u{fc}n\u{ef} \u{65e5}\u{672c}",
        "2025-01-06-000000_\\q \\! ls \\. DELIMITER",
    ];
    let check = |url: &str, client: &dyn Fn(&Shell) -> Command| {
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", url);
        for (number, id) in IDS.iter().enumerate() {
            let up =
                format!("CREATE TABLE t{number} (b VARCHAR(9)); INSERT INTO t{number} VALUES ('\u{fc}');");
            shell.migration(id, &up, Some(&format!("DROP TABLE t{number};")));
        }
        forth_and_back(&shell, &|| client(&shell), 6);
    };
    check("sqlite:app.db", &|shell| {
        let mut client = sqlite3(shell);
        client.env("LC_ALL", "C");
        client
    });
    if let Some(database) = servers::postgres() {
        let url = postgres_url(&database);
        check(&url, &|_| {
            let mut client = psql(&url);
            client.env("LC_ALL", "C").env("PGCLIENTENCODING", "LATIN1");
            client
        });
    }
    if let Some(database) = servers::mysql() {
        let url = mysql_url(&database);
        check(&url, &|_| {
            let mut client = mariadb(&url);
            client.env("LC_ALL", "C").arg("--default-character-set=latin1");
            client
        });
    }
}

/// Prose in a pipe would reach the client as SQL.
#[test]
fn what_is_refused_prints_nothing_for_the_client() {
    let mut shell = Shell::with_set();
    let check = |shell: &mut Shell, line: &str, code: i32, said: &str| {
        let output = shell.run(line);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), &*output.stdout), (Some(code), &b""[..]), "{}", shell.log);
        assert!(errors.contains("error: ") && errors.contains(said), "{errors}");
        let json = shell.run(&format!("{line} --json"));
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["exit_code"], code, "{json:#}");
        assert!(json["client_script"].is_null() && json["error"]["message"].is_string(), "{json:#}");
    };
    shell.run("migrate -q");
    shell.migration("2024-12-31-000000_late", "SELECT 1;", None);
    check(&mut shell, "plan --sql --policy strict", 4, "`2024-12-31-000000_late` comes before");
    let advice =
        "3 migrations already applied; if it is not applied anywhere, give it a later version than theirs";
    check(&mut shell, "plan --sql -q --policy strict", 4, advice);
    check(&mut shell, "plan --sql --dir nowhere", 1, "nowhere");
    check(&mut shell, "plan --sql --to nothing", 1, "nothing");
    shell.migration("2025-01-04-000000_x", "SELECT nothing;", None);
    check(&mut shell, "plan --sql", 1, "near \"nothing\": syntax error");
    shell.remove("migrations/2025-01-04-000000_x");
    shell.migration("2025-01-03-000000_notes", "SELECT 1;", None);
    check(&mut shell, "plan --sql", 4, "`2025-01-03-000000_notes` was changed");
    shell.migration("2025-01-03-000000_notes", "CREATE TABLE notes (text TEXT);", None);
    shell.run("create -q unwritten");
    check(&mut shell, "plan --sql", 4, "has only what `create` wrote");
}

#[test]
fn psql_carries_out_a_plan() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", &url);
    shell.migration(
        "2025-01-01-000000_users",
        "-- it's the first\nCREATE TABLE users (id INT PRIMARY KEY, name TEXT);\n\
         INSERT INTO users VALUES (1, 'Ada\\n;\n-- ''x'' ')",
        Some("DROP TABLE users -- and no more"),
    );
    shell.migration(
        "2025-01-02-000000_counts",
        "CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN (SELECT count(*) FROM users);\nEND $$;\n\
         CREATE TABLE numbers (a INT[]);\nINSERT INTO numbers VALUES (ARRAY[1, 2]);\n\
         SELECT a[1:2], 'x'::text, ':USER' FROM numbers;",
        Some("DROP TABLE numbers; DROP FUNCTION counted();"),
    );
    shell.migration(
        "2025-01-03-000000_own",
        "BEGIN;\nINSERT INTO users VALUES (2, E'\\'');\nCOMMIT;\n",
        Some("DELETE FROM users WHERE id = 2"),
    );
    shell.migration(
        "2025-01-04-000000_index",
        "CREATE INDEX CONCURRENTLY by_name ON users (name);",
        Some("DROP INDEX CONCURRENTLY by_name;"),
    );
    forth_and_back(&shell, &|| psql(&url), 4);
    succeeds(&shell, &["rollback", "--all", "--yes"]);
}

#[test]
fn mariadb_carries_out_a_plan() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", &url);
    shell.migration(
        "2025-01-01-000000_users",
        "-- it's the first\nCREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(40));\n\
         INSERT INTO users VALUES (1, 'Ada;\n-- ''x'' ')",
        Some("DROP TABLE users -- and no more"),
    );
    shell.migration(
        "2025-01-02-000000_rows",
        "INSERT INTO users VALUES (2, 'Bo $$0');",
        Some("DELETE FROM users WHERE id = 2;"),
    );
    shell.migration(
        "2025-01-03-000000_adds",
        "CREATE PROCEDURE adds()\nBEGIN\n  INSERT INTO users VALUES (3, ';');\n  DELETE FROM users WHERE id = 3;\nEND;\nCALL adds();",
        Some("DELIMITER //\nDROP PROCEDURE adds//\nDELIMITER ;\n"),
    );
    forth_and_back(&shell, &|| mariadb(&url), 3);
    succeeds(&shell, &["rollback", "--all", "--yes"]);
}

/// Where a change of the schema commits, a script that fails leaves a record that says so.
#[test]
fn mariadb_leaves_a_mark_where_it_stops() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", &url);
    shell.migration(
        "2025-01-01-000000_users",
        "CREATE TABLE users (id INT PRIMARY KEY);\nINSERT INTO users VALUES (1);\nINSERT INTO users VALUES (1);",
        None,
    );
    feed(mariadb(&url), &script(&shell, &[])).unwrap_err();
    let status = json(&shell, &["status", "--exit-code"]);
    assert_eq!(
        (&status["migrations"][0]["state"], &status["exit_code"]),
        (&"dirty".into(), &7.into()),
        "{status:#}"
    );
}

/// The records and the scripts behind it were in another schema or database, or under the settings of the script before them: a dump of
/// `pg_dump` makes the search path empty.
#[test]
fn what_a_script_sets_in_the_session_ends_with_it() {
    if let Some(database) = servers::postgres() {
        let url = postgres_url(&database);
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", &url);
        let down =
            Some("SELECT set_config('search_path', '', false);\nDROP TABLE public.dumped, other.elsewhere;");
        shell.migration(
            "2025-01-01-000000_dump",
            "CREATE SCHEMA IF NOT EXISTS other;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
             CREATE TABLE public.dumped (a INT);\nSET search_path = other;\nCREATE TABLE elsewhere (a INT);",
            down,
        );
        shell.migration(
            "2025-01-02-000000_sets",
            "SET statement_timeout = '1h';\nSET default_transaction_read_only = on;\nSET ROLE pg_monitor;",
            Some("RESET ALL;"),
        );
        shell.migration(
            "2025-01-03-000000_here",
            "SELECT 1 / (current_setting('statement_timeout') <> '1h')::int;\n\
             CREATE TABLE public.here AS SELECT current_schema() AS a;",
            Some("DROP TABLE here;"),
        );
        shell.non_transactional("2025-01-04-000000_out", "SET search_path = other;\nVACUUM elsewhere;");
        shell.write("migrations/2025-01-04-000000_out/down.sql", "SET search_path = other;");
        forth_and_back(&shell, &|| psql(&url), 4);
    }
    if let Some(database) = servers::mysql() {
        let url = mysql_url(&database);
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", &url);
        shell.migration(
            "2025-01-01-000000_sets",
            "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', foreign_key_checks = 0;\nSET NAMES latin1;\n\
             CREATE TABLE \"a\" (b VARCHAR(9));\nUSE information_schema;",
            Some("SET SESSION sql_mode = 'ANSI_QUOTES';\nDROP TABLE \"a\";"),
        );
        shell.migration(
            "2025-01-02-000000_here",
            "CREATE TABLE c AS SELECT @@foreign_key_checks AS k, @@character_set_client AS s, \"it\\\"s\" AS q;",
            Some("DROP TABLE c;"),
        );
        forth_and_back(&shell, &|| mariadb(&url), 2);
    }
}

/// Commands of `sqlite3` are no SQL, and the first step was done before they were found.
#[test]
fn commands_of_sqlite3_are_refused_before_the_first_step() {
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:app.db");
    shell.migration("2025-01-01-000000_a", "CREATE TABLE a (b);", None);
    shell.migration("2025-01-02-000000_b", "-- rows\n.mode csv\n.import rows.csv a\n", None);
    let output = shell.run("migrate");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`.mode` is a command of sqlite3 and not SQL"), "{said}");
    assert!(said.contains("nothing was done") && said.contains("up.sql:2:1"), "{said}");
    assert_eq!(json(&shell, &["status"])["migrations"][0]["state"], "pending");
    for line in ["validate", "plan"] {
        let output = shell.run(line);
        let said = [output.stdout, output.stderr].concat();
        assert!(
            !output.status.success() && String::from_utf8_lossy(&said).contains("command of sqlite3"),
            "{line}"
        );
    }
}
