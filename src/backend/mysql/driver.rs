//! [`Driver`] for Mysql.

use std::time::Duration;

use mysql::Conn;

use super::query::{self, code, column, fault, run};
use super::{Mysql, dangling, outcome, refusals, script, transactions};
use crate::account::Execution;
use crate::backend::driver::{Driver, Progress, closed_unless_known, rolled_back};
use crate::backend::faults::ended_transaction;
use crate::backend::script::{Scope, Script};
use crate::backend::server_ledger;
use crate::backend::set_back::set_back;
use crate::dangling::Dangling;
use crate::dialect::{Dialect, TableName};
use crate::fault::{Fault, FaultKind};
use crate::progress::StatementOutcome;
use crate::refusal::Refusal;
use crate::sql::mysql::{GRAMMAR, only_sets_session, statements};
use crate::sql::pieces;
use crate::step::{Atomicity, ForeignKeys};
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

impl Driver for Mysql {
    type Conn<'c> = &'c mut Conn;
    const DIALECT: Dialect = Dialect::Mysql;
    const STATEMENTS_ARE_ATOMIC: bool = true;
    const LOOKS_BEFORE: bool = true;
    const CODE_CAN_BE_ATOMIC: bool = false;
    const DDL_IS_TRANSACTIONAL: bool = false;

    fn lend<'s>(conn: &'s mut &mut Conn) -> &'s mut Conn {
        conn
    }

    /// MariaDB has a variable for this. On MySQL, a savepoint outlives its statement only in a transaction or without `autocommit`.
    fn in_transaction(conn: &mut &mut Conn) -> Result<bool, Fault> {
        match column::<u8>(conn, "SELECT @@in_transaction") {
            Ok(value) => return Ok(value == Some(1)),
            Err(error) if code(&error) == Some(query::UNKNOWN_VARIABLE) => {}
            Err(error) => return Err(fault(error)),
        }
        run(conn, "SAVEPOINT __switchy_transaction")?;
        match query::read_all(conn, "RELEASE SAVEPOINT __switchy_transaction") {
            Ok(()) => transactions::has_begun(conn),
            Err(error) if code(&error) == Some(query::NO_SUCH_ROUTINE_OR_SAVEPOINT) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    /// Without `autocommit`, every query is part of a transaction that the caller must end.
    fn is_free(conn: &mut &mut Conn) -> Result<bool, Fault> {
        if column::<u8>(conn, "SELECT @@autocommit").map_err(fault)? == Some(0) {
            return Err(Fault::new(FaultKind::Other, "autocommit is off on this connection")
                .remedy("switch it on with SET autocommit = 1"));
        }
        Ok(!Self::in_transaction(conn)?)
    }

    fn execute(conn: &mut &mut Conn, sql: &str) -> Result<(), Fault> {
        run(conn, sql)
    }

    /// The server takes one statement at a time.
    fn run_session_sql(conn: &mut &mut Conn, sql: &str) -> Result<(), Fault> {
        let pieces = statements(sql)?;
        pieces.iter().try_for_each(|piece| run(conn, piece.text))
    }

    fn begin(conn: &mut &mut Conn) -> Result<(), Fault> {
        run(conn, "START TRANSACTION")
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut &mut Conn,
        scope: &Scope,
        body: impl FnOnce(&mut &mut Conn) -> Result<R, E>,
    ) -> Result<R, E> {
        closed_unless_known::<Self, R, E>(conn, scope.is_script, body)
    }

    fn limiting_lock_waits<R, E: From<Fault>>(
        conn: &mut &mut Conn,
        limit: Duration,
        body: impl FnOnce(&mut &mut Conn) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = query::limits(conn)?;
        query::set_limits(conn, query::seconds(limit))?;
        set_back::<Self, R, E>(conn, |conn| query::set_limits(conn, before), body)
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        transactions::fits(script)
    }

    fn refusals(script: &str, atomicity: Atomicity, table: &TableName) -> Vec<Refusal> {
        refusals::refusals(script, atomicity, table)
    }

    fn unread(script: &str) -> Vec<u32> {
        refusals::unread(script)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        let pieces = statements(script)?;
        Ok(pieces.into_iter().map(|piece| (piece.offset, piece.text)).collect())
    }

    /// Inside a transaction, the server cannot refuse what is written, so a savepoint undoes it.
    fn only_reading<R>(
        conn: &mut &mut Conn,
        body: impl FnOnce(&mut &mut Conn) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        // MariaDB does not refuse a statement that changes the schema, which commits.
        let body = |conn: &mut &mut Conn| {
            let read = body(conn)?;
            if Self::in_transaction(conn)? { Ok(read) } else { Err(ended_transaction()) }
        };
        if !Self::in_transaction(conn)? {
            run(conn, "START TRANSACTION READ ONLY")?;
            return rolled_back::<Self, _>(conn, body);
        }
        run(conn, "SAVEPOINT __switchy_reading")?;
        let read = body(conn)?;
        run(conn, "ROLLBACK TO SAVEPOINT __switchy_reading")?;
        run(conn, "RELEASE SAVEPOINT __switchy_reading")?;
        Ok(read)
    }

    fn fault_of_code(fault: Fault) -> Fault {
        query::fault_of_code(fault)
    }

    fn only_sets_session(statement: &str) -> bool {
        only_sets_session(statement)
    }

    fn run_script(
        conn: &mut &mut Conn,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        script::run(conn, script, progress)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        pieces::offset_of(&statements(script).ok()?, script, statement)
    }

    fn may_touch(script: &str) -> Touched {
        server_ledger::may_touch(statements(script), &GRAMMAR)
    }

    fn dangling(conn: &mut &mut Conn, touched: &Touched, keys: ForeignKeys) -> Result<Dangling, Fault> {
        dangling::dangling(conn, touched, keys)
    }

    fn statement_outcome(
        conn: &mut &mut Conn,
        script: &str,
        statement: u32,
        mark: &str,
    ) -> Result<StatementOutcome, Fault> {
        outcome::statement_outcome(conn, script, statement, mark)
    }
}
