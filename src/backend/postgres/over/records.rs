//! [`Records`] for `PostgresOver`.

use std::time::Duration;

use super::PostgresOver;
use super::query::{columns, waiting};
use crate::backend::client_part::ClientPart;
use crate::backend::client_rows::ClientRows;
use crate::backend::postgres::client::{self, literal};
use crate::backend::postgres::table::{DEFINITION, date, heading, selected};
use crate::backend::postgres::{PLACE, log};
use crate::backend::records::Records;
use crate::backend::statements::rows::{head, log_entries, records, select};
use crate::backend::statements::{Statements, value};
use crate::backend::table::{LOG_COLUMNS, exactly_one, lacking, recognised};
use crate::backend::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// How long to wait for other sessions that use the table. Programs that start meanwhile wait too.
const PATIENCE: Duration = Duration::from_secs(3);

impl<S: Statements> Records for PostgresOver<S> {
    fn clean_head(conn: &mut &mut S, table: &TableName) -> Result<Head, Fault> {
        match Self::form(conn, table)? {
            TableForm::Missing => return Ok(Head::EMPTY),
            TableForm::Old => return Ok(Self::read(conn, table)?.head),
            _ => {}
        }
        let unless_dirty = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE dirty <> 0) THEN NULL ELSE basis END AS c0",
            table.quoted()
        );
        Ok(head(&conn.rows(&heading(table, &unless_dirty))?))
    }

    fn form(conn: &mut &mut S, table: &TableName) -> Result<TableForm, Fault> {
        let columns = columns(*conn, table)?;
        if columns.is_empty() {
            return Ok(TableForm::Missing);
        }
        let has_places = columns.iter().any(|column| column == PLACE);
        let form = recognised(&columns)?.form;
        Ok(if has_places { form } else { TableForm::Old })
    }

    fn append(
        conn: &mut &mut S,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).insert(record, Some(digest), moment))?, &record.id)
    }

    fn read(conn: &mut &mut S, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(*conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let layout = recognised(&columns)?;
        // A column of the engine has the place of a row. A table of an older form has its rows in the order in which they were written.
        let has_places = columns.iter().any(|column| column == PLACE);
        let name = literal(Some(&table.quoted()));
        let zoned = format!(
            "SELECT atttypid::text AS c0 FROM pg_attribute WHERE attrelid = to_regclass({name}) AND attname = 'run_on'
            AND atttypid = 'timestamptz'::regtype"
        );
        let is_local = value(*conn, &zoned)?.is_none();
        let order = if has_places { PLACE } else { "run_on, ctid" };
        let from = format!("FROM {} ORDER BY {order}", table.quoted());
        let (records, digest) = records(conn.rows(&select(&selected(&layout, is_local), &from))?);
        let head = layout.head(records.len(), digest.as_deref());
        let form = if has_places { layout.form } else { TableForm::Old };
        Ok(TrackingTable::with_head(form, head, records))
    }

    fn create_table(conn: &mut &mut S, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = table.quoted();
        conn.run(&format!("DROP TABLE IF EXISTS {name}"))?;
        conn.run(&format!("CREATE TABLE {name} {DEFINITION}"))?;
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    /// The statement waits for every transaction that has read the table, so the wait has a limit.
    fn add_columns(conn: &mut &mut S, table: &TableName) -> Result<(), Fault> {
        let columns = columns(*conn, table)?;
        let added: Vec<String> =
            lacking(&columns).map(|column| format!("ADD COLUMN IF NOT EXISTS {column} TEXT")).collect();
        if added.is_empty() {
            return Ok(());
        }
        waiting(*conn, PATIENCE, &format!("ALTER TABLE {} {}", table.quoted(), added.join(", ")))
    }

    const ADDING_COLUMNS_BLOCKS_READERS: bool = true;

    fn insert(conn: &mut &mut S, table: &TableName, record: &Record) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).insert(record, None, moment))?, &record.id)
    }

    fn update(conn: &mut &mut S, table: &TableName, record: &Record) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).rewrite(record, moment))?, &record.id)
    }

    fn advance(
        conn: &mut &mut S,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        Ok(conn.change(&rows_of(table).advance(id, from, to, "IS NOT DISTINCT FROM"))? > 0)
    }

    fn delete(conn: &mut &mut S, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).delete(id))?, id)
    }

    fn stamp(conn: &mut &mut S, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        conn.change(&rows_of(table).stamp(digest)).map(drop)
    }

    fn append_log(conn: &mut &mut S, log: &TableName, entry: &LogEntry) -> Result<(), Fault> {
        let found = columns(*conn, log)?;
        if found.is_empty() {
            conn.run(&format!("CREATE TABLE {} {}", log.quoted(), log::DEFINITION))?;
        } else {
            log::refuse_foreign(log, &found)?;
        }
        let rows = ClientRows { log: log.quoted(), ..rows_of(log) };
        exactly_one(conn.change(&rows.whole_log_entry(entry))?, &entry.id)
    }

    fn read_log(conn: &mut &mut S, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        let found = columns(*conn, log)?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        log::refuse_foreign(log, &found)?;
        let texts = LOG_COLUMNS.map(|column| match column {
            "logged_on" => date("logged_on", false),
            column => column.to_owned(),
        });
        Ok(log_entries(conn.rows(&select(&texts, &format!("FROM {} ORDER BY {PLACE}", log.quoted())))?))
    }

    fn client_part(
        _conn: &mut &mut S,
        table: &TableName,
        log: &TableName,
        part: ClientPart<'_>,
    ) -> Result<String, Fault> {
        client::part(table, log, part)
    }
}

fn rows_of(table: &TableName) -> ClientRows {
    client::rows(table.quoted(), String::new())
}

/// A date as it is stored.
fn moment(literal: &str) -> String {
    format!("{literal}::timestamp AT TIME ZONE 'UTC'")
}
