//! Values from outside: placeholders in scripts.

use std::fs;

use rusqlite::Connection;
use switchy_schema::{
    Checksum, DirectoryMigrations, ErrorKind, LogEntryKind, Migration, MigrationError, MigrationRunner,
    Placeholder, Policy, ProblemKind, Recovery, Replacement, Secrecy, Signature, Target, Verdict,
};

mod secrets;
mod texts;

/// A runner of one script, with the placeholders `name` (no default), `prefix` (`app`) and `secret` (secret).
fn runner(script: &str) -> MigrationRunner {
    declaring(MigrationRunner::new([Migration::from_scripts("1_a", script.to_owned(), None)]).unwrap())
}

fn declaring(runner: MigrationRunner) -> MigrationRunner {
    runner
        .placeholder(Placeholder::new("name"))
        .placeholder(Placeholder::new("prefix").default("app"))
        .placeholder(Placeholder::new("secret").secret())
}

fn in_memory() -> Connection {
    Connection::open_in_memory().unwrap()
}

/// The one value that a query returns.
fn value(conn: &Connection, query: &str) -> String {
    conn.query_row(query, [], |row| row.get(0)).unwrap()
}

/// The findings of an error about a plan.
fn findings(error: &MigrationError) -> Vec<String> {
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    error.problems().iter().map(|problem| format!("{}: {problem}", problem.kind)).collect()
}

#[test]
fn nothing_runs_if_a_later_script_has_no_value() {
    let set = [
        Migration::sql("1_a", "CREATE TABLE a (b)"),
        Migration::sql("2_b", "CREATE TABLE b AS SELECT\n  '${name}' AS c, '${nmae}' AS d, '${a.b}' AS e"),
    ];
    let conn = in_memory();
    let runner = declaring(MigrationRunner::new(set).unwrap());
    let error = runner.run(&conn).unwrap_err();
    let place = |column| format!("at {}:{}, in its script at 2:{column}", file!(), line!() - 5);
    assert_eq!(
        findings(&error),
        [
            format!(
                "placeholder: `2_b` needs a value for `${{name}}` {}; give one with `placeholder_value(\"name\", ...)`",
                place(4)
            ),
            format!(
                "placeholder: `2_b` has `${{nmae}}` {}, which is not declared; declare it with `placeholder(Placeholder::new(\"nmae\"))`, or write `\\${{nmae}}` if it is text",
                place(20)
            ),
            format!(
                "placeholder: `2_b` has `${{a.b}}` {}, which is no placeholder: a name has letters, digits and `_`; write `\\${{a.b}}` if it is text",
                place(36)
            ),
        ]
    );
    let declared: Vec<&str> = runner.placeholders().iter().map(|placeholder| &*placeholder.name).collect();
    assert_eq!(declared, ["name", "prefix", "secret"]);
    assert!(runner.history(&conn).unwrap().records().is_empty());
    assert_eq!(value(&conn, "SELECT count(*) || '' FROM sqlite_schema WHERE name = 'a'"), "0");

    let plan = runner.plan(&conn, Target::Latest).unwrap();
    assert_eq!(plan.problems().iter().filter(|it| it.kind == ProblemKind::Placeholder).count(), 3);
    assert!(runner.apply(&conn, plan).is_err());
}

#[test]
fn a_value_that_is_missing_for_what_is_applied_is_no_error() {
    let conn = in_memory();
    let script = "CREATE TABLE ${prefix}_a AS SELECT '${name}' AS b";
    runner(script).placeholder_value("name", "x").run(&conn).unwrap();
    assert!(runner(script).run(&conn).unwrap().is_up_to_date());
    let found = runner(script).validate(&conn).unwrap();
    assert_eq!(found.iter().map(|it| it.kind).collect::<Vec<_>>(), [ProblemKind::Irreversible]);
}

#[test]
fn another_value_is_no_change_of_the_migration() {
    let script = "CREATE TABLE ${prefix}_a AS SELECT '${name}' AS b";
    let conn = in_memory();
    runner(script).placeholder_value("name", "first").run(&conn).unwrap();
    let other = runner(script).placeholder_value("name", "second").placeholder_value("prefix", "other");
    assert!(other.run(&conn).unwrap().is_up_to_date());
    assert_eq!(value(&conn, "SELECT b FROM app_a"), "first");
    let history = other.history(&conn).unwrap();
    assert_eq!(history.records()[0].up_sql.as_deref(), Some(script));
    assert_eq!(history.records()[0].checksum, Some(Checksum::of(script)));
    assert_eq!(other.script("1_a", switchy_schema::Direction::Up), Some(script));
}

