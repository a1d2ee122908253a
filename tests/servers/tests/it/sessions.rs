//! Servers through a session of which the engine has only texts: the conformance suite, and one database that is used in both ways.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::mysql::Conn;
use ::mysql::prelude::Queryable;
use ::postgres::{Client, SimpleQueryMessage};
use switchy_schema::backend::{Backend, Fault, Statements, Texts};
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{
    FaultKind, Migration, MigrationRunner, Mysql, MysqlOver, Postgres, PostgresOver, Recovery, Remedy,
    Signature, TableName, Target,
};

use crate::servers::{self, MysqlDatabase, PostgresDatabase};

/// A session of PostgreSQL.
struct Pg(Client);

fn pg(error: ::postgres::Error) -> Fault {
    let text = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let is_busy = ["due to lock timeout", "deadlock detected"].iter().any(|words| text.contains(words));
    Fault::new(if is_busy { FaultKind::Busy } else { FaultKind::Other }, text).caused_by(error)
}

impl Statements for Pg {
    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.0.batch_execute(sql).map_err(pg)
    }

    fn change(&mut self, sql: &str) -> Result<u64, Fault> {
        self.0.execute(sql, &[]).map_err(pg)
    }

    fn rows(&mut self, sql: &str) -> Result<Texts, Fault> {
        let texts = self.0.simple_query(sql).map_err(pg)?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(texts.collect())
    }
}

/// A session of MariaDB. Like most drivers, it counts the rows that an update found.
struct Maria(Conn);

fn maria(error: ::mysql::Error) -> Fault {
    let text = match &error {
        ::mysql::Error::MySqlError(error) => error.message.clone(),
        other => other.to_string(),
    };
    let is_busy = ["Lock wait timeout exceeded", "Deadlock found"].iter().any(|words| text.contains(words));
    let fault = Fault::new(if is_busy { FaultKind::Busy } else { FaultKind::Other }, text).caused_by(error);
    if is_busy { fault.retryable() } else { fault }
}

impl Statements for Maria {
    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.0.query_iter(sql).map(drop).map_err(maria)
    }

    fn change(&mut self, sql: &str) -> Result<u64, Fault> {
        self.run(sql)?;
        let found = self.0.info_str();
        let found = found.split(|c: char| !c.is_ascii_digit()).find(|number| !number.is_empty());
        Ok(found.and_then(|number| number.parse().ok()).unwrap_or_else(|| self.0.affected_rows()))
    }

    fn rows(&mut self, sql: &str) -> Result<Texts, Fault> {
        let rows: Vec<::mysql::Row> = self.0.query(sql).map_err(maria)?;
        let texts =
            |row: ::mysql::Row| (0..row.len()).map(|column| row.get::<Option<String>, _>(column)?).collect();
        Ok(rows.into_iter().map(texts).collect())
    }
}

fn quoted(name: &str, mark: char) -> String {
    format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
}

const FAILS: &str = "INSERT INTO missing VALUES (1)";

struct PostgresBed;

impl Testbed<PostgresOver<Pg>> for PostgresBed {
    type Database = PostgresDatabase;

    fn create(&self) -> PostgresDatabase {
        servers::postgres().unwrap()
    }

    fn connect<R>(&self, database: &PostgresDatabase, body: impl FnOnce(&mut Pg) -> R) -> R {
        let mut session = Pg(database.connect());
        session.run("SET TimeZone = 'Asia/Kathmandu'").unwrap();
        body(&mut session)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INTEGER)", quoted(name, '"'))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name, '"'))
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, session: &mut Pg) -> Vec<String> {
        let sql = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname LIKE 'thing%'";
        session.rows(sql).unwrap().into_iter().flatten().flatten().collect()
    }

    fn abilities(&self) -> Abilities {
        Abilities { forecast: false, ..Abilities::default() }
    }
}

#[test]
fn postgres() {
    if servers::postgres().is_some() {
        conformance::<PostgresOver<Pg>>(&PostgresBed);
    }
}

struct MariaBed;

impl Testbed<MysqlOver<Maria>> for MariaBed {
    type Database = MysqlDatabase;

    fn create(&self) -> MysqlDatabase {
        servers::mysql().unwrap()
    }

