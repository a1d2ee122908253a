//! Queries to the server, and its errors as faults.

use std::error::Error as _;
use std::time::Duration;

use mysql::consts::ColumnType;
use mysql::error::DriverError;
use mysql::prelude::{FromValue, Queryable};
use mysql::{Conn, Error, Row};

use super::quoted;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::sql::Tokens;

pub(super) const UNKNOWN_COLUMN: u16 = 1054;
pub(super) const NO_DATABASE: u16 = 1046;
pub(super) const SYNTAX: u16 = 1064;
pub(super) const NO_SUCH_TABLE: u16 = 1146;
/// `Table 't' was not locked with LOCK TABLES`
pub(super) const NOT_LOCKED: u16 = 1100;
pub(super) const NO_RIGHT_TO_DATABASE: u16 = 1044;
pub(super) const NO_RIGHT_TO_TABLE: u16 = 1142;
/// The user may not do it: in a database, with a table, with a column, at all, with a routine.
const LACKS_RIGHT: [u16; 5] = [NO_RIGHT_TO_DATABASE, NO_RIGHT_TO_TABLE, 1143, 1227, 1370];
pub(super) const NO_SUCH_DATABASE: u16 = 1049;
/// `The server is running with the --read-only option`
pub(super) const PREVENTED_BY_OPTION: u16 = 1290;
/// `View 'v' references invalid table(s)`
pub(super) const NOT_A_TABLE: u16 = 1356;
pub(super) const UNKNOWN_VARIABLE: u16 = 1193;
pub(super) const NO_SUCH_ROUTINE_OR_SAVEPOINT: u16 = 1305;
pub(super) const GLOBAL_VARIABLE: u16 = 1229;
pub(super) const READ_ONLY_VARIABLE: u16 = 1238;
pub(super) const READ_ONLY_TRANSACTION: u16 = 1792;
/// `Transaction characteristics can't be changed while a transaction is in progress`
pub(super) const IN_TRANSACTION: u16 = 1568;
/// `Some non-transactional changed tables couldn't be rolled back`
pub(super) const NOT_ROLLED_BACK: u16 = 1196;

/// The error number of a server error.
pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(server_error) => Some(server_error.code),
        _ => None,
    }
}

/// The error number in a fault.
pub(super) fn code_of(fault: &Fault) -> Option<u16> {
    fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<Error>()).and_then(code)
}

/// Runs a statement, and reads all its results, since a later result can be an error.
pub(super) fn read_all(conn: &mut Conn, sql: &str) -> Result<(), Error> {
    let mut results = conn.query_iter(sql)?;
    while let Some(rows) = results.iter() {
        for row in rows {
            row?;
        }
    }
    Ok(())
}

pub(super) fn run(conn: &mut Conn, sql: &str) -> Result<(), Fault> {
    read_all(conn, sql).map_err(fault)
}

/// The first row of a query.
///
/// It reads all rows, since an error can follow a row, for example if another node of a cluster has ended the transaction. The driver's
/// `query_first` ignores that error, and the caller would continue without a transaction.
pub(super) fn first(conn: &mut Conn, sql: &str) -> Result<Option<Row>, Error> {
    Ok(conn.query::<Row, _>(sql)?.into_iter().next())
}

/// The single value of a query, unless it is NULL.
pub(super) fn column<T: FromValue>(conn: &mut Conn, sql: &str) -> Result<Option<T>, Error> {
    Ok(first(conn, sql)?.and_then(|row| get(&row, 0)))
}

/// A value of a row, unless it is NULL or has an unexpected type.
pub(super) fn get<T: FromValue>(row: &Row, column: usize) -> Option<T> {
    row.get_opt::<Option<T>, usize>(column)?.ok()?
}

