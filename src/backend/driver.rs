//! [`Driver`]: a connection, its transactions, and the scripts that run on it.

use std::path::PathBuf;

use super::faults::ended_transaction;
use super::retry::patiently;
use super::script::{Scope, Script};
use crate::dialect::Dialect;
use crate::fault::{Fault, FaultKind};
use crate::orphans::Orphans;
use crate::progress::{ScriptProgress, StatementOutcome};
use crate::step::Atomicity;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

/// A connection, its transactions, and the scripts that run on it.
///
/// # How to write it
///
/// 1. Name the borrowed connection as the driver passes it: `&'c rusqlite::Connection`, `&'c mut postgres::Client`.
///    [`lend`](Self::lend) borrows it again for a shorter time: `conn` where it is `Copy`, `&mut **conn` otherwise.
/// 2. Say which files are for this database ([`DIALECT`](Self::DIALECT)): a folder `toy/`, `up.toy.sql`.
/// 3. Write [`execute`](Self::execute), which runs one statement. Where transactions are not `BEGIN`, `COMMIT` and `ROLLBACK`, write
///    those too. [`rollback`](Self::rollback) without a transaction does nothing; it is not an error.
/// 4. Write [`statements`](Self::statements), which cuts a script; or, where one statement after the other is not enough,
///    [`run_script`](Self::run_script).
/// 5. Everything else has a default.
///
/// # Errors
/// Every method returns what its database says, as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Driver: Sized + 'static {
    /// A connection, borrowed.
    type Conn<'c>;

    /// Which files are meant for this database.
    const DIALECT: Dialect;

    /// Whether a statement that fails has changed nothing, unless its [fault](Fault::partial) says so. If so, a step outside a
    /// transaction that fails in its first statement has not begun, and is not marked dirty.
    const STATEMENTS_ARE_ATOMIC: bool = false;

    /// Whether code of a migration runs in a transaction. On MySQL it cannot be known whether code commits.
    const CODE_CAN_BE_ATOMIC: bool = true;

    /// Whether making a table leaves a transaction open. Where it does not, as on MySQL, the engine makes its tables before it begins one.
    const SCHEMA_CAN_BE_ATOMIC: bool = true;

    /// The connection, borrowed for a shorter time.
    fn lend<'s>(conn: &'s mut Self::Conn<'_>) -> Self::Conn<'s>;

    /// Whether a transaction is open on the connection.
    fn in_transaction(conn: &mut Self::Conn<'_>) -> Result<bool, Fault>;

    /// Whether a transaction of ours can begin on the connection: none is open.
    fn is_free(conn: &mut Self::Conn<'_>) -> Result<bool, Fault> {
        Ok(!Self::in_transaction(conn)?)
    }

    /// Runs one statement of the engine's own.
    fn execute(conn: &mut Self::Conn<'_>, sql: &str) -> Result<(), Fault>;

    /// Runs what the application wants of the session: one statement or several.
    fn prepare_session(conn: &mut Self::Conn<'_>, sql: &str) -> Result<(), Fault> {
        Self::execute(conn, sql)
    }

    /// Begins a transaction that no other writer can enter.
    fn begin(conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Self::execute(conn, "BEGIN")
    }

    /// Commits it.
    fn commit(conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Self::execute(conn, "COMMIT")
    }

    /// Rolls it back; without a transaction there is nothing to do.
    fn rollback(conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Self::execute(conn, "ROLLBACK")
    }

    /// Runs `body` in one transaction: committed if it succeeds, rolled back if it fails or unwinds.
    /// A backend that has to do something around every transaction overrides this and calls [`atomically`].
    fn transaction<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        scope: &Scope,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        atomically::<Self, R, E>(conn, scope, body)
    }

    /// Runs `body`, which is a step outside a transaction, and leaves the connection's settings as they were.
    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut Self::Conn<'_>,
        _scope: &Scope,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        closed::<Self, R, E>(conn, body)
    }

    /// Whether a script runs in a transaction if one is begun before it, as far as its text says. Where a statement commits what was
    /// done before it, as those that change a schema do on MySQL, or where no statement can run in a transaction, it does not.
    fn transaction_fit(_script: &str) -> TransactionFit {
        TransactionFit::Inside
    }

    /// The statements of a script, each with its offset in bytes. By default the whole script is one statement.
    fn statements(script: &str) -> Vec<(usize, &str)> {
        if script.trim().is_empty() { Vec::new() } else { vec![(0, script)] }
    }

    /// Runs one statement of a script. By default it is [`execute`](Self::execute); a backend whose scripts cannot end a transaction
    /// writes another one.
    fn run_statement(conn: &mut Self::Conn<'_>, statement: &str) -> Result<(), Fault> {
        Self::execute(conn, statement)
    }

    /// Runs a script from statement [`Script::from`] on, and returns what it touched.
    ///
    /// By default it runs each of [`statements`](Self::statements) with [`run_statement`](Self::run_statement). An override calls `progress` outside
    /// a transaction each time a statement is done, if possible in one transaction with it. Where that is not possible, it
    /// also calls it before the statement, with a [mark](ScriptProgress::mark), which records that those before it are done. It runs
    /// those before the first again if they only change the session, since the session that they changed is gone.
    fn run_script(
        conn: &mut Self::Conn<'_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault> {
        for (number, (offset, statement)) in (1..).zip(Self::statements(script.text)) {
            if number >= script.from {
                let located = |fault: Fault| fault.at(offset).in_statement(number, statement);
                Self::run_statement(conn, statement).map_err(located)?;
                match script.atomicity {
                    Atomicity::NonTransactional => progress(conn, ScriptProgress::statement(number + 1))?,
                    Atomicity::Transaction if Self::in_transaction(conn)? => {}
                    Atomicity::Transaction => return Err(located(ended_transaction())),
                }
            }
        }
        Ok(Touched::anything())
    }

    /// Runs `body`, which is code of a migration, in the step's transaction, and notices if it ended that. Tells what it touched.
    fn run_code<R>(
        conn: &mut Self::Conn<'_>,
        atomicity: Atomicity,
        body: impl FnOnce(&mut Self::Conn<'_>) -> Result<R, Fault>,
    ) -> Result<(R, Touched), Fault> {
        let done = body(conn)?;
        if atomicity == Atomicity::Transaction && !Self::in_transaction(conn)? {
            return Err(ended_transaction());
        }
        Ok((done, Touched::anything()))
    }

    /// The offset in bytes at which a statement of a script begins, from 1; for the number after the last one, the end of the
    /// script. `None` if the backend cannot say: then an interrupted script that was changed cannot go on where it stopped.
    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        let offsets = Self::statements(script).into_iter().map(|(offset, _)| offset).chain([script.len()]);
        (1..).zip(offsets).find(|(number, _)| *number == statement).map(|(_, offset)| offset)
    }

    /// Whether a script may touch anything whose keys could be broken by it, without running it.
    fn may_touch(_script: &str) -> bool {
        true
    }

    /// Rows that reference a missing row, among what was touched and what references that. Asked only where enforcement is off
    /// while a step runs ([`ForeignKeys::Checked`](crate::ForeignKeys::Checked)), which is a matter of [`transaction`](Self::transaction).
    fn orphans(_conn: &mut Self::Conn<'_>, _touched: &Touched) -> Result<Orphans, Fault> {
        Ok(Orphans::default())
    }

    /// Whether a statement is done that began with a mark, and whose end nobody saw.
    fn statement_outcome(
        _conn: &mut Self::Conn<'_>,
        _script: &str,
        _statement: u32,
        _mark: &str,
    ) -> Result<StatementOutcome, Fault> {
        Ok(StatementOutcome::Unknown("it ran by itself".to_owned()))
    }

    /// The file the connection reads and writes, if its database is one: the lock file lies beside it.
    fn locate(_conn: &mut Self::Conn<'_>) -> Option<PathBuf> {
        None
    }
}