    fn connect<R>(&self, database: &MysqlDatabase, body: impl FnOnce(&mut Maria) -> R) -> R {
        let mut session = Maria(database.connect());
        session.run("SET time_zone = '+05:45'").unwrap();
        body(&mut session)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INT)", quoted(name, '`'))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name, '`'))
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, session: &mut Maria) -> Vec<String> {
        let sql = "SELECT table_name FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_name LIKE 'thing%'";
        session.rows(sql).unwrap().into_iter().flatten().flatten().collect()
    }

    fn tampers(&self, table: &TableName) -> Option<String> {
        Some(format!("DELETE FROM {}", table.quoted_in('`')))
    }

    fn abilities(&self) -> Abilities {
        Abilities { rollback: false, forecast: false, ..Abilities::default() }
    }
}

#[test]
fn mariadb() {
    if servers::mysql().is_some() {
        conformance::<MysqlOver<Maria>>(&MariaBed);
    }
}

fn runner<B: Backend>() -> MigrationRunner<B> {
    MigrationRunner::for_backend([
        Migration::reversible("1_a", "CREATE TABLE a (b INT)", "DROP TABLE a"),
        Migration::reversible("2_b", "INSERT INTO a VALUES (1), (2)", "DELETE FROM a"),
        Migration::reversible("3_c", "CREATE TABLE c (d INT)", "DROP TABLE c"),
    ])
    .unwrap()
}

/// The records, with everything that both ways must read alike.
fn history<B: Backend>(conn: B::Conn<'_>) -> Vec<String> {
    let history = runner::<B>().history(conn).unwrap();
    history.records().iter().map(|record| format!("{record:?}")).collect()
}

#[test]
fn postgres_is_migrated_in_both_ways() {
    let Some(database) = servers::postgres() else { return };
    let (mut client, mut session) = (database.connect(), Pg(database.connect()));
    let (native, over) = (runner::<Postgres>(), runner::<PostgresOver<Pg>>());
    assert_eq!(over.run_to(&mut session, Target::Steps(1)).unwrap().applied.len(), 1);
    assert_eq!(native.run_to(&mut client, Target::Steps(1)).unwrap().applied.len(), 1);
    assert_eq!(over.run(&mut session).unwrap().applied.len(), 1);
    assert!(native.run(&mut client).unwrap().applied.is_empty());
    assert_eq!(history::<Postgres>(&mut client), history::<PostgresOver<Pg>>(&mut session));
    assert_eq!(native.run_to(&mut client, Target::Back(1)).unwrap().applied.len(), 1);
    assert_eq!(over.run_to(&mut session, Target::Back(1)).unwrap().applied.len(), 1);
    assert_eq!(history::<Postgres>(&mut client), history::<PostgresOver<Pg>>(&mut session));
}

#[test]
fn mariadb_is_migrated_in_both_ways() {
    let Some(database) = servers::mysql() else { return };
    let (mut conn, mut session) = (database.connect(), Maria(database.connect()));
    let (native, over) = (runner::<Mysql>(), runner::<MysqlOver<Maria>>());
    assert_eq!(over.run_to(&mut session, Target::Steps(1)).unwrap().applied.len(), 1);
    assert_eq!(native.run_to(&mut conn, Target::Steps(1)).unwrap().applied.len(), 1);
    assert_eq!(over.run(&mut session).unwrap().applied.len(), 1);
    assert!(native.run(&mut conn).unwrap().applied.is_empty());
    assert_eq!(history::<Mysql>(&mut conn), history::<MysqlOver<Maria>>(&mut session));
    assert_eq!(over.run_to(&mut session, Target::Back(2)).unwrap().applied.len(), 2);
    assert_eq!(history::<Mysql>(&mut conn), history::<MysqlOver<Maria>>(&mut session));
}

/// A script that changes settings leaves the session as it was.
#[test]
fn settings_are_set_back() {
    if let Some(database) = servers::postgres() {
        let mut session = Pg(database.connect());
        let step = Migration::sql("1_a", "SET search_path = pg_catalog; SET work_mem = '7MB'; SELECT 1");
        MigrationRunner::<PostgresOver<Pg>>::for_backend([step]).unwrap().run(&mut session).unwrap();
        let sql = "SELECT current_setting('search_path') || current_setting('work_mem')";
        assert_eq!(session.rows(sql).unwrap(), [[Some("\"$user\", public4MB".to_owned())]]);
    }
    if let Some(database) = servers::mysql() {
        let mut session = Maria(database.connect());
        let step =
            Migration::sql("1_a", "SET sql_mode = ''; SET SESSION max_heap_table_size = 65536; SELECT 1");
        let before = session.rows("SELECT CONCAT(@@sql_mode, @@max_heap_table_size)").unwrap();
        MigrationRunner::<MysqlOver<Maria>>::for_backend([step]).unwrap().run(&mut session).unwrap();
        assert_eq!(session.rows("SELECT CONCAT(@@sql_mode, @@max_heap_table_size)").unwrap(), before);
    }
}

