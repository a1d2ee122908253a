//! Folders that are not as a user believes, and what a policy says about them.

use crate::shell::Shell;

#[test]
fn an_empty_folder_is_said_and_refused_where_it_is_an_accident() {
    let mut shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    std::fs::create_dir(shell.path().join("migrations")).unwrap();
    shell.runs(&[
        "status",
        "plan",
        "migrate",
        "validate",
        "validate --strict",
        "validate --strict --json",
        "validate -q --policy strict",
        "migrate --env production",
        "migrate --policy strict",
    ]);
    let skipped =
        ["V1.sql.bak", "x.SQL~", "up.sq", "1.sql.txt", ".draft/up.sql", "README.md", "2_a/up.sql.orig"];
    for file in skipped {
        shell.write(&format!("migrations/{file}"), "SELECT 1;");
    }
    shell.runs(&["list", "migrate"]);
    shell.migration("2025-01-01-000000_a", "SELECT 1;", Some("SELECT 1;"));
    shell.runs(&["list", "plan", "migrate", "validate"]);
    // The database is migrated already, so the folder is an older one, which is another matter.
    shell.remove("migrations");
    std::fs::create_dir(shell.path().join("migrations")).unwrap();
    shell.run("migrate --env production");
    shell.assert("folder_empty");
}

#[test]
fn an_imported_set_is_valid_and_the_odd_one_out_is_not() {
    for ids in [
        ["000001_a", "000002_b", "000003_c"],
        ["00001_a", "00002_b", "00003_c"],
        ["20240101000000_a", "20240102000000_b", "20240103000000_c"],
        ["V1__a", "V1.1__b", "V2__c"],
        ["1_users", "2_posts", "3_tags"],
    ] {
        let mut shell = Shell::new();
        for (number, id) in ids.iter().enumerate() {
            let (up, down) = (format!("CREATE TABLE t{number} (x);"), format!("DROP TABLE t{number};"));
            shell.migration(id, &up, Some(&down));
        }
        let output = shell.run("validate --strict --dialect sqlite");
        assert_eq!(output.status.code(), Some(0), "{}", shell.log);
        shell.migration("2024-1-3-1_odd", "SELECT 1;", Some("SELECT 1;"));
        let output = shell.run("validate --strict --dialect sqlite");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(4), "{text}");
        assert!(text.contains("unconventional: `2024-1-3-1_odd`"), "{text}");
        assert!(!ids.iter().any(|id| text.contains(&format!("unconventional: `{id}`"))), "{text}");
        let output = shell.run("validate --strict --dialect sqlite --allow unconventional");
        assert_eq!(output.status.code(), Some(0), "{}", shell.log);
    }
}

/// Files of other tools that this one takes for something else: it says so, or does not run them.
#[test]
fn a_folder_of_another_tool_is_not_run_as_it_is() {
    let mut shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    shell.sql("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    shell.write("flyway/V1__t.sql", "CREATE TABLE IF NOT EXISTS t (a);");
    shell.write("flyway/U1__t.sql", "DROP TABLE IF EXISTS t;");
    shell.write("flyway/V2__u.SQL", "CREATE TABLE u (a);");
    shell.write("flyway/V2__u.sql~", "CREATE TABLE u (b);");
    shell.write("flyway/V3__my table.sql", "CREATE TABLE w (a);");
    shell.write("flyway/R__v.sql", "CREATE VIEW v AS SELECT a FROM t;");
    shell.runs(&["list --dir flyway", "validate --dir flyway", "migrate --dir flyway"]);
    shell.write("flyway/R__v.sql", "CREATE VIEW v AS SELECT a, 1 FROM t;");
    shell.run("migrate --dir flyway");
    for (tool, marks) in [
        ("goose", "-- +goose Up\n | -- +goose Down\n"),
        ("dbmate", "-- migrate:up\n | -- migrate:down\n"),
        ("sql-migrate", "-- +migrate Up\n | -- +migrate Down\n"),
        ("tern", " | ---- create above / drop below ----\n"),
    ] {
        let (up, down) = marks.split_once(" | ").unwrap();
        let script = format!("{up}CREATE TABLE IF NOT EXISTS t (a);\n{down}DROP TABLE t;\n");
        shell.write(&format!("{tool}/20240101000000_t.sql"), &script);
        let at = format!("--dir {tool} --table {}", tool.replace('-', "_"));
        shell.runs(&[&format!("validate {at}"), &format!("migrate {at}")]);
    }
    let count: i64 = shell.database().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1, "{}", shell.log);
    shell.runs(&["plan --dir goose --table goose --allow down-part", "import --from goose goose --dir new"]);
    shell.assert("folder_of_others");
}

