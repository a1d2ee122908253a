//! [`Records`] for Mysql.

use std::time::Duration;

use mysql::Conn;
use mysql::consts::ColumnType;

use super::query::{NO_SUCH_TABLE, UNKNOWN_COLUMN, code, columns, fault, first, run, text, waiting};
use super::table::{advance, definition, head, insertion, matched, records, sets};
use super::{Mysql, client, exchange, log, rights, single_statement};
use super::{PLACE, quoted};
use crate::backend::client_part::ClientPart;
use crate::backend::driver::Driver;
use crate::backend::records::{Records, is_applied_as_read};
use crate::backend::script::Scope;
use crate::backend::table::{asking_for_applied, exactly_one, lacking, recognised};
use crate::backend::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// How long to wait for other sessions that use the table. Programs that start meanwhile wait too.
const PATIENCE: Duration = Duration::from_secs(3);

impl Records for Mysql {
    fn head(conn: &mut &mut Conn, table: &TableName) -> Result<Head, Fault> {
        head(conn, table, "basis")
    }

    fn clean_head(conn: &mut &mut Conn, table: &TableName) -> Result<Head, Fault> {
        let unless_dirty = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE dirty <> 0) THEN NULL ELSE basis END",
            quoted(table)
        );
        head(conn, table, &unless_dirty)
    }

    fn is_applied(conn: &mut &mut Conn, table: &TableName, id: &MigrationId) -> Result<bool, Fault> {
        let name = text(Some(id.as_str()));
        match first(conn, &asking_for_applied(&quoted(table), &name)) {
            Err(error) if code(&error) == Some(NO_SUCH_TABLE) => Ok(false),
            Err(error) if code(&error) == Some(UNKNOWN_COLUMN) => is_applied_as_read::<Self>(conn, table, id),
            found => Ok(found.map_err(fault)?.is_some()),
        }
    }

    fn explained(conn: &mut &mut Conn, table: &TableName, fault: Fault) -> Fault {
        rights::explained(conn, table, fault)
    }

    fn append(
        conn: &mut &mut Conn,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        run(conn, &insertion(table, record, Some(digest)))?;
        exactly_one(conn.affected_rows(), &record.id)
    }

    fn append_if_head(
        conn: &mut &mut Conn,
        table: &TableName,
        head: Head,
        record: &Record,
        digest: HistoryDigest,
        patience: Duration,
    ) -> Result<Option<bool>, Fault> {
        single_statement::append(conn, table, head, record, digest, patience)
    }

    fn finish_if_unchanged(
        conn: &mut &mut Conn,
        table: &TableName,
        from: &Dirty,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<Option<bool>, Fault> {
        single_statement::finish(conn, table, from, record, digest).map(Some)
    }

    fn read(conn: &mut &mut Conn, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let reading = recognised(&columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
        let has_places = columns.iter().any(|(name, _)| name == PLACE);
        let is_stamp = columns.contains(&("run_on".to_owned(), ColumnType::MYSQL_TYPE_TIMESTAMP));
        let (records, digest) = records(conn, table, &reading, has_places, is_stamp)?;
        let head = reading.head(records.len(), digest.as_deref());
        let form = if has_places { reading.form } else { TableForm::Old };
        Ok(TrackingTable::with_head(form, head, records))
    }

    /// On MySQL this commits. A table of an older form is replaced in one statement.
    fn create_table(conn: &mut &mut Conn, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = quoted(table);
        let found = columns(conn, table)?;
        if [PLACE, "name"].iter().all(|ours| found.iter().any(|(name, _)| name == ours)) {
            // A program without the engine's lock created it after the check.
            return Ok(());
        }
        if found.is_empty() {
            let definition = definition(conn)?;
            run(conn, &format!("CREATE TABLE IF NOT EXISTS {name} {definition}"))?;
            return Self::transaction(conn, &Scope::immediate(), |conn| {
                records.iter().try_for_each(|record| Self::insert(conn, table, record))
            });
        }
        exchange::exchange(conn, table, records)
    }

    /// On MySQL this commits. The statement waits for every transaction that has read the table, so the wait has a limit.
    fn add_columns(conn: &mut &mut Conn, table: &TableName) -> Result<(), Fault> {
        let names = |conn: &mut Conn| -> Result<Vec<String>, Fault> {
            Ok(columns(conn, table)?.into_iter().map(|(name, _)| name).collect())
        };
        let added: Vec<String> =
            lacking(&names(conn)?).map(|column| format!("ADD COLUMN {column} TEXT")).collect();
        if added.is_empty() {
            return Ok(());
        }
        let sql = format!("ALTER TABLE {} {}", quoted(table), added.join(", "));
        match waiting(conn, PATIENCE, |conn| run(conn, &sql)) {
            // Another program was faster.
            Err(fault) if lacking(&names(conn)?).next().is_some() => Err(fault),
            _ => Ok(()),
        }
    }

    fn insert(conn: &mut &mut Conn, table: &TableName, record: &Record) -> Result<(), Fault> {
        run(conn, &insertion(table, record, None))?;
        exactly_one(conn.affected_rows(), &record.id)
    }

    fn update(conn: &mut &mut Conn, table: &TableName, record: &Record) -> Result<(), Fault> {
        let sql = format!(
            "UPDATE {} SET {} WHERE name = {}",
            quoted(table),
            sets(record),
            text(Some(record.id.as_str()))
        );
        exactly_one(matched(conn, &sql)?, &record.id)
    }

    fn advance(
        conn: &mut &mut Conn,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        Ok(matched(conn, &advance(table, id, from, to))? > 0)
    }

    fn delete(conn: &mut &mut Conn, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        run(conn, &format!("DELETE FROM {} WHERE name = {}", quoted(table), text(Some(id.as_str()))))?;
        exactly_one(conn.affected_rows(), id)
    }

    fn stamp(conn: &mut &mut Conn, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let digest = text(Some(&digest.to_string()));
        run(conn, &format!("UPDATE {} SET basis = {digest} ORDER BY {PLACE} DESC LIMIT 1", quoted(table)))
    }

    fn create_log(conn: &mut &mut Conn, log: &TableName) -> Result<(), Fault> {
        log::create(conn, log)
    }

    fn append_log(conn: &mut &mut Conn, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
        log::write(conn, log, log_entry)
    }

    fn read_log(conn: &mut &mut Conn, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        log::read(conn, log)
    }

    fn client_part(
        conn: &mut &mut Conn,
        table: &TableName,
        log: &TableName,
        part: ClientPart<'_>,
    ) -> Result<String, Fault> {
        client::part(conn, table, log, part)
    }
}