/// A table that is rebuilt with fewer rows is the mistake that the account of a step is for.
#[test]
fn a_rebuild_that_loses_rows_is_refused() {
    const TABLE: &str = "CREATE TABLE a (id INT PRIMARY KEY, b INT)";
    const ROWS: &str = "INSERT INTO a VALUES (1, 1), (2, NULL), (3, 3)";
    const SCRIPT: &str = "CREATE TABLE new_a (id INT PRIMARY KEY, b INT NOT NULL);
        INSERT INTO new_a SELECT id, b FROM a WHERE b IS NOT NULL;
        DROP TABLE a;
        ALTER TABLE new_a RENAME TO a;";
    fn check<S: Statements, B: for<'c> Backend<Conn<'c> = &'c mut S>>(mut session: S) {
        session.run(TABLE).unwrap();
        session.run(ROWS).unwrap();
        let runner = MigrationRunner::<B>::for_backend([Migration::sql("1_rebuild", SCRIPT)]).unwrap();
        let refused = runner.run(&mut session).unwrap_err().to_string();
        assert!(refused.contains("which had 3 rows, with a table of 2 rows; id = 2 is missing"), "{refused}");
        assert_eq!(session.rows("SELECT id FROM a ORDER BY id").unwrap().len(), 3);
    }
    if let Some(database) = servers::postgres() {
        check::<Pg, PostgresOver<Pg>>(Pg(database.connect()));
    }
    if let Some(database) = servers::mysql() {
        check::<Maria, MysqlOver<Maria>>(Maria(database.connect()));
    }
}

/// Runs a script outside a transaction, which fails. Returns the error, and whether a person must decide about the step.
fn failing<S: Statements, B: for<'c> Backend<Conn<'c> = &'c mut S>>(
    session: &mut S,
    script: &'static str,
) -> (String, bool) {
    let runner =
        MigrationRunner::<B>::for_backend([Migration::sql("1_a", script).outside_transaction()]).unwrap();
    let error = runner.run(session).unwrap_err().to_string();
    let history = runner.history(session).unwrap();
    (error, history.records().iter().any(|record| record.dirty.is_some()))
}

/// Outside the engine's transaction, a transaction of a script would take the notes of the engine with it.
#[test]
fn a_transaction_of_a_script_is_refused_outside_a_transaction() {
    const SCRIPT: &str = "CREATE TABLE a (b INT); START TRANSACTION; INSERT INTO a VALUES (1); INSERT INTO missing VALUES (1); COMMIT";
    if let Some(database) = servers::postgres() {
        let mut session = Pg(database.connect());
        let (refused, is_dirty) = failing::<Pg, PostgresOver<Pg>>(&mut session, SCRIPT);
        assert!(refused.contains("run it with the blocking adapter") && !is_dirty, "{refused}");
        assert!(session.rows("SELECT b FROM a").is_err());
        let whole = Migration::sql("1_a", "BEGIN; CREATE TABLE a (b INT); COMMIT");
        MigrationRunner::<PostgresOver<Pg>>::for_backend([whole]).unwrap().run(&mut session).unwrap();
    }
    if let Some(database) = servers::mysql() {
        let mut session = Maria(database.connect());
        for script in [
            SCRIPT,
            "CREATE TABLE a (b INT); SET autocommit = 0; INSERT INTO a VALUES (1); COMMIT; SET autocommit = 1",
            "CREATE TABLE a (b INT); LOCK TABLES a WRITE; INSERT INTO a VALUES (1); UNLOCK TABLES",
        ] {
            let (refused, is_dirty) = failing::<Maria, MysqlOver<Maria>>(&mut session, script);
            assert!(refused.contains("run it with the blocking adapter") && !is_dirty, "{refused}");
            assert!(session.rows("SELECT b FROM a").is_err());
        }
        session.run("CREATE TABLE a (b INT)").unwrap();
        let whole = Migration::sql("1_a", "START TRANSACTION; INSERT INTO a VALUES (1); COMMIT");
        MigrationRunner::<MysqlOver<Maria>>::for_backend([whole]).unwrap().run(&mut session).unwrap();
    }
}

