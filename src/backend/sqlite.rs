//! [`Sqlite`]: the backend over `rusqlite`.

use std::path::PathBuf;

use rusqlite::{Connection, ErrorCode, params};

use super::table::{exactly_one, recognised, state};
use super::{
    Backend, ForecastRequest, Prepare, Progress, Scope, Script, TableForm, TrackingTable, atomically, closed,
    ended_transaction,
};
use crate::dialect::{Dialect, TableName, qualified, quote};
use crate::effect::{Forecast, Trust};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{Definition, ForeignTable};
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;
use crate::orphans::Orphans;
use crate::remedy::Remedy;
use crate::sql::{statement_at, statements};
use crate::step::Atomicity;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

mod attached;
mod cursor;
mod forecast;
mod foreign;
mod keys;
mod log;
mod orphans;
mod records;
mod scratch;
mod script;
mod settings;
mod target;
mod tracker;
mod transactions;
mod tripwire;

use records::{columns, head, inserting, records, write};

/// SQLite, through `&rusqlite::Connection`. It is what [`MigrationRunner`](crate::MigrationRunner) means if no backend
/// is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sqlite {}

impl Backend for Sqlite {
    type Conn<'c> = &'c Connection;
    const DIALECT: Dialect = Dialect::Sqlite;
    const STATEMENTS_ARE_ATOMIC: bool = true;

