//! [`Records`] for `MysqlOver`.

use std::time::Duration;

use super::MysqlOver;
use super::exchange::exchange;
use super::query::{columns, definition, names, plain, waiting};
use crate::backend::driver::Driver;
use crate::backend::mysql::query::text;
use crate::backend::mysql::table::{advance, insertion, iso, selected, sets};
use crate::backend::mysql::{PLACE, log, quoted};
use crate::backend::records::Records;
use crate::backend::script::Scope;
use crate::backend::statements::Statements;
use crate::backend::statements::rows::{head, log_entries, records, select};
use crate::backend::table::{LOG_COLUMNS, exactly_one, lacking, recognised};
use crate::backend::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// How long to wait for other sessions that use the table. Programs that start meanwhile wait too.
const PATIENCE: Duration = Duration::from_secs(3);

impl<S: Statements> Records for MysqlOver<S> {
    fn clean_head(conn: &mut &mut S, table: &TableName) -> Result<Head, Fault> {
        match Self::form(conn, table)? {
            TableForm::Missing => return Ok(Head::EMPTY),
            TableForm::Old => return Ok(Self::read(conn, table)?.head),
            _ => {}
        }
        let name = quoted(table);
        let sql = format!(
            "SELECT {} AS c0, CAST((SELECT COUNT(*) FROM {name}) AS CHAR) AS c1 FROM {name} ORDER BY {PLACE} DESC LIMIT 1",
            plain(&format!(
                "CASE WHEN EXISTS (SELECT 1 FROM {name} WHERE dirty <> 0) THEN NULL ELSE basis END"
            ))
        );
        Ok(head(&conn.rows(&sql)?))
    }

    fn form(conn: &mut &mut S, table: &TableName) -> Result<TableForm, Fault> {
        let names = names(*conn, table)?;
        if names.is_empty() {
            return Ok(TableForm::Missing);
        }
        let form = recognised(&names)?.form;
        Ok(if names.iter().any(|name| name == PLACE) { form } else { TableForm::Old })
    }

    fn append(
        conn: &mut &mut S,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        exactly_one(conn.change(&insertion(table, record, Some(digest)))?, &record.id)
    }

    fn read(conn: &mut &mut S, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(*conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let layout = recognised(&columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
        let has_places = columns.iter().any(|(name, _)| name == PLACE);
        let is_stamp = columns.iter().any(|(name, kind)| name == "run_on" && kind == "timestamp");
        let order = if has_places { PLACE } else { "run_on" };
        let parts = selected(&layout, is_stamp).map(|part| plain(&part));
        let sql = select(&parts, &format!("FROM {} ORDER BY {order}", quoted(table)));
        let (records, digest) = records(conn.rows(&sql)?);
        let head = layout.head(records.len(), digest.as_deref());
        let form = if has_places { layout.form } else { TableForm::Old };
        Ok(TrackingTable::with_head(form, head, records))
    }

    /// On MySQL this commits. A table of an older form is replaced in one statement.
    fn create_table(conn: &mut &mut S, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let found = names(*conn, table)?;
        if [PLACE, "name"].iter().all(|ours| found.iter().any(|name| name == ours)) {
            // A program without the engine's lock created it after the check.
            return Ok(());
        }
        if !found.is_empty() {
            return exchange(conn, table, records);
        }
        let definition = definition(*conn)?;
        conn.run(&format!("CREATE TABLE IF NOT EXISTS {} {definition}", quoted(table)))?;
        Self::transaction(conn, &Scope::immediate(), |conn| {
            records.iter().try_for_each(|record| Self::insert(conn, table, record))
        })
    }

    /// On MySQL this commits. The statement waits for every transaction that has read the table, so the wait has a limit.
    fn add_columns(conn: &mut &mut S, table: &TableName) -> Result<(), Fault> {
        let added: Vec<String> =
            lacking(&names(*conn, table)?).map(|column| format!("ADD COLUMN {column} TEXT")).collect();
        if added.is_empty() {
            return Ok(());
        }
        match waiting(*conn, PATIENCE, &format!("ALTER TABLE {} {}", quoted(table), added.join(", "))) {
            // Another program was faster.
            Err(fault) if lacking(&names(*conn, table)?).next().is_some() => Err(fault),
            _ => Ok(()),
        }
    }

    fn insert(conn: &mut &mut S, table: &TableName, record: &Record) -> Result<(), Fault> {
        exactly_one(conn.change(&insertion(table, record, None))?, &record.id)
    }

    fn update(conn: &mut &mut S, table: &TableName, record: &Record) -> Result<(), Fault> {
        let (name, sets, id) = (quoted(table), sets(record), text(Some(record.id.as_str())));
        exactly_one(conn.change(&format!("UPDATE {name} SET {sets} WHERE name = {id}"))?, &record.id)
    }

    fn advance(
        conn: &mut &mut S,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        Ok(conn.change(&advance(table, id, from, to))? > 0)
    }

    fn delete(conn: &mut &mut S, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let sql = format!("DELETE FROM {} WHERE name = {}", quoted(table), text(Some(id.as_str())));
        exactly_one(conn.change(&sql)?, id)
    }

    fn stamp(conn: &mut &mut S, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let digest = text(Some(&digest.to_string()));
        conn.run(&format!("UPDATE {} SET basis = {digest} ORDER BY {PLACE} DESC LIMIT 1", quoted(table)))
    }

    fn create_log(conn: &mut &mut S, log: &TableName) -> Result<(), Fault> {
        if found(*conn, log)? { Ok(()) } else { conn.run(&log::creation(log)) }
    }

    fn append_log(conn: &mut &mut S, log: &TableName, entry: &LogEntry) -> Result<(), Fault> {
        exactly_one(conn.change(&log::insertion(log, entry))?, &entry.id)
    }

    fn read_log(conn: &mut &mut S, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        if !found(*conn, log)? {
            return Ok(Vec::new());
        }
        let texts = LOG_COLUMNS.map(|column| match column {
            "logged_on" => iso("logged_on"),
            column => plain(column),
        });
        Ok(log_entries(conn.rows(&select(&texts, &format!("FROM {} ORDER BY {PLACE}", quoted(log))))?))
    }
}

/// Whether the log exists.
fn found(conn: &mut impl Statements, log: &TableName) -> Result<bool, Fault> {
    log::is_log(log, &names(conn, log)?)
}
