//! What a plan or a validation says will fail does fail, at that step and with those words.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use switchy_schema::{Policy, ProblemKind, Verdict};

use super::{database, plan, set};

/// Statements over two tables with rows. Many of them fail, some only in certain orders.
const STATEMENTS: [&str; 46] = [
    "INSERT INTO a VALUES (1, 2, 'x')",
    "INSERT INTO a (p, name) SELECT p, name FROM a WHERE p IS NULL",
    "INSERT INTO b SELECT * FROM b",
    "INSERT INTO b SELECT id + 100000, name FROM a",
    "INSERT INTO b SELECT id, name FROM a WHERE id > (SELECT max(id) FROM b)",
    "INSERT OR IGNORE INTO b SELECT id, name FROM a",
    "REPLACE INTO b SELECT id, name FROM a",
    "DELETE FROM a WHERE p IS NULL",
    "DELETE FROM a WHERE id < 1000",
    "DELETE FROM a",
    "DELETE FROM b WHERE id NOT IN (SELECT p FROM a WHERE p IS NOT NULL)",
    "UPDATE a SET p = coalesce(p, 1)",
    "UPDATE a SET p = (SELECT id FROM b WHERE b.id = a.p)",
    "UPDATE a SET id = id + 1",
    "UPDATE a SET id = -id",
    "UPDATE a SET name = upper(name) WHERE name > 'n5'",
    "UPDATE b SET name = (SELECT name FROM a WHERE a.id = b.id)",
    "UPDATE b SET id = id / 2",
    "ALTER TABLE a ADD COLUMN x NOT NULL",
    "ALTER TABLE a ADD COLUMN y NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "ALTER TABLE a ADD COLUMN z CHECK (p > 0)",
    "ALTER TABLE a ADD COLUMN x",
    "ALTER TABLE a DROP COLUMN x",
    "ALTER TABLE a DROP COLUMN p",
    "ALTER TABLE a RENAME TO c",
    "ALTER TABLE c RENAME TO a",
    "ALTER TABLE b ADD COLUMN n NOT NULL",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p NOT NULL, name)",
    "INSERT INTO c SELECT id, p, name FROM a",
    "INSERT INTO c SELECT a.id, b.id, a.name FROM a LEFT JOIN b ON a.p = b.id",
    "INSERT INTO c SELECT max(id), count(*), 'x' FROM a",
    "INSERT INTO c SELECT count(*), min(p), 'x' FROM a GROUP BY name",
    "CREATE TABLE c AS SELECT DISTINCT p FROM a",
    "CREATE TABLE d AS SELECT id, p FROM a WHERE p IS NOT NULL",
    "CREATE TABLE d (n CHECK (n > 50))",
    "INSERT INTO d SELECT count(*) FROM a",
    "INSERT INTO d SELECT id FROM b",
    "ALTER TABLE d ADD COLUMN q NOT NULL",
    "DROP TABLE a",
    "DROP TABLE b",
    "DROP TABLE IF EXISTS c",
    "CREATE UNIQUE INDEX i ON a (p)",
    "CREATE UNIQUE INDEX j ON a (name)",
    "DROP INDEX i",
    "CREATE TRIGGER t AFTER INSERT ON b BEGIN DELETE FROM a WHERE id = new.id; END",
    "SAVEPOINT s; DELETE FROM a; ROLLBACK TO s; RELEASE s",
];

/// `a` has some rows without a parent, and both may have more rows than are copied.
fn schema(parents: usize, children: usize, nulls: usize) -> String {
    let numbers =
        |n: usize| format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})");
    format!(
        "CREATE TABLE b (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
        CREATE TABLE a (id INTEGER PRIMARY KEY, p INTEGER, name TEXT);
        {} INSERT INTO b SELECT i * 3, 'b' || i FROM n;
        {} INSERT INTO a SELECT i, CASE WHEN i % {nulls} = 0 THEN NULL ELSE i * 3 END, 'n' || i % 700 FROM n;",
        numbers(parents),
        numbers(children)
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_will_fail_fails(
        sizes in (select(vec![1, 5, 30, 1500]), select(vec![1, 5, 30, 1500]), select(vec![2, 7, 40, 5000])),
        statements in vec(vec(select(STATEMENTS.to_vec()), 1..4), 1..5),
    ) {
        let schema = schema(sizes.0, sizes.1, sizes.2);
        let scripts: Vec<&'static str> =
            statements.iter().map(|statements| &*Box::leak(statements.join(";\n").into_boxed_str())).collect();
        // What a step does to rows and references is another matter.
        let policy = [ProblemKind::RowsLost, ProblemKind::BrokenReference]
            .into_iter()
            .fold(Policy::default(), |policy, kind| policy.with(kind, Verdict::Warn));
        let runner = set(&scripts).policy(policy);
        let conn = database(&schema);
        let planned = plan(&runner, &conn);
        let found = runner.validate(&conn).unwrap();
        let certain = found.iter().filter(|it| {
            it.kind == ProblemKind::Fails && !it.finding.contains("when the set is replayed in an empty database")
        });
        let said: Vec<_> =
            planned.problems().iter().filter(|it| it.kind == ProblemKind::Fails).chain(certain).collect();
        let outcome = runner.run(&conn);
        // With all rows on the copy, everything is known, except after a rollback by a script.
        let has_savepoint = scripts.iter().any(|script| script.contains("SAVEPOINT"));
        let is_whole = sizes.0 <= 5 && sizes.1 <= 5 && !has_savepoint;
        for problem in said {
            let error = outcome.as_ref().map(|_| ()).expect_err(&format!("{problem} in {scripts:#?} on {schema}"));
            let message = &problem.finding[problem.finding.rfind("`: ").unwrap() + 3..];
            // Something that is not certain may fail before it.
            let (at, said_at) = (error.migration().unwrap().as_str(), problem.migration.as_str());
            let is_same = at == said_at && error.to_string().contains(message);
            prop_assert!(
                if is_whole { is_same } else { at <= said_at },
                "{problem}\n{error}\n{scripts:#?} on {schema}"
            );
        }
        if is_whole {
            prop_assert_eq!(planned.failing_step().is_some(), outcome.is_err(), "{:#?} on {}: {:?}", scripts, schema, outcome);
        }
    }
}
