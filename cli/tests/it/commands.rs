//! Each command, with each of its options.

use crate::shell::Shell;

#[test]
fn init_makes_what_is_not_there() {
    let mut shell = Shell::new();
    shell.runs(&["init", "init", "status"]);
    shell.show_files();
    shell.assert("init");

    let mut shell = Shell::new();
    shell.runs(&["init --dir db/changes --database-url postgres://u:hunter2@db/app", "config"]);
    shell.runs(&["init --dir db/changes --json"]);
    shell.log += &std::fs::read_to_string(shell.path().join("switchy-schema.toml")).unwrap();
    shell.assert("init_elsewhere");
}

#[test]
fn create_adds_a_migration() {
    let mut shell = Shell::new();
    shell.run("create users");
    shell.runs(&[
        "create 'Add  E-Mail to users!'",
        "create --no-down seeds",
        "create --flat 'an index'",
        "create --flat --no-down --json 'another'",
        "create --down --no-down x",
        "create ''",
        "create ../escape",
        "create 'a/b'",
        "create -- -rf",
        "create '...'",
        "create",
    ]);
    shell.run("list");
    shell.show_files();
    shell.assert("create");
}

/// Two migrations with the same time would be ordered by their names.
#[test]
fn migrations_made_in_one_second_keep_their_order() {
    let mut shell = Shell::new();
    shell.run("init");
    for name in ["zebra", "yak", "ant"] {
        shell.run(&format!("create {name}"));
    }
    let list = String::from_utf8(shell.run("list -q").stdout).unwrap();
    let names: Vec<&str> = list
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap().split_once('_').unwrap().1)
        .collect();
    assert_eq!(names, ["zebra", "yak", "ant"]);
}

#[test]
fn list_needs_no_database() {
    let mut shell = Shell::with_set();
    shell.remove("switchy-schema.toml");
    shell.migration("2025-01-04-000000_seed", "", None);
    shell.write(
        "migrations/2025-01-04-000000_seed/metadata.toml",
        "description = 'Rows for trying it out.'\ndepends_on = ['2025-01-03-000000_notes']\nenvironments = ['staging']\n",
    );
    shell.runs(&["list", "list --json", "list -q"]);
    shell.assert("list");
}

#[test]
fn status_says_of_each_migration_what_is_the_case() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "status",
        "status --exit-code",
        "migrate --steps 1",
        "status",
        "migrate",
        "status --exit-code",
        "status --json",
    ]);
    shell.migration("2024-12-31-000000_late", "", Some(""));
    shell.runs(&["status --exit-code"]);
    shell.migration("2025-01-03-000000_notes", "CREATE TABLE notes (text TEXT, day TEXT);", None);
    shell.runs(&["status --exit-code"]);
    shell.remove("migrations/2025-01-02-000000_email");
    shell.runs(&["status --exit-code", "status --json"]);
    shell.assert("status");
}

#[test]
fn plan_shows_what_would_be_done() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "plan",
        "plan --to 2025-01-02-000000_email",
        "plan --before 2025-01-02-000000_email",
        "plan --steps 1 --sql",
        "plan --json --sql --steps 1",
        "migrate -q",
    ]);
    shell.sql("INSERT INTO users VALUES ('Ada', 'ada@example.org')");
    shell.runs(&[
        "plan",
        "plan --back 2 --sql",
        "plan --back-to 2025-01-01-000000_users",
        "plan --back 1 --json",
        "plan --to 2025-01-02-000000_emial",
        "plan --to a --before b",
        "plan --steps x",
    ]);
    shell.assert("plan");
}

#[test]
fn plan_shows_which_step_will_fail() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q");
    shell.sql("INSERT INTO users (name) VALUES ('Ada')");
    let script = "ALTER TABLE users\n  ADD COLUMN made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP;";
    shell.migration("2025-01-04-000000_made_at", script, None);
    shell.migration("2025-01-05-000000_quotes", "UPDATE users SET name = \"nmae\";", None);
    shell.runs(&["plan", "migrate --dry-run", "plan --json", "validate", "migrate"]);
    shell.migration("2025-01-04-000000_made_at", "SELECT 1;", None);
    shell.runs(&["plan", "migrate"]);
    shell.assert("plan_fails");
}

#[test]
fn migrate_applies_what_is_pending() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "migrate --dry-run",
        "migrate --before 2025-01-02-000000_email",
        "migrate --to 2025-01-02-000000_email --json",
        "migrate --steps 1",
        "migrate",
        "migrate -v",
        "migrate -q",
        "migrate --json",
    ]);
    shell.assert("migrate");

    let mut shell = Shell::with_set();
    shell.migration("2025-01-04-000000_bad", "CREATE TABLE a (b);\n  INSRT INTO a VALUES (1);\n", None);
    shell.runs(&["migrate --batch", "status -q", "migrate", "status -q", "migrate --json"]);
    shell.assert("migrate_fails");
}

