//! [`Backend`]: what the engine needs of a database.

use std::path::PathBuf;
use std::time::Duration;

use crate::dialect::{Dialect, TableName};
use crate::effect::{Forecast, PlannedScript, Trust, scan};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{Definition, ForeignTable};
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;
use crate::orphans::Orphans;
use crate::progress::{ScriptProgress, StatementOutcome};
use crate::step::Atomicity;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod foreign;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod last_row;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod non_transactional;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod row_count;
mod script;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server_transactions;
mod session;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod table;
mod tracking_table;
mod transaction;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod transaction_fit;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod transaction_rules;

#[cfg(feature = "mysql")]
pub use self::mysql::Mysql;
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
pub use self::script::{ForecastRequest, LockAttempt, Prepare, Scope, Script};
pub use self::session::Session;
pub use self::tracking_table::{TableForm, TrackingTable};
pub use self::transaction::atomically;
pub(crate) use self::transaction::{closed, patiently};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;

/// A database the engine can migrate. It is implemented by a *marker*, a type without values, so that the
/// connection stays the driver's own and `runner.run(&conn)` reads as one expects.
///
/// # How to write a backend
///
/// 1. Name the connection as the driver wants it borrowed: `&'c rusqlite::Connection`, `&'c mut postgres::Client`.
///    [`lend`](Self::lend) passes it on for a while: `conn` where it is `Copy`, `&mut **conn` otherwise.
/// 2. Say which files are meant for it ([`DIALECT`](Self::DIALECT)): a folder `toy/`, `up.toy.sql`.
/// 3. Give it transactions: [`execute`](Self::execute) one statement; where it is not `BEGIN`, `COMMIT` and `ROLLBACK`,
///    write those too. [`rollback`](Self::rollback) without a transaction is nothing to do, not an error.
/// 4. Run a script ([`run_script`](Self::run_script)), from the statement it is to begin with: call `progress` behind each, and give
///    a fault the byte offset and the statement it belongs to.
/// 5. Keep records: [`head`](Self::head), [`read`](Self::read), [`create_table`](Self::create_table),
///    [`insert`](Self::insert), [`update`](Self::update), [`advance`](Self::advance), [`delete`](Self::delete),
///    [`stamp`](Self::stamp); and a log of what was undone: [`log`](Self::log), [`traces`](Self::read_log). A missing table is an
///    empty history, and reading never creates it. A record that is there already cannot be inserted, and one that is not there
///    neither be changed nor deleted: that is a fault. What is inserted carries no digest until it is stamped.
/// 6. Everything else has a default. A database that is a file says where ([`locate`](Self::locate)), so that
///    concurrent runs can wait for each other.
///
/// `examples/custom_backend.rs` is a whole one, and `test_utils::conformance` (feature `test-utils`) looks whether one does what it must.
///
/// # Errors
/// Every method returns what its database says, as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Backend: Sized + 'static {
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

    /// Runs a script from the statement [`Script::from`] on, and tells what it touched.
    ///
    /// Outside a transaction `progress` is called each time a statement is done, if possible in one transaction with it. Where
    /// that is not possible, it is called before the statement too, with a [mark](ScriptProgress::mark), which also tells that those before it are
    /// done. Statements before the first that only change the session are run again, since the session that they changed is gone.
    fn run_script(
        conn: &mut Self::Conn<'_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault>;

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

    /// Where a statement of a script begins, in bytes; one behind the last is where the script ends. `None` if that cannot be told:
    /// then a script that was changed cannot go on where it stopped.
    fn offset_of(_script: &str, _statement: u32) -> Option<usize> {
        None
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

    /// One statement's worth of knowledge about the tracking table: the digest on its newest record and the count.
    fn head(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<Head, Fault>;

    /// The same for a start, which must not pass over an unfinished step: without a digest if a record is dirty, whoever made it so. One
    /// statement, where the database can.
    fn clean_head(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<Head, Fault> {
        let TrackingTable { head, records, .. } = Self::read(conn, table)?;
        let is_dirty = records.iter().any(|record| record.dirty.is_some());
        Ok(if is_dirty { Head { digest: None, ..head } } else { head })
    }

    /// Which form the tracking table has.
    fn form(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TableForm, Fault> {
        Self::read(conn, table).map(|tracking| tracking.form)
    }

    /// Adds a record, and writes the digest of the whole history on it.
    fn append(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        Self::insert(conn, table, record)?;
        Self::stamp(conn, table, digest)
    }

    /// Begins a step outside a transaction: adds its record as [`append`](Self::append) does if the tracking table still has this head, in a
    /// transaction of its own and in one statement, and says whether it had it. `None`, and nothing done, if that takes several statements.
    fn append_if_head(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _head: Head,
        _record: &Record,
        _basis: HistoryDigest,
        _patience: Duration,
    ) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    /// Ends a step outside a transaction: rewrites its record, which is the newest, if that still says what `from` says but for `of` and
    /// `failure`, and writes the digest on it, likewise alone; and says whether it did.
    fn finish_if_unchanged(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _from: &Dirty,
        _record: &Record,
        _basis: HistoryDigest,
    ) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    /// A number that changes when another connection changes the database, and stays the same otherwise, asked in a transaction of ours.
    /// While it stays the same, no other program has changed the tracking table. `None` if the database has no such number.
    fn data_version(_conn: &mut Self::Conn<'_>) -> Result<Option<i64>, Fault> {
        Ok(None)
    }

    /// Everything in the tracking table, oldest first.
    fn read(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TrackingTable, Fault>;

    /// Makes a tracking table of today's form that holds these records, in place of one of an older form if there is
    /// one. Called inside a transaction.
    fn create_table(conn: &mut Self::Conn<'_>, table: &TableName, records: &[Record]) -> Result<(), Fault>;

    /// Adds a record; the database dates it if it has no date.
    fn insert(conn: &mut Self::Conn<'_>, table: &TableName, record: &Record) -> Result<(), Fault>;

    /// Rewrites the record of the same id, its date only if it is given one.
    fn update(conn: &mut Self::Conn<'_>, table: &TableName, record: &Record) -> Result<(), Fault>;

    /// Writes how far the unfinished step of a record came, and why it failed if it did: `statement`, `of`, `mark` and `failure` of `to`. Only if
    /// the record still says what `from` says but for `of` and `failure`, since another run may have taken the step over: else it changes
    /// nothing, and is `false`. No other transaction may change the record between that look and the end of this one.
    fn advance(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault>;

    /// Removes a record.
    fn delete(conn: &mut Self::Conn<'_>, table: &TableName, id: &MigrationId) -> Result<(), Fault>;

    /// Writes the digest of the whole history on the newest record, if there is a record.
    fn stamp(conn: &mut Self::Conn<'_>, table: &TableName, digest: HistoryDigest) -> Result<(), Fault>;

    /// Makes the log, if it does not exist and making it commits: see [`SCHEMA_CAN_BE_ATOMIC`](Self::SCHEMA_CAN_BE_ATOMIC).
    fn create_log(_conn: &mut Self::Conn<'_>, _log: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Adds a line to the log, which is a table of its own and is made if it does not exist. The database dates it.
    fn append_log(conn: &mut Self::Conn<'_>, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault>;

    /// Everything in the log, oldest first. A missing table is an empty log, and reading never creates it.
    fn read_log(conn: &mut Self::Conn<'_>, log: &TableName) -> Result<Vec<LogEntry>, Fault>;

    /// Whether something in the database itself, like a trigger, may write to the tracking table when a script writes elsewhere.
    /// If so, the whole table is compared around each step.
    fn has_triggers_on(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Runs `body` on an empty database of our own, which is gone afterwards; `None` if there can be none.
    fn scratch<R>(
        _prepare: Option<&Prepare<Self>>,
        _body: impl FnOnce(&mut Self::Conn<'_>) -> R,
    ) -> Result<Option<R>, Fault> {
        Ok(None)
    }

    /// Whether the database is known to have no tables but these of the engine, so that there is nothing to be lost.
    fn is_blank(_conn: &mut Self::Conn<'_>, _tables: &[TableName]) -> Result<bool, Fault> {
        Ok(false)
    }

    /// A table that another tool made, with these of its columns in its rows, and nothing where it has no such column; `None` if there is no
    /// such table. At most one row more than [`ForeignTable::MOST_ROWS`] is read.
    fn foreign_table(
        _conn: &mut Self::Conn<'_>,
        table: &TableName,
        _columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        let what = format!("{} has no way to read `{table}`, which is not the engine's", Self::DIALECT);
        Err(Fault::new(FaultKind::Other, what).remedy("write `Backend::foreign_table` for it"))
    }

    /// The number that a database keeps for applications, if it has one, as SQLite's `user_version`.
    fn user_version(_conn: &mut Self::Conn<'_>) -> Result<Option<i64>, Fault> {
        Ok(None)
    }

    /// Everything in the schema but these tables, sorted; `None` where definitions cannot be compared.
    fn definitions(_conn: &mut Self::Conn<'_>, _without: &[&str]) -> Result<Option<Vec<Definition>>, Fault> {
        Ok(None)
    }

    /// What is to be expected of scripts that would run one after the other, found out without changing anything. Where the database
    /// has no better way, their text is read; then a script out of the database cannot be vouched for.
    fn forecast(
        _conn: &mut Self::Conn<'_>,
        request: &ForecastRequest<'_, Self>,
    ) -> Result<Vec<Forecast>, Fault> {
        let forecast = |script: &PlannedScript<'_>| Forecast {
            effects: script.text.map(scan).unwrap_or_default(),
            failure: (script.trust == Trust::Database).then(|| {
                let what = format!("{} has no way to try it out on a copy", Self::DIALECT);
                Fault::new(FaultKind::Other, what)
            }),
            ..Forecast::new()
        };
        Ok(request.scripts.iter().map(forecast).collect())
    }

    /// The table with the schema it is in, or would be made in, so that a script which changes where names are looked up changes
    /// nothing of where the records are.
    fn resolve(_conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TableName, Fault> {
        Ok(table.clone())
    }

    /// Tries to take the database's own lock of a tracking table for this session, without waiting.
    fn try_lock(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<LockAttempt, Fault> {
        Ok(LockAttempt::Unsupported)
    }

    /// Gives that lock back.
    fn unlock(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Keeps others from writing to the tracking table until the transaction that is open ends, if beginning it did not.
    /// Others are waited for no longer than this.
    fn lock_table(_conn: &mut Self::Conn<'_>, _table: &TableName, _patience: Duration) -> Result<(), Fault> {
        Ok(())
    }

    /// The same where the table is known to be there; with its head, if the database tells it at once.
    fn lock_table_with_head(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        Self::lock_table(conn, table, patience)?;
        Ok(None)
    }

    /// Makes the row that [`Lock::Row`](crate::Lock::Row) locks, if it is not there.
    fn create_lock_row(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<LockAttempt, Fault> {
        Ok(LockAttempt::Unsupported)
    }

    /// Locks that row until the transaction that is open ends. If others have it for longer than this, it is a [`FaultKind::Busy`].
    fn lock_row(_conn: &mut Self::Conn<'_>, _table: &TableName, _patience: Duration) -> Result<(), Fault> {
        Ok(())
    }

    /// Waits until nobody else is changing records in a transaction, and keeps others from it until the one that is open ends. This comes
    /// behind [`lock_row`](Self::lock_row), since how far a step outside a transaction came is written without that row.
    fn wait_for_writers(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        patience: Duration,
    ) -> Result<(), Fault> {
        Self::lock_table(conn, table, patience)
    }

    /// The file the connection reads and writes, if its database is one: the lock file lies beside it.
    fn locate(_conn: &mut Self::Conn<'_>) -> Option<PathBuf> {
        None
    }
}

/// What a script calls as it goes on.
pub type Progress<'p, B> = dyn FnMut(&mut <B as Backend>::Conn<'_>, ScriptProgress) -> Result<(), Fault> + 'p;

/// A backend whose tables lie in schemas, so that [`MigrationRunner::schema`](crate::MigrationRunner::schema) can name one.
pub trait Schemas: Backend {}

/// What to do about a script that handles transactions itself.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) const KEEP_OUT: &str =
    "remove its BEGIN, COMMIT and ROLLBACK, since each migration already is one transaction";

/// The fault of a script that cannot go on, because what one of its statements made has ended with the session.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) fn lost_with_session(statement: u32) -> Fault {
    let what = format!("it cannot go on here: what statement {statement} made ended with the session");
    Fault::new(FaultKind::Other, what).remedy(
        "finish it by hand and call `recover` with `Recovery::MarkDone`, or undo what it did and call it with \
         `Recovery::RetryFrom` and statement 1",
    )
}

/// The fault of a script or function that ended the engine's transaction.
pub(crate) fn ended_transaction() -> Fault {
    Fault::new(FaultKind::Other, "it ended the transaction that it runs in")
        .remedy(
            "leave BEGIN, COMMIT and ROLLBACK to the engine, since each migration already is one transaction",
        )
        .lost_transaction()
}