/// The advice about a script that does not fit into a transaction leads to no other refusal.
#[test]
fn a_script_is_sent_out_of_its_transaction_only_where_it_runs() {
    fn check<S: Statements, B: for<'c> Backend<Conn<'c> = &'c mut S>>(
        session: &mut S,
        scripts: &[&'static str],
    ) {
        for script in scripts {
            let runner = MigrationRunner::<B>::for_backend([Migration::sql("1_a", script)]).unwrap();
            let refused = runner.run(session).unwrap_err();
            let advice = refused
                .remedy()
                .unwrap()
                .singles()
                .iter()
                .any(|remedy| matches!(remedy, Remedy::SetMetadata { key: "run_in_transaction", .. }));
            let outside = Migration::sql("1_a", script).outside_transaction();
            let runner = MigrationRunner::<B>::for_backend([outside]).unwrap();
            let works = runner.plan(session, Target::Latest).unwrap().problems().is_empty();
            assert_eq!(advice, works, "{script}: {refused}");
        }
    }
    if let Some(database) = servers::postgres() {
        check::<Pg, PostgresOver<Pg>>(
            &mut Pg(database.connect()),
            &[
                "BEGIN; CREATE TABLE a (b INT); COMMIT; BEGIN; INSERT INTO a VALUES (1); COMMIT",
                "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a (b INT); COMMIT; SELECT 1",
                "BEGIN; CREATE TABLE a (b INT); ROLLBACK",
                "CREATE TABLE a (b INT); COMMIT; BEGIN",
                "CREATE TABLE a (b INT); VACUUM",
            ],
        );
    }
    if let Some(database) = servers::mysql() {
        check::<Maria, MysqlOver<Maria>>(
            &mut Maria(database.connect()),
            &[
                "START TRANSACTION; INSERT INTO a VALUES (1); COMMIT; START TRANSACTION; INSERT INTO a VALUES (2); COMMIT",
                "START TRANSACTION; INSERT INTO a VALUES (1); ROLLBACK",
            ],
        );
    }
}

/// What a statement left before it failed is there: the step is not as if it had not begun.
#[test]
fn a_statement_that_may_have_left_something_is_dirty() {
    if let Some(database) = servers::postgres() {
        let mut session = Pg(database.connect());
        session.run("CREATE TABLE a (b INT); INSERT INTO a VALUES (1), (1)").unwrap();
        session
            .run("CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES (2); COMMIT; PERFORM 1 / 0; END $$")
            .unwrap();
        for (script, expected) in [
            ("INSERT INTO a VALUES (3), (1 / 0)", false),
            ("INSERT INTO a VALUES ()", false),
            ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b)", true),
        ] {
            let (error, is_dirty) = failing::<Pg, PostgresOver<Pg>>(&mut session, script);
            assert_eq!(is_dirty, expected, "{script}: {error}");
        }
        let (error, is_dirty) = failing::<Pg, PostgresOver<Pg>>(&mut Pg(database.connect()), "CALL fill()");
        assert!(is_dirty, "{error}");
    }
    for (script, expected) in [
        ("INSERT INTO a VALUES (3), (1)", false),
        ("INSERT INTO missing VALUES (3)", false),
        ("CRATE TABLE c (d INT)", false),
        ("CALL fill()", true),
        ("DROP TABLE b, missing", true),
        ("INSERT INTO without_transactions VALUES (1), (1)", true),
    ] {
        let Some(database) = servers::mysql() else { return };
        let mut session = Maria(database.connect());
        session.run("CREATE TABLE a (b INT PRIMARY KEY)").unwrap();
        session.run("CREATE TABLE b (c INT)").unwrap();
        session.run("INSERT INTO a VALUES (1)").unwrap();
        session
            .run("CREATE PROCEDURE fill() BEGIN INSERT INTO a VALUES (2); INSERT INTO a VALUES (1); END")
            .unwrap();
        if script.contains("without") {
            session.run("CREATE TABLE without_transactions (b INT PRIMARY KEY) ENGINE = MyISAM").unwrap();
        }
        let (error, is_dirty) = failing::<Maria, MysqlOver<Maria>>(&mut session, script);
        assert_eq!(is_dirty, expected, "{script}: {error}");
    }
}

