//! SQLite through a session of which the engine has only texts: the conformance suite, and one database that is used in both ways.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::types::Value;
use switchy_schema::backend::{Driver, Fault, Statements, Texts};
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{
    FaultKind, Migration, MigrationRunner, Recovery, Remedy, Signature, SqliteOver, Target,
};

thread_local! {
    /// Whether the next statement with the word `busy` fails, since another connection writes.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// A session of a driver that the engine does not know. It says where the word `oops` is that makes a statement fail.
struct Session(Connection);

impl Statements for Session {
    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        if sql.contains("busy") && BUSY.replace(false) {
            return Err(Fault::new(FaultKind::Busy, "database is locked"));
        }
        self.0.execute_batch(sql).map_err(fault).map_err(|fault| match sql.find("oops") {
            Some(at) => fault.at(at),
            None => fault,
        })
    }

    fn change(&mut self, sql: &str) -> Result<u64, Fault> {
        Ok(self.0.execute(sql, []).map_err(fault)? as u64)
    }

    fn rows(&mut self, sql: &str) -> Result<Texts, Fault> {
        let mut statement = self.0.prepare(sql).map_err(fault)?;
        let columns = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..columns).map(|column| Ok(text(row.get(column)?))).collect())
            .and_then(Iterator::collect);
        rows.map_err(fault)
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Blob(_) => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
    }
}

fn fault(error: rusqlite::Error) -> Fault {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => FaultKind::Busy,
        Some(rusqlite::ErrorCode::ReadOnly) => FaultKind::ReadOnly,
        _ => FaultKind::Other,
    };
    Fault::new(kind, error.to_string()).caused_by(error)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn things(session: &mut Session) -> Vec<String> {
    let sql = "SELECT name AS c0 FROM sqlite_master WHERE type = 'table' AND name LIKE 'thing%'";
    session.rows(sql).unwrap().into_iter().flatten().flatten().collect()
}

struct Files;

impl Testbed<SqliteOver<Session>> for Files {
    type Database = TestDatabase;

    fn create(&self) -> TestDatabase {
        TestDatabase::new()
    }

    fn connect<R>(&self, database: &TestDatabase, body: impl FnOnce(&mut Session) -> R) -> R {
        body(&mut Session(database.connect()))
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INTEGER)", quoted(name))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name))
    }

    fn fails(&self) -> String {
        "INSERT INTO missing VALUES (1)".to_owned()
    }

    fn things(&self, session: &mut Session) -> Vec<String> {
        things(session)
    }
}

#[test]
fn in_a_file() {
    conformance::<SqliteOver<Session>>(&Files);
}

struct Memory;

impl Testbed<SqliteOver<Session>> for Memory {
    type Database = Mutex<Session>;

    fn create(&self) -> Mutex<Session> {
        Mutex::new(Session(Connection::open_in_memory().unwrap()))
    }