#[test]
fn verdicts_can_be_set() {
    let mut shell = Shell::with_set();
    shell.runs(&["migrate -q", "config --deny out-of-order"]);
    shell.migration("2024-12-31-000000_late", "SELECT 1;", Some("SELECT 1;"));
    shell.runs(&[
        "plan --deny out_of_order",
        "plan --allow 'out of order'",
        "plan --policy strict",
        "plan --policy strict --allow out-of-order",
        "plan --allow nonsense",
        "plan --allow rows-lost",
        "plan --allow dirty",
        "plan --policy nonsense",
    ]);
    let address = "database-url = \"sqlite:app.db\"\n";
    shell.write("switchy-schema.toml", &format!("{address}policy = \"strict\"\nallow = \"out-of-order\"\n"));
    shell.runs(&["plan", "plan --deny out-of-order"]);
    shell.write("switchy-schema.toml", &format!("{address}allow = [\"rows-lost\"]\n"));
    shell.run("plan");
    shell.assert("verdicts");
}

#[test]
fn an_edited_migration_is_run_again() {
    let mut shell = Shell::with_set();
    shell.runs(&["migrate -q", "redo"]);
    let notes = "2025-01-03-000000_notes";
    shell.migration(notes, "CREATE TABLE notes (text TEXT, day TEXT);", Some("DROP TABLE notes;"));
    shell.runs(&["redo", "redo --policy development", "status -q"]);
    shell.migration(notes, "CREATE TABLE notes (text TEXT);", Some("DROP TABLE IF EXISTS notes;"));
    shell.run("redo --policy development");
    shell.assert("redo_edited");
}

#[test]
fn a_script_without_a_statement_is_not_applied_by_accident() {
    let mut shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    shell.runs(&["new notes", "plan", "validate", "validate --strict", "up"]);
    shell.remove("migrations");
    shell.migration("2025-01-01-000000_reserved", "-- kept for its number\n/* ; */\n", Some("SELECT 1;"));
    shell.runs(&["plan", "validate", "migrate", "validate"]);
    shell.assert("no_statement");
}

#[test]
fn a_unique_part_of_an_id_is_enough() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "plan --to email",
        "migrate --to 2025-01-02",
        "migrate --before 2025",
        "up -n 1",
        "repair forget notes --why 'trying it'",
        "repair assume notes",
        "down --to users -y",
        "info",
        "baseline email",
        "create --needs email --needs nothing x",
        "create --flat --no-transaction --needs email --description 'What \"it\" does' late",
    ]);
    shell.assert("ids");
}

/// Ids are whole in 80 columns: what a reader can do without is shortened first.
#[test]
fn tables_fit_a_narrow_terminal() {
    let mut shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    shell.set("COLUMNS", "80");
    let short = "2025-01-01-000000_users";
    let long = "2025-01-02-000000_add_an_index_to_the_users_by_mail";
    for id in [short, long] {
        shell.migration(id, "SELECT 1;", None);
        let text =
            "description = 'A description that is much longer than what fits into a line of a terminal.'\n";
        shell.write(&format!("migrations/{id}/metadata.toml"), text);
    }
    shell.runs(&["list", "plan", "status", "migrate -q", "status", "history"]);
    shell.remove(&format!("migrations/{long}"));
    shell.runs(&["list", "config"]);
    let widest =
        shell.log.lines().filter(|line| !line.starts_with(['!', '$'])).map(|line| line.chars().count());
    assert!(widest.max().unwrap() <= 80, "{}", shell.log);
    assert!(shell.log.matches(long).count() >= 4, "{}", shell.log);
    shell.assert("narrow");
}
