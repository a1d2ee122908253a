//! [`Driver`]: a connection, its transactions, and the scripts that run on it.

use std::path::PathBuf;
use std::time::Duration;

use super::faults::ended_transaction;
use super::retry::patiently;
use super::script::{Scope, Script};
use crate::account::{Execution, SchemaObject};
use crate::cancel::{self, Interrupted, Interrupter};
use crate::dangling::Dangling;
use crate::dialect::{Dialect, TableName};
use crate::fault::{Fault, FaultKind};
use crate::progress::{ScriptProgress, StatementOutcome};
use crate::refusal::Refusal;
use crate::step::{Atomicity, ForeignKeys};
use crate::stored_limits::StoredLimits;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

/// A connection, its transactions, and the scripts that run on it.
///
/// # How to write it
///
/// 1. Name the borrowed connection as the driver passes it: `&'c rusqlite::Connection`, `&'c mut postgres::Client`.
///    [`lend`](Self::lend) borrows it again for a shorter time: `conn` where it is `Copy`, `&mut **conn` otherwise.
/// 2. Set the dialect, which selects the files for this database ([`DIALECT`](Self::DIALECT)): a folder `toy/`, `up.toy.sql`.
/// 3. Write [`execute`](Self::execute), which runs one statement. If transactions are not `BEGIN`, `COMMIT` and `ROLLBACK`, write
///    those too. Without a transaction, [`rollback`](Self::rollback) does nothing and is not an error.
/// 4. Write [`in_transaction`](Self::in_transaction).
/// 5. Write [`statements`](Self::statements), which splits a script.
/// 6. Everything else has a default.
///
/// # Errors
/// Every method returns the error of its database as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait Driver: Sized + 'static {
    /// A connection, borrowed.
    type Conn<'c>;

    /// The dialect, which selects the files for this database.
    const DIALECT: Dialect;

    /// Whether a failed statement has changed nothing, unless its [fault](Fault::partial) says otherwise. If so, a step outside a
    /// transaction that fails in its first statement has not begun, and is not marked dirty.
    const STATEMENTS_ARE_ATOMIC: bool = false;

    /// Whether code of a migration runs in a transaction. On MySQL it does not, since it is unknown whether the code commits.
    const CODE_CAN_BE_ATOMIC: bool = true;

    /// Whether a transaction stays open when a table is created. If not, as on MySQL, the engine creates its tables before it begins one.
    const DDL_IS_TRANSACTIONAL: bool = true;

    /// Whether the [`Touched`] of a script names every table that it wrote, also those that only its triggers wrote. If so, a step in a
    /// transaction is done a second time, and compared, if its script turns out to have written to the tracking table;
    /// [`has_triggers_on`](crate::backend::Catalog::has_triggers_on) is asked for other steps only.
    const TOUCHED_IS_COMPLETE: bool = false;

    /// Whether [`dangling`](Self::dangling) is called before a step that [may break](Self::may_touch) something, and not only after a step
    /// that left something dangling. A step is then repeated only if it broke something that a later step may repair. Outside a
    /// transaction, what a step broke is then reported and not refused, since a later step may repair it. For a backend that only looks at what
    /// refers to the touched objects.
    const LOOKS_BEFORE: bool = false;

    /// The connection, borrowed for a shorter time.
    fn lend<'s>(conn: &'s mut Self::Conn<'_>) -> Self::Conn<'s>;

    /// Whether a transaction is open on the connection.
    fn in_transaction(conn: &mut Self::Conn<'_>) -> Result<bool, Fault>;

    /// Whether the engine can begin a transaction on the connection: no transaction is open.
    fn is_free(conn: &mut Self::Conn<'_>) -> Result<bool, Fault> {
        Ok(!Self::in_transaction(conn)?)
    }

    /// Runs one statement of the engine.
    fn execute(conn: &mut Self::Conn<'_>, sql: &str) -> Result<(), Fault>;

    /// Runs the statements with which the application prepares the session, one or several.
    fn run_session_sql(conn: &mut Self::Conn<'_>, sql: &str) -> Result<(), Fault> {
        Self::execute(conn, sql)
    }

    /// Begins a transaction that no other writer can enter.
    fn begin(conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Self::execute(conn, "BEGIN")
    }

    /// Commits the transaction.
    fn commit(conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Self::execute(conn, "COMMIT")
    }

    /// Rolls the transaction back. Without a transaction it does nothing.
    fn rollback(conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Self::execute(conn, "ROLLBACK")
    }

    /// Runs `body` in one transaction, which is committed if `body` succeeds and rolled back if it fails or unwinds.
    /// A backend that needs to act around every transaction overrides this method and calls [`atomically`].
    fn transaction<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        scope: &Scope,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        atomically::<Self, R, E>(conn, scope, body)
    }

    /// Runs `body`, which is a step outside a transaction, and restores the settings of the connection.
    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        _scope: &Scope,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        closed::<Self, R, E>(conn, body)
    }

    /// Runs `body`, which is a step or a part of one, and lets none of its statements wait longer than `limit` for a lock that another
    /// session holds; then the statement fails with [`FaultKind::Busy`]. The limit of the session from before counts again after `body`, also
    /// if it fails or unwinds. In a transaction that `body` has made useless, it is the rollback that sets the limit back. A script that
    /// sets a limit of its own has that one.
    ///
    /// By default it only runs `body`: for a database in which only the beginning and the end of a transaction wait for others, which
    /// [`Scope::patience`] limits.
    fn limiting_lock_waits<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        _limit: Duration,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        body(conn)
    }

    /// Whether a script runs in a transaction that is begun before it, judged by its text. It does not if one of its statements commits
    /// what was done before, as statements that change a schema do on MySQL, or if none of its statements can run in a transaction.
    fn transaction_fit(_script: &str) -> TransactionFit {
        TransactionFit::Inside
    }

    /// The statements of a script that are certain to be refused, judged by its text: commands of a client, what cannot run with this
    /// atomicity, and what would change the tracking table `table` or another table of the engine. A plan with such a step is not carried
    /// out.
    fn refusals(_script: &str, _atomicity: Atomicity, _table: &TableName) -> Vec<Refusal> {
        Vec::new()
    }

    /// The numbers of the statements of a script that run what its text does not show, such as a routine. Outside a transaction the engine
    /// checks after each of them whether the tracking table is as it was.
    fn unread(_script: &str) -> Vec<u32> {
        Vec::new()
    }

    /// The statements of a script, each with its offset in bytes.
    ///
    /// # Errors
    /// The script cannot be split, with the offset.
    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault>;

    /// Whether a statement of a script changes nothing but settings of the session. A step outside a transaction that fails behind such
    /// statements, in one that did nothing, has done nothing, and is not marked dirty. If in doubt, it is `false`.
    fn only_sets_session(_statement: &str) -> bool {
        false
    }

    /// Runs one statement of a script. The offset of a fault is within the statement. By default it is [`execute`](Self::execute);
    /// override it if scripts are written in another language than the statements of the engine.
    fn run_statement(conn: &mut Self::Conn<'_>, statement: &str) -> Result<(), Fault> {
        Self::execute(conn, statement)
    }

    /// Runs a script from statement [`Script::from`] on, and returns what it did. Settings of the session that the script changes are
    /// set back before the next script runs.
    ///
    /// Before each statement it calls [`Script::begin_statement`], which tells the observer and ends a cancelled run. Outside a transaction
    /// it records how far the script came, so that an interrupted script can continue:
    ///
    /// * If a statement can share a transaction with its record, it calls `progress` in that transaction.
    /// * If not, it calls `progress` before the statement, with a [mark](ScriptProgress::mark), and again after it.
    /// * When it continues, it first runs the statements before [`Script::from`] again that only change the session, since the
    ///   interrupted session is gone.
    ///
    /// By default it runs each of [`statements`](Self::statements) with [`run_statement`](Self::run_statement), the second way: a person
    /// must then decide about an interrupted statement, unless [`statement_outcome`](Self::statement_outcome) can.
    fn run_script(
        conn: &mut Self::Conn<'_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        let statements = Self::statements(script.text)?;
        let of = u32::try_from(statements.len()).ok();
        for (number, (offset, statement)) in
            (1..).zip(statements).filter(|(number, _)| *number >= script.from)
        {
            let located = |fault: Fault| {
                let at = offset + fault.details.offset.unwrap_or_default();
                fault.at(at).in_statement(number, statement)
            };
            script.begin_statement(number, || of).map_err(located)?;
            let run = |conn: &mut Self::Conn<'_>| {
                interruptible::<Self, _>(conn, |conn| Self::run_statement(conn, statement))
            };
            if script.atomicity == Atomicity::Transaction {
                run(conn).map_err(located)?;
                if !Self::in_transaction(conn)? {
                    return Err(located(ended_transaction()));
                }
                continue;
            }
            progress(conn, ScriptProgress { statement: number, of, mark: Some(String::new()) })?;
            run(conn).map_err(located)?;
            progress(conn, ScriptProgress { statement: number + 1, of, mark: None })
                .map_err(|fault| located(fault.partial()))?;
        }
        Ok(Touched::anything().into())
    }

    /// Runs a script that is stored in the database, within limits if the backend can. By default it runs as any script.
    fn run_stored_script(
        conn: &mut Self::Conn<'_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
        _limits: StoredLimits,
    ) -> Result<Execution, Fault> {
        Self::run_script(conn, script, progress)
    }

    /// Runs `body`, which is code of a migration, in the step's transaction, and returns an error if the code ended it. Returns what the
    /// code touched.
    fn run_code<R>(
        conn: &mut Self::Conn<'_>,
        atomicity: Atomicity,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, Fault>,
    ) -> Result<(R, Touched), Fault> {
        let done = interruptible::<Self, _>(conn, body)?;
        if atomicity == Atomicity::Transaction && !Self::in_transaction(conn)? {
            return Err(ended_transaction());
        }
        Ok((done, Touched::anything()))
    }

    /// Runs `body`, which is code of the application that only reads: what it writes is refused or undone, if the database can do that. A
    /// transaction may be open, and stays open. The default relies on the code.
    fn only_reading<R>(
        conn: &mut Self::Conn<'_>,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        body(conn)
    }

    /// The fault of code of a migration, with the error that the code returned as its cause. If the error says that the connection is lost, the
    /// kind of the fault says so too.
    fn fault_of_code(fault: Fault) -> Fault {
        fault
    }

    /// Returns what interrupts the statement that runs on the connection, for a run that is cancelled; `None` if nothing can. The run then
    /// ends before the next statement.
    fn interrupter(_conn: &mut Self::Conn<'_>) -> Option<Interrupter> {
        None
    }

    /// Makes sure that an interrupt cannot reach a later statement, if the database may receive it late. It is called when work that was
    /// interrupted has ended, with its fault if it failed.
    fn after_interrupt(_conn: &mut Self::Conn<'_>, _interrupted: Interrupted, _fault: Option<&Fault>) {}

    /// The offset in bytes at which a statement of a script begins. Statements are numbered from 1; the number after the last one returns
    /// the end of the script. `None` if the backend cannot determine it: then an interrupted script that was changed cannot be resumed.
    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        let offsets =
            Self::statements(script).ok()?.into_iter().map(|(offset, _)| offset).chain([script.len()]);
        (1..).zip(offsets).find(|(number, _)| *number == statement).map(|(_, offset)| offset)
    }

    /// What a script may touch, determined without running it: nothing if it can break no reference, and else anything.
    fn may_touch(_script: &str) -> Touched {
        Touched::anything()
    }

    /// References to something that is missing, among the touched tables and what refers to them: rows that reference a missing row
    /// (only under [`ForeignKeys::Checked`]), foreign keys to a missing table or to columns that are not unique (not under
    /// [`ForeignKeys::Unchecked`]), and views, triggers, full-text tables and functions that cannot be used.
    fn dangling(
        _conn: &mut Self::Conn<'_>,
        _touched: &Touched,
        _keys: ForeignKeys,
    ) -> Result<Dangling, Fault> {
        Ok(Dangling::default())
    }

    /// The number of rows of a table; `None` if it cannot be counted. The engine calls it for a table that one step dropped and a later
    /// step in the same transaction created again.
    fn count_rows(_conn: &mut Self::Conn<'_>, _table: &str) -> Result<Option<u64>, Fault> {
        Ok(None)
    }

    /// The tables and views that scripts name and cannot reach, since a temporary table or view of the connection has the same name:
    /// for each, the place of the first such script, and the temporary object.
    fn hidden_tables(
        _conn: &mut Self::Conn<'_>,
        _scripts: &[&str],
    ) -> Result<Vec<(usize, SchemaObject)>, Fault> {
        Ok(Vec::new())
    }

    /// Whether an interrupted statement took effect. The statement began with a mark, and its end was not recorded.
    fn statement_outcome(
        _conn: &mut Self::Conn<'_>,
        _script: &str,
        _statement: u32,
        _mark: &str,
    ) -> Result<StatementOutcome, Fault> {
        Ok(StatementOutcome::Unknown("it ran by itself".to_owned()))
    }

    /// The file that the connection reads and writes, if its database is a file. The lock file is next to it.
    fn locate(_conn: &mut Self::Conn<'_>) -> Option<PathBuf> {
        None
    }
}

