//! What a plan and a validation say about scripts that will fail, or that mean something else than their author thinks.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::TestMigrationBuilder;
use switchy_schema::{
    BoxError, ErrorKind, ForeignKeys, Hooks, Migration, MigrationRunner, Plan, Policy, Problem, ProblemKind,
    Target, Verdict,
};

use crate::execution::{applied, memory};

mod property;

/// A set of up scripts: `1_it`, `2_it`, ...
fn set(scripts: &[&'static str]) -> MigrationRunner {
    let id = |number: usize| format!("{number}_it");
    let migrations =
        (1..).zip(scripts).map(|(number, script)| Migration::from_scripts(id(number), *script, None));
    MigrationRunner::new(migrations.collect::<Vec<_>>()).unwrap()
}

fn database(schema: &str) -> Connection {
    let conn = memory();
    conn.execute_batch(schema).unwrap();
    conn
}

/// The problems of a kind, as `id: finding`, without their places.
fn of_kind(problems: &[Problem], kind: ProblemKind) -> Vec<String> {
    let meant = problems.iter().filter(|problem| problem.kind == kind);
    let text = |problem: &Problem| {
        let end = problem.finding.rfind(": ").unwrap();
        let why = problem.finding.split(", at ").next().unwrap();
        format!("{} {why}: {}", problem.migration, &problem.finding[end + 2..])
    };
    meant.map(text).collect()
}

/// What the run says about the step at which it ends: its id and SQLite's message.
fn outcome(runner: &MigrationRunner, conn: &Connection) -> Option<(String, String)> {
    let error = runner.run(conn).err()?;
    assert_eq!(error.kind(), ErrorKind::Step, "{error}");
    Some((error.migration().unwrap().to_string(), error.to_string()))
}

fn plan(runner: &MigrationRunner, conn: &Connection) -> Plan {
    runner.plan(conn, Target::Latest).unwrap()
}

const JOB: &str = "CREATE TABLE job (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
    INSERT INTO job VALUES (1, 'a', NULL), (2, 'b', 'x')";
const EMPTY: &str = "CREATE TABLE job (id INTEGER PRIMARY KEY, name TEXT, note TEXT)";

const SCHEMA: &str = "fails on a copy of this database's schema";
const ROWS: &str = "fails because of rows that this database has";

/// The step, the cause and SQLite's words.
type Said = Option<(&'static str, &'static str, &'static str)>;

/// Compares what a plan, a validation and a run say about these scripts in a database with this schema and these rows.
#[track_caller]
fn check(before: &str, scripts: &[&'static str], expected: Said) {
    let context = format!("{before} and {scripts:?}");
    let runner = set(scripts);
    let conn = database(before);
    let (changes, validated) = (conn.total_changes(), runner.validate(&conn).unwrap());
    let planned = plan(&runner, &conn);
    assert_eq!(conn.total_changes(), changes, "{context}");
    let words = expected.map(|(id, why, message)| (format!("{id} {why}: "), id, message));
    for problems in [planned.problems(), &validated] {
        // A set that needs a schema from elsewhere also fails in an empty database.
        let said = of_kind(problems, ProblemKind::Fails);
        let said: Vec<_> = said.iter().filter(|said| !said.contains("empty database")).collect();
        match &words {
            None => assert_eq!(said, Vec::<&String>::new(), "{context}"),
            Some((begin, _, message)) => {
                assert_eq!(said.len(), 1, "{context}: {problems:#?}");
                let is_it = said[0].starts_with(begin.as_str());
                assert!(
                    is_it && problems.iter().any(|it| it.finding.contains(message)),
                    "{context}: {said:?}"
                );
            }
        }
    }
    let refused = runner.apply(&conn, planned.clone());
    match &words {
        None => {
            let already = refused.unwrap().applied.len();
            assert_eq!(already, scripts.len(), "{context}");
        }
        Some((_, id, message)) => {
            assert_eq!(planned.failing_step().unwrap().id, *id, "{context}");
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{context}");
            assert_eq!(applied(&conn), Vec::<String>::new(), "{context}");
            // The run says the same.
            let (at, error) = outcome(&runner, &conn).expect(&context);
            assert!(at == *id && error.contains(message), "{context}: {error}");
            let problem = planned.problems().iter().find(|it| it.kind == ProblemKind::Fails).unwrap();
            let words = &problem.finding[problem.finding.find(", at ").unwrap() + 2..];
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

/// `plan` said nothing, or only what a script drops, where `validate` knew that the script fails; and neither knew what fails only over rows,
/// so that each customer saw what the author, with an empty database, did not.
#[test]
fn a_plan_and_a_validation_say_what_does_not_fit_the_schema() {
    let table: &[(&str, &[&'static str], Said)] = &[
        (JOB, &["ALTER TABLE job DROP COLUMN nam"], Some(("1_it", SCHEMA, "no such column: \"nam\""))),
        (JOB, &["ALTER TABLE job DROP COLUMN name"], None),
        (JOB, &["DROP TABLE jobs"], Some(("1_it", SCHEMA, "no such table: jobs"))),
        (JOB, &["DROP TABLE IF EXISTS jobs"], None),
        (
            JOB,
            &["SELECT 1", "CREATE TABLE b (c); DROP TABLE job; CREATE TABLE b (c)", "DROP TABLE job"],
            Some(("2_it", SCHEMA, "table b already exists")),
        ),
        (
            JOB,
            &["CREATE INDEX i ON job (name)", "ALTER TABLE job DROP COLUMN name"],
            Some(("2_it", SCHEMA, "error in index i after drop column: no such column: name")),
        ),
        (JOB, &["CREATE INDEX i ON job (name)", "DROP INDEX i; ALTER TABLE job DROP COLUMN name"], None),
        (
            "",
            &["CREATE TABLE a (b)", "INSERT INTO a (c) VALUES (1)"],
            Some(("2_it", SCHEMA, "table a has no column named c")),
        ),
        (
            "",
            &["CREATE TABLE a (b NOT NULL)", "INSERT INTO a VALUES (NULL)"],
            Some(("2_it", SCHEMA, "NOT NULL constraint failed: a.b")),
        ),
        ("", &["CREATE TABLE a (b)", "INSERT INTO a VALUES (NULL)"], None),
        (
            "",
            &["CREATE TABLE a (b UNIQUE); INSERT INTO a VALUES (1), (2)", "UPDATE a SET b = 3"],
            Some(("2_it", ROWS, "UNIQUE constraint failed: a.b")),
        ),
    ];
    for (before, scripts, expected) in table {
        check(before, scripts, *expected);
    }
}

#[test]
fn a_plan_and_a_validation_say_what_does_not_fit_the_rows() {
    let table: &[(&str, &[&'static str], Said)] = &[
        (JOB, &["ALTER TABLE job ADD COLUMN made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP"],
            Some(("1_it", ROWS, "Cannot add a column with non-constant default"))),
        (EMPTY, &["ALTER TABLE job ADD COLUMN made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP"], None),
        (JOB, &["ALTER TABLE job ADD COLUMN made_at TEXT NOT NULL DEFAULT ''"], None),
        (JOB, &["ALTER TABLE job ADD COLUMN x NOT NULL"],
            Some(("1_it", ROWS, "Cannot add a NOT NULL column with default value NULL"))),
        (EMPTY, &["ALTER TABLE job ADD COLUMN x NOT NULL"], None),
        (JOB, &["DELETE FROM job", "ALTER TABLE job ADD COLUMN x NOT NULL"], None),
        (JOB, &["DELETE FROM job WHERE note IS NULL", "ALTER TABLE job ADD COLUMN x NOT NULL"],
            Some(("2_it", ROWS, "Cannot add a NOT NULL column with default value NULL"))),
        (JOB, &["ALTER TABLE job ADD COLUMN state TEXT CHECK (length(name) > 3)"],
            Some(("1_it", ROWS, "CHECK constraint failed"))),
        (JOB, &["ALTER TABLE job ADD COLUMN state TEXT CHECK (length(name) > 0)"], None),
        (JOB, &["CREATE TABLE new (id INTEGER PRIMARY KEY, note TEXT NOT NULL); INSERT INTO new SELECT id, note FROM job;
            DROP TABLE job; ALTER TABLE new RENAME TO job"],
            Some(("1_it", ROWS, "NOT NULL constraint failed: new.note"))),
        (JOB, &["CREATE TABLE new (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
            INSERT INTO new SELECT id, coalesce(note, '') FROM job; DROP TABLE job; ALTER TABLE new RENAME TO job"], None),
        (JOB, &["UPDATE job SET note = '' WHERE note IS NULL",
            "CREATE TABLE new (id INTEGER PRIMARY KEY, note TEXT NOT NULL); INSERT INTO new SELECT id, note FROM job;
            DROP TABLE job; ALTER TABLE new RENAME TO job"], None),
        (JOB, &["CREATE TABLE new (id INTEGER PRIMARY KEY, name INTEGER) STRICT; INSERT INTO new SELECT id, name FROM job"],
            Some(("1_it", ROWS, "cannot store TEXT value in INTEGER column new.name"))),
        (JOB, &["CREATE UNIQUE INDEX i ON job (name)"], None),
        (JOB, &["UPDATE job SET name = 'c'", "CREATE UNIQUE INDEX i ON job (name)"],
            Some(("2_it", ROWS, "UNIQUE constraint failed: job.name"))),
        (JOB, &["INSERT INTO job VALUES (2, 'c', NULL)"], Some(("1_it", ROWS, "UNIQUE constraint failed: job.id"))),
        (JOB, &["INSERT OR IGNORE INTO job VALUES (2, 'c', NULL)"], None),
        (JOB, &["INSERT INTO job VALUES (3, 'c', NULL)"], None),
        ("CREATE TABLE w (a TEXT PRIMARY KEY, b, c AS (a || b)) WITHOUT ROWID; INSERT INTO w VALUES ('k', NULL)",
            &["ALTER TABLE w ADD COLUMN d CHECK (b IS NOT NULL)"], Some(("1_it", ROWS, "CHECK constraint failed"))),
        ("CREATE TABLE s (a BLOB, b ANY) STRICT; INSERT INTO s VALUES (x'00ff', 1)",
            &["ALTER TABLE s ADD COLUMN c INTEGER NOT NULL DEFAULT (random())"],
            Some(("1_it", ROWS, "Cannot add a column with non-constant default"))),
        // A trigger of the database that would refuse the rows does not fire while they are copied.
        ("CREATE TABLE t (a); INSERT INTO t VALUES (1);
            CREATE TRIGGER no BEFORE INSERT ON t BEGIN SELECT raise(ABORT, 'no'); END", &["ALTER TABLE t ADD COLUMN b NOT NULL"],
            Some(("1_it", ROWS, "Cannot add a NOT NULL column with default value NULL"))),
        // A row that breaks its own CHECK was written while those were not checked.
        ("CREATE TABLE t (a CHECK (a > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (-1);
            PRAGMA ignore_check_constraints = OFF", &["ALTER TABLE t ADD COLUMN b NOT NULL"],
            Some(("1_it", ROWS, "Cannot add a NOT NULL column with default value NULL"))),
        ("CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES ('red'); CREATE TABLE t (a); INSERT INTO t VALUES (1)",
            &["INSERT INTO f SELECT a FROM t; INSERT INTO f (f) VALUES ('rebuild'); ALTER TABLE t RENAME TO u"], None),
    ];
    for (before, scripts, expected) in table {
        check(before, scripts, *expected);
    }
}

/// What is done to the application's connection, and the scripts.
type Prepared<'a> = (&'a dyn Fn(&Connection), &'a [&'static str]);

/// The application's connection has functions, temporary tables and other databases that the copy does not have.
#[test]
fn what_only_the_copy_lacks_is_no_failure_of_a_plan() {
    let prepare = |conn: &Connection| {
        conn.create_scalar_function("is_word", 1, FunctionFlags::SQLITE_DETERMINISTIC, |context| {
            Ok(context.get::<String>(0)?.is_ascii())
        })
        .unwrap();
        conn.create_collation("by_len", |a, b| a.len().cmp(&b.len())).unwrap();
    };
    let attach = |conn: &Connection| {
        conn.execute_batch(
            "ATTACH ':memory:' AS other; CREATE TABLE other.things (a); INSERT INTO other.things VALUES (1)",
        )
        .unwrap();
    };
    let temporary = |conn: &Connection| {
        conn.execute_batch("CREATE TEMP TABLE scratch (a); INSERT INTO scratch VALUES (1)").unwrap();
    };
    let trigger = |conn: &Connection| {
        conn.execute_batch("CREATE TEMP TRIGGER fills AFTER INSERT ON job BEGIN UPDATE job SET note = 'x' WHERE note IS NULL; END")
            .unwrap();
    };
    let nothing = |_: &Connection| {};
    let rebuild = "CREATE TABLE new (id INTEGER PRIMARY KEY, note TEXT NOT NULL); INSERT INTO new SELECT id, note FROM job";
    let table: &[Prepared<'_>] = &[
        (&prepare, &["CREATE TABLE a (b CHECK (is_word(b))); INSERT INTO a VALUES ('x')", "DROP TABLE a"]),
        (&prepare, &["CREATE TABLE a (b COLLATE by_len); CREATE INDEX i ON a (b)", "DROP INDEX i"]),
        (&prepare, &["ALTER TABLE job ADD COLUMN b CHECK (is_word(name))", "ALTER TABLE job DROP COLUMN b"]),
        (&attach, &["CREATE TABLE mine AS SELECT * FROM things", "ALTER TABLE mine RENAME TO ours"]),
        (&attach, &["CREATE TABLE mine AS SELECT * FROM other.things", "ALTER TABLE mine RENAME TO ours"]),
        (&temporary, &["CREATE TABLE mine AS SELECT * FROM scratch", "ALTER TABLE mine RENAME TO ours"]),
        (&trigger, &["INSERT INTO job VALUES (3, 'c', NULL)", "DELETE FROM job WHERE id < 3", rebuild]),
        (&nothing, &["ATTACH ':memory:' AS one; CREATE TABLE one.a (b)"]),
        // The engine creates its table before the first script.
        (&nothing, &["CREATE TABLE names AS SELECT name FROM __switchy_migrations"]),
        (
            &nothing,
            &["PRAGMA ignore_check_constraints = ON; ALTER TABLE job ADD COLUMN b CHECK (note IS NOT NULL)"],
        ),
        (
            &nothing,
            &[
                "CREATE TABLE a (b CHECK (b > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO a VALUES (-1)",
            ],
        ),
    ];
    for (prepare, scripts) in table {
        let conn = database(JOB);
        prepare(&conn);
        let runner = set(scripts);
        let runner = if scripts[0].contains("ATTACH") { outside(scripts) } else { runner };
        let planned = plan(&runner, &conn);
        assert_eq!(of_kind(planned.problems(), ProblemKind::Fails), Vec::<String>::new(), "{scripts:?}");
        assert!(planned.failing_step().is_none(), "{scripts:?}");
        let done = runner.apply(&conn, planned).map(|report| report.applied.len());
        assert_eq!(done.map_err(|error| error.to_string()), Ok(scripts.len()), "{scripts:?}");
    }
}

/// The scripts as migrations that run outside a transaction.
fn outside(scripts: &[&'static str]) -> MigrationRunner {
    let migrations = (1..).zip(scripts).map(|(number, script)| {
        Migration::from_scripts(format!("{number}_it"), *script, None).outside_transaction()
    });
    MigrationRunner::new(migrations.collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_script_after_code_or_with_hooks_may_find_what_the_copy_does_not_have() {
    let code = || Migration::code("1_code", |conn| conn.execute_batch("CREATE TABLE made (a)"));
    let drop = || Migration::sql("2_drop", "ALTER TABLE made RENAME TO kept");
    let after_code = MigrationRunner::new([code(), drop()]).unwrap();
    let hooks = Hooks::new()
        .before(|_step, conn| Ok::<_, BoxError>(conn.execute_batch("CREATE TABLE IF NOT EXISTS made (a)")?));
    let with_hooks = MigrationRunner::new([drop()]).unwrap().hooks(hooks);
    for runner in [after_code, with_hooks] {
        let conn = database(JOB);
        let planned = plan(&runner, &conn);
        assert_eq!(planned.problems(), [], "{planned}");
        assert!(runner.apply(&conn, planned).is_ok());
    }
    // Before code, it is certain.
    let conn = database(JOB);
    let planned =
        plan(&MigrationRunner::new([Migration::sql("0_no", "DROP TABLE no"), code()]).unwrap(), &conn);
    assert_eq!(planned.failing_step().unwrap().id, "0_no");
}

/// The first rows of a long table say nothing about a statement that looks at other rows too.
#[test]
fn a_part_of_the_rows_says_only_what_is_true_of_all() {
    let many = "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO p SELECT i, 'n' || i FROM n;
        INSERT INTO c SELECT id, 2001 - id FROM p";
    let named = "CREATE TABLE named (id INTEGER PRIMARY KEY, name TEXT NOT NULL);";
    let parent = "INSERT INTO named SELECT id, (SELECT name FROM p WHERE p.id = c.p) FROM c";
    let works: &[&[&str]] = &[
        &[named, parent],
        &[named, "INSERT INTO named SELECT c.id, p.name FROM c LEFT JOIN p ON p.id = c.p"],
        &["CREATE TABLE total (n CHECK (n = 2000)); INSERT INTO total SELECT count(*) FROM p"],
        &[
            "CREATE TABLE total AS SELECT count(*) AS n FROM p",
            "CREATE TABLE t (n CHECK (n = 2000)); INSERT INTO t SELECT n FROM total",
        ],
        &["DELETE FROM c WHERE p IN (SELECT id FROM p)", "ALTER TABLE c ADD COLUMN x NOT NULL"],
        &[
            "UPDATE c SET p = (SELECT max(id) FROM p)",
            "CREATE TABLE t (n CHECK (n = 2000)); INSERT INTO t SELECT p FROM c",
        ],
        &[
            "CREATE TABLE l (a NOT NULL)",
            "INSERT INTO l SELECT 1 FROM p LIMIT 1; INSERT INTO l SELECT changes() WHERE changes() = 1",
        ],
    ];
    for scripts in works {
        let (conn, runner) = (database(many), set(scripts));
        let found = runner.validate(&conn).unwrap();
        let planned = plan(&runner, &conn);
        for problems in [&found[..], planned.problems()] {
            let said = of_kind(problems, ProblemKind::Fails);
            assert!(said.iter().all(|said| said.contains("empty database")), "{scripts:?}: {said:?}");
        }
        assert_eq!(runner.apply(&conn, planned).unwrap().applied.len(), scripts.len());
    }
    // Under enforced foreign keys, the parent of a copied row may be one that was not copied.
    let enforced = Migration::sql(
        "1_it",
        "CREATE TABLE d (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p); INSERT INTO d SELECT id, p FROM c",
    )
    .foreign_keys(ForeignKeys::Enforced);
    let (conn, runner) = (database(many), MigrationRunner::new([enforced]).unwrap());
    let planned = plan(&runner, &conn);
    assert_eq!(planned.problems(), [], "{planned}");
    runner.apply(&conn, planned).unwrap();
    // Each row is true, so what fails over it fails.
    let (conn, runner) =
        (database(many), set(&["CREATE TABLE t (a CHECK (a > 1)); INSERT INTO t SELECT id FROM p"]));
    assert_eq!(plan(&runner, &conn).failing_step().unwrap().id, "1_it");
}

#[test]
fn a_validation_looks_for_duplicates_in_all_rows() {
    let many = "CREATE TABLE u (mail TEXT, kind TEXT, n INTEGER);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO u SELECT 'm' || i || '@x.example', 'k', i FROM n;
        INSERT INTO u VALUES ('M4711@X.EXAMPLE', 'k', NULL), ('twice', 'a', NULL), ('twice', 'b', NULL)";
    let table: &[(&[&str], Option<&str>)] = &[
        (&["CREATE UNIQUE INDEX i ON u (mail)"], Some("UNIQUE constraint failed: u.mail")),
        (&["CREATE UNIQUE INDEX IF NOT EXISTS main.i ON u (mail, kind)"], None),
        (
            &["CREATE UNIQUE INDEX i ON u (mail COLLATE NOCASE, kind)"],
            Some("UNIQUE constraint failed: u.mail, u.kind"),
        ),
        (&["CREATE UNIQUE INDEX i ON u (mail) WHERE kind = 'k'"], None),
        (
            &["CREATE UNIQUE INDEX i ON u (mail) WHERE kind <> 'k' OR n IS NULL"],
            Some("UNIQUE constraint failed: u.mail"),
        ),
        // Two rows without a value are not duplicates.
        (&["CREATE UNIQUE INDEX i ON u (n)"], None),
        (&["DELETE FROM u WHERE kind <> 'k'", "CREATE UNIQUE INDEX i ON u (mail)"], None),
        (
            &[
                "CREATE TABLE v AS SELECT DISTINCT mail FROM u; DROP TABLE u; ALTER TABLE v RENAME TO u",
                "CREATE UNIQUE INDEX i ON u (mail)",
            ],
            None,
        ),
        (
            &["ALTER TABLE u RENAME TO v", "CREATE UNIQUE INDEX i ON v (mail)"],
            Some("UNIQUE constraint failed: v.mail"),
        ),
    ];
    for (scripts, expected) in table {
        // A copy without the duplicates has fewer rows.
        let policy = Policy::default().with(ProblemKind::RowsLost, Verdict::Warn);
        let (conn, runner) = (database(many), set(scripts).policy(policy));
        let found = runner.validate(&conn).unwrap();
        let said = of_kind(&found, ProblemKind::Fails);
        let said: Vec<_> = said.iter().filter(|said| !said.contains("empty database")).collect();
        let id = format!("{}_it", scripts.len());
        let expected_said = expected.map(|message| format!("{id} {ROWS}: {message}"));
        // The column list of the message has a colon too.
        assert_eq!(
            said.iter().any(|said| said.starts_with(&format!("{id} {ROWS}"))),
            expected_said.is_some(),
            "{scripts:?}: {said:?}"
        );
        match expected {
            Some(message) => assert!(outcome(&runner, &conn).unwrap().1.contains(message), "{scripts:?}"),
            None => assert_eq!(runner.run(&conn).unwrap().applied.len(), scripts.len()),
        }
    }
}

#[test]
fn a_plan_with_a_step_that_fails_says_so_at_its_line_and_is_refused() {
    let conn = database(JOB);
    let runner = set(&["CREATE TABLE a (b)", "DROP TABLE no", "DROP TABLE a"]);
    let planned = plan(&runner, &conn);
    let text = planned.to_string();
    let lines: Vec<&str> = text.lines().map(|line| line.split(" (").next().unwrap()).collect();
    assert_eq!(
        lines[..6],
        [
            "3 steps, with 0 migrations applied before:",
            "  1. up 1_it",
            "  2. up 2_it",
            "     fails, as the problem below says",
            "  3. up 3_it",
            "     is not reached, since step 2 fails",
        ],
        "{text}"
    );
    assert!(
        lines[6].starts_with("  refused, fails: `2_it` fails on a copy of this database's schema, at "),
        "{text}"
    );
    assert!(text.ends_with("in `DROP TABLE no`: no such table: no; correct it and run again"), "{text}");
    let problem = &planned.problems()[0];
    assert_eq!((problem.kind, problem.verdict), (ProblemKind::Fails, Verdict::Deny));
    // An ordinary run makes no forecast, and ends at that step.
    let error = runner.run(&conn).unwrap_err();
    assert_eq!((error.kind(), error.report().applied.len()), (ErrorKind::Step, 1));
    // A run whose policy needs a forecast is refused as a whole.
    let conn = database(JOB);
    let strict = set(&["CREATE TABLE a (b)", "DROP TABLE no"])
        .policy(Policy::DEFAULT.with(ProblemKind::Destructive, Verdict::Warn));
    let error = strict.run(&conn).unwrap_err();
    assert_eq!((error.kind(), applied(&conn).len()), (ErrorKind::Refused, 0), "{error}");
    // A rollback is tried too.
    let conn = database("");
    let runner =
        MigrationRunner::new([Migration::reversible("1_it", "CREATE TABLE a (b)", "DROP TABLE aa")]).unwrap();
    runner.run(&conn).unwrap();
    assert_eq!(runner.plan(&conn, Target::Back(1)).unwrap().failing_step().unwrap().id, "1_it");
}

/// `UPDATE chat SET state = "status"` makes every row 'status' if no column has that name.
#[test]
fn a_word_in_double_quotes_that_names_nothing_is_found() {
    let chat = "CREATE TABLE chat (id INTEGER PRIMARY KEY, state TEXT, \"order\" TEXT); INSERT INTO chat VALUES (1, 'a', 'b');
        CREATE VIEW old AS SELECT id, \"dql\" AS d FROM chat;
        CREATE TRIGGER noted AFTER UPDATE ON chat WHEN new.state = \"done\" BEGIN SELECT 1; END";
    // (script, the words that are found)
    let table: &[(&str, &[&str])] = &[
        (r#"UPDATE chat SET state = "status""#, &["status"]),
        ("UPDATE chat SET state = 'status'", &[]),
        (r#"UPDATE "chat" SET "state" = "order""#, &[]),
        (
            r#"DELETE FROM chat WHERE state <> "knd"; SELECT 1; DELETE FROM chat WHERE "stat" = 1"#,
            &["knd", "stat"],
        ),
        (r#"INSERT INTO chat VALUES (3, "it's", "a")"#, &["it's"]),
        (r#"INSERT INTO chat ("id", "state") SELECT id + 9, "state" FROM chat"#, &[]),
        (r#"CREATE TABLE b (c CHECK (c <> "x"))"#, &["x"]),
        (r#"CREATE TABLE b ("c" TEXT DEFAULT "x", "d" CHECK ("d" <> 'x'))"#, &[]),
        (r#"CREATE INDEX i ON chat ("stat")"#, &["stat"]),
        (r#"CREATE INDEX i ON chat ("state")"#, &[]),
        (r#"CREATE VIEW v AS SELECT "stat" FROM chat"#, &["stat"]),
        (r#"CREATE VIEW v AS SELECT "state" FROM chat"#, &[]),
        (r#"CREATE TABLE b AS SELECT "stat" AS x FROM chat"#, &["stat"]),
        (r#"CREATE TRIGGER t AFTER INSERT ON chat BEGIN UPDATE chat SET state = "new"; END"#, &["new"]),
        (r#"CREATE TRIGGER t BEFORE DELETE ON chat WHEN old.state = "kept" BEGIN SELECT 1; END"#, &["kept"]),
        (
            r#"CREATE TRIGGER t AFTER UPDATE OF "state", id ON "chat" BEGIN SELECT raise(FAIL, 'no'); END"#,
            &[],
        ),
        (
            r#"CREATE VIEW w AS SELECT id FROM chat; CREATE TRIGGER t INSTEAD OF UPDATE ON w BEGIN DELETE FROM chat WHERE state = "gone"; END"#,
            &["gone"],
        ),
        (r#"CREATE TRIGGER t AFTER DELETE ON chat BEGIN UPDATE chat SET "state" = old."order"; END"#, &[]),
        (r#"SELECT d AS "dqq" FROM old"#, &[]),
        (r#"UPDATE "chat" SET "state" = 'x'"#, &[]),
        ("CREATE TABLE c (\"d\"); -- \"no\"\nINSERT INTO c (\"d\") VALUES ('\"x\"')", &[]),
        (r#"UPDATE chat SET state = "öde ""x""""#, &["öde \"x\""]),
    ];
    for (script, expected) in table {
        let (conn, runner) = (database(chat), set(&[script]));
        let planned = plan(&runner, &conn);
        let words = |problems: &[Problem]| -> Vec<String> {
            let meant = problems.iter().filter(|it| it.kind == ProblemKind::QuotedString);
            let word = |it: &Problem| {
                assert_eq!(it.verdict, Verdict::Warn);
                it.finding
                    .split("the word \"")
                    .nth(1)
                    .unwrap()
                    .split("\" in double")
                    .next()
                    .unwrap()
                    .to_owned()
            };
            meant.map(word).collect()
        };
        assert_eq!(words(planned.problems()), *expected, "{planned}");
        assert_eq!(words(&runner.validate(&conn).unwrap()), *expected, "{script}");
        for problem in planned.problems().iter().filter(|it| it.kind == ProblemKind::QuotedString) {
            let at = problem.at.as_ref().unwrap();
            let rest = &script.lines().nth(at.position.unwrap().line - 1).unwrap();
            let rest: String = rest.chars().skip(at.position.unwrap().column - 1).collect();
            assert!(
                rest.starts_with('"')
                    && rest[1..]
                        .replace("\"\"", "\"")
                        .starts_with(expected.iter().find(|word| problem.finding.contains(**word)).unwrap()),
                "{at}: {rest}"
            );
        }
        let strict = set(&[script]).policy(Policy::DEFAULT.with(ProblemKind::QuotedString, Verdict::Deny));
        match strict.run(&conn) {
            Ok(_) => assert!(expected.is_empty(), "{script}"),
            Err(error) => {
                assert_eq!((error.kind(), expected.is_empty()), (ErrorKind::Refused, false), "{error}");
            }
        }
        // The default policy makes no forecast.
        if !expected.is_empty() {
            assert_eq!(set(&[script]).run(&conn).unwrap().notes, [], "{script}");
        }
        // What is applied can no longer be changed.
        assert_eq!(words(&set(&[script]).validate(&conn).unwrap()), Vec::<String>::new(), "{script}");
    }
    let whole = set(&[
        "CREATE TABLE chat (state)",
        r#"UPDATE chat SET state = "status""#,
        r#"SELECT "state" FROM chat"#,
    ]);
    let found = whole.validate_source();
    assert_eq!(found.iter().filter(|it| it.kind == ProblemKind::QuotedString).count(), 1, "{found:#?}");
    let planned = plan(&whole, &memory());
    assert_eq!(planned.problems().len(), 1, "{planned}");
    assert_eq!(planned.steps()[0].effects.as_deref(), Some(&[][..]));
}

/// A setting of the connection, and rowids that the copy must have too.
#[test]
fn the_copied_rows_are_as_they_are() {
    let gaps = "CREATE TABLE k (name TEXT PRIMARY KEY, rowid TEXT); INSERT INTO k (name, oid) VALUES ('a', 7), ('b', 9);
        CREATE TABLE m (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO m VALUES (1, 'x'), (2, 'y');
        CREATE TABLE w (rowid, _rowid_, oid); INSERT INTO w VALUES (1, 2, 3)";
    let works = [
        "INSERT INTO m SELECT oid, name FROM k",
        "CREATE TABLE n (id CHECK (id IN (7, 9))); INSERT INTO n SELECT _rowid_ FROM k",
        "CREATE TABLE n (a CHECK (a < 2), b, c CHECK (c > 2)); INSERT INTO n SELECT * FROM w",
        "PRAGMA case_sensitive_like = ON; CREATE TABLE n (a NOT NULL); INSERT INTO n SELECT nullif('A' LIKE 'a', 1)",
    ];
    for script in works {
        let (conn, runner) = (database(gaps), set(&[script]));
        let planned = plan(&runner, &conn);
        assert_eq!(planned.problems(), [], "{script}");
        runner.apply(&conn, planned).unwrap();
    }
    // New rows get the ids that they get in the database.
    let ids = "CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT, n); INSERT INTO s VALUES (1, 1), (2, 2), (3, 3); DELETE FROM s WHERE id = 3;
        CREATE TABLE t (id INTEGER PRIMARY KEY, n);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i FROM n WHERE i <> 11 AND i <> 1001";
    for script in [
        "INSERT INTO s (n) VALUES (4); INSERT INTO s VALUES (3, 3)",
        "INSERT INTO t (n) VALUES (4); INSERT INTO t VALUES (11, 11); INSERT INTO t VALUES (1001, 1001)",
    ] {
        let (conn, runner) = (database(ids), set(&[script]));
        assert_eq!(plan(&runner, &conn).problems(), [], "{script}");
        let found = runner.validate(&conn).unwrap();
        let said = of_kind(&found, ProblemKind::Fails);
        assert!(said.iter().all(|said| said.contains("empty database")), "{said:#?}");
        runner.run(&conn).unwrap();
    }
    let conn = database(
        "CREATE TABLE t (a CHECK (a > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (-1)",
    );
    let runner = set(&["ALTER TABLE t ADD COLUMN b CHECK (a <> -1); INSERT INTO t VALUES (-2, 1)"]);
    let planned = plan(&runner, &conn);
    assert_eq!(planned.failing_step().is_some(), runner.run(&conn).is_err(), "{planned}");
}

/// An attached database that cannot be read does not prevent a plan; nothing is certain then.
#[test]
fn an_attached_database_that_cannot_be_read_prevents_no_plan() {
    let text = "this is not a database, and it is long enough to be read as one".repeat(40);
    let folder = TestMigrationBuilder::new().file("other.db", text);
    let path = folder.path().join("other.db");
    let conn = database(JOB);
    // Nothing is read before a table is used.
    let attached = conn.execute_batch(&format!("ATTACH '{}' AS other", path.display()));
    let runner = set(&["DROP TABLE no"]);
    let planned = plan(&runner, &conn);
    assert_eq!(planned.failing_step().is_some(), attached.is_err(), "{planned}");
}
