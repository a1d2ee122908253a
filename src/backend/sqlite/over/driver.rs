//! [`Driver`] for `SqliteOver`.

use std::path::PathBuf;

use super::{SqliteOver, dangling, keys, settings, statement, tables};
use crate::account::Execution;
use crate::backend::driver::{Driver, Progress, atomically, closed};
use crate::backend::script::{Scope, Script};
use crate::backend::set_back::set_back;
use crate::backend::sqlite::Sqlite;
use crate::backend::sqlite::refusals::commands;
use crate::backend::sqlite::transactions::{control, skipped};
use crate::backend::statements::refused::{fitting, refusals};
use crate::backend::statements::script::{self, Rules};
use crate::backend::statements::{Statements, number, says, value};
use crate::dangling::Dangling;
use crate::dialect::{Dialect, TableName, qualified};
use crate::fault::Fault;
use crate::refusal::Refusal;
use crate::sql::statements;
use crate::sql::transactions::Control;
use crate::step::{Atomicity, ForeignKeys};
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

impl<S: Statements> Driver for SqliteOver<S> {
    type Conn<'c> = &'c mut S;
    const DIALECT: Dialect = Dialect::Sqlite;
    const STATEMENTS_ARE_ATOMIC: bool = true;

    fn lend<'s>(conn: &'s mut &mut S) -> &'s mut S {
        conn
    }

    /// SQLite says it only when it refuses a second transaction. A deferred one takes no lock.
    fn in_transaction(conn: &mut &mut S) -> Result<bool, Fault> {
        match conn.run("BEGIN") {
            Ok(()) => conn.restore("ROLLBACK").map(|()| false),
            Err(fault) if says(&fault, "within a transaction") => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    fn execute(conn: &mut &mut S, sql: &str) -> Result<(), Fault> {
        conn.run(sql)
    }

    fn run_session_sql(conn: &mut &mut S, sql: &str) -> Result<(), Fault> {
        statements(sql).try_for_each(|(_, statement)| match conn.run(statement) {
            Err(fault) if says(&fault, "is already in use") => Ok(()),
            outcome => outcome,
        })
    }

    /// With `IMMEDIATE`, what is read afterwards is still current when the transaction writes.
    fn begin(conn: &mut &mut S) -> Result<(), Fault> {
        conn.run("BEGIN IMMEDIATE")
    }

    fn rollback(conn: &mut &mut S) -> Result<(), Fault> {
        match conn.restore("ROLLBACK") {
            // SQLite ends the transaction itself on some errors.
            Err(fault) if says(&fault, "no transaction is active") => Ok(()),
            outcome => outcome,
        }
    }

    fn transaction<R, E: From<Fault>>(
        conn: &mut &mut S,
        scope: &Scope,
        body: impl FnOnce(&mut &mut S) -> Result<R, E>,
    ) -> Result<R, E> {
        keys::with_enforcement(conn, scope.foreign_keys, |conn| atomically::<Self, R, E>(conn, scope, body))
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut &mut S,
        scope: &Scope,
        body: impl FnOnce(&mut &mut S) -> Result<R, E>,
    ) -> Result<R, E> {
        keys::with_enforcement(conn, scope.foreign_keys, |conn| closed::<Self, R, E>(conn, body))
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        fitting(Sqlite::transaction_fit(script), || own_refusals(script, Atomicity::NonTransactional))
    }

    fn refusals(script: &str, atomicity: Atomicity, _table: &TableName) -> Vec<Refusal> {
        let commands = commands(script);
        own_refusals(script, atomicity).into_iter().chain(commands).collect()
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        Sqlite::statements(script)
    }

    fn only_sets_session(statement: &str) -> bool {
        Sqlite::only_sets_session(statement)
    }

    fn run_script(
        conn: &mut &mut S,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        let may_end = |statement: &str| !matches!(control(statement), Control::Other | Control::Sets);
        let skipped = skipped(script.text, script.atomicity);
        let rules = Rules {
            skipped,
            may_end,
            grammar: &tables::GRAMMAR,
            tables: tables::of,
            why_refused: statement::why_refused,
            again: statement::again,
            may_stay: statement::may_stay,
        };
        settings::around(conn, script, |conn| script::run::<S, Self>(conn, script, &rules, progress))
    }

    /// While it is on, SQLite refuses every write.
    fn only_reading<R>(
        conn: &mut &mut S,
        body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        if value(*conn, "PRAGMA query_only")?.as_deref() == Some("1") {
            return body(conn);
        }
        conn.run("PRAGMA query_only = ON")?;
        set_back::<Self, R, Fault>(conn, |conn| conn.restore("PRAGMA query_only = OFF"), body)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        Sqlite::offset_of(script, statement)
    }

    fn may_touch(script: &str) -> Touched {
        Sqlite::may_touch(script)
    }

    fn dangling(conn: &mut &mut S, touched: &Touched, keys: ForeignKeys) -> Result<Dangling, Fault> {
        dangling::of(*conn, touched, keys)
    }

    fn count_rows(conn: &mut &mut S, table: &str) -> Result<Option<u64>, Fault> {
        number(*conn, &format!("SELECT count(*) AS c0 FROM {}", qualified("main", table))).map(Some)
    }

    fn locate(conn: &mut &mut S) -> Option<PathBuf> {
        let sql = "SELECT file AS c0 FROM pragma_database_list WHERE name = 'main'";
        let file = value(*conn, sql).ok().flatten().filter(|file| !file.is_empty());
        file.map(PathBuf::from).filter(|path| path.is_file())
    }
}

fn own_refusals(script: &str, atomicity: Atomicity) -> Vec<Refusal> {
    refusals(statements(script), atomicity, skipped(script, atomicity), statement::why_refused)
}