/// What a plan says, and what a policy judges, is about the statement that runs.
#[test]
fn the_effects_are_those_of_the_script_with_its_values() {
    let set = [
        Migration::sql("1_a", "CREATE TABLE app_a (b); INSERT INTO app_a VALUES (1)"),
        Migration::sql("2_b", "DROP TABLE ${prefix}_a"),
    ];
    let conn = in_memory();
    let runner = declaring(MigrationRunner::new(set).unwrap());
    runner.run_to(&conn, Target::Steps(1)).unwrap();
    let plan = runner.plan(&conn, Target::Latest).unwrap().to_string();
    assert!(plan.contains("drops the table `app_a` with 1 row"), "{plan}");
    let other = runner.placeholder_value("prefix", "none");
    let plan = other.plan(&conn, Target::Latest).unwrap();
    assert_eq!(plan.problems()[0].kind, ProblemKind::Fails);
    assert!(plan.problems()[0].finding.contains("no such table: none_a"), "{plan}");
    let own = other.placeholder_value("prefix", "__switchy_migrations; DROP TABLE app");
    assert_eq!(own.plan(&conn, Target::Latest).unwrap().problems()[0].kind, ProblemKind::Placeholder);
    let denied = own
        .placeholder_value("prefix", "app")
        .policy(Policy::DEFAULT.with(ProblemKind::Destructive, Verdict::Deny));
    assert_eq!(denied.run(&conn).unwrap_err().problems()[0].kind, ProblemKind::Destructive);
}

#[test]
fn an_error_is_at_the_place_in_the_file() {
    let script = "CREATE TABLE a (b);\nINSERT INTO a VALUES ('${name}'), ('\\${x}'); -- ${y}\nINSERT INTO ${prefix} SELECT '${name}', oops;\n";
    for name in ["", "a", "a much longer text than its placeholder"] {
        let error = runner(script).placeholder_value("name", name).placeholder_value("prefix", "a");
        let error = error.run(&in_memory()).unwrap_err();
        let at = error.location().unwrap();
        assert_eq!((at.position.unwrap().line, at.position.unwrap().column), (3, 41), "{error}");
        assert_eq!(at.line.as_deref(), Some("INSERT INTO ${prefix} SELECT '${name}', oops;"));
    }
    let error = runner(script).placeholder_value("name", "").placeholder_value("prefix", "nowhere");
    let error = error.run(&in_memory()).unwrap_err();
    assert!(error.to_string().contains("no such table: nowhere"), "{error}");
    assert!(error.to_string().contains("3:"), "{error}");
}

/// The error names the statement as its author wrote it, even if it ends within a value or if two are the same with their values.
#[test]
fn an_error_names_the_statement_of_the_author() {
    let raw = |value: &'static str| Placeholder::new("raw").raw().default(value);
    for (script, value, statement, column) in [
        ("SELECT ${raw}; SELECT 1", "1; SELECT nothing", "${raw};", 8),
        ("SELECT ${raw}; SELECT 1", "nothing; SELECT 2", "SELECT ${raw}", 8),
        ("SELECT nothing${raw}", "; SELECT 1", "SELECT nothing${raw}", 8),
        ("SELECT nothing;${raw}", "SELECT 1", "SELECT nothing;", 8),
        ("SELECT 1${raw}", "; SELECT nothing", "${raw}", 9),
        ("SELECT (1${raw})) + 1", "0", "SELECT (1${raw})) + 1", 17),
    ] {
        let error = runner(script).placeholder(raw(value)).run(&in_memory()).unwrap_err();
        assert_eq!(error.location().unwrap().position.unwrap().column, column, "{script}: {error}");
        assert!(error.to_string().contains(&format!(" in `{statement}`: ")), "{script}: {error}");
    }
    let twice =
        "CREATE TABLE a (b UNIQUE); INSERT INTO a VALUES ('${name}'); INSERT INTO a VALUES ('${prefix}')";
    let both = runner(twice).placeholder_value("name", "x").placeholder_value("prefix", "x");
    let error = both.run(&in_memory()).unwrap_err();
    assert!(error.to_string().contains(" in `INSERT INTO a VALUES ('${prefix}')`: "), "{error}");
}

#[test]
fn a_finding_about_what_a_statement_did_names_the_statement_of_the_author() {
    let conn = in_memory();
    conn.execute_batch(
        "CREATE TABLE a (b); CREATE TABLE c (d); INSERT INTO c VALUES (1);
        CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM c; END",
    )
    .unwrap();
    let script = "SELECT '${name}';\nINSERT INTO a VALUES ('${name}')";
    let error = runner(script).placeholder_value("name", "a long value").run(&conn).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::RowsLost, "{error}");
    assert!(error.to_string().contains("at 2:1 in `INSERT INTO a VALUES ('${name}')`: "), "{error}");
}

