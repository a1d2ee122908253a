//! A backend whose k-th verb fails, for every k and in both directions: the state stays true, the connection usable, the report right, and a
//! second run finishes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use switchy_schema::backend::{
    Backend, Blocker, Catalog, ClientPart, Dangling, DataState, Driver, Execution, Fault, ForeignTable, Head,
    Interrupted, Interrupter, LockAttempt, Locks, Prepare, Progress, Records, Refusal, Replayed, Schema,
    Scope, Script, StatementOutcome, TableForm, Touched, TrackingTable, TransactionFit,
};
use switchy_schema::test_utils::{rows, schema};
use switchy_schema::{
    Atomicity, Dialect, Direction, Dirty, FaultKind, ForeignKeys, History, HistoryDigest, Hooks, LogEntry,
    Migration, MigrationError, MigrationId, MigrationRunner, Record, Recovery, Report, SchemaObject,
    Signature, Sqlite, StoredLimits, TableName, Target,
};

thread_local! {
    /// How many calls succeed before one fails.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Fails if this is the call that is to fail.
fn verb() -> Result<(), Fault> {
    match LEFT.get() {
        Some(0) => {
            LEFT.set(None);
            Err(Fault::new(FaultKind::Other, "the verb failed"))
        }
        left => {
            LEFT.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}

/// Another backend, whose verbs fail on request.
struct Faulty<B>(PhantomData<B>);

/// Verbs that count themselves and call those of the other backend.
macro_rules! verbs {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name(conn: &mut Self::Conn<'_>, $($arg: $type),*) -> Result<$out, Fault> {
            verb()?;
            B::$name(conn, $($arg),*)
        })*
    };
}

impl<B: Backend> Driver for Faulty<B> {
    type Conn<'c> = B::Conn<'c>;
    const DIALECT: Dialect = B::DIALECT;
    const STATEMENTS_ARE_ATOMIC: bool = B::STATEMENTS_ARE_ATOMIC;
    const CODE_CAN_BE_ATOMIC: bool = B::CODE_CAN_BE_ATOMIC;
    const DDL_IS_TRANSACTIONAL: bool = B::DDL_IS_TRANSACTIONAL;
    const LOOKS_BEFORE: bool = B::LOOKS_BEFORE;

    verbs! {
        in_transaction() -> bool;
        is_free() -> bool;
        execute(sql: &str) -> ();
        run_session_sql(sql: &str) -> ();
        begin() -> ();
        commit() -> ();
        rollback() -> ();
        run_statement(statement: &str) -> ();
        dangling(touched: &Touched, keys: ForeignKeys) -> Dangling;
        count_rows(table: &str) -> Option<u64>;
        hidden_tables(scripts: &[&str]) -> Vec<(usize, SchemaObject)>;
        statement_outcome(script: &str, statement: u32, mark: &str) -> StatementOutcome;
    }

    fn lend<'s>(conn: &'s mut Self::Conn<'_>) -> Self::Conn<'s> {
        B::lend(conn)
    }

    /// Beginning and committing can fail.
    fn transaction<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        scope: &Scope,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        verb()?;
        B::transaction(conn, scope, |conn| {
            let done = body(conn)?;
            verb()?;
            Ok(done)
        })
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        scope: &Scope,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        verb()?;
        B::outside_transaction(conn, scope, body)
    }

    fn limiting_lock_waits<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        limit: Duration,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        verb()?;
        B::limiting_lock_waits(conn, limit, body)
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        B::transaction_fit(script)
    }

    fn fault_of_code(fault: Fault) -> Fault {
        B::fault_of_code(fault)
    }

    fn only_reading<R>(
        conn: &mut Self::Conn<'_>,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        verb()?;
        B::only_reading(conn, body)
    }

    fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
        B::refusals(script, atomicity, table)
    }

    fn unread(script: &str) -> Vec<u32> {
        B::unread(script)
    }

    fn only_sets_session(statement: &str) -> bool {
        B::only_sets_session(statement)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        verb()?;
        B::statements(script)
    }

    /// A script can fail before its first statement, and after its last one if they can be undone.
    fn run_script(
        conn: &mut Self::Conn<'_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        verb()?;
        let done = B::run_script(conn, script, &mut |conn, reached| progress(conn, reached))?;
        verb()?;
        Ok(done)
    }

    fn run_stored_script(
        conn: &mut Self::Conn<'_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
        limits: StoredLimits,
    ) -> Result<Execution, Fault> {
        verb()?;
        B::run_stored_script(conn, script, &mut |conn, reached| progress(conn, reached), limits)
    }

    fn run_code<R>(
        conn: &mut Self::Conn<'_>,
        atomicity: Atomicity,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, Fault>,
    ) -> Result<(R, Touched), Fault> {
        verb()?;
        B::run_code(conn, atomicity, |conn| {
            let done = body(conn)?;
            verb()?;
            Ok(done)
        })
    }

    fn interrupter(conn: &mut Self::Conn<'_>) -> Option<Interrupter> {
        B::interrupter(conn)
    }

    fn after_interrupt(conn: &mut Self::Conn<'_>, interrupted: Interrupted, fault: Option<&Fault>) {
        B::after_interrupt(conn, interrupted, fault);
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        B::offset_of(script, statement)
    }

    fn may_touch(script: &str) -> Touched {
        B::may_touch(script)
    }

    fn locate(conn: &mut Self::Conn<'_>) -> Option<PathBuf> {
        B::locate(conn)
    }
}