#[test]
fn rollback_undoes() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "rollback",
        "migrate -q",
        "rollback --dry-run",
        "rollback",
        "rollback --json --steps 1",
        "migrate -q",
        "rollback --to 2025-01-01-000000_users",
        "migrate -q",
        "rollback --all",
        "rollback --all --dry-run",
        "rollback --all --yes",
        "rollback --all",
        "rollback --all --steps 1",
        "history",
    ]);
    shell.assert("rollback");

    let mut shell = Shell::with_set();
    shell.migration("2025-01-04-000000_one_way", "", None);
    shell.runs(&["migrate -q", "rollback", "rollback --steps 2 --json"]);
    shell.assert("rollback_refused");
}

/// `create` writes a down script that does nothing, and it is easy to forget to complete it.
#[test]
fn a_down_script_that_was_never_written_is_no_way_back() {
    let mut shell = Shell::with_set();
    shell.migration(
        "2025-01-04-000000_hasty",
        "CREATE TABLE a (b);",
        Some("-- hasty: write here what undoes up.sql.\n"),
    );
    shell.migration("2025-01-05-000000_blank", "-- nothing", Some("-- nothing\n"));
    shell.runs(&["migrate -q", "rollback --steps 2"]);
    shell.assert("rollback_hollow");
}

#[test]
fn redo_undoes_and_applies() {
    let mut shell = Shell::with_set();
    shell.runs(&["migrate -q", "redo --dry-run", "redo", "status -q"]);
    shell.assert("redo");
}

#[test]
fn downgrade_undoes_what_the_folder_does_not_have() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q");
    shell.remove("migrations/2025-01-03-000000_notes");
    shell.runs(&[
        "migrate",
        "status --exit-code",
        "plan",
        "downgrade",
        "downgrade --dry-run",
        "downgrade -y",
        "migrate",
        "downgrade",
        "history",
    ]);
    shell.assert("downgrade");
}

#[test]
fn a_baseline_is_recorded_and_not_run() {
    let mut shell = Shell::with_set();
    shell.run("baseline 2025-01-01-000000_users");
    shell.sql("CREATE TABLE users (name TEXT)");
    shell.runs(&[
        "baseline 2025-01-01-000000_usres",
        "baseline 2025-01-01-000000_users --why 'made by hand' --who eve",
        "migrate",
        "baseline 2025-01-02-000000_email",
        "history",
    ]);
    shell.assert("baseline");
}

#[test]
fn repair_corrects_what_is_recorded() {
    let mut shell = Shell::with_set();
    shell.non_transactional(
        "2025-01-04-000000_half",
        "CREATE TABLE a (b);\nINSERT INTO missing VALUES (1);\nCREATE TABLE c (d);\n",
    );
    shell.runs(&[
        "migrate",
        "migrate",
        "status --exit-code",
        "status --json",
        "repair retry 2025-01-04-000000_half --why 'made the table'",
        "status --exit-code",
        "migrate",
    ]);
    shell.sql("CREATE TABLE missing (x)");
    shell.runs(&[
        "repair retry 2025-01-04-000000_half",
        "migrate",
        "repair retry 2025-01-04-000000_half",
        "repair done 2025-01-04-000000_half",
        "repair forget 2025-01-03-000000_notes 2025-01-02-000000_email",
        "repair assume 2025-01-02-000000_email 2025-01-03-000000_notes --json",
        "repair assume 2025-01-02-000000_email",
        "repair forget nothing",
        "repair forget 2025-01-03-000000_notes nothing",
        "repair forget",
        "repair",
        "history",
    ]);
    shell.assert("repair");

    let mut shell = Shell::with_set();
    shell.non_transactional(
        "2025-01-04-000000_half",
        "CREATE TABLE a (b);\nINSERT INTO missing VALUES (1);\n",
    );
    shell.run("migrate -q");
    shell.sql("DROP TABLE a; CREATE TABLE missing (x)");
    shell.runs(&[
        "repair retry --from 1 2025-01-04-000000_half",
        "migrate",
        "repair retry --from 0 2025-01-04-000000_half",
    ]);
    shell.non_transactional(
        "2025-01-05-000000_more",
        "CREATE TABLE x (b);\nINSERT INTO nowhere VALUES (1);\n",
    );
    shell.runs(&["migrate -q", "repair done 2025-01-05-000000_more", "migrate"]);
    shell.assert("repair_by_hand");
}