/// Runs `body`, which ends early if the run is cancelled: its statements are interrupted, if that is possible. It must leave nothing that
/// has to be set back.
///
/// # Errors
/// The run is cancelled, or what `body` returns.
pub(crate) fn interruptible<B: Driver, R>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let Some(window) = cancel::open(|| B::interrupter(conn))? else { return body(conn) };
    let outcome = body(conn);
    if let Some(interrupted) = window.close() {
        B::after_interrupt(conn, interrupted, outcome.as_ref().err());
    }
    outcome
}

/// Records how far a script got. The engine passes it to [`Driver::run_script`].
pub type Progress<'p, B> = dyn FnMut(&mut <B as Driver>::Conn<'_>, ScriptProgress) -> Result<(), Fault> + 'p;

/// The default of [`Driver::transaction`]: begins a transaction, runs `body`, and commits if it succeeds or rolls back if it fails or
/// unwinds. While another writer holds the database, it retries beginning and committing for as long as the scope allows.
///
/// # Errors
/// The error of `body`, or the fault of beginning or committing.
pub fn atomically<B: Driver, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    scope: &Scope,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    let open = Open::<B>::begin(conn, scope.patience)?;
    let done = body(open.conn)?;
    open.commit(scope.patience)?;
    Ok(done)
}