    fn connect<R>(&self, database: &Mutex<Session>, body: impl FnOnce(&mut Session) -> R) -> R {
        body(&mut database.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn make(&self, name: &str) -> String {
        Files.make(name)
    }

    fn unmake(&self, name: &str) -> String {
        Files.unmake(name)
    }

    fn fails(&self) -> String {
        Files.fails()
    }

    fn things(&self, session: &mut Session) -> Vec<String> {
        things(session)
    }

    fn abilities(&self) -> Abilities {
        Abilities { connections: false, lock: false, ..Abilities::default() }
    }
}

#[test]
fn in_memory() {
    conformance::<SqliteOver<Session>>(&Memory);
}

/// A table that is rebuilt with fewer rows is the mistake that the account of a step is for.
#[test]
fn a_rebuild_that_loses_rows_is_refused() {
    let database = TestDatabase::new();
    let mut session = Session(database.connect());
    session
        .run("CREATE TABLE a (id INTEGER PRIMARY KEY, b); INSERT INTO a VALUES (1, 'x'), (2, NULL), (3, 'z')")
        .unwrap();
    let rebuild = |condition: &str| {
        let script = format!(
            "CREATE TABLE new_a (id INTEGER PRIMARY KEY, b TEXT NOT NULL);
            INSERT INTO new_a SELECT id, b FROM a {condition};
            DROP TABLE a;
            ALTER TABLE new_a RENAME TO a;"
        );
        MigrationRunner::<SqliteOver<Session>>::for_backend([Migration::sql("1_rebuild", script.leak())])
            .unwrap()
    };
    let refused = rebuild("WHERE b IS NOT NULL").run(&mut session).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("replaces `a`, which had 3 rows, with a table of 2 rows; id = 2 is missing"),
        "{refused}"
    );
    assert_eq!(database.rows("SELECT count(*) FROM a"), ["3"]);
    session.run("UPDATE a SET b = 'y' WHERE b IS NULL").unwrap();
    rebuild("").run(&mut session).unwrap();
    assert_eq!(database.rows("SELECT count(*) FROM a"), ["3"]);
}

/// The connection is the application's: what a script sets with `PRAGMA` is set back, also if it fails.
#[test]
fn settings_are_set_back() {
    for (end, works) in [("SELECT 1", true), ("SELECT missing", false)] {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        let script =
            format!("PRAGMA cache_size = 77; PRAGMA recursive_triggers = ON; CREATE TABLE a (b); {end}");
        let step = Migration::sql("1_a", script.leak());
        let runner = MigrationRunner::<SqliteOver<Session>>::for_backend([step]).unwrap();
        assert_eq!(runner.run(&mut session).is_ok(), works);
        assert_eq!(session.rows("PRAGMA recursive_triggers").unwrap(), [[Some("0".to_owned())]]);
        assert_ne!(session.rows("PRAGMA cache_size").unwrap(), [[Some("77".to_owned())]]);
    }
}

fn set<const N: usize>(
    migrations: [Migration<SqliteOver<Session>>; N],
) -> MigrationRunner<SqliteOver<Session>> {
    MigrationRunner::for_backend(migrations).unwrap()
}

/// SQLite takes a parameter without a value for `NULL`.
#[test]
fn a_parameter_is_refused() {
    for name in [":region", "$region", "@region", "?", "?1", "#region"] {
        for is_outside in [false, true] {
            let database = TestDatabase::new();
            let mut session = Session(database.connect());
            session.run("CREATE TABLE shops (region); INSERT INTO shops VALUES ('north')").unwrap();
            let script = format!("CREATE TABLE thing (b); UPDATE shops SET region = {name}");
            let step = Migration::sql("1_a", script.leak());
            let runner = set([if is_outside { step.outside_transaction() } else { step }]);
            let refused = runner.run(&mut session).unwrap_err().to_string();
            assert!(refused.contains("it has a parameter"), "{refused}");
            assert_eq!(database.rows("SELECT region FROM shops"), ["north"]);
            assert!(things(&mut session).is_empty());
            assert!(runner.history(&mut session).unwrap().records().is_empty());
        }
    }
    let database = TestDatabase::new();
    let harmless = "CREATE TABLE a$b (\"c:d\" TEXT DEFAULT '?', [e@f]) -- $g :h ?";
    set([Migration::sql("1_a", harmless)]).run(&mut Session(database.connect())).unwrap();
}

/// What is wrong with several statements is told once, and all that is wrong with one is told.
#[test]
fn a_plan_tells_each_refusal_once() {
    for (script, count) in [
        ("SELECT :a; SELECT :b", 1),
        ("SELECT :a; INSERT INTO thing VALUES (changes())", 2),
        ("CREATE TABLE other (b); SELECT :a; VACUUM", 2),
        ("CREATE TABLE other (b); VACUUM INTO :a", 2),
    ] {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        session.run("CREATE TABLE thing (b)").unwrap();
        let step = Migration::sql("1_a", script);
        let step = if script.contains("VACUUM") { step } else { step.outside_transaction() };
        let plan = set([step]).plan(&mut session, Target::Latest).unwrap();
        let found: Vec<String> = plan.problems().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), count, "{script}\n{found:#?}");
    }
}

/// A way back that the database stores is not in the plan of the program that no longer has the migration.
#[test]
fn a_parameter_of_a_stored_script_is_refused() {
    let database = TestDatabase::new();
    let mut session = Session(database.connect());
    session.run("CREATE TABLE shops (region); INSERT INTO shops VALUES ('north')").unwrap();
    let step = Migration::reversible("1_a", "CREATE TABLE a (b)", "UPDATE shops SET region = $region");
    set([step]).run(&mut session).unwrap();
    let none = set([]);
    let refused = none.downgrade(&mut session).unwrap_err().to_string();
    assert!(refused.contains("it has a parameter"), "{refused}");
    assert_eq!(database.rows("SELECT region FROM shops"), ["north"]);
    let history = none.history(&mut session).unwrap();
    assert!(history.records().iter().all(|record| record.dirty.is_none()));
}