impl<B: Backend> Records for Faulty<B> {
    const ADDING_COLUMNS_BLOCKS_READERS: bool = B::ADDING_COLUMNS_BLOCKS_READERS;

    fn explained(conn: &mut Self::Conn<'_>, table: &TableName, fault: Fault) -> Fault {
        B::explained(conn, table, fault)
    }

    verbs! {
        client_part(table: &TableName, log: &TableName, part: ClientPart<'_>) -> String;
        head(table: &TableName) -> Head;
        clean_head(table: &TableName) -> Head;
        is_applied(table: &TableName, id: &MigrationId) -> bool;
        form(table: &TableName) -> TableForm;
        append(table: &TableName, record: &Record, digest: HistoryDigest) -> ();
        append_if_head(
            table: &TableName,
            head: Head,
            record: &Record,
            digest: HistoryDigest,
            patience: Duration
        ) -> Option<bool>;
        finish_if_unchanged(
            table: &TableName,
            from: &Dirty,
            record: &Record,
            digest: HistoryDigest
        ) -> Option<bool>;
        data_version() -> Option<i64>;
        begin_writing() -> ();
        read(table: &TableName) -> TrackingTable;
        create_table(table: &TableName, records: &[Record]) -> ();
        add_columns(table: &TableName) -> ();
        insert(table: &TableName, record: &Record) -> ();
        update(table: &TableName, record: &Record) -> ();
        advance(table: &TableName, id: &MigrationId, from: &Dirty, to: &Dirty) -> bool;
        delete(table: &TableName, id: &MigrationId) -> ();
        stamp(table: &TableName, digest: HistoryDigest) -> ();
        create_log(log: &TableName) -> ();
        append_log(log: &TableName, entry: &LogEntry) -> ();
        read_log(log: &TableName) -> Vec<LogEntry>;
    }
}

impl<B: Backend> Locks for Faulty<B> {
    verbs! {
        resolve(table: &TableName) -> TableName;
        try_lock(table: &TableName) -> LockAttempt;
        unlock(table: &TableName) -> ();
        lock_table(table: &TableName, patience: Duration) -> ();
        lock_table_with_head(table: &TableName, patience: Duration) -> Option<Head>;
        create_lock_row(table: &TableName) -> LockAttempt;
        lock_row(table: &TableName, patience: Duration) -> ();
        wait_for_writers(table: &TableName, patience: Duration) -> ();
        session() -> Option<String>;
        blocker(session: &str) -> Option<Blocker>;
    }
}

impl<B: Backend> Catalog for Faulty<B> {
    verbs! {
        has_triggers_on(table: &TableName) -> bool;
        is_blank(tables: &[TableName]) -> bool;
        current_schema() -> Option<String>;
        foreign_table(table: &TableName, columns: &[&str]) -> Option<ForeignTable>;
        user_version() -> Option<i64>;
        data_state() -> DataState;
        schema(within: Option<&str>, without: &[&str]) -> Option<Schema>;
        replay(scripts: &[&str], without: &[&str]) -> Replayed;
    }

