//! Rehearsals on servers: PostgreSQL rolls them back, and MySQL only plans.

use switchy_schema::{
    ErrorKind, Fate, Hooks, Impact, Migration, MigrationRunner, Mysql, Postgres, ProblemKind, Rehearsal,
    Target,
};

use crate::servers;

const BEFORE: &str = "CREATE TABLE person (id INT PRIMARY KEY, name TEXT, email TEXT);
    CREATE TABLE pet (id INT PRIMARY KEY, owner INT REFERENCES person ON DELETE CASCADE);
    INSERT INTO person SELECT i, 'p', i || '@x' FROM generate_series(1, 8) AS i;
    INSERT INTO pet SELECT i, 1 + i % 3 FROM generate_series(1, 6) AS i;";

/// What each step does in one line: `person 8>6 +1 ~2 -3`, then what becomes of the schema.
fn lines(impact: &Impact) -> Vec<String> {
    let number = |rows: Option<u64>| rows.map_or("?".to_owned(), |rows| rows.to_string());
    let line = |step: &switchy_schema::StepImpact| {
        let tables = step.tables.iter().map(|table| {
            let rows = table.rows();
            let fate = if table.fate == Fate::Kept {
                String::new()
            } else {
                format!(" {:?}", table.fate).to_lowercase()
            };
            let (before, after) = (number(table.rows_before), number(table.rows_after));
            format!(
                "{}{fate} {before}>{after} +{} ~{} -{}",
                table.table, rows.inserted, rows.updated, rows.deleted
            )
        });
        let schema = step.schema.iter().map(|change| {
            let sign = match (&change.before, &change.after) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            format!("{sign}{} {}", change.kind, change.name)
        });
        tables.chain(schema).collect::<Vec<_>>().join("; ")
    };
    impact.steps.iter().map(line).collect()
}

#[test]
fn postgresql_rolls_a_rehearsal_back() {
    let Some(server) = servers::postgres() else { return };
    let rows = [
        ("DELETE FROM person WHERE id = 1", "person 8>7 +0 ~0 -1; pet 6>4 +0 ~0 -2"),
        ("UPDATE person SET email = NULL WHERE id < 4", "person 8>8 +0 ~3 -0"),
        (
            "INSERT INTO pet VALUES (7, 1); CREATE INDEX by_owner ON pet (owner)",
            "pet 6>7 +1 ~0 -0; +index by_owner",
        ),
        ("CREATE TABLE copy AS SELECT * FROM person WHERE id > 3", "copy created ?>5 +5 ~0 -0; +table copy"),
        ("DROP TABLE pet", "pet dropped ?>? +0 ~0 -0; -table pet"),
        ("ALTER TABLE person DROP COLUMN email", "~table person"),
        ("SELECT 1", ""),
        // The server does not count what TRUNCATE deletes, and counts what is undone.
        ("TRUNCATE pet", "pet 6>0 +0 ~0 -6"),
        ("TRUNCATE person CASCADE", "person 8>0 +0 ~0 -8; pet 6>0 +0 ~0 -6"),
        ("DO $$ BEGIN EXECUTE 'TRUNCATE pet'; INSERT INTO pet VALUES (1, 1); END $$", "pet 6>1 +1 ~0 -6"),
        (
            "SAVEPOINT s; DELETE FROM pet; ROLLBACK TO s; UPDATE pet SET owner = 1 WHERE id = 1",
            "pet 6>6 +0 ~1 -6",
        ),
        (
            "CREATE TABLE \"odd \"\"name\" (x INT); INSERT INTO \"odd \"\"name\" VALUES (1); CREATE TABLE \"a.b\" (x INT); INSERT INTO \"a.b\" VALUES (1)",
            "a.b created ?>1 +1 ~0 -0; odd \"name created ?>1 +1 ~0 -0; +table a.b; +table odd \"name",
        ),
    ];
    for (script, expected) in rows {
        let mut conn = server.connect();
        conn.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
        let base = || Migration::sql("1_base", BEFORE);
        MigrationRunner::<Postgres>::for_backend([base()]).unwrap().run(&mut conn).unwrap();
        let runner =
            MigrationRunner::<Postgres>::for_backend([base(), Migration::sql("2_step", script)]).unwrap();
        let impact = runner.rehearse(&mut conn, Target::Latest).unwrap();
        assert_eq!(impact.problems, [], "{script}");
        assert_eq!(lines(&impact), [expected], "{script}");
        assert!(impact.to_string().contains("in a transaction that was rolled back"), "{impact}");
        // Nothing happened.
        let found: i64 = conn.query_one("SELECT count(*) FROM person", &[]).unwrap().get(0);
        assert_eq!((found, runner.pending(&mut conn).unwrap().len()), (8, 1), "{script}");
        assert_eq!(runner.apply_rehearsed(&mut conn, impact).unwrap().applied.len(), 1, "{script}");
    }
}

