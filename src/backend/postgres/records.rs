//! [`Records`] for Postgres.

use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;

use super::locks::waiting;
use super::table::{DEFINITION, columns, head, heading, inserting, records, write};
use super::{PLACE, execute, fault};
use super::{Postgres, client, log, outcome, rights};
use crate::backend::client_part::ClientPart;
use crate::backend::driver::Driver;
use crate::backend::records::{Records, is_applied_as_read};
use crate::backend::table::{asking_for_applied, exactly_one, lacking, recognised};
use crate::backend::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// How long to wait for other sessions that use the table. Programs that start meanwhile wait too.
const PATIENCE: Duration = Duration::from_secs(3);

impl Records for Postgres {
    fn head(conn: &mut &mut Client, table: &TableName) -> Result<Head, Fault> {
        head(conn, &heading(table, "basis"))
    }

    fn clean_head(conn: &mut &mut Client, table: &TableName) -> Result<Head, Fault> {
        let unless_dirty = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE dirty <> 0) THEN NULL ELSE basis END",
            table.quoted()
        );
        head(conn, &heading(table, &unless_dirty))
    }

    fn is_applied(conn: &mut &mut Client, table: &TableName, id: &MigrationId) -> Result<bool, Fault> {
        match conn.query_opt(&asking_for_applied(&table.quoted(), "$1"), &[&id.as_str()]) {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(false),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
                is_applied_as_read::<Self>(conn, table, id)
            }
            found => Ok(found.map_err(fault)?.is_some()),
        }
    }

    fn explained(conn: &mut &mut Client, table: &TableName, fault: Fault) -> Fault {
        rights::explained(conn, table, fault)
    }

    fn form(conn: &mut &mut Client, table: &TableName) -> Result<TableForm, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(TableForm::Missing);
        }
        let has_places = columns.iter().any(|column| column == PLACE);
        Ok(if has_places { recognised(&columns)?.form } else { TableForm::Old })
    }

    fn append(
        conn: &mut &mut Client,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        write(conn, &inserting(table, "$15"), record, Some(&digest.to_string()))
    }

    fn read(conn: &mut &mut Client, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let reading = recognised(&columns)?;
        // A column of the engine has the place of a row. A table of an older form has its rows in the order in which they were written.
        let has_places = columns.iter().any(|column| column == PLACE);
        let (records, digest) = records(conn, table, &reading, has_places).map_err(fault)?;
        let head = reading.head(records.len(), digest.as_deref());
        let form = if has_places { reading.form } else { TableForm::Old };
        Ok(TrackingTable::with_head(form, head, records))
    }

    fn create_table(conn: &mut &mut Client, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = table.quoted();
        Self::execute(conn, &format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} {DEFINITION}"))?;
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    /// The statement waits for every transaction that has read the table, so the wait has a limit.
    fn add_columns(conn: &mut &mut Client, table: &TableName) -> Result<(), Fault> {
        let columns = columns(conn, table)?;
        let added: Vec<String> =
            lacking(&columns).map(|column| format!("ADD COLUMN IF NOT EXISTS {column} TEXT")).collect();
        if added.is_empty() {
            return Ok(());
        }
        let sql = format!("ALTER TABLE {} {}", table.quoted(), added.join(", "));
        waiting(conn, PATIENCE, |conn| Self::execute(conn, &sql))
    }

    const ADDING_COLUMNS_BLOCKS_READERS: bool = true;

    fn insert(conn: &mut &mut Client, table: &TableName, record: &Record) -> Result<(), Fault> {
        write(conn, &inserting(table, "NULL"), record, None)
    }

    fn update(conn: &mut &mut Client, table: &TableName, record: &Record) -> Result<(), Fault> {
        let sql = format!(
            "UPDATE {} SET run_on = coalesce($2::timestamp AT TIME ZONE 'UTC', run_on), checksum = $3, dirty = $4::integer,
            duration_ms = $5::bigint, statement = $6::integer, statements = $7::integer, mark = $8, failure = $9, up_sql = $10,
            down_sql = $11, down_options = $12, down_checksum = $13, program = $14 WHERE name = $1",
            table.quoted()
        );
        write(conn, &sql, record, None)
    }

    fn advance(
        conn: &mut &mut Client,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        outcome::advance(conn, table, id, from, to)
    }

    fn delete(conn: &mut &mut Client, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let sql = format!("DELETE FROM {} WHERE name = $1", table.quoted());
        exactly_one(execute(conn, &sql, &[Some(id.as_str())]).map_err(fault)?, id)
    }

    fn stamp(conn: &mut &mut Client, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let name = table.quoted();
        let sql = format!("UPDATE {name} SET basis = $1 WHERE {PLACE} = (SELECT max({PLACE}) FROM {name})");
        execute(conn, &sql, &[Some(&digest.to_string())]).map(drop).map_err(fault)
    }

    fn append_log(conn: &mut &mut Client, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
        log::write(conn, log, log_entry)
    }

    fn read_log(conn: &mut &mut Client, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        log::read(conn, log)
    }

    fn client_part(
        _conn: &mut &mut Client,
        table: &TableName,
        log: &TableName,
        part: ClientPart<'_>,
    ) -> Result<String, Fault> {
        client::part(table, log, part)
    }
}