/// The names and types of the columns of a table, in order; empty if there is no such table.
///
/// `SHOW COLUMNS` can break the connection on a cluster: if a change of another node interrupts it, MariaDB starts it again in the middle
/// of its result. A `SELECT` ends as a deadlock instead, which is reported after the rows.
pub(super) fn columns(conn: &mut Conn, table: &TableName) -> Result<Vec<(String, ColumnType)>, Fault> {
    let read = |conn: &mut Conn| {
        let mut result = conn.query_iter(format!("SELECT * FROM {} LIMIT 0", quoted(table)))?;
        let columns = result.columns();
        let columns = columns.as_ref().iter().map(|column| (column.name_str().into(), column.column_type()));
        let columns = columns.collect();
        result.try_for_each(|row| row.map(drop))?;
        Ok(columns)
    };
    match read(conn) {
        Err(error) if code(&error) == Some(NO_SUCH_TABLE) => Ok(Vec::new()),
        outcome => outcome.map_err(fault),
    }
}

/// How long a statement of the session waits, in seconds: for a row, and for a table whose definition is locked.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    rows: u64,
    tables: u64,
}

/// Both limits as a number of whole seconds.
pub(super) fn seconds(limit: Duration) -> Limits {
    let seconds = whole_seconds(limit);
    Limits { rows: seconds, tables: seconds }
}

/// A limit in whole seconds, of which the server needs at least one. A part of a second counts as a whole one.
pub(super) fn whole_seconds(limit: Duration) -> u64 {
    const LONGEST: u64 = 31_536_000;
    (limit.as_secs() + u64::from(limit.subsec_nanos() > 0)).clamp(1, LONGEST)
}

/// The limits of the session.
pub(super) fn limits(conn: &mut Conn) -> Result<Limits, Fault> {
    let row = first(conn, "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout").map_err(fault)?;
    let read = row.and_then(|row| Some(Limits { rows: get(&row, 0)?, tables: get(&row, 1)? }));
    read.ok_or_else(|| Fault::new(FaultKind::Other, "the server does not tell its limits on waits for locks"))
}

/// Sets the limits of the session.
pub(super) fn set_limits(conn: &mut Conn, Limits { rows, tables }: Limits) -> Result<(), Fault> {
    let sql = format!("SET SESSION innodb_lock_wait_timeout = {rows}, SESSION lock_wait_timeout = {tables}");
    run(conn, &sql)
}

/// Acquires a lock on rows or on the table, and waits for at most this long.
pub(super) fn waiting(
    conn: &mut Conn,
    patience: Duration,
    lock: impl FnOnce(&mut Conn) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let before = limits(conn)?;
    let limit = patience.as_secs().max(1);
    set_limits(conn, Limits { rows: limit, tables: limit })?;
    let locked = lock(conn);
    set_limits(conn, before)?;
    locked
}

/// Runs a statement that waits for locks for at most this long, and returns its rows. It needs no other statements. `None` if the server
/// does not support this.
pub(super) fn waiting_rows(
    conn: &mut Conn,
    patience: Duration,
    sql: &str,
) -> Result<Option<Vec<Row>>, Error> {
    let limit = patience.as_secs().max(1);
    let sets = format!("innodb_lock_wait_timeout = {limit}, lock_wait_timeout = {limit}");
    rows_under(conn, &sets, sql)
}

/// Runs a statement with variables that are set for it alone, and returns its rows. `None` if the server does not support this, like
/// MySQL.
pub(super) fn rows_under(conn: &mut Conn, sets: &str, sql: &str) -> Result<Option<Vec<Row>>, Error> {
    // MariaDB versions start at 10, which MySQL has not reached. MariaDB reports 5.5.5 before that number, for old replicas.
    if !matches!(conn.server_version(), (5, 5, 5) | (10.., _, _)) {
        return Ok(None);
    }
    match conn.query(format!("SET STATEMENT {sets} FOR {sql}")) {
        Err(error) if code(&error) == Some(SYNTAX) => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// A text as an SQL literal that is valid whatever `sql_mode` and character set a script has set.
pub(super) fn text(value: Option<&str>) -> String {
    use std::fmt::Write as _;
    let Some(value) = value else { return "NULL".to_owned() };
    let mut literal = String::with_capacity(12 + value.len() * 2);
    literal.push_str("_utf8mb4 X'");
    for byte in value.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(literal, "{byte:02X}");
    }
    literal.push('\'');
    literal
}

/// The fault of code that returned an error of the driver, if that says that the connection is lost.
pub(super) fn fault_of_code(mut of_code: Fault) -> Fault {
    match of_code.details.cause.take().map(<dyn std::error::Error + Send + Sync>::downcast::<Error>) {
        Some(Ok(error)) if is_lost(&error) => return fault(*error),
        Some(Ok(error)) => of_code.details.cause = Some(error),
        Some(Err(other)) => of_code.details.cause = Some(other),
        None => {}
    }
    of_code
}

/// Whether the connection has ended, or the server says that it ends it.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::IoError(_) => true,
        Error::CodecError(error) => error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>),
        // Shutdown; killed, on MariaDB and on MySQL.
        Error::MySqlError(server_error) => matches!(server_error.code, 1053 | 1927 | 3169),
        Error::DriverError(error) => matches!(error, DriverError::Timeout | DriverError::PacketOutOfSync),
        _ => false,
    }
}

