//! [`Driver`] for `MysqlOver`.

use std::time::Duration;

use super::query::{limits, set_limits};
use super::{MysqlOver, settings, statement, tables};
use crate::account::Execution;
use crate::backend::driver::{Driver, Progress, closed, rolled_back};
use crate::backend::faults::ended_transaction;
use crate::backend::mysql::Mysql;
use crate::backend::mysql::query::whole_seconds;
use crate::backend::mysql::transactions::skipped;
use crate::backend::script::{Scope, Script};
use crate::backend::set_back::set_back;
use crate::backend::statements::refused::{fitting, refusals};
use crate::backend::statements::script::{self, Rules};
use crate::backend::statements::{Statements, number, says, value};
use crate::dialect::{Dialect, TableName};
use crate::fault::{Fault, FaultKind};
use crate::refusal::Refusal;
use crate::sql::mysql::{GRAMMAR, Kind, kind, statements};
use crate::step::Atomicity;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

impl<S: Statements> Driver for MysqlOver<S> {
    type Conn<'c> = &'c mut S;
    const DIALECT: Dialect = Dialect::Mysql;
    const STATEMENTS_ARE_ATOMIC: bool = true;
    const CODE_CAN_BE_ATOMIC: bool = false;
    const DDL_IS_TRANSACTIONAL: bool = false;

    fn lend<'s>(conn: &'s mut &mut S) -> &'s mut S {
        conn
    }

    /// MariaDB has a variable for this. On MySQL, a savepoint outlives its statement only in a transaction.
    fn in_transaction(conn: &mut &mut S) -> Result<bool, Fault> {
        match value(*conn, "SELECT CAST(@@in_transaction AS CHAR) AS c0") {
            Ok(found) => return Ok(found.as_deref() == Some("1")),
            Err(fault) if says(&fault, "in_transaction") => {}
            Err(fault) => return Err(fault),
        }
        conn.run("SAVEPOINT __switchy_transaction")?;
        match conn.run("RELEASE SAVEPOINT __switchy_transaction") {
            Ok(()) => Ok(true),
            Err(fault) if says(&fault, "__switchy_transaction") => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Without `autocommit`, every query is part of a transaction that the caller must end.
    fn is_free(conn: &mut &mut S) -> Result<bool, Fault> {
        if value(*conn, "SELECT CAST(@@autocommit AS CHAR) AS c0")?.as_deref() == Some("0") {
            return Err(Fault::new(FaultKind::Other, "autocommit is off on this connection")
                .remedy("switch it on with SET autocommit = 1"));
        }
        Ok(!Self::in_transaction(conn)?)
    }

    fn execute(conn: &mut &mut S, sql: &str) -> Result<(), Fault> {
        conn.run(sql)
    }

    /// The server takes one statement at a time.
    fn run_session_sql(conn: &mut &mut S, sql: &str) -> Result<(), Fault> {
        let pieces = statements(sql)?;
        pieces.iter().try_for_each(|piece| conn.run(piece.text))
    }

    fn begin(conn: &mut &mut S) -> Result<(), Fault> {
        conn.run("START TRANSACTION")
    }

    fn rollback(conn: &mut &mut S) -> Result<(), Fault> {
        conn.restore("ROLLBACK")
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut &mut S,
        _scope: &Scope,
        body: impl FnOnce(&mut &mut S) -> Result<R, E>,
    ) -> Result<R, E> {
        closed::<Self, R, E>(conn, body)
    }

    fn limiting_lock_waits<R, E: From<Fault>>(
        conn: &mut &mut S,
        limit: Duration,
        body: impl FnOnce(&mut &mut S) -> Result<R, E>,
    ) -> Result<R, E> {
        let [rows, tables] = limits(*conn)?;
        let limit = whole_seconds(limit);
        conn.run(&set_limits(limit, limit))?;
        set_back::<Self, R, E>(conn, |conn| conn.restore(&set_limits(&rows, &tables)), body)
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        fitting(Mysql::transaction_fit(script), || own_refusals(script, Atomicity::NonTransactional))
    }

    fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
        let mut found = Mysql::refusals(script, atomicity, table);
        found.extend(own_refusals(script, atomicity));
        found
    }

    fn unread(script: &str) -> Vec<u32> {
        Mysql::unread(script)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        Mysql::statements(script)
    }

    fn only_sets_session(statement: &str) -> bool {
        Mysql::only_sets_session(statement)
    }

    fn run_script(
        conn: &mut &mut S,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        let pieces = statements(script.text)?;
        // A script whose statements commit by what they do is not run in a transaction.
        let may_end = |statement: &str| {
            let kind = kind(statement);
            matches!(kind, Kind::Begins | Kind::Chains | Kind::Commits | Kind::RollsBack | Kind::Unchains)
        };
        let skipped = skipped(&pieces, script.atomicity);
        let rules = Rules {
            skipped,
            may_end,
            grammar: &GRAMMAR,
            tables: tables::of,
            why_refused: statement::why_refused,
            again: statement::again,
            may_stay: statement::may_stay,
        };
        settings::around(conn, script, |conn| {
            let outcome = script::run::<S, Self>(conn, script, &rules, progress);
            outcome.map_err(|mut fault| {
                fault.details.is_retryable = fault.details.is_retryable && all_roll_back(*conn);
                fault
            })
        })
    }

    /// Inside a transaction, the server cannot refuse what is written, so a savepoint undoes it.
    fn only_reading<R>(
        conn: &mut &mut S,
        body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        // MariaDB does not refuse a statement that changes the schema, which commits.
        let body = |conn: &mut &mut S| {
            let read = body(conn)?;
            if Self::in_transaction(conn)? { Ok(read) } else { Err(ended_transaction()) }
        };
        if !Self::in_transaction(conn)? {
            conn.run("START TRANSACTION READ ONLY")?;
            return rolled_back::<Self, _>(conn, body);
        }
        conn.run("SAVEPOINT __switchy_reading")?;
        let read = body(conn)?;
        conn.run("ROLLBACK TO SAVEPOINT __switchy_reading")?;
        conn.run("RELEASE SAVEPOINT __switchy_reading")?;
        Ok(read)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        Mysql::offset_of(script, statement)
    }

    fn may_touch(script: &str) -> Touched {
        Mysql::may_touch(script)
    }
}

/// Whether a rollback undoes what a script changed in any table that the user can see. A driver does not show the warnings of a statement
/// that failed, and a script with a table that keeps its rows must not be tried again.
fn all_roll_back(conn: &mut impl Statements) -> bool {
    let sql = "SELECT CAST(COUNT(*) AS CHAR) AS c0 FROM information_schema.TABLES
        WHERE TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
        AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(ENGINE, '') <> 'InnoDB'";
    number(conn, sql).is_ok_and(|others| others == 0)
}

/// Those that the adapter of the database does not refuse.
fn own_refusals(script: &str, atomicity: Atomicity) -> Vec<Refusal> {
    let pieces = statements(script).unwrap_or_default();
    let skipped = skipped(&pieces, atomicity);
    let texts = pieces.iter().map(|piece| (piece.offset, piece.text));
    refusals(texts, atomicity, skipped, statement::why_refused)
}
