//! The log beside the tracking table.

use mysql::Conn;
use mysql::prelude::Queryable;

use super::query::columns;
use super::query::{fault, get, run, text};
use super::table::iso;
use super::{PLACE, quoted};
use crate::backend::table::{LOG_COLUMNS, exactly_one, foreign_log};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::log_entry::{LogEntry, LogEntryKind};

/// The statement that creates the log if it is missing.
pub(super) fn creation(log: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (
    {PLACE} BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(700) NOT NULL,
    event VARCHAR(64) NOT NULL,
    logged_on DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    applied_on TEXT,
    checksum CHAR(64),
    program TEXT,
    who TEXT,
    why TEXT
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        quoted(log)
    )
}

pub(super) fn create(conn: &mut Conn, log: &TableName) -> Result<(), Fault> {
    if !found(conn, log)? {
        run(conn, &creation(log))?;
    }
    Ok(())
}

/// The statement that adds an entry.
pub(super) fn insertion(log: &TableName, log_entry: &LogEntry) -> String {
    let checksum = log_entry.checksum.map(|checksum| checksum.to_string());
    let values = [
        Some(log_entry.id.as_str()),
        Some(log_entry.kind.name()),
        log_entry.applied_on.as_deref(),
        checksum.as_deref(),
        log_entry.program.as_deref(),
        log_entry.who.as_deref(),
        log_entry.why.as_deref(),
    ];
    format!(
        "INSERT INTO {} (name, event, applied_on, checksum, program, who, why, logged_on) VALUES ({}, UTC_TIMESTAMP(3))",
        quoted(log),
        values.map(text).join(", ")
    )
}

pub(super) fn write(conn: &mut Conn, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
    run(conn, &insertion(log, log_entry))?;
    exactly_one(conn.affected_rows(), &log_entry.id)
}

pub(super) fn read(conn: &mut Conn, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
    if !found(conn, log)? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT name, event, {}, applied_on, checksum, program, who, why FROM {} ORDER BY {PLACE}",
        iso("logged_on"),
        quoted(log)
    );
    let log_entry = |row: mysql::Row| {
        let text = |column| get::<String>(&row, column);
        let kind = text(1).unwrap_or_default();
        LogEntry {
            logged_on: text(2).unwrap_or_default(),
            applied_on: text(3),
            checksum: text(4).and_then(|text| text.parse().ok()),
            program: text(5),
            who: text(6),
            why: text(7),
            ..LogEntry::new(text(0).unwrap_or_default(), LogEntryKind::from(&*kind))
        }
    };
    conn.query_map(sql, log_entry).map_err(fault)
}

/// Whether the log exists.
fn found(conn: &mut Conn, log: &TableName) -> Result<bool, Fault> {
    let found: Vec<String> = columns(conn, log)?.into_iter().map(|(name, _)| name).collect();
    is_log(log, &found)
}

/// Whether the log exists, by the columns of its table: none if there is no such table.
pub(super) fn is_log(log: &TableName, found: &[String]) -> Result<bool, Fault> {
    let has = |name: &&str| found.iter().any(|column| column == name);
    if found.is_empty() || LOG_COLUMNS.iter().all(has) {
        Ok(!found.is_empty())
    } else {
        Err(foreign_log(log, found))
    }
}
