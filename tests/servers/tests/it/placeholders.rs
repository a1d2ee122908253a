//! Placeholders in scripts for servers: what the servers quote, cut and say.

use mysql::prelude::Queryable;
use switchy_schema::{
    Backend, ErrorKind, Migration, MigrationError, MigrationRunner, Mysql, Placeholder, Postgres, Recovery,
    Signature, Target,
};

use crate::servers;

const SECRET: &str = "hunter2-Tr0ub4dor-and-a-long-rest-of-more-than-sixty-four-bytes-in-all";

fn runner<B: Backend>(migrations: Vec<Migration<B>>) -> MigrationRunner<B> {
    MigrationRunner::for_backend(migrations)
        .unwrap()
        .placeholder(Placeholder::new("table"))
        .placeholder(Placeholder::new("secret").secret())
        .placeholder_value("table", "t")
        .placeholder_value("secret", SECRET)
}

fn script<B: Backend>(up: &str) -> MigrationRunner<B> {
    runner(vec![Migration::from_scripts("1_a", up.to_owned(), None)])
}

#[track_caller]
fn assert_hidden(text: &str) {
    let lower = text.to_lowercase();
    for part in ["hunter2", "r0ub4", "and-a-long"] {
        assert!(!lower.contains(part), "{part} is in {text}");
    }
}

/// Asserts that an error does not have the secret, and returns its sentence and its position.
#[track_caller]
fn hidden(error: &MigrationError) -> (String, Option<(usize, usize)>) {
    let cause = error.cause().map(|cause| format!("{cause} {cause:?} {:?}", cause.source()));
    assert_hidden(&format!("{error} {error:#} {error:?} {}", cause.unwrap_or_default()));
    let position = error.location().and_then(|at| at.position);
    (error.to_string(), position.map(|position| (position.line, position.column)))
}

#[test]
fn postgres_runs_scripts_with_their_values() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    let up = "CREATE TABLE ${table} (a TEXT);
        CREATE FUNCTION f() RETURNS TEXT LANGUAGE sql AS $${table}$$;
        DO $body$ BEGIN INSERT INTO ${table} VALUES ('\\${x} ' || length('${secret}')); END $body$;";
    // `$${table}$$` is a text in dollar quotes.
    let up = up.replace("$${table}$$", "$$SELECT '${table}'::TEXT$$");
    let set = || {
        runner(vec![Migration::<Postgres>::from_scripts(
            "1_a",
            up.clone(),
            Some("DROP TABLE ${table}; DROP FUNCTION f".into()),
        )])
    };
    let plan = set().plan(&mut client, Target::Latest).unwrap();
    assert_hidden(&format!("{plan:?}"));
    set().run(&mut client).unwrap();
    let row = client.query_one("SELECT a || f() FROM t", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), format!("${{x}} {}t", SECRET.len()));
    assert!(set().drift(&mut client).unwrap().is_empty());
    assert!(set().placeholder_value("table", "other").run(&mut client).unwrap().is_up_to_date());
    let rows =
        client.query("SELECT coalesce(up_sql, '') || coalesce(down_sql, '') FROM __switchy_migrations", &[]);
    let stored: Vec<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(stored, [format!("{up}DROP TABLE ${{table}}; DROP FUNCTION f")]);
    set().rollback(&mut client, 1).unwrap();
}

#[test]
fn postgres_is_not_quoted_with_a_secret() {
    let Some(database) = servers::postgres() else { return };
    let mut config: postgres::Config = database.url.parse().unwrap();
    let mut client = config.notice_callback(Postgres::notice).connect(postgres::NoTls).unwrap();
    client.batch_execute("CREATE TABLE t (a TEXT UNIQUE, b INT); CREATE TABLE n (a INT)").unwrap();
    for (up, position, says) in [
        (
            "SELECT 1;\nINSERT INTO ${table} VALUES ('${secret}', 1), ('${secret}', 2)",
            (2, 1),
            "Key (a)=(${secret})",
        ),
        (
            "SELECT 1;\nINSERT INTO n VALUES ('${secret}')",
            (2, 23),
            "invalid input syntax for type integer: \"${secret}\"",
        ),
        (
            "INSERT INTO ${table} VALUES ('${secret}', 'x')",
            (1, 43),
            "invalid input syntax for type integer: \"x\"",
        ),
        ("SELECT '${secret}' '${secret}'", (1, 20), "at or near \"'${secret}'\""),
        (
            "ALTER TABLE t ADD CHECK (b > 0);\nINSERT INTO t VALUES ('${secret}', -1)",
            (2, 1),
            "Failing row contains (***",
        ),
        ("DO $$ BEGIN\n  RAISE EXCEPTION 'no: %', '${secret}';\nEND $$", (1, 1), "no: ${secret}"),
    ] {
        let runner = script::<Postgres>(up);
        assert_hidden(&format!("{:?}", runner.plan(&mut client, Target::Latest)));
        let (sentence, at) = hidden(&runner.run(&mut client).unwrap_err());
        assert!(sentence.contains(says), "{sentence}");
        assert_eq!(at, Some(position), "{sentence}");
    }
    let says = "DO $$ BEGIN\n  RAISE NOTICE 'made %', '${secret}';\nEND $$";
    let report = script::<Postgres>(says).run(&mut client).unwrap();
    assert_hidden(&format!("{report:?}"));
    assert_eq!(report.applied[0].notices[0].message, "made ${secret}");
}

#[test]
fn mysql_runs_scripts_with_their_values_and_hides_a_secret() {
    let Some(database) = servers::mysql() else { return };
    let mut conn = database.connect();
    let up = "CREATE TABLE ${table} (a VARCHAR(100) UNIQUE, b INT);
INSERT INTO ${table} VALUES (\"${secret}\", 1);
INSERT INTO ${table} VALUES ('${secret}', 1), ('x', ${table});";
    let set = || runner(vec![Migration::<Mysql>::from_scripts("1_a", up, None)]);
    let error = set().run(&mut conn).unwrap_err();
    let (sentence, at) = hidden(&error);
    assert!(
        sentence.contains("Unknown column 't'") || sentence.contains("Duplicate entry '${secret}'"),
        "{sentence}"
    );
    assert_eq!(at.map(|(line, _)| line), Some(3), "{sentence}");
    let history = set().history(&mut conn).unwrap();
    assert_hidden(&format!("{history:?}"));
    // It shares a transaction with the statement before it.
    assert_eq!(history.records()[0].dirty.as_ref().unwrap().statement, Some(2));

    // The server quotes 80 bytes of the statement, and cuts the value.
    for padding in 0..80 {
        let padding = "y".repeat(padding);
        let script = script::<Mysql>(&format!("SELECT 1 FRM '{padding}', '${{secret}}'"));
        let script = script.table_name("other").unwrap();
        let (sentence, _) = hidden(&script.run(&mut conn).unwrap_err());
        assert!(sentence.contains("near '"), "{sentence}");
        let quoted = sentence.split("near '").nth(1).unwrap();
        assert!(!quoted.contains(", 'h"), "{sentence}");
    }
    set().recover(&mut conn, Recovery::Retry("1_a".into()), Signature::of("ada")).unwrap();
    conn.query_drop("DELETE FROM t").unwrap();
    let error = set().placeholder_value("table", "none").run(&mut conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Step);
    assert!(error.to_string().contains("none"), "{error}");
}