/// Outside the engine's transaction, a transaction of a script would take the notes of the engine with it.
#[test]
fn a_transaction_of_a_script_is_refused_outside_a_transaction() {
    for script in [
        "BEGIN; CREATE TABLE thing (b); COMMIT; BEGIN; VACUUM; COMMIT",
        "SAVEPOINT a; CREATE TABLE thing (b)",
    ] {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        let step = Migration::sql("1_a", script).outside_transaction();
        let refused = set([step]).run(&mut session).unwrap_err().to_string();
        assert!(refused.contains("run it with the blocking adapter"), "{refused}");
        assert!(things(&mut session).is_empty());
    }
    // In a transaction, nobody is sent out of it into that refusal.
    for script in [
        "BEGIN; CREATE TABLE thing (b); COMMIT; BEGIN; INSERT INTO thing VALUES (1); COMMIT",
        "BEGIN; CREATE TABLE thing (b); ROLLBACK",
        "CREATE TABLE thing (b); COMMIT; SELECT 1",
        "CREATE TABLE thing (b); COMMIT; BEGIN",
        "VACUUM; CREATE TABLE thing (b); INSERT INTO thing VALUES (changes())",
        "CREATE TABLE thing (b); VACUUM",
    ] {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        let refused = set([Migration::sql("1_a", script)]).run(&mut session).unwrap_err();
        let is_sent = |remedy: &&Remedy| matches!(remedy, Remedy::SetMetadata { .. });
        let is_sent = refused.remedy().unwrap().singles().iter().any(is_sent);
        let outside = set([Migration::sql("1_a", script).outside_transaction()]);
        let runs_there = outside.plan(&mut session, Target::Latest).unwrap().problems().is_empty();
        assert_eq!(is_sent, runs_there, "{script}: {refused}");
    }
    let database = TestDatabase::new();
    let mut session = Session(database.connect());
    let apart = "BEGIN; CREATE TABLE thing (b); VACUUM; COMMIT";
    let refused = set([Migration::sql("1_a", apart)]).run(&mut session).unwrap_err().to_string();
    assert!(refused.contains("into a migration of its own") && !refused.contains("adapter"), "{refused}");
    set([Migration::sql("1_a", "BEGIN; CREATE TABLE thing (b); COMMIT")]).run(&mut session).unwrap();
    assert_eq!(things(&mut session), ["thing"]);
}

/// What a statement left before it failed is there: the step is not as if it had not begun.
#[test]
fn a_statement_that_fails_halfway_is_dirty() {
    let trigger =
        "CREATE TRIGGER t BEFORE INSERT ON thing WHEN new.b = 2 BEGIN SELECT RAISE(FAIL, 'two'); END";
    for (before, insert, is_dirty) in [
        ("", "INSERT OR FAIL INTO thing VALUES (1), (1)", true),
        (trigger, "INSERT INTO thing VALUES (1), (2)", true),
        ("", "INSERT INTO thing VALUES (1), (1)", false),
    ] {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        session.run("CREATE TABLE thing (b UNIQUE)").unwrap();
        session.run(before).unwrap();
        let runner = set([Migration::sql("1_a", insert).outside_transaction()]);
        runner.run(&mut session).unwrap_err();
        assert_eq!(database.rows("SELECT count(*) FROM thing"), [if is_dirty { "1" } else { "0" }]);
        let history = runner.history(&mut session).unwrap();
        assert_eq!(history.records().iter().any(|record| record.dirty.is_some()), is_dirty, "{insert}");
    }
}

/// A table that ended with its session is not there for the rest of the script.
#[test]
fn a_script_with_a_temporary_table_is_not_resumed() {
    let database = TestDatabase::new();
    let script = "CREATE TEMP TABLE thing AS SELECT 1 AS b; INSERT INTO missing SELECT b FROM thing";
    let runner = set([Migration::sql("1_a", script).outside_transaction()]);
    runner.run(&mut Session(database.connect())).unwrap_err();
    database.connect().execute_batch("CREATE TABLE missing (b)").unwrap();
    let mut session = Session(database.connect());
    runner.recover(&mut session, Recovery::Retry("1_a".into()), Signature::of("ada")).unwrap();
    let refused = runner.run(&mut session).unwrap_err().to_string();
    assert!(refused.contains("what statement 1 made ended with the session"), "{refused}");
}