/// Errors suggest `repair retry` and others without an id, which the command then asked for.
#[test]
fn a_correction_without_an_id_is_about_the_only_migration_that_it_can_be_about() {
    let mut shell = Shell::with_set();
    shell.non_transactional(
        "2025-01-04-000000_half",
        "CREATE TABLE a (b);\nINSERT INTO missing VALUES (1);\nCREATE TABLE c (d);\n",
    );
    let ends = |shell: &mut Shell, line: &str, code: i32| {
        assert_eq!(shell.run(line).status.code(), Some(code), "{}", shell.log);
    };
    ends(&mut shell, "repair retry", 2);
    ends(&mut shell, "migrate", 1);
    ends(&mut shell, "repair retry", 0);
    shell.sql("CREATE TABLE missing (x)");
    ends(&mut shell, "migrate", 0);
    ends(&mut shell, "repair done", 2);
    ends(&mut shell, "repair accept", 2);
    for (id, text) in [("2025-01-03-000000_notes", "SELECT 1;"), ("2025-01-02-000000_email", "SELECT 2;")] {
        shell.migration(id, text, None);
    }
    ends(&mut shell, "repair accept", 2);
    ends(&mut shell, "repair accept email", 0);
    ends(&mut shell, "repair accept", 0);
    ends(&mut shell, "migrate", 0);
    ends(&mut shell, "repair forget", 2);
    shell.assert("repair_the_only_one");
}

#[test]
fn a_changed_script_is_refused_until_it_is_accepted() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q");
    shell.migration("2025-01-03-000000_notes", "CREATE TABLE notes (\n  text TEXT\n);", None);
    shell.runs(&[
        "migrate",
        "migrate --json",
        "plan",
        "validate",
        "repair accept 2025-01-03-000000_notes",
        "migrate",
    ]);
    shell.assert("changed");
}

#[test]
fn validate_says_everything_at_once() {
    let mut shell = Shell::with_set();
    shell.runs(&["validate", "validate --strict"]);
    shell.migration("4_short", "DROP TABLE notes;", None);
    shell.migration("2025-01-05-000000_bad", "SELECT *\nFROM nowhere;", None);
    shell.runs(&["validate", "validate --strict", "validate --json"]);
    shell.remove("switchy-schema.toml");
    shell.runs(&["validate"]);
    shell.migration("2025-01-06-000000_lost", "", None);
    shell.write(
        "migrations/2025-01-06-000000_lost/metadata.toml",
        "depends_on = ['nothing', '2025-01-06-000000_lost']\n",
    );
    shell.runs(&["validate", "validate --json"]);
    shell.assert("validate");
}

#[test]
fn history_is_newest_first() {
    let mut shell = Shell::with_set();
    shell.runs(&["history", "migrate -q", "rollback -q", "history", "history --json"]);
    shell.assert("history");
}

#[test]
fn graph_draws() {
    let mut shell = Shell::with_set();
    shell.write(
        "migrations/2025-01-02-000000_email/metadata.toml",
        "depends_on = ['2025-01-01-000000_users']\n",
    );
    shell.migration("2025-01-04-000000_<a> & \"b\"", "", None);
    shell.runs(&[
        "migrate --steps 2 -q",
        "graph",
        "graph --format dot",
        "graph --format svg",
        "graph --json",
    ]);
    shell.remove("switchy-schema.toml");
    shell.runs(&["graph", "graph --format png"]);
    shell.assert("graph");
}

#[test]
fn config_says_where_everything_comes_from() {
    let mut shell = Shell::new();
    shell.runs(&["config"]);
    shell.write(
        "switchy-schema.toml",
        "database-url = 'postgres://u:hunter2@db.example.org/app?sslmode=require'\ndir = 'db'\ntable = 't'\nenv = 'staging'\nlock-timeout = 1.5\n",
    );
    shell.runs(&["config", "config --json"]);
    shell.set("DATABASE_URL", "mysql://u:hunter2@db/app");
    shell.set("SWITCHY_MIGRATIONS_DIR", "elsewhere");
    shell.set("SWITCHY_MIGRATION_TABLE", "other");
    shell.set("SWITCHY_ENV", "production");
    shell.run("config");
    shell.set("SWITCHY_DATABASE_URL", "sqlite::memory:");
    shell.runs(&["config", "config --database-url x.db --dir d --table n --env e --lock-timeout 0"]);
    shell.set("SWITCHY_DATABASE_URL", "");
    shell.run("config -q");
    shell.assert("config");
}