/// An open transaction, which is rolled back when this is dropped.
struct Open<'a, 'c, B: Driver> {
    conn: &'a mut B::Conn<'c>,
    committed: bool,
}

impl<'a, 'c, B: Driver> Open<'a, 'c, B> {
    fn begin(conn: &'a mut B::Conn<'c>, patience: Duration) -> Result<Self, Fault> {
        patiently(patience, || B::begin(conn))?;
        Ok(Self { conn, committed: false })
    }

    fn commit(mut self, patience: Duration) -> Result<(), Fault> {
        patiently(patience, || match B::commit(self.conn) {
            Err(fault) => match B::in_transaction(self.conn) {
                // The database has rolled back, so a second commit would commit nothing.
                Ok(false) if fault.kind() == FaultKind::Busy => Ok(Err(fault)),
                Ok(_) => Err(fault),
                Err(_) => Err(fault.in_doubt()),
            },
            Ok(()) => Ok(Ok(())),
        })??;
        self.committed = true;
        Ok(())
    }
}

impl<B: Driver> Drop for Open<'_, '_, B> {
    fn drop(&mut self) {
        if !self.committed {
            // The error that is being returned says more than the error of a failed rollback, and closing the connection rolls the
            // transaction back in any case.
            let _ = B::rollback(self.conn);
        }
    }
}