#[test]
fn what_fails_or_could_commit_is_said() {
    let Some(server) = servers::postgres() else { return };
    let mut conn = server.connect();
    let runner = |steps: Vec<Migration<Postgres>>| MigrationRunner::for_backend(steps).unwrap();
    let failing = runner(vec![
        Migration::sql("1_a", "CREATE TABLE a (b INT)"),
        Migration::sql("2_b", "SELECT 1;\nDROP TABLE c"),
    ]);
    let impact = failing.rehearse(&mut conn, Target::Latest).unwrap();
    assert_eq!(lines(&impact), ["a created ?>0 +0 ~0 -0; +table a"]);
    assert_eq!(impact.problems[0].kind, ProblemKind::Fails, "{impact}");
    assert_eq!(failing.apply_rehearsed(&mut conn, impact).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(failing.pending(&mut conn).unwrap().len(), 2);

    let commit = |conn: &mut ::postgres::Client| conn.batch_execute("CREATE TABLE t (x INT); COMMIT");
    for (steps, reason) in [
        (Migration::function("1_code", commit), "`1_code` is code, which could commit"),
        (Migration::sql("1_vacuum", "VACUUM"), "`1_vacuum` runs outside a transaction"),
        (
            Migration::sql("1_link", "DO $$ BEGIN PERFORM dblink_exec('x', 'y'); END $$"),
            "`1_link` has `dblink_exec`, which acts outside the transaction",
        ),
        (Migration::sql("1_lock", "SELECT pg_advisory_lock(1)"), "`1_lock` has `pg_advisory_lock`"),
        (
            Migration::sql("1_kept", "PREPARE q AS SELECT 1"),
            "`1_kept` has `PREPARE`, which a rollback does not undo",
        ),
        (Migration::sql("1_file", "COPY (SELECT 1) TO '/tmp/x'"), "`1_file` has `COPY`"),
        (
            Migration::sql(
                "1_text",
                "SET standard_conforming_strings = off; CREATE TABLE t (x INT); SELECT 'a\\'' ; COMMIT; SELECT ' '",
            ),
            "`1_text` has `standard_conforming_strings`",
        ),
    ] {
        let impact = runner(vec![steps]).rehearse(&mut conn, Target::Latest).unwrap();
        assert!(impact.not_rehearsed.as_deref().unwrap().starts_with(reason), "{impact}");
        assert!(impact.to_string().starts_with("nothing was rehearsed, since"), "{impact}");
    }
    let hooks = Hooks::<Postgres>::for_backend().before(|_, conn| Ok(conn.batch_execute("COMMIT")?));
    let with_hooks = runner(vec![Migration::sql("1_t", "CREATE TABLE t (x INT)")]).hooks(hooks);
    let impact = with_hooks.rehearse(&mut conn, Rehearsal::to(Target::Latest).with_hooks()).unwrap();
    assert_eq!(impact.not_rehearsed.as_deref(), Some("hooks are code, which could commit"));
    let found: i64 =
        conn.query_one("SELECT count(*) FROM pg_tables WHERE tablename = 't'", &[]).unwrap().get(0);
    assert_eq!(found, 0);
}

/// The way back was once proved on the live database of a server, which has no copy: its rows were gone.
#[test]
fn the_way_back_is_not_proved_on_the_live_database() {
    let Some(server) = servers::postgres() else { return };
    let mut conn = server.connect();
    let steps = || {
        [
            Migration::reversible("1_a", "CREATE TABLE a (b INT)", "DROP TABLE a"),
            Migration::reversible("2_c", "CREATE TABLE c (d INT)", "DROP TABLE c"),
        ]
    };
    let runner = MigrationRunner::<Postgres>::for_backend(steps()).unwrap();
    runner.run_to(&mut conn, Target::Through("1_a".into())).unwrap();
    conn.batch_execute("INSERT INTO a VALUES (1)").unwrap();
    let error = runner.prove_reversible(&mut conn).unwrap_err();
    assert!(error.to_string().contains("neither an empty database nor a copy"), "{error}");
    assert!(runner.prove_source_reversible().is_err());
    assert_eq!(conn.query_one("SELECT count(*) FROM a", &[]).unwrap().get::<_, i64>(0), 1);
    assert_eq!(runner.pending(&mut conn).unwrap().len(), 1);
}

#[test]
fn mysql_has_only_the_plan() {
    let Some(server) = servers::mysql() else { return };
    let mut conn = server.connect();
    let runner =
        MigrationRunner::<Mysql>::for_backend([Migration::sql("1_a", "CREATE TABLE a (b INT)")]).unwrap();
    let impact = runner.rehearse(&mut conn, Target::Latest).unwrap();
    assert!(impact.not_rehearsed.is_some());
    assert!(impact.to_string().contains("1. up 1_a"), "{impact}");
    assert_eq!(runner.apply_rehearsed(&mut conn, impact).unwrap().applied.len(), 1);
}

/// The way back is tried only where there is a copy: on a server, the rollbacks would happen in the database itself.
#[test]
fn the_way_back_is_not_tried_on_a_server() {
    if let Some(server) = servers::postgres() {
        let mut conn = server.connect();
        let set = [Migration::reversible("1_a", "CREATE TABLE way_back (b INT)", "DROP TABLE way_back")];
        let runner = MigrationRunner::<Postgres>::for_backend(set).unwrap();
        runner.run(&mut conn).unwrap();
        conn.batch_execute("INSERT INTO way_back VALUES (1)").unwrap();
        let error = runner.prove_reversible(&mut conn).unwrap_err();
        assert!(error.to_string().contains("neither an empty database nor a copy"), "{error}");
        let rows: i64 = conn.query_one("SELECT count(*) FROM way_back", &[]).unwrap().get(0);
        assert_eq!(rows, 1);
    }
    if let Some(server) = servers::mysql() {
        let mut conn = server.connect();
        let set = [Migration::reversible("1_a", "CREATE TABLE way_back (b INT)", "DROP TABLE way_back")];
        let runner = MigrationRunner::<Mysql>::for_backend(set).unwrap();
        runner.run(&mut conn).unwrap();
        assert!(runner.prove_reversible(&mut conn).is_err());
        assert!(runner.is_applied(&mut conn, "1_a").unwrap());
    }
}
