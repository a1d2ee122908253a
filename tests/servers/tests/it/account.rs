//! No row is lost by mistake on servers either: a replaced table is counted before it is dropped.

use switchy_schema::{
    Backend, Migration, MigrationRunner, Mysql, Postgres, Recovery, Signature, TransactionMode,
};

use crate::{mysql, postgres};

/// What the table `p` is like before each script.
const BEFORE: &str =
    "CREATE TABLE p (id INT PRIMARY KEY, n INT); INSERT INTO p VALUES (1, 1), (2, 2), (3, NULL)";

/// A script, what is said about it, and the query that shows what is there afterwards, with its result.
struct Row {
    script: &'static str,
    /// The account of a step that is carried out; the beginning of the finding about one that is refused.
    said: Said,
    rows: &'static str,
    /// The result where a refused step is rolled back, and where it stops before the drop.
    left: [&'static str; 2],
}

#[derive(Clone, Copy)]
enum Said {
    Does(&'static str),
    Refused(&'static str),
}
use Said::{Does, Refused};

const fn row(script: &'static str, said: Said, rows: &'static str, left: [&'static str; 2]) -> Row {
    Row { script, said, rows, left }
}

const IDS: &str = "SELECT count(*) FROM p";

/// Scripts that each server understands.
const ROWS: [Row; 30] = [
    row(
        "CREATE TABLE p2 (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO p2 SELECT id, n FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows; id = 3 is missing"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE p2 (id INT PRIMARY KEY, n INT); INSERT INTO p2 SELECT id, n FROM p; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Does("replaced `p`: 3 rows before, 3 after"),
        IDS,
        ["3", "3"],
    ),
    row(
        "ALTER TABLE p RENAME TO p_old; CREATE TABLE p (id INT); INSERT INTO p SELECT id FROM p_old WHERE id > 1; DROP TABLE p_old",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "2"],
    ),
    row(
        "ALTER TABLE p RENAME TO p_old; CREATE TABLE p (id INT); INSERT INTO p SELECT id FROM p_old; DROP TABLE p_old",
        Does("replaced `p`: 3 rows before, 3 after"),
        IDS,
        ["3", "3"],
    ),
    row(
        "DROP TABLE p; CREATE TABLE p (id INT)",
        Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "DROP TABLE IF EXISTS p; CREATE TABLE IF NOT EXISTS p (id INT); INSERT INTO p VALUES (1)",
        // Where nothing can be undone, the step ends before it is known what the table gets.
        Refused("replaces `p`, which had 3 rows, with a table of "),
        IDS,
        ["3", "3"],
    ),
    row(
        "DELETE FROM p; DROP TABLE p; CREATE TABLE p (id INT)",
        Does("replaced `p`: 0 rows before, 0 after"),
        IDS,
        ["0", "0"],
    ),
    row("DROP TABLE IF EXISTS q; CREATE TABLE q (id INT)", Does(""), IDS, ["3", "3"]),
    row("DROP TABLE p", Does("dropped `p`"), "SELECT 1", ["1", "1"]),
    row(
        "CREATE TABLE p2 (id INT, n INT); INSERT INTO p2 SELECT id, n FROM p; DELETE FROM p2 WHERE n IS NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Does("replaced `p`: 3 rows before, 2 after"),
        IDS,
        ["2", "2"],
    ),
    row(
        "CREATE TABLE b AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p (id INT, n INT); INSERT INTO p SELECT * FROM b; DROP TABLE b",
        Does("replaced `p`: 3 rows before, 3 after"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE b AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p (id INT, n INT); INSERT INTO p SELECT * FROM b WHERE id < 3",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        // The copy stays, and with it all rows.
        "SELECT count(*) FROM p",
        ["3", "2"],
    ),
    row(
        "CREATE TABLE a1 (id INT); INSERT INTO a1 SELECT id FROM p; DROP TABLE p; ALTER TABLE a1 RENAME TO p; CREATE TABLE a2 (id INT); INSERT INTO a2 SELECT id FROM p WHERE id <> 2; DROP TABLE p; ALTER TABLE a2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row("ALTER TABLE p RENAME TO s; CREATE TABLE p (id INT)", Does(""), "SELECT count(*) FROM s", ["3", "3"]),
    row(
        "CREATE TABLE staging (id INT); INSERT INTO staging SELECT id FROM p; DROP TABLE staging",
        Does(""),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE archive AS SELECT * FROM p WHERE id = 1; CREATE TABLE p2 (id INT, n INT); INSERT INTO p2 SELECT * FROM p WHERE id <> 1; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE archive (id INT); INSERT INTO archive SELECT id FROM p WHERE id = 1; CREATE TABLE p2 (id INT, n INT); INSERT INTO p2 SELECT * FROM p WHERE id = 2; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 1 row"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE backup AS SELECT * FROM p; CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE id > 1; DROP TABLE p; ALTER TABLE p2 RENAME TO p; DROP TABLE backup",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE b AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p (id INT, n INT); INSERT INTO p SELECT * FROM b WHERE id < 3; DROP TABLE b",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        // Where nothing can be undone, the copy is not dropped.
        ["3", "2"],
    ),
    row(
        "CREATE TABLE contact (id INT); INSERT INTO contact SELECT id FROM p; CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        // A part of each row is no copy of it.
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE p2 (id INT); INSERT INTO p2 VALUES (7); TRUNCATE TABLE p2; INSERT INTO p2 VALUES (8); DELETE FROM p2; INSERT INTO p2 SELECT id FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE IF NOT EXISTS p2 (id INT); TRUNCATE TABLE p2; INSERT INTO p2 SELECT id FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE l (id INT); CREATE TABLE l_old (id INT); INSERT INTO l_old VALUES (1); DROP TABLE l_old; ALTER TABLE l RENAME TO l_old; CREATE TABLE l (id INT)",
        Does(""),
        IDS,
        ["3", "3"],
    ),
    row("DELETE FROM p WHERE id > 1", Does("deleted 2 rows of `p`"), IDS, ["1", "1"]),
    row(
        "CREATE TABLE q (id INT); INSERT INTO q VALUES (1); DELETE FROM q; DELETE FROM p WHERE id = 1; DELETE FROM p WHERE id = 9",
        Does("deleted 1 row of `p`"),
        IDS,
        ["2", "2"],
    ),
    row(
        "CREATE TABLE audit (n INT); INSERT INTO audit SELECT count(*) FROM p; DROP TABLE p; CREATE TABLE p (id INT)",
        Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "SELECT count(*) FROM p; CREATE TABLE tmpl AS SELECT * FROM p WHERE 1 = 0; DROP TABLE p; CREATE TABLE p (id INT)",
        Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE p2 (id INT, n INT); INSERT INTO p2 SELECT * FROM p WHERE id = 1; DELETE FROM p WHERE id = 1; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 2 rows, with a table of 1 row"),
        IDS,
        ["3", "2"],
    ),
    row(
        "CREATE TABLE vip AS SELECT * FROM p WHERE id = 1; CREATE TABLE p2 (id INT, n INT); INSERT INTO p2 SELECT * FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE p2 (id VARCHAR(20) PRIMARY KEY, n INT); INSERT INTO p2 SELECT id, n FROM p; DELETE FROM p2 WHERE id = '3'; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Does("replaced `p`: 3 rows before, 2 after"),
        IDS,
        ["2", "2"],
    ),
];

/// Runs a script as a migration, and compares what is said and what is left.
fn check<B: Backend>(
    row: &Row,
    conn: &mut B::Conn<'_>,
    is_outside: bool,
    query: impl Fn(&mut B::Conn<'_>, &str) -> Vec<String>,
) {
    let migration = || Migration::<B>::from_scripts("1_it", row.script, None);
    let step = if is_outside { migration().outside_transaction() } else { migration() };
    let outcome = MigrationRunner::for_backend(vec![step]).unwrap().run(B::lend(conn));
    let keeps_all = matches!((B::DDL_IS_TRANSACTIONAL, is_outside), (true, false));
    match (row.said, outcome) {
        (Does(account), Ok(report)) => {
            assert_eq!(report.applied[0].account.to_string(), account, "{}", row.script);
        }
        (Refused(finding), Err(error)) => {
            let said = error.to_string();
            assert!(said.contains(finding), "{}\n{said}", row.script);
            assert!(said.contains("[\"destructive\"]"), "{said}");
        }
        (Does(_), Err(error)) => panic!("{}\n{error}", row.script),
        (Refused(_), Ok(report)) => panic!("{}\nis not refused: {report}", row.script),
    }
    assert_eq!(query(conn, row.rows).join("|"), row.left[usize::from(!keeps_all)], "{}", row.script);
}

fn on_postgres(rows: &[Row], is_outside: bool) {
    for row in rows {
        postgres::with(|_, client| {
            client.batch_execute(BEFORE).unwrap();
            check::<Postgres>(row, &mut { client }, is_outside, |client, sql| postgres::rows(client, sql));
        });
    }
}

fn on_mysql(rows: &[Row]) {
    for row in rows {
        mysql::with(|_, conn| {
            for statement in BEFORE.split("; ") {
                mysql::rows(conn, statement);
            }
            check::<Mysql>(row, &mut { conn }, false, |conn, sql| mysql::rows(conn, sql));
        });
    }
}

#[test]
fn postgres_rolls_a_step_back_that_loses_rows() {
    on_postgres(&ROWS, false);
}

#[test]
fn postgres_drops_no_table_whose_rows_would_be_lost_outside_a_transaction() {
    on_postgres(&ROWS, true);
}

#[test]
fn mysql_drops_no_table_whose_rows_would_be_lost() {
    on_mysql(&ROWS);
}

/// Scripts for PostgreSQL.
const ON_POSTGRES: [Row; 23] = [
    row(
        "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM public.p WHERE n IS NOT NULL; DROP TABLE public.p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `public.p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE \"p2\" (id INT); INSERT INTO \"p2\" SELECT id FROM \"p\" WHERE n IS NOT NULL; DROP TABLE \"public\".\"p\" CASCADE; ALTER TABLE \"public\".\"p2\" RENAME TO \"p\"",
        Refused("replaces `public.p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "DROP TABLE IF EXISTS public.p; CREATE TABLE p (id INT)",
        Refused("replaces `public.p`, which had 3 rows, with a table of 0 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE SCHEMA a; CREATE TABLE a.p2 (id INT); INSERT INTO a.p2 SELECT id FROM p WHERE id = 1; ALTER TABLE p SET SCHEMA a; SET search_path = a; DROP TABLE p; ALTER TABLE p2 RENAME TO p; ALTER TABLE p SET SCHEMA public",
        Refused("replaces `p`, which had 3 rows, with a table of 1 row"),
        "SELECT count(*) FROM pg_tables WHERE tablename = 'p'",
        ["1", "1"],
    ),
    row(
        "CREATE SCHEMA a; CREATE TABLE a.p (id INT); SET search_path = a; DROP TABLE p; SET search_path = public; ALTER TABLE p ADD x INT",
        Does(""),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE \"P\" (id INT); DROP TABLE p; CREATE TABLE p (id INT)",
        Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE Ärzte2 AS SELECT id FROM p WHERE id = 1; ALTER TABLE p RENAME TO Ärzte; DROP TABLE Ärzte; ALTER TABLE Ärzte2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 1 row"),
        "SELECT count(*) FROM pg_tables WHERE tablename IN ('p', 'Ärzte')",
        ["1", "1"],
    ),
    row(
        "ALTER TABLE p RENAME TO p_old; SELECT id INTO p FROM p_old WHERE id = 1; DROP TABLE p_old",
        Refused("replaces `p`, which had 3 rows, with a table of 1 row"),
        "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'p%' AND schemaname = 'public'",
        ["1", "2"],
    ),
    row(
        "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE n IS NOT NULL; WITH gone AS (DELETE FROM p2 WHERE id NOT IN (SELECT id FROM p)) SELECT 1; DO $$ BEGIN DELETE FROM p_sessions; EXCEPTION WHEN undefined_table THEN NULL; END $$; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        // It is the first of them that names the new table.
        Does("replaced `p`"),
        IDS,
        ["2", "2"],
    ),
    row(
        "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE n IS NOT NULL; DO $$ BEGIN DELETE FROM p_sessions; EXCEPTION WHEN undefined_table THEN NULL; END $$; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE m (LIKE p) PARTITION BY LIST (id); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1); CREATE TABLE m2 PARTITION OF m FOR VALUES IN (2); INSERT INTO m1 SELECT * FROM p WHERE id = 1; INSERT INTO m2 SELECT * FROM p WHERE id = 2; DROP TABLE p; ALTER TABLE m RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE \"P2\" (id INT); INSERT INTO \"P2\" SELECT id FROM P WHERE id = 1; DROP TABLE \"p\" CASCADE; ALTER TABLE IF EXISTS \"P2\" RENAME TO P",
        Refused("replaces `p`, which had 3 rows, with a table of 1 row"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE SCHEMA s; CREATE TABLE s.t (id INT); INSERT INTO s.t VALUES (1); ALTER TABLE s.t RENAME TO t2; CREATE TABLE s.t (id INT); DROP TABLE s.t2",
        // It made them itself.
        Does(""),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE public.p2 (id INT); INSERT INTO public.p2 SELECT id FROM public.p; DROP TABLE public.p; ALTER TABLE public.p2 RENAME TO p",
        Does("replaced `public.p`: 3 rows before, 3 after"),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p; DO $$ BEGIN DELETE FROM p2 WHERE id = 1; END $$; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        // What a body deletes by the name of the table is meant.
        Does("replaced `p`"),
        IDS,
        ["2", "2"],
    ),
    row(
        "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p; WITH gone AS (DELETE FROM p2 WHERE id = 1 RETURNING id) SELECT * FROM gone; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Does("replaced `p`"),
        IDS,
        ["2", "2"],
    ),
    row(
        "CREATE TEMP TABLE b ON COMMIT PRESERVE ROWS AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p (id INT, n INT); INSERT INTO p SELECT * FROM b; DROP TABLE b",
        Does("replaced `p`: 3 rows before, 3 after"),
        IDS,
        ["3", "3"],
    ),
    row(
        "ALTER TABLE p RENAME n TO m; ALTER TABLE p RENAME CONSTRAINT p_pkey TO p_key; CREATE VIEW v AS SELECT id FROM p; DROP VIEW v",
        Does(""),
        IDS,
        ["3", "3"],
    ),
    row(
        "CREATE SCHEMA app; SET search_path = app, public; CREATE TABLE public.p2 AS SELECT * FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE public.p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        "SELECT count(*) FROM public.p",
        ["3", "3"],
    ),
    row(
        "CREATE SCHEMA app; SET search_path = app, public; DROP TABLE p; CREATE TABLE p (id INT)",
        // They are two tables of one name.
        Does("replaced `p`"),
        "SELECT count(*) FROM pg_tables WHERE tablename = 'p'",
        ["1", "1"],
    ),
    row(
        "CREATE TABLE p2 AS SELECT * FROM p WHERE n IS NOT NULL; WITH d AS (DELETE FROM p WHERE id = 99 RETURNING id) SELECT * FROM d; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "SET search_path = \"$user\", public; CREATE TABLE p2 AS SELECT * FROM p WHERE n IS NOT NULL; DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
        IDS,
        ["3", "3"],
    ),
    row(
        "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.p2 AS SELECT * FROM public.p; DROP TABLE public.p; ALTER TABLE public.p2 RENAME TO p",
        Does("replaced `public.p`: 3 rows before, 3 after"),
        IDS,
        ["3", "3"],
    ),
];

#[test]
fn postgres_has_names_and_bodies_of_its_own() {
    on_postgres(&ON_POSTGRES, false);
    on_postgres(&ON_POSTGRES, true);
}

#[test]
fn mysql_has_statements_of_its_own() {
    let rows = [
        row(
            "SET sql_mode = 'ANSI_QUOTES'; DROP TABLE \"p\"; CREATE TABLE \"p\" (id INT)",
            Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
            IDS,
            ["3", "3"],
        ),
        row(
            "DROP TABLES IF EXISTS p; CREATE TABLE p (id INT)",
            Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
            IDS,
            ["3", "3"],
        ),
        row(
            "CREATE TEMPORARY TABLE p (id INT); DROP TEMPORARY TABLE p; DROP TABLE p; CREATE TABLE p (id INT)",
            Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
            IDS,
            ["3", "3"],
        ),
        row(
            "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE id < 3; CREATE TABLE s (id INT); DELETE s FROM s LEFT JOIN p u ON u.id = s.id WHERE u.id IS NULL; DROP TABLE p; RENAME TABLE p2 TO p",
            Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
            IDS,
            ["3", "3"],
        ),
        row(
            "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p; DELETE x FROM p2 AS x WHERE x.id = 3; DROP TABLE p; RENAME TABLE p2 TO p",
            Does("replaced `p`"),
            IDS,
            ["2", "2"],
        ),
        row(
            "CREATE TABLE `p2` (id INT); INSERT INTO p2 SELECT id FROM p WHERE id < 3; RENAME TABLE p TO `p_old`, p2 TO p; DROP TABLE p_old",
            Refused("replaces `p`, which had 3 rows, with a table of 2 rows"),
            "SELECT count(*) FROM p_old",
            ["3", "3"],
        ),
        row(
            "CREATE TABLE p2 LIKE p; INSERT INTO p2 SELECT * FROM p; RENAME TABLE p TO p_old, p2 TO p; DROP TABLE p_old",
            Does("replaced `p`: 3 rows before, 3 after"),
            IDS,
            ["3", "3"],
        ),
        row(
            "INSERT INTO p VALUES (4, 4); CREATE OR REPLACE TABLE p (id INT PRIMARY KEY)",
            Refused("replaces `p`, which had 4 rows, with a table of 0 rows"),
            IDS,
            ["4", "4"],
        ),
        row(
            "/*!40000 DROP TABLE IF EXISTS `p` */; CREATE TABLE `p` (id INT); LOCK TABLES `p` WRITE; INSERT INTO `p` VALUES (1),(2); UNLOCK TABLES",
            Refused("replaces `p`, which had 3 rows, with a table of 0 rows"),
            IDS,
            ["3", "3"],
        ),
        row(
            "CREATE TABLE p2 (id INT UNIQUE); INSERT IGNORE INTO p2 SELECT 1 FROM p; DROP TABLE p; ALTER TABLE p2 ADD COLUMN m INT, RENAME p",
            Refused("replaces `p`, which had 3 rows, with a table of 1 row"),
            IDS,
            ["3", "3"],
        ),
        row(
            "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p; DELETE p2 FROM p2 JOIN p ON p.id = p2.id WHERE p.n IS NULL; DROP TABLE p; RENAME TABLE p2 TO p",
            Does("replaced `p`"),
            IDS,
            ["2", "2"],
        ),
        row(
            "CREATE TEMPORARY TABLE b AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p (id INT, n INT); INSERT INTO p SELECT * FROM b; DROP TEMPORARY TABLE b",
            Does("replaced `p`: 3 rows before, 3 after"),
            IDS,
            ["3", "3"],
        ),
        row(
            "ALTER TABLE p ADD INDEX i (n); ALTER TABLE p RENAME COLUMN n TO m; ALTER TABLE p RENAME INDEX i TO j",
            Does(""),
            IDS,
            ["3", "3"],
        ),
    ];
    on_mysql(&rows);
}

/// What is refused is carried out if its author allows it.
#[test]
fn a_declared_loss_is_carried_out_and_reported() {
    let lossy = "CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE id = 1; DROP TABLE p; ALTER TABLE p2 RENAME TO p";
    // The tables are not counted.
    let said = "replaced `p`";
    postgres::with(|_, client| {
        client.batch_execute(BEFORE).unwrap();
        for (table, is_outside) in [("a", false), ("b", true)] {
            let step = Migration::<Postgres>::from_scripts("1_it", lossy, None).allow_destructive();
            let step = if is_outside { step.outside_transaction() } else { step };
            let runner = MigrationRunner::for_backend(vec![step]).unwrap().table_name(table).unwrap();
            assert_eq!(runner.run(client).unwrap().applied[0].account.to_string(), said);
            client.batch_execute("INSERT INTO p VALUES (2), (3)").unwrap();
        }
    });
    mysql::with(|_, conn| {
        for statement in BEFORE.split("; ") {
            mysql::rows(conn, statement);
        }
        let step = Migration::<Mysql>::from_scripts("1_it", lossy, None).allow_destructive();
        let runner = MigrationRunner::for_backend(vec![step]).unwrap();
        assert_eq!(runner.run(conn).unwrap().applied[0].account.to_string(), said);
    });
}

/// A step that was stopped before a drop goes on once the missing rows are there.
#[test]
fn a_refused_drop_goes_on_when_the_rows_are_copied() {
    mysql::with(|_, conn| {
        for statement in BEFORE.split("; ") {
            mysql::rows(conn, statement);
        }
        let runner = MigrationRunner::for_backend(vec![Migration::<Mysql>::from_scripts(
            "1_it",
            ROWS[0].script,
            None,
        )])
        .unwrap();
        let error = runner.run(conn).unwrap_err().to_string();
        assert!(
            error.contains("copy the missing rows by hand, since the old table is still there"),
            "{error}"
        );
        mysql::rows(conn, "INSERT INTO p2 VALUES (3, 0)");
        runner.recover(&mut *conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        runner.run(conn).unwrap();
        assert_eq!(mysql::rows(conn, IDS), ["3"]);
    });
}

/// Tables with a foreign key action, a trigger, partitions and a child.
const REACHABLE: &str = "CREATE TABLE p (id INT PRIMARY KEY, n INT); INSERT INTO p VALUES (1, 1), (2, 2), (3, 3);
    CREATE TABLE c (id INT, p INT REFERENCES p ON DELETE CASCADE); INSERT INTO c VALUES (1, 1), (2, 1), (3, 2);
    CREATE TABLE log (id INT, at INT); INSERT INTO log VALUES (1, 1);
    CREATE FUNCTION clean() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM log WHERE id = NEW.id; RETURN NEW; END';
    CREATE TRIGGER cleans AFTER UPDATE ON p FOR EACH ROW EXECUTE FUNCTION clean();
    CREATE TABLE parts (id INT, at INT) PARTITION BY LIST (at);
    CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1); CREATE TABLE part2 PARTITION OF parts FOR VALUES IN (2);
    INSERT INTO parts VALUES (1, 1), (2, 1);
    CREATE TABLE old (id INT); CREATE TABLE older () INHERITS (old); INSERT INTO older VALUES (1);
    CREATE MATERIALIZED VIEW m AS SELECT id FROM p; CREATE UNIQUE INDEX ON m (id)";

/// Statements that delete rows of tables that they name, and of others.
const REACHING: [Row; 12] = [
    row(
        "DELETE FROM p WHERE id = 1",
        Does("deleted 2 rows of `c`, deleted 1 row of `p`"),
        "SELECT count(*) FROM c",
        ["1", ""],
    ),
    row(
        "DELETE FROM c; DELETE FROM p WHERE id = 1",
        Does("deleted 3 rows of `c`, deleted 1 row of `p`"),
        "SELECT count(*) FROM c",
        ["0", ""],
    ),
    row("DELETE FROM p WHERE id = 3", Does("deleted 1 row of `p`"), "SELECT count(*) FROM p", ["2", ""]),
    row("UPDATE p SET n = 0", Does("deleted 1 row of `log`"), "SELECT count(*) FROM log", ["0", ""]),
    row("UPDATE p SET n = 0 WHERE id = 2", Does(""), "SELECT count(*) FROM log", ["1", ""]),
    row(
        "ALTER TABLE p DISABLE TRIGGER cleans; UPDATE p SET n = 0; ALTER TABLE p ENABLE TRIGGER cleans",
        Does(""),
        "SELECT count(*) FROM log",
        ["1", ""],
    ),
    row(
        "UPDATE parts SET at = 2",
        Does("deleted 2 rows of `part1`"),
        "SELECT count(*) FROM parts",
        ["2", ""],
    ),
    row(
        "DELETE FROM parts WHERE id = 1; DELETE FROM old",
        Does("deleted 1 row of `older`, deleted 1 row of `part1`"),
        "SELECT count(*) FROM parts",
        ["1", ""],
    ),
    row(
        "INSERT INTO p VALUES (4, 4); REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        Does(""),
        "SELECT count(*) FROM m",
        ["4", ""],
    ),
    row(
        "CREATE TEMP TABLE t AS SELECT 1 AS id; DELETE FROM t; DROP TABLE t; UPDATE c SET id = 9",
        Does(""),
        "SELECT count(*) FROM c",
        ["3", ""],
    ),
    row(
        "DO $$ BEGIN DELETE FROM p; END $$",
        Does("deleted 3 rows of `c`, deleted 3 rows of `p`"),
        "SELECT count(*) FROM c",
        ["0", ""],
    ),
    row(
        "CREATE RULE r AS ON INSERT TO old DO ALSO DELETE FROM log; INSERT INTO old VALUES (1)",
        Does("deleted 1 row of `log`"),
        "SELECT count(*) FROM log",
        ["0", ""],
    ),
];

/// Rows that a statement deletes from a table that it does not name are reported, since the schema says that they go.
#[test]
fn postgres_reports_rows_that_triggers_and_actions_delete() {
    for row in &REACHING {
        postgres::with(|_, client| {
            client.batch_execute(REACHABLE).unwrap();
            let step = Migration::<Postgres>::from_scripts("1_it", row.script, None);
            let report = MigrationRunner::for_backend(vec![step]).unwrap().run(client).unwrap();
            let Does(expected) = row.said else { panic!("{}", row.script) };
            assert_eq!(report.applied[0].account.to_string(), expected, "{}", row.script);
            assert_eq!(postgres::rows(client, row.rows).join("|"), row.left[0], "{}", row.script);
        });
    }
}

/// A step is blamed only for what it deletes itself, also in one transaction with others.
#[test]
fn postgres_tells_the_steps_of_a_batch_apart() {
    postgres::with(|_, client| {
        client.batch_execute("CREATE TABLE p (id INT PRIMARY KEY); INSERT INTO p VALUES (1), (2); CREATE TABLE c (p INT REFERENCES p ON DELETE CASCADE); INSERT INTO c VALUES (1), (2)").unwrap();
        let set = vec![
            Migration::<Postgres>::from_scripts("1_cascade", "DELETE FROM p WHERE id = 1", None),
            Migration::from_scripts("2_plain", "UPDATE p SET id = 3 WHERE id = 4", None),
        ];
        let runner = MigrationRunner::for_backend(set).unwrap().transaction(TransactionMode::Batch);
        let report = runner.run(client).unwrap();
        let said: Vec<String> = report.applied.iter().map(|step| step.account.to_string()).collect();
        assert_eq!(said, ["deleted 1 row of `c`, deleted 1 row of `p`", ""]);
    });
}

/// A step that continues does not know what it deleted before, so it does not take rows that are missing for deleted ones.
#[test]
fn a_retry_does_not_drop_what_the_first_run_kept() {
    for script in [
        "CREATE TABLE p2 (id INT, n INT); INSERT INTO p2 SELECT * FROM p WHERE id < 3; DELETE FROM p2 WHERE n IS NULL; DROP TABLE p; RENAME TABLE p2 TO p",
        "CREATE TABLE archive LIKE p; INSERT INTO archive SELECT * FROM p WHERE id = 1; CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p WHERE id = 2; DROP TABLE p; RENAME TABLE p2 TO p",
        "CREATE TABLE b AS SELECT * FROM p; DROP TABLE p; CREATE TABLE p (id INT, n INT); INSERT INTO p SELECT * FROM b WHERE id < 3; DROP TABLE b",
    ] {
        mysql::with(|_, conn| {
            for statement in BEFORE.split("; ") {
                mysql::rows(conn, statement);
            }
            let runner = || {
                let step = Migration::<Mysql>::from_scripts("1_it", script, None);
                MigrationRunner::for_backend(vec![step]).unwrap()
            };
            let refused = |conn: &mut ::mysql::Conn| {
                let error = runner().run(conn).unwrap_err().to_string();
                assert!(error.contains("replaces `p`, which had 3 rows"), "{script}\n{error}");
            };
            refused(conn);
            runner().recover(&mut *conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
            refused(conn);
            let kept = if script.ends_with('b') { "b" } else { "p" };
            assert_eq!(mysql::rows(conn, &format!("SELECT count(*) FROM {kept}")), ["3"]);
            let step = Migration::<Mysql>::from_scripts("1_it", script, None).allow_destructive();
            MigrationRunner::for_backend(vec![step]).unwrap().run(conn).unwrap();
        });
    }
}

/// Rows that a policy hides from the role would be lost without anybody seeing it.
#[test]
fn postgres_does_not_replace_a_table_whose_rows_are_hidden_from_the_role() {
    postgres::with(|_, client| {
        client.batch_execute(BEFORE).unwrap();
        let role = format!("keeper{}", std::process::id());
        client
            .batch_execute(&format!(
                "DROP ROLE IF EXISTS {role}; CREATE ROLE {role}; GRANT ALL ON SCHEMA public TO {role}; ALTER TABLE p OWNER TO {role};
                ALTER TABLE p ENABLE ROW LEVEL SECURITY; ALTER TABLE p FORCE ROW LEVEL SECURITY;
                CREATE POLICY own ON p USING (id = 1)"
            ))
            .unwrap();
        let script = format!(
            "SET LOCAL ROLE {role}; CREATE TABLE p2 (id INT); INSERT INTO p2 SELECT id FROM p; DROP TABLE p; ALTER TABLE p2 RENAME TO p"
        );
        let step = Migration::<Postgres>::from_scripts("1_it", script, None);
        let error = MigrationRunner::for_backend(vec![step]).unwrap().run(client).unwrap_err().to_string();
        assert!(error.contains("row level security applies to `p` for this role"), "{error}");
        assert_eq!(postgres::rows(client, IDS), ["3"]);
        client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    });
}

/// A limit of the script's own is for its statements.
#[test]
fn postgres_counts_without_the_time_limit_of_the_script() {
    postgres::with(|_, client| {
        client.batch_execute("CREATE TABLE p AS SELECT generate_series(1, 300000) AS id; CREATE TABLE p2 AS SELECT * FROM p").unwrap();
        let script = "SET statement_timeout = '10ms'; DROP TABLE p; ALTER TABLE p2 RENAME TO p";
        let it =
            MigrationRunner::for_backend(vec![Migration::<Postgres>::from_scripts("1_it", script, None)])
                .unwrap();
        // On a machine at work, the script's own statements can also take 10 ms.
        let report = (0..50).find_map(|_| it.run(&mut *client).ok()).expect("no run ended within the limits");
        assert_eq!(report.applied[0].account.to_string(), "replaced `p`: 300000 rows before, 300000 after");
    });
}