/// In a subfolder, the commands use the same database and the same migrations.
#[test]
fn the_configuration_is_found_above() {
    let shell = Shell::with_set();
    shell.write("src/deep/file", "");
    let run = |args: &[&str], folder: &str| {
        let mut command = shell.command(args);
        command.current_dir(shell.path().join(folder)).output().unwrap()
    };
    let migrated = run(&["migrate"], "src/deep");
    assert!(migrated.status.success(), "{migrated:?}");
    assert!(shell.path().join("app.db").exists());
    assert_eq!(run(&["status", "--exit-code"], ".").status.code(), Some(0));
    assert_eq!(run(&["status", "--exit-code"], "src").status.code(), Some(0));
}

#[test]
fn a_protected_environment_needs_a_yes() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "migrate --env production",
        "rollback --env production",
        "rollback --env production -y",
        "rollback --env staging",
    ]);
    shell.assert("production");
}

#[test]
fn a_table_fits_into_what_there_is() {
    let mut shell = Shell::with_set();
    shell.write(
        "migrations/2025-01-02-000000_email/metadata.toml",
        "description = 'Where a letter to somebody is to be sent.'\n",
    );
    shell.run("migrate -q");
    shell.set("COLUMNS", "60");
    shell.run("status");
    let table = shell.log.split("status\n").nth(1).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    assert!(
        table.contains("\n2025-01-02-000000_email  applied"),
        "what a row is about is kept whole: {table}"
    );
}

#[test]
fn colors_are_used_where_they_are_wanted() {
    let mut shell = Shell::with_set();
    let has_color =
        |output: std::process::Output| output.stdout.contains(&0x1b) || output.stderr.contains(&0x1b);
    assert!(!has_color(shell.run("status")));
    assert!(has_color(shell.run("status --color always")));
    assert!(!has_color(shell.run("status --color never")));
    assert!(has_color(shell.run("migrate --dir nowhere --color always")));
    assert!(!has_color(shell.run("migrate --dir nowhere")));
    shell.set("NO_COLOR", "1");
    assert!(!has_color(shell.run("status --color auto")));
}

#[test]
fn any_way_to_write_the_address_of_a_file_is_good() {
    for url in ["sqlite:x.db", "sqlite://x.db", "x.db", "./x.sqlite", "x.sqlite3", "sqlite:any name"] {
        let mut shell = Shell::with_set();
        assert_eq!(
            shell.run(&format!("migrate --database-url '{url}'")).status.code(),
            Some(0),
            "{}",
            shell.log
        );
        assert_eq!(
            shell.run(&format!("status --exit-code --database-url '{url}'")).status.code(),
            Some(0),
            "{}",
            shell.log
        );
    }
    let mut shell = Shell::with_set();
    let absolute = format!("sqlite://{}/x.db", shell.path().display());
    assert_eq!(shell.run(&format!("migrate --database-url {absolute}")).status.code(), Some(0));
    assert!(shell.path().join("x.db").exists());
    assert_eq!(shell.run("migrate --database-url sqlite::memory:").status.code(), Some(0));
    assert!(!shell.path().join("app.db").exists());
}

#[test]
fn another_table_is_another_history() {
    let mut shell = Shell::with_set();
    shell.runs(&["migrate -q", "status -q --table mine", "status -q --table ''", "migrate --table sqlite_x"]);
    shell.assert("table");
}

#[test]
fn a_rehearsal_shows_what_a_run_does_to_the_rows() {
    let mut shell = Shell::with_set();
    shell.run("migrate");
    shell.sql("INSERT INTO users VALUES ('ada', 'a@x'), ('bob', NULL); INSERT INTO notes VALUES ('one')");
    shell.migration(
        "2025-01-04-000000_clear",
        "DELETE FROM notes; UPDATE users SET email = NULL",
        Some("-- undo"),
    );
    shell.migration(
        "2025-01-05-000000_wrong",
        "CREATE TABLE x (y);\nINSERT INTO z VALUES (1);",
        Some("DROP TABLE y"),
    );
    shell.runs(&[
        "rehearse --steps 1",
        "rehearse --steps 1 --json",
        "rehearse",
        "rehearse --back 2",
        "validate --down",
    ]);
    shell.write("migrations/2025-01-05-000000_wrong/up.sql", "CREATE TABLE x (y);");
    shell.runs(&["rehearse -q", "validate --down", "migrate", "rehearse"]);
    shell.remove("switchy-schema.toml");
    shell.run("validate --down");
    shell.assert("rehearse");
}