/// What ended with the session is not there for the rest of the script.
#[test]
fn a_script_that_needs_its_session_is_not_resumed() {
    fn check<S: Statements, B: for<'c> Backend<Conn<'c> = &'c mut S>>(
        connect: impl Fn() -> S,
        script: &'static str,
    ) {
        let step = Migration::sql("1_a", script).outside_transaction();
        let runner = MigrationRunner::<B>::for_backend([step]).unwrap();
        runner.run(&mut connect()).unwrap_err();
        let mut session = connect();
        session.run("CREATE TABLE missing (b INT)").unwrap();
        runner.recover(&mut session, Recovery::Retry("1_a".into()), Signature::of("ada")).unwrap();
        let refused = runner.run(&mut session).unwrap_err().to_string();
        assert!(refused.contains("made ended with the session"), "{refused}");
        assert!(session.rows("SELECT b FROM missing").unwrap().is_empty());
    }
    if let Some(database) = servers::postgres() {
        let script =
            "CREATE TABLE a (b INT); CREATE TEMP TABLE t (b INT); INSERT INTO missing SELECT b FROM t";
        check::<Pg, PostgresOver<Pg>>(|| Pg(database.connect()), script);
    }
    if let Some(database) = servers::mysql() {
        let script = "CREATE TABLE a (b INT); SET @most = (SELECT 7); INSERT INTO missing VALUES (@most)";
        check::<Maria, MysqlOver<Maria>>(|| Maria(database.connect()), script);
    }
}

/// What a pooled connection must not keep for the next request.
#[test]
fn custom_settings_and_the_role_are_set_back() {
    for (end, works) in [("SELECT 1", true), ("SELECT missing", false)] {
        let Some(database) = servers::postgres() else { break };
        let mut session = Pg(database.connect());
        session.run("SET app.tenant = '1'").unwrap();
        let script = format!("SET app.tenant = '7'; SELECT set_config('app.bypass_rls', 'on', false); {end}");
        let step = Migration::sql("1_a", script.leak());
        let runner = MigrationRunner::<PostgresOver<Pg>>::for_backend([step]).unwrap();
        assert_eq!(runner.run(&mut session).is_ok(), works);
        let sql =
            "SELECT current_setting('app.tenant'), coalesce(current_setting('app.bypass_rls', true), '')";
        assert_eq!(session.rows(sql).unwrap(), [[Some("1".to_owned()), Some(String::new())]]);
    }
    for (end, works) in [("SELECT 1", true), ("SELECT missing", false)] {
        let Some(database) = servers::mysql() else { break };
        let mut session = Maria(database.connect());
        let role = format!("role_{works}");
        session.run(&format!("CREATE OR REPLACE ROLE {role}")).unwrap();
        let step = Migration::sql("1_a", format!("SET ROLE {role}; {end}").leak());
        let runner = MigrationRunner::<MysqlOver<Maria>>::for_backend([step]).unwrap();
        assert_eq!(runner.run(&mut session).is_ok(), works);
        assert_eq!(session.rows("SELECT CURRENT_ROLE()").unwrap(), [[None]]);
        session.run(&format!("DROP ROLE {role}")).unwrap();
    }
}

/// The function of `baseline_if` only reads: during a plan, and in the transaction that writes the records.
#[test]
fn what_the_function_of_a_baseline_writes_is_not_kept() {
    fn check<S: Statements, B: for<'c> Backend<Conn<'c> = &'c mut S>>(session: &mut S, refuses: [bool; 2]) {
        session.run("CREATE TABLE users (name VARCHAR(50))").unwrap();
        for (first, is_refused) in (1..).zip(refuses) {
            let calls = AtomicUsize::new(0);
            let set = [
                Migration::sql("1_users", "CREATE TABLE users (name VARCHAR(50))"),
                Migration::sql("2_email", "ALTER TABLE users ADD email TEXT"),
            ];
            let runner = MigrationRunner::<B>::for_backend(set).unwrap().baseline_if(
                move |session| {
                    if calls.fetch_add(1, Ordering::Relaxed) + 1 >= first {
                        session.run("INSERT INTO users VALUES ('Bob')").map_err(|fault| fault.to_string())?;
                    }
                    Ok(true)
                },
                "1_users",
            );
            let outcome = runner.run(session);
            assert_eq!(outcome.is_err(), is_refused, "call {first}: {outcome:?}");
            assert!(session.rows("SELECT name FROM users").unwrap().is_empty(), "call {first}");
            // It works again.
            session.run("INSERT INTO users (name) VALUES ('Ada')").unwrap();
            session.run("DELETE FROM users").unwrap();
        }
    }
    if let Some(database) = servers::postgres() {
        check::<Pg, PostgresOver<Pg>>(&mut Pg(database.connect()), [true, true]);
    }
    if let Some(database) = servers::mysql() {
        check::<Maria, MysqlOver<Maria>>(&mut Maria(database.connect()), [true, false]);
    }
}