/// Runs `body` in the transaction that is open, which is then rolled back, also if `body` unwinds.
#[allow(dead_code, reason = "not every database needs a transaction to refuse writes")]
pub(super) fn rolled_back<B: Driver, R>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> R,
) -> R {
    let open = Open::<B> { conn, committed: false };
    body(open.conn)
}

/// Runs `body`. If it leaves a transaction open, the transaction is rolled back and an error is returned.
pub(crate) fn closed<B: Driver, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    closed_unless_known::<B, R, E>(conn, false, body)
}

/// Like [`closed`]. If `body` is known to leave no transaction open on success, the database is not asked.
pub(super) fn closed_unless_known<B: Driver, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    is_known: bool,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    struct Unwinding<'a, 'c, B: Driver>(&'a mut B::Conn<'c>);
    impl<B: Driver> Drop for Unwinding<'_, '_, B> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = B::rollback(self.0);
            }
        }
    }

    let open = Unwinding::<B>(conn);
    let done = body(open.0);
    if is_known && done.is_ok() {
        return done;
    }
    // If the connection is lost, the first fault says why.
    if !B::in_transaction(open.0).unwrap_or(false) {
        return done;
    }
    B::rollback(open.0)?;
    done?;
    Err(Fault::new(FaultKind::Other, "it left a transaction open, which was rolled back")
        .remedy("end it with COMMIT")
        .into())
}