    fn scratch<R>(
        prepare: Option<&Prepare<Self>>,
        body: impl FnOnce(&mut Self::Conn<'_>) -> R,
    ) -> Result<Option<R>, Fault> {
        verb()?;
        B::scratch(prepare, body)
    }

    fn outlasts_rollback(script: &str) -> Option<String> {
        B::outlasts_rollback(script)
    }
}

/// Their requests are of another type for each backend, so they cannot be passed on.
const NOT_PASSED_ON: [&str; 2] = ["rehearsal", "forecast"];

/// A verb that is added to the port and is missing above would not fail here.
#[test]
fn every_verb_of_the_port_can_fail() {
    let own = include_str!("faulty_backend.rs");
    let mut count = 0;
    for port in ["driver", "records", "locks", "catalog"] {
        let path = format!("{}/src/backend/{port}.rs", crate::ROOT);
        let text = std::fs::read_to_string(path).unwrap();
        let body = text.split("\npub trait ").nth(1).unwrap().split("\n}\n").next().unwrap();
        for line in body.lines().filter_map(|line| line.strip_prefix("    fn ")) {
            let name = line.split(['(', '<']).next().unwrap();
            let is_here = [format!(" {name}("), format!(" {name}<")].iter().any(|text| own.contains(text));
            assert!(is_here || NOT_PASSED_ON.contains(&name), "`{name}` is not in the faulty backend");
            count += 1;
        }
    }
    assert!(count > 50, "only {count} verbs were found");
}

type Runner = MigrationRunner<Faulty<Sqlite>>;

/// The statements of the step outside a transaction.
const OUTSIDE: [&str; 3] =
    ["CREATE TABLE shelf (id INTEGER PRIMARY KEY)", "INSERT INTO shelf VALUES (1), (2)", "DELETE FROM book"];
const OUTSIDE_DOWN: [&str; 2] = ["INSERT INTO book VALUES (1, 1)", "DROP TABLE shelf"];

fn runner() -> Runner {
    let migration = |id: &str, up: &str, down: &str| {
        Migration::<Faulty<Sqlite>>::from_scripts(id, up.to_owned(), Some(down.to_owned()))
    };
    let set = [
        migration("1_author", "CREATE TABLE author (id INTEGER PRIMARY KEY)", "DROP TABLE author"),
        migration(
            "2_book",
            "CREATE TABLE book (id INTEGER PRIMARY KEY, author REFERENCES author (id));
            INSERT INTO author VALUES (1); INSERT INTO book VALUES (1, 1)",
            "DROP TABLE book; DELETE FROM author",
        ),
        migration("3_outside", &OUTSIDE.join(";\n"), &OUTSIDE_DOWN.join(";\n")).outside_transaction(),
        Migration::function("4_code", |conn: &Connection| conn.execute_batch("INSERT INTO shelf VALUES (3)"))
            .undo(|conn: &Connection| conn.execute_batch("DELETE FROM shelf WHERE id = 3")),
        migration(
            "5_rebuild",
            "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO new (id) SELECT id FROM author;
            DROP TABLE author; ALTER TABLE new RENAME TO author",
            "ALTER TABLE author DROP COLUMN name",
        ),
    ];
    let failing = |_: &switchy_schema::Step, _: &Connection| verb().map_err(|fault| fault.to_string().into());
    let hooks = Hooks::for_backend().before(failing).after(failing).on_error(|_, _, _| {});
    Runner::for_backend(set).unwrap().hooks(hooks)
}

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    conn
}

/// The schema and the rows, without those of the engine.
fn content(conn: &Connection) -> Vec<String> {
    let mut content = schema(conn);
    for table in ["author", "book", "shelf"] {
        if !rows(conn, &format!("SELECT 1 FROM sqlite_master WHERE name = '{table}'")).is_empty() {
            content.extend(rows(conn, &format!("SELECT '{table}', * FROM {table}")));
        }
    }
    content
}

fn applied(history: &History) -> Vec<String> {
    history.records().iter().map(|record| record.id.to_string()).collect()
}

/// The contents that the database may have with a number of migrations, and between the statements of the step outside a transaction.
struct Truth {
    complete: BTreeMap<usize, Vec<Vec<String>>>,
    partial: [Vec<Vec<String>>; 2],
}

impl Truth {
    fn find() -> Self {
        let (conn, runner) = (database(), runner());
        let mut complete: BTreeMap<usize, Vec<Vec<String>>> = BTreeMap::from([(0, vec![content(&conn)])]);
        for (steps, target) in [(5, Target::Steps(1)), (5, Target::Back(1))] {
            for _ in 0..steps {
                runner.run_to(&conn, target.clone()).unwrap();
                complete
                    .entry(applied(&runner.history(&conn).unwrap()).len())
                    .or_default()
                    .push(content(&conn));
            }
        }
        let between = |targets: &[Target], statements: &[&str]| {
            let conn = database();
            for target in targets {
                runner.run_to(&conn, target.clone()).unwrap();
            }
            conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
            let before = content(&conn);
            let after = statements.iter().map(|statement| {
                conn.execute_batch(statement).unwrap();
                content(&conn)
            });
            [before].into_iter().chain(after).collect()
        };
        let up = between(&[Target::Through("2_book".into())], &OUTSIDE);
        let down = between(&[Target::Latest, Target::BackTo("3_outside".into())], &OUTSIDE_DOWN);
        Self { complete, partial: [up, down] }
    }