/// A statement gives up, and the session has its own limit again, also after an error and a panic.
#[test]
fn a_step_does_not_wait_longer_for_a_lock_than_it_may() {
    fn check<S: Statements, B: for<'c> Backend<Conn<'c> = &'c mut S>>(
        session: &mut S,
        limits: &str,
        holder: &mut S,
    ) {
        session.run("CREATE TABLE t (n INT)").unwrap();
        session.run("INSERT INTO t VALUES (1)").unwrap();
        let before = session.rows(limits).unwrap();
        let runner = |steps: Vec<Migration<B>>| {
            MigrationRunner::<B>::for_backend(steps)
                .unwrap()
                .statement_lock_timeout(Duration::from_secs(1))
                .lock_retries(0)
        };
        holder.run("BEGIN").unwrap();
        holder.run("UPDATE t SET n = 2").unwrap();
        let script = || Migration::from_scripts("1_it", "UPDATE t SET n = 3", None);
        for step in [script(), script().outside_transaction()] {
            // The other session holds the row as long as the test.
            let error = runner(vec![step]).run(session).unwrap_err();
            assert_eq!(error.fault(), Some(FaultKind::Busy), "{error}");
            assert_eq!(session.rows(limits).unwrap(), before);
        }
        holder.run("ROLLBACK").unwrap();
        assert_eq!(runner(vec![script()]).run(session).unwrap().applied.len(), 1);
        let code = |_: &mut S| -> Result<(), String> { panic!("on purpose") };
        let it = runner(vec![script(), Migration::function("2_code", code)]);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| it.run(session))).unwrap_err();
        assert_eq!(session.rows(limits).unwrap(), before);
    }
    if let Some(database) = servers::postgres() {
        let [mut session, mut holder] = [Pg(database.connect()), Pg(database.connect())];
        session.run("SET lock_timeout = '77s'").unwrap();
        check::<Pg, PostgresOver<Pg>>(&mut session, "SELECT current_setting('lock_timeout')", &mut holder);
    }
    if let Some(database) = servers::mysql() {
        let [mut session, mut holder] = [Maria(database.connect()), Maria(database.connect())];
        let limits = "SELECT CONCAT(@@innodb_lock_wait_timeout, ' ', @@lock_wait_timeout)";
        check::<Maria, MysqlOver<Maria>>(&mut session, limits, &mut holder);
    }
}

/// A second attempt would add the rows again that the table kept.
#[test]
fn a_script_on_mariadb_is_tried_once_if_a_table_keeps_its_rows() {
    let Some(database) = servers::mysql() else { return };
    let [mut session, mut holder] = [Maria(database.connect()), Maria(database.connect())];
    for sql in
        ["CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1)", "CREATE TABLE kept (n INT) ENGINE=MyISAM"]
    {
        session.run(sql).unwrap();
    }
    holder.run("BEGIN").unwrap();
    holder.run("UPDATE t SET n = 2").unwrap();
    let step = Migration::sql("1_it", "INSERT INTO kept VALUES (1); UPDATE t SET n = 3");
    let runner = MigrationRunner::<MysqlOver<Maria>>::for_backend([step]).unwrap();
    let runner = runner.statement_lock_timeout(Duration::from_secs(1)).lock_retries(1);
    assert_eq!(runner.run(&mut session).unwrap_err().fault(), Some(FaultKind::Busy));
    assert_eq!(session.rows("SELECT n FROM kept").unwrap().len(), 1);
}