#[test]
fn a_rollback_and_a_redo_replace_them_too() {
    let down = "DROP TABLE ${prefix}_a";
    let set = || {
        let up = "CREATE TABLE ${prefix}_a AS SELECT '${name}' AS b";
        declaring(MigrationRunner::new([Migration::reversible("1_a", up, down)]).unwrap())
    };
    let conn = in_memory();
    set().placeholder_value("name", "one").run(&conn).unwrap();
    set().placeholder_value("name", "two").redo(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT b FROM app_a"), "two");
    // The up script of a redo needs the value.
    assert_eq!(findings(&set().redo(&conn).unwrap_err()).len(), 1);
    // A rollback runs the down script only.
    set().rollback(&conn, 1).unwrap();
    assert!(set().history(&conn).unwrap().records().is_empty());

    let down = Migration::reversible("1_a", "SELECT 1", "SELECT '${name}'");
    let needing = || declaring(MigrationRunner::new([down.clone()]).unwrap());
    needing().run(&conn).unwrap();
    assert_eq!(findings(&needing().rollback(&conn, 1).unwrap_err()).len(), 1);
    needing().placeholder_value("name", "x").rollback(&conn, 1).unwrap();
}

/// The script in the database has the text before its values are put in, and a downgrade puts them in again.
#[test]
fn a_downgrade_replaces_them_in_the_stored_script() {
    let conn = in_memory();
    let up = "CREATE TABLE ${prefix}_a (b); CREATE TABLE c (d)";
    let down = "DROP TABLE ${prefix}_a; INSERT INTO c VALUES ('\\${name}')";
    let newer = declaring(MigrationRunner::new([Migration::reversible("1_a", up, down)]).unwrap());
    newer.run(&conn).unwrap();
    let stored = value(&conn, "SELECT down_sql || down_options FROM __switchy_migrations");
    assert_eq!(stored, format!("{down}placeholders"));

    let older = MigrationRunner::new(Vec::<Migration>::new()).unwrap();
    let error = older.downgrade(&conn).unwrap_err();
    assert!(
        findings(&error)[0]
            .contains("`${prefix}` at the script stored in the database:1:12, which is not declared"),
        "{error}"
    );
    assert_eq!(older.history(&conn).unwrap().records().len(), 1);

    let older = older.placeholder(Placeholder::new("prefix"));
    let error = older.downgrade(&conn).unwrap_err();
    assert!(findings(&error)[0].contains("needs a value for `${prefix}`"), "{error}");
    let older = older.placeholder_value("prefix", "app");
    let plan = older.plan(&conn, Target::Known).unwrap();
    assert!(plan.to_string().contains("drops the table `app_a`"), "{plan}");
    older.downgrade(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT d FROM c"), "${name}");
    assert_eq!(older.history(&conn).unwrap().log()[0].kind, LogEntryKind::Downgraded);
}

/// The backslash of `\${name}` goes, also if the program that downgrades declares nothing.
#[test]
fn a_stored_script_keeps_no_escape() {
    let conn = in_memory();
    let set = [Migration::reversible("1_a", "CREATE TABLE c (d)", "INSERT INTO c VALUES ('\\${name}')")];
    declaring(MigrationRunner::new(set).unwrap()).run(&conn).unwrap();
    MigrationRunner::new(Vec::<Migration>::new()).unwrap().downgrade(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT d FROM c"), "${name}");
}

/// A script that was stored when nothing was declared runs as it is.
#[test]
fn a_stored_script_without_placeholders_is_not_changed() {
    let conn = in_memory();
    let set = [Migration::reversible("1_a", "CREATE TABLE c (d)", "INSERT INTO c VALUES ('${prefix}')")];
    MigrationRunner::new(set).unwrap().run(&conn).unwrap();
    declaring(MigrationRunner::new(Vec::<Migration>::new()).unwrap()).downgrade(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT d FROM c"), "${prefix}");
}

#[test]
fn without_a_declaration_it_is_a_finding() {
    let script = "CREATE TABLE a AS SELECT '${name}' AS b, '${other}' AS c -- ${comment}";
    let set = |migration: Migration| MigrationRunner::new([migration]).unwrap();
    let undeclared = set(Migration::sql("1_a", script));
    let conn = in_memory();
    let plan = undeclared.plan(&conn, Target::Latest).unwrap();
    let found = &plan.problems()[0];
    assert_eq!((found.kind, found.verdict), (ProblemKind::LiteralPlaceholder, Verdict::Warn));
    assert!(found.finding.starts_with("has `${name}` at "), "{found}");
    assert!(found.to_string().ends_with(
        "1:27, which is not replaced, because no placeholder is declared; declare it with `placeholder(Placeholder::new(\"name\"))`, or set placeholders = false in its metadata if it is text"
    ), "{found}");
    assert_eq!(found.at.as_ref().unwrap().position.unwrap().column, 27);
    assert!(undeclared.validate_source().iter().any(|it| it.kind == ProblemKind::LiteralPlaceholder));

    let strict = set(Migration::sql("1_a", script)).policy(Policy::STRICT);
    assert_eq!(strict.run(&conn).unwrap_err().problems()[0].kind, ProblemKind::LiteralPlaceholder);
    let text = set(Migration::sql("1_a", script).without_placeholders());
    assert!(text.plan(&conn, Target::Latest).unwrap().problems().is_empty());
    // It is a note, and not in the way.
    assert_eq!(undeclared.run(&conn).unwrap().notes[0].kind, ProblemKind::LiteralPlaceholder);
    assert_eq!(value(&conn, "SELECT b FROM a"), "${name}");
}

#[test]
fn one_migration_can_declare_its_own_or_none() {
    let set = [
        Migration::sql("1_a", "CREATE TABLE a AS SELECT '${name}' AS b, '${prefix}' AS c")
            .placeholder(Placeholder::new("name").default("own")),
        Migration::sql("2_b", "CREATE TABLE b AS SELECT '${name}' AS b").without_placeholders(),
    ];
    let conn = in_memory();
    declaring(MigrationRunner::new(set).unwrap()).run(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT a.b || c || b.b FROM a, b"), "ownapp${name}");

    // The declaration of one migration says nothing about the next one.
    let set = [
        Migration::sql("1_a", "CREATE TABLE a AS SELECT '${x}' AS b")
            .placeholder(Placeholder::new("x").default("y")),
        Migration::sql("2_b", "CREATE TABLE b AS SELECT '${x}' AS b"),
    ];
    let conn = in_memory();
    let report = MigrationRunner::new(set).unwrap().run(&conn).unwrap();
    assert_eq!(report.notes.len(), 1);
    assert_eq!(value(&conn, "SELECT a.b || b.b FROM a, b"), "y${x}");
}

#[test]
fn metadata_declares_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1_a");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("up.sql"), "CREATE TABLE a AS SELECT '${x}' AS b, '${y}' AS c").unwrap();
    let read = |metadata: &str| {
        fs::write(path.join("metadata.toml"), metadata).unwrap();
        MigrationRunner::new(DirectoryMigrations::from_path(folder.path()))
    };
    let of_table = "placeholders.x = { default = \"1\", secret = true }\nplaceholders.y = { raw = true }";
    let runner = read(of_table).unwrap();
    let declared = &runner.list()[0].placeholders;
    assert_eq!((declared[0].name.as_ref(), declared[0].secrecy), ("x", Secrecy::Secret));
    let conn = in_memory();
    runner.placeholder_value("y", "2").run(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT b || c FROM a"), "12");

    let runner = read("placeholders = [\"x\", \"y\"]").unwrap();
    assert_eq!(runner.list()[0].placeholders.len(), 2);
    let runner = read("placeholders = false").unwrap();
    assert_eq!(runner.list()[0].replacement, Replacement::Never);
    for (metadata, expected) in [
        ("placeholders = true", "1:16: `placeholders = true` declares no name; list the names"),
        ("placeholders = 1", "1:16: expected `false`, a list of names, or a table of placeholders"),
        ("placeholders = [\"a-b\"]", "1:16: `a-b` cannot be the name of a placeholder"),
        (
            "placeholders.x = { defualt = \"1\" }",
            "expected `false`, a list of names, or a table of placeholders",
        ),
    ] {
        let error = read(metadata).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Everything that runs scripts again runs them with their values.
#[test]
fn trials_and_replays_have_the_values() {
    let set = || {
        let up = "CREATE TABLE ${prefix}_a (b DEFAULT '${name}')";
        let set = [Migration::reversible("1_a", up, "DROP TABLE ${prefix}_a")];
        declaring(MigrationRunner::new(set).unwrap())
    };
    let conn = in_memory();
    let given = set().placeholder_value("name", "x");
    assert_eq!(given.rehearse(&conn, Target::Latest).unwrap().steps.len(), 1);
    given.run(&conn).unwrap();
    assert!(given.drift(&conn).unwrap().is_empty());
    assert!(given.prove_reversible(&conn).unwrap().is_empty());
    conn.execute_batch("DROP TABLE app_a").unwrap();
    assert!(given.drift(&conn).unwrap().to_string().contains("missing table `app_a`"));
    let drift = set().drift(&conn).unwrap().to_string();
    assert!(drift.contains("`1_a`") && drift.contains("needs a value for `${name}`"), "{drift}");
    // Of a migration that the set no longer has, the stored script is replayed.
    let gone = MigrationRunner::new(Vec::<Migration>::new()).unwrap();
    let gone = declaring(gone).placeholder_value("name", "x");
    assert!(gone.drift(&conn).unwrap().to_string().contains("missing table `app_a`"));
}

#[test]
fn a_client_script_has_the_values_and_records_the_text() {
    let script = "CREATE TABLE ${prefix}_a AS SELECT '${name}' AS b";
    let conn = in_memory();
    let runner = runner(script).placeholder_value("name", "x");
    let plan = runner.plan(&conn, Target::Latest).unwrap();
    let text = runner.client_script(&conn, &plan).unwrap();
    assert!(text.contains("CREATE TABLE app_a AS SELECT 'x' AS b"), "{text}");
    conn.execute_batch(&text.replace(".bail on", "")).unwrap();
    assert_eq!(runner.history(&conn).unwrap().records()[0].up_sql.as_deref(), Some(script));
    assert!(runner.run(&conn).unwrap().is_up_to_date());
}

/// A step that is not in a transaction is continued with the values of the run that continues it.
#[test]
fn an_interrupted_step_goes_on_with_its_values() {
    let script = "CREATE TABLE ${prefix}_a (b);\nINSERT INTO ${prefix}_a VALUES (${name});";
    let set = || {
        let migration = Migration::from_scripts("1_a", script, None).outside_transaction();
        declaring(MigrationRunner::new([migration]).unwrap())
    };
    let conn = in_memory();
    let error = set().placeholder_value("name", "oops").run(&conn).unwrap_err();
    assert_eq!(error.location().unwrap().position.unwrap().line, 2);
    set().recover(&conn, Recovery::Retry("1_a".into()), Signature::of("ada")).unwrap();
    assert_eq!(findings(&set().run(&conn).unwrap_err()).len(), 1);
    set().placeholder_value("name", "5").run(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT b || '' FROM app_a"), "5");
}

/// With another number of statements, the number of the one to continue at would name another one.
#[test]
fn an_interrupted_step_does_not_go_on_with_fewer_statements() {
    let script = "CREATE TABLE a (b);\n${extra};\nCREATE TABLE c (d);\nINSERT INTO c VALUES (${name});";
    let set = |extra: &str, name: &str| {
        let migration = Migration::from_scripts("1_a", script, None).outside_transaction();
        let runner = declaring(MigrationRunner::new([migration]).unwrap()).placeholder_value("name", name);
        runner.placeholder(Placeholder::new("extra").raw()).placeholder_value("extra", extra)
    };
    let several = "INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)";
    let advice = "give its placeholders the values that they had, call `recover` with `Recovery::RetryFrom`";
    let place =
        "at statement 5 of 5 of its script, which now has 4, since its placeholders have other values";
    let retry = || Recovery::Retry("1_a".into());
    let from = |statement| Recovery::RetryFrom { migration: "1_a".into(), statement };
    // Both ways that the error offers lead to the end, and the one that it does not offer is refused.
    for (recovery, extra) in [(retry(), several), (from(4), "SELECT 1")] {
        let (conn, ada) = (in_memory(), || Signature::of("ada"));
        set(several, "oops").run(&conn).unwrap_err();
        let error = set("SELECT 1", "5").run(&conn).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(advice), "{error}");
        for (refused, why) in
            [(retry(), "its script has 4 statements, and had 5"), (from(6), "it has no statement 6")]
        {
            let error = set("SELECT 1", "5").recover(&conn, refused, ada()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        set(extra, "5").recover(&conn, recovery, ada()).unwrap();
        let other = if extra == several { "SELECT 1" } else { several };
        let error = set(other, "5").run(&conn).unwrap_err().to_string();
        assert!(error.contains("its placeholders have other values"), "{error}");
        set(extra, "5").run(&conn).unwrap();
        assert_eq!(value(&conn, "SELECT group_concat(b) || (SELECT d FROM c) FROM a"), "1,25");
    }
}