    /// Checks that the database has what its history says.
    fn check(&self, conn: &Connection, history: &History, context: &str) {
        let found = content(conn);
        let dirty = history.records().iter().find_map(|record| record.dirty.as_ref());
        let Some(dirty) = dirty else {
            assert!(self.complete[&history.records().len()].contains(&found), "{context}: {found:#?}");
            return;
        };
        let run = &self.partial[usize::from(dirty.direction == Direction::Down)];
        let done = dirty.statement.map_or(0, |statement| statement as usize - 1);
        let last = done + usize::from(dirty.mark.is_some());
        assert!(run[done..=last].contains(&found), "{context}, {dirty:?}: {found:#?}");
    }
}

/// Fails at the k-th verb for every k, and returns how many there are.
fn fail_everywhere(
    truth: &Truth,
    prepare: &Target,
    act: impl Fn(&Runner, &Connection) -> Result<Report, MigrationError>,
) -> u32 {
    for at in 0.. {
        let conn = database();
        runner().run_to(&conn, prepare.clone()).unwrap();
        let runner = runner();
        let before = applied(&runner.history(&conn).unwrap());
        LEFT.set(Some(at));
        let outcome = act(&runner, &conn);
        let has_failed = LEFT.take().is_none();
        let context = format!("verb {at}, {:?}", outcome.as_ref().map_err(ToString::to_string));
        if !has_failed {
            assert!(outcome.is_ok(), "{context}");
            return at;
        }
        assert!(conn.is_autocommit(), "a transaction is open: {context}");
        for (pragma, value) in [("foreign_keys", "1"), ("legacy_alter_table", "0")] {
            assert_eq!(rows(&conn, &format!("PRAGMA {pragma}")), [value], "{context}");
        }
        let history = runner.history(&conn).unwrap();
        truth.check(&conn, &history, &context);
        // What became of each migration is what the report says.
        let is_clean = |record: &&Record| record.dirty.is_none();
        let clean: Vec<&str> =
            history.records().iter().filter(is_clean).map(|record| record.id.as_str()).collect();
        let added = clean.iter().filter(|id| !before.iter().any(|old| old == *id)).count();
        let gone = before.iter().filter(|id| history.get(&id.as_str().into()).is_none()).count();
        let report = match &outcome {
            Ok(report) => report,
            Err(error) => error.report(),
        };
        assert_eq!(report.applied.len(), added + gone, "{context}");
        // A second run finishes.
        if let Some(record) = history.records().iter().find(|record| record.dirty.is_some()) {
            recover(truth, &runner, &conn, record);
        }
        act(&runner, &conn).unwrap_or_else(|error| panic!("{context}: then {error}"));
        let end = runner.history(&conn).unwrap();
        assert!(end.records().iter().all(|record| record.dirty.is_none()), "{context}");
        truth.check(&conn, &end, &context);
    }
    unreachable!("a run has finitely many verbs")
}

/// Marks an unfinished step to continue. If the engine cannot know where, it looks at the database.
fn recover(truth: &Truth, runner: &Runner, conn: &Connection, record: &Record) {
    let id = record.id.clone();
    let retry = runner.recover(conn, Recovery::Retry(id.clone()), Signature::of("ada"));
    if retry.is_err() {
        let dirty = record.dirty.as_ref().unwrap();
        let run = &truth.partial[usize::from(dirty.direction == Direction::Down)];
        let done = run.iter().position(|content_then| *content_then == content(conn)).unwrap();
        let statement = u32::try_from(done + 1).unwrap();
        let from = Recovery::RetryFrom { migration: id, statement };
        runner.recover(conn, from, Signature::of("ada")).unwrap();
    }
}

#[test]
fn a_verb_that_fails_leaves_the_truth_and_a_second_run_finishes() {
    let truth = Truth::find();
    let up = fail_everywhere(&truth, &Target::Steps(0), |runner, conn| runner.run(conn));
    let back = fail_everywhere(&truth, &Target::Latest, |runner, conn| {
        runner.run_to(conn, Target::BackTo("1_author".into()))
    });
    println!("{up} verbs up, {back} verbs back");
    assert!(up > 90 && back > 80, "{up} verbs up, {back} verbs back");
}