/// Whether a statement was too long to be sent.
pub(super) fn is_too_long(fault: &Fault) -> bool {
    let error = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match error {
        Some(Error::CodecError(error)) => error.to_string().contains("max_allowed_packet"),
        // `Got a packet bigger than 'max_allowed_packet' bytes`
        Some(Error::MySqlError(error)) => error.code == 1153,
        _ => false,
    }
}

/// Whether a `TRUNCATE`, or an `ALTER` that empties or exchanges partitions, was refused before it did anything: there is no such table or
/// partition, the user has no right, a foreign key refers to the table, the tables do not fit each other, or a lock was not to be had.
pub(super) fn is_refused_whole(statement: &str, fault: &Fault) -> bool {
    const CODES: [u16; 12] = [1044, 1142, 1143, 1146, 1205, 1213, 1505, 1507, 1701, 1735, 1736, 1737];
    let is_one = Tokens::new(statement).next().is_some_and(|first| first.is_any(&["truncate", "alter"]));
    is_one && code_of(fault).is_some_and(|code| CODES.contains(&code))
}

/// The message of an error, without the names that the driver has for its kinds.
fn in_words(error: &Error) -> String {
    match error {
        Error::MySqlError(error) => error.message.clone(),
        Error::IoError(error) => error.to_string(),
        Error::CodecError(error) => error.to_string(),
        Error::DriverError(error) => error.to_string(),
        Error::UrlError(error) => error.to_string(),
        other => {
            let text = other.to_string();
            let inner = text.split_once(" { ").and_then(|(_, inner)| inner.strip_suffix(" }"));
            inner.unwrap_or(&text).to_owned()
        }
    }
}

/// The fault for an error of the server.
pub(super) fn fault(error: Error) -> Fault {
    let kind = match code(&error) {
        // Lock wait timeout, deadlock.
        Some(1205 | 1213) => FaultKind::Busy,
        // `--read-only`, a read-only transaction, a read-only InnoDB.
        Some(PREVENTED_BY_OPTION) if error.to_string().contains("read") => FaultKind::ReadOnly,
        Some(READ_ONLY_TRANSACTION | 1836 | 1874) => FaultKind::ReadOnly,
        // Disk full, table full.
        Some(1021 | 1114) => FaultKind::Full,
        // `KILL QUERY`, `max_statement_time`, `max_execution_time`.
        Some(1317 | 1969 | 3024) => FaultKind::Interrupted,
        _ if is_lost(&error) => FaultKind::Disconnected,
        _ => FaultKind::Other,
    };
    let message = in_words(&error);
    let message = match kind {
        FaultKind::Disconnected => format!("the connection to the server was lost ({message})"),
        _ => message,
    };
    let code = code(&error);
    let fault = Fault::new(kind, message.split_whitespace().collect::<Vec<_>>().join(" ")).caused_by(error);
    match (kind, code) {
        (_, Some(READ_ONLY_TRANSACTION)) => fault.remedy(
            "take READ ONLY out of the script, or switch it off for the session with SET SESSION TRANSACTION READ WRITE",
        ),
        (FaultKind::ReadOnly, _) => fault.remedy("connect to a server that may be written"),
        (FaultKind::Busy, _) => fault.retryable(),
        (_, Some(code)) if LACKS_RIGHT.contains(&code) => fault.remedy("grant the user the missing right, and run again"),
        _ => fault,
    }
}