/// Records how far a script came. The engine passes it to [`Driver::run_script`].
pub type Progress<'p, B> = dyn FnMut(&mut <B as Driver>::Conn<'_>, ScriptProgress) -> Result<(), Fault> + 'p;

/// What [`Driver::transaction`] does by default: begins, runs `body`, and commits if it succeeds or
/// rolls back if it fails or unwinds. Beginning and committing are tried again while another writer is in the way,
/// as long as the scope says.
///
/// # Errors
/// What `body` returns, or the fault of beginning or committing.
pub fn atomically<B: Driver, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    scope: &Scope,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    struct Open<'a, 'c, B: Driver> {
        conn: &'a mut B::Conn<'c>,
        committed: bool,
    }
    impl<B: Driver> Drop for Open<'_, '_, B> {
        fn drop(&mut self) {
            if !self.committed {
                // The error in flight says more than a failed rollback could, and closing the connection undoes
                // the transaction in any case.
                let _ = B::rollback(self.conn);
            }
        }
    }

    patiently(scope.patience, || B::begin(conn))?;
    let mut open = Open::<B> { conn, committed: false };
    let done = body(open.conn)?;
    let mut is_open = true;
    patiently(scope.patience, || match B::commit(open.conn) {
        Err(fault) => match B::in_transaction(open.conn) {
            // The database has rolled back, so there is nothing to commit again.
            Ok(false) if fault.kind() == FaultKind::Busy => {
                is_open = false;
                Ok(Err(fault))
            }
            Ok(_) => Err(fault),
            Err(_) => Err(fault.in_doubt()),
        },
        Ok(()) => Ok(Ok(())),
    })??;
    open.committed = is_open;
    Ok(done)
}

/// Runs `body`. If it leaves a transaction open, that is rolled back and is an error.
pub(crate) fn closed<B: Driver, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    closed_unless_known::<B, R, E>(conn, false, body)
}

/// The same, without asking the database if `body` is known to leave no transaction open when it succeeds.
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
    // If the connection is gone, the first fault says why.
    if !B::in_transaction(open.0).unwrap_or(false) {
        return done;
    }
    B::rollback(open.0)?;
    done?;
    Err(Fault::new(FaultKind::Other, "it left a transaction open, which was rolled back")
        .remedy("end it with COMMIT")
        .into())
}