    fn lend<'s>(conn: &'s mut &Connection) -> &'s Connection {
        conn
    }

    fn in_transaction(conn: &mut &Connection) -> Result<bool, Fault> {
        Ok(!conn.is_autocommit())
    }

    fn execute(conn: &mut &Connection, sql: &str) -> Result<(), Fault> {
        conn.execute_batch(sql).map_err(fault)
    }

    /// What is attached already may be attached again: an application that keeps its connection runs this at every start.
    fn prepare_session(conn: &mut &Connection, sql: &str) -> Result<(), Fault> {
        statements(sql).try_for_each(|(_, statement)| match conn.execute_batch(statement) {
            Err(error) if attached::is_already(&error) => Ok(()),
            outcome => outcome.map_err(fault),
        })
    }

    /// `IMMEDIATE`: what is read afterwards is still true when it is written.
    fn begin(conn: &mut &Connection) -> Result<(), Fault> {
        Self::execute(conn, "BEGIN IMMEDIATE")
    }

    fn rollback(conn: &mut &Connection) -> Result<(), Fault> {
        // SQLite ends the transaction itself on some errors (a full disk, an interrupt); a second ROLLBACK would fail.
        if conn.is_autocommit() { Ok(()) } else { Self::execute(conn, "ROLLBACK") }
    }

    fn transaction<R, E: From<Fault>>(
        conn: &mut &Connection,
        scope: &Scope,
        body: impl FnOnce(&mut &Connection) -> Result<R, E>,
    ) -> Result<R, E> {
        let attached = attached::databases(conn).map_err(fault)?;
        // Inside a transaction the pragma is a no-op (https://www.sqlite.org/pragma.html#pragma_foreign_keys).
        let outcome =
            keys::under(conn, scope.foreign_keys, |conn| atomically::<Self, R, E>(conn, scope, body));
        if outcome.is_err() {
            attached::detach_others(conn, &attached);
        }
        outcome
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut &Connection,
        scope: &Scope,
        body: impl FnOnce(&mut &Connection) -> Result<R, E>,
    ) -> Result<R, E> {
        keys::under(conn, scope.foreign_keys, |conn| closed::<Self, R, E>(conn, body))
    }

    fn may_touch(script: &str) -> bool {
        tracker::may_touch(script)
    }

    fn orphans(conn: &mut &Connection, touched: &Touched) -> Result<Orphans, Fault> {
        orphans::of(conn, touched).map_err(fault)
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        transactions::fits(script)
    }

    fn run_script(
        conn: &mut &Connection,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault> {
        if script.trust == Trust::Program {
            return script::run(conn, script, progress);
        }
        let _restored = settings::Restored::of(conn).map_err(fault)?;
        script::run(conn, script, progress)
    }

    /// A savepoint tells a transaction that was ended and begun anew from the one the engine began.
    fn run_code<R>(
        conn: &mut &Connection,
        atomicity: Atomicity,
        body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
    ) -> Result<(R, Touched), Fault> {
        if atomicity == Atomicity::NonTransactional {
            return keys::kept(conn, body).map(|done| (done, Touched::anything()));
        }
        Self::execute(conn, "SAVEPOINT __switchy_code")?;
        let before = counters(conn).map_err(fault)?;
        let outcome = body(conn).map_err(reclassified).and_then(|done| {
            let is_same = counters(conn).map_err(fault)? == before;
            Ok((done, if is_same { Touched::nothing() } else { Touched::anything() }))
        });
        let is_ours = !conn.is_autocommit() && conn.execute_batch("RELEASE __switchy_code").is_ok();
        match outcome {
            Ok(_) if !is_ours => Err(ended_transaction()),
            Err(fault) if !is_ours && !ended_by_sqlite(&fault) => Err(fault.lost_transaction()),
            outcome => outcome,
        }
    }

    fn head(conn: &mut &Connection, table: &TableName) -> Result<Head, Fault> {
        let name = in_main(table);
        let sql =
            format!("SELECT basis, (SELECT count(*) FROM {name}) FROM {name} ORDER BY rowid DESC LIMIT 1");
        head(conn, table, &sql)
    }

    /// The partial index that [`create_table`](Self::create_table) makes is nearly always empty, so this takes little longer than the head.
    fn clean_head(conn: &mut &Connection, table: &TableName) -> Result<Head, Fault> {
        let name = in_main(table);
        let sql = format!(
            "SELECT basis, (SELECT count(*) FROM {name}), EXISTS (SELECT 1 FROM {name} WHERE dirty <> 0) FROM {name} \
             ORDER BY rowid DESC LIMIT 1"
        );
        head(conn, table, &sql)
    }

    fn form(conn: &mut &Connection, table: &TableName) -> Result<TableForm, Fault> {
        match columns(conn, &in_main(table)) {
            Err(error) if is_missing(&error, table) => Ok(TableForm::Missing),
            columns => Ok(recognised(&columns.map_err(fault)?)?.form),
        }
    }

    fn data_version(conn: &mut &Connection) -> Result<Option<i64>, Fault> {
        conn.query_row("PRAGMA data_version", [], |row| row.get(0)).map(Some).map_err(fault)
    }

    fn read(conn: &mut &Connection, table: &TableName) -> Result<TrackingTable, Fault> {
        let name = in_main(table);
        loop {
            let columns = match columns(conn, &name) {
                Err(error) if is_missing(&error, table) => return Ok(TrackingTable::MISSING),
                columns => columns.map_err(fault)?,
            };
            let reading = recognised(&columns)?;
            let (records, digest) = match records(conn, &name, &reading) {
                // Another program has brought the table up to date between the two statements.
                Err(error)
                    if message(&error).starts_with("no such column")
                        && self::columns(conn, &name).is_ok_and(|now| now != columns) =>
                {
                    continue;
                }
                records => records.map_err(fault)?,
            };
            let head = reading.head(records.len(), digest.as_deref());
            return Ok(TrackingTable::new(reading.form, head, records));
        }
    }

    fn create_table(conn: &mut &Connection, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = in_main(table);
        conn.execute_batch(&format!(
            "DROP TABLE IF EXISTS {name};
            CREATE TABLE {name} (
                name TEXT NOT NULL UNIQUE,
                run_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now')),
                checksum TEXT,
                dirty INTEGER NOT NULL DEFAULT 0,
                duration_ms INTEGER,
                basis TEXT,
                statement INTEGER,
                statements INTEGER,
                mark TEXT,
                failure TEXT,
                up_sql TEXT,
                down_sql TEXT,
                down_options TEXT,
                down_checksum TEXT
            )"
        ))
        .map_err(fault)?;
        index_dirty(conn, table).map_err(fault)?;
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    fn insert(conn: &mut &Connection, table: &TableName, record: &Record) -> Result<(), Fault> {
        write(conn, &inserting(table, "NULL"), record)
    }

    fn append(
        conn: &mut &Connection,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        write(conn, &inserting(table, &format!("'{digest}'")), record)
    }

    fn update(conn: &mut &Connection, table: &TableName, record: &Record) -> Result<(), Fault> {
        write(
            conn,
            &format!(
                "UPDATE {} SET run_on = coalesce(?2, run_on), checksum = ?3, dirty = ?4, duration_ms = ?5,
                statement = ?6, statements = ?7, mark = ?8, failure = ?9, up_sql = ?10, down_sql = ?11,
                down_options = ?12, down_checksum = ?13 WHERE name = ?1",
                in_main(table)
            ),
            record,
        )
    }

    fn advance(
        conn: &mut &Connection,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        let sql = format!(
            "UPDATE {} SET statement = ?2, statements = ?3, mark = ?4, failure = ?5
            WHERE name = ?1 AND dirty = ?6 AND statement IS ?7 AND mark IS ?8",
            in_main(table)
        );
        let (Dirty { statement, of, mark, failure, .. }, state) = (to, state(from));
        let values = params![id.as_str(), statement, of, mark, failure, state, from.statement, from.mark];
        Ok(conn.execute(&sql, values).map_err(fault)? > 0)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        statement_at(script, statement)
    }

    fn delete(conn: &mut &Connection, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let sql = format!("DELETE FROM {} WHERE name = ?1", in_main(table));
        exactly_one(conn.execute(&sql, [id.as_str()]).map_err(fault)?, id)
    }

    fn stamp(conn: &mut &Connection, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let name = in_main(table);
        let sql = format!("UPDATE {name} SET basis = ?1 WHERE rowid = (SELECT max(rowid) FROM {name})");
        conn.execute(&sql, [digest.to_string()]).map(drop).map_err(fault)
    }

    fn append_log(conn: &mut &Connection, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
        log::write(conn, log, log_entry)
    }

    fn read_log(conn: &mut &Connection, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        log::read(conn, log)
    }

    fn has_triggers_on(conn: &mut &Connection, table: &TableName) -> Result<bool, Fault> {
        let sql = "SELECT EXISTS (
            SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND instr(lower(sql), lower(?1))
            UNION ALL
            SELECT 1 FROM sqlite_temp_master WHERE type = 'trigger' AND instr(lower(sql), lower(?1)))";
        // However it is quoted, a name without quotes in it stands in the text as it is.
        let longest = table.as_str().split(['"', '\'', '`', '[', ']']).max_by_key(|part| part.len());
        conn.query_row(sql, [longest.unwrap_or_default()], |row| row.get(0)).map_err(fault)
    }

    fn scratch<R>(
        prepare: Option<&Prepare<Self>>,
        body: impl FnOnce(&mut &Connection) -> R,
    ) -> Result<Option<R>, Fault> {
        let conn = scratch::open(prepare)?;
        Ok(Some(body(&mut &conn)))
    }

    fn is_blank(conn: &mut &Connection, tables: &[TableName]) -> Result<bool, Fault> {
        let sql =
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'";
        let read = || -> rusqlite::Result<bool> {
            // Of what belongs to an attached database nobody can say whose it is.
            let attached =
                "SELECT EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp'))";
            if conn.query_row(attached, [], |row| row.get(0))? {
                return Ok(false);
            }
            let mut statement = conn.prepare(sql)?;
            let mut names = statement.query([])?;
            while let Some(row) = names.next()? {
                let name: String = row.get(0)?;
                if !tables.iter().any(|table| table.as_str().eq_ignore_ascii_case(&name)) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        read().map_err(fault)
    }

    fn foreign_table(
        conn: &mut &Connection,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }

    fn user_version(conn: &mut &Connection) -> Result<Option<i64>, Fault> {
        foreign::user_version(conn)
    }

    fn definitions(conn: &mut &Connection, without: &[&str]) -> Result<Option<Vec<Definition>>, Fault> {
        foreign::definitions(conn, without).map(Some)
    }

    fn forecast(conn: &mut &Connection, request: &ForecastRequest<'_, Self>) -> Result<Vec<Forecast>, Fault> {
        forecast::forecast(conn, request)
    }

    fn locate(conn: &mut &Connection) -> Option<PathBuf> {
        // In memory there is no path; a name that only a memory VFS knows is no file.
        conn.path().map(PathBuf::from).filter(|path| path.is_file())
    }
}

/// Makes an index of the dirty records alone, so that a start finds them without reading the others. Where the application has something else
/// under that name, there is no index, and the start reads the table.
fn index_dirty(conn: &Connection, table: &TableName) -> rusqlite::Result<()> {
    let name = format!("{}_dirty", table.as_str());
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE)";
    if conn.query_row(sql, [&name], |row| row.get(0))? {
        return Ok(());
    }
    let index = quote(&name);
    conn.execute_batch(&format!("CREATE INDEX main.{index} ON {} (dirty) WHERE dirty <> 0", table.quoted()))
}

/// What changes when a row or the schema does.
fn counters(conn: &Connection) -> rusqlite::Result<(u64, i64)> {
    Ok((conn.total_changes(), conn.query_row("PRAGMA main.schema_version", [], |row| row.get(0))?))
}

/// The table as SQL names it. Without the schema, one of an attached or the temporary database could be meant.
fn in_main(table: &TableName) -> String {
    qualified("main", table.as_str())
}

fn is_missing(error: &rusqlite::Error, table: &TableName) -> bool {
    begins(error, &format!("no such table: main.{table}"))
}

/// Whether this is SQLite's message, also where rusqlite appends the SQL and a place to it.
fn begins(error: &rusqlite::Error, message: &str) -> bool {
    error.to_string().strip_prefix(message).is_some_and(|rest| rest.is_empty() || rest.starts_with(" in "))
}

/// SQLite's message alone: rusqlite appends all the rest of the script to that of a statement it cannot prepare.
fn message(error: &rusqlite::Error) -> String {
    match error {
        #[cfg(feature = "bundled")]
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => {
            let text = other.to_string();
            let end = if text.contains(" at offset ") { text.find(" in ") } else { None };
            text[..end.unwrap_or(text.len())].to_owned()
        }
    }
}

/// The fault of code that passed on an error of SQLite.
fn reclassified(mut given: Fault) -> Fault {
    let Some(cause) = given.cause.take() else { return given };
    match cause.downcast::<rusqlite::Error>() {
        Ok(error) => fault(*error),
        Err(cause) => given.caused_by(cause),
    }
}

/// Whether SQLite itself rolls the transaction back on such an error (<https://www.sqlite.org/lang_transaction.html>, 2.1).
fn ended_by_sqlite(fault: &Fault) -> bool {
    let error = fault.cause.as_ref().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    matches!(
        error.and_then(rusqlite::Error::sqlite_error_code),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::DatabaseBusy
        )
    )
}

/// <https://www.sqlite.org/rescode.html#locked_sharedcache>
const LOCKED_SHAREDCACHE: i32 = 262;

fn fault(error: rusqlite::Error) -> Fault {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => FaultKind::Busy,
        // Another connection to a shared cache can get out of the way, a statement open on this one cannot.
        Some(ErrorCode::DatabaseLocked)
            if error.sqlite_error().is_some_and(|error| error.extended_code == LOCKED_SHAREDCACHE) =>
        {
            FaultKind::Busy
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => FaultKind::ReadOnly,
        Some(ErrorCode::DiskFull) => FaultKind::Full,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => FaultKind::NotADatabase,
        Some(ErrorCode::OperationInterrupted) => FaultKind::Interrupted,
        _ => FaultKind::Other,
    };
    let fault = Fault::new(kind, message(&error));
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseLocked) if kind == FaultKind::Other => {
            fault.remedy("end the statements that are open on this connection, and run again")
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => fault.remedy(
            Remedy::program("attach the files that it needs", "`prepare_connection`")
                .only_if("it runs in a replay in memory, where no script may open a file"),
        ),
        _ => fault,
    }
    .caused_by(error)
}