/// Another session does not know which row the first one inserted last.
#[test]
fn a_script_goes_on_in_another_session_unless_it_asks_for_the_last_row() {
    for (script, refused) in [
        ("INSERT INTO thing VALUES (7); INSERT INTO missing SELECT last_insert_rowid()", true),
        ("INSERT INTO thing SELECT last_insert_rowid(); INSERT INTO missing VALUES (1)", false),
    ] {
        let database = TestDatabase::new();
        let runner = set([Migration::sql("1_a", script).outside_transaction()]);
        let mut session = Session(database.connect());
        session.run("CREATE TABLE thing (b)").unwrap();
        runner.run(&mut session).unwrap_err();
        assert_eq!(database.rows("SELECT count(*) FROM thing"), ["1"], "{script}");
        session.run("CREATE TABLE missing (b)").unwrap();
        runner.recover(&mut session, Recovery::Retry("1_a".into()), Signature::of("ada")).unwrap();
        match runner.run(&mut Session(database.connect())) {
            Ok(_) => assert!(!refused, "{script}"),
            Err(error) => {
                let said = error.to_string();
                assert!(refused && said.contains("what statement 1 made ended with the session"), "{said}");
            }
        }
        assert_eq!(database.rows("SELECT count(*) FROM thing"), ["1"], "{script}");
    }
}

#[test]
fn a_savepoint_may_stand_in_a_transaction() {
    let database = TestDatabase::new();
    let script = "SAVEPOINT a; CREATE TABLE thing (b); RELEASE a";
    let mut session = Session(database.connect());
    set([Migration::sql("1_a", script)]).run(&mut session).unwrap();
    assert_eq!(things(&mut session), ["thing"]);
}

#[test]
fn an_error_is_where_the_driver_says_that_it_is_in_its_statement() {
    let script = "CREATE TABLE thing (b);\n  CREATE TABLE other AS SELECT oops FROM thing";
    let error =
        set([Migration::sql("1_a", script)]).run(&mut Session(TestDatabase::new().connect())).unwrap_err();
    let position = error.location().and_then(|at| at.position).unwrap();
    assert_eq!((position.line, position.column), (2, 32));
}

/// What a statement with `OR FAIL` left would be there twice.
#[test]
fn a_statement_waits_for_another_writer_unless_something_of_it_may_stay() {
    for (statement, waits) in
        [("CREATE TABLE busy (b)", true), ("CREATE TABLE busy (b UNIQUE ON CONFLICT FAIL)", false)]
    {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        BUSY.set(true);
        let outcome = set([Migration::sql("1_a", statement).outside_transaction()]).run(&mut session);
        assert_eq!(outcome.is_ok(), waits, "{outcome:?}");
        assert!(!BUSY.get());
    }
}

/// A driver that is asked whether a transaction is open.
struct Failing(&'static str);

impl Statements for Failing {
    fn run(&mut self, _: &str) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Other, self.0))
    }

    fn change(&mut self, sql: &str) -> Result<u64, Fault> {
        self.run(sql).map(|()| 0)
    }

    fn rows(&mut self, sql: &str) -> Result<Texts, Fault> {
        self.run(sql).map(|()| Vec::new())
    }
}

#[test]
fn another_error_does_not_say_that_a_transaction_is_open() {
    for (message, expected) in
        [("cannot start a transaction within a transaction", Some(true)), ("disk I/O error", None)]
    {
        assert_eq!(SqliteOver::<Failing>::in_transaction(&mut &mut Failing(message)).ok(), expected);
    }
}

/// The function of `baseline_if` only reads: during a plan, and in the transaction that writes the records.
#[test]
fn what_the_function_of_a_baseline_writes_is_refused() {
    for first in [1, 2] {
        let database = TestDatabase::new();
        let mut session = Session(database.connect());
        session.run("CREATE TABLE users (name)").unwrap();
        let calls = AtomicUsize::new(0);
        let set = [
            Migration::sql("1_users", "CREATE TABLE users (name)"),
            Migration::sql("2_email", "ALTER TABLE users ADD email"),
        ];
        let runner = MigrationRunner::<SqliteOver<Session>>::for_backend(set).unwrap().baseline_if(
            move |session| {
                if calls.fetch_add(1, Ordering::Relaxed) + 1 >= first {
                    session.run("INSERT INTO users VALUES ('Bob')").map_err(|fault| fault.to_string())?;
                }
                Ok(true)
            },
            "1_users",
        );
        assert!(runner.run(&mut session).unwrap_err().to_string().contains("readonly"), "call {first}");
        assert_eq!(database.rows("SELECT count(*) FROM users"), ["0"], "call {first}");
        session.run("INSERT INTO users VALUES ('Ada')").unwrap();
    }
}
