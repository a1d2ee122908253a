//! The log beside the tracking table.

use rusqlite::{Connection, params};

use super::table::{columns, is_missing};
use super::{fault, in_main};
use crate::backend::table::{LOG_COLUMNS, exactly_one, foreign_log};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::log_entry::{LogEntry, LogEntryKind};
use crate::sql::same_name;

/// The columns of the log.
pub(super) const DEFINITION: &str = "(
    name TEXT NOT NULL,
    event TEXT NOT NULL,
    logged_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now')),
    applied_on TEXT,
    checksum TEXT,
    program TEXT,
    who TEXT,
    why TEXT
)";

pub(super) fn write(conn: &Connection, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
    let name = in_main(log);
    conn.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {name} {DEFINITION}")).map_err(fault)?;
    refuse_foreign(log, &columns(conn, &name).map_err(fault)?)?;
    let sql = format!(
        "INSERT INTO {name} (name, event, applied_on, checksum, program, who, why)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    );
    let checksum = log_entry.checksum.map(|checksum| checksum.to_string());
    let LogEntry { id, kind, applied_on, program, who, why, .. } = log_entry;
    let params = params![id.as_str(), kind.name(), applied_on, checksum, program, who, why];
    exactly_one(conn.execute(&sql, params).map_err(fault)?, &log_entry.id)
}

pub(super) fn read(conn: &Connection, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
    let name = in_main(log);
    match columns(conn, &name) {
        Err(error) if is_missing(&error, log) => return Ok(Vec::new()),
        found => refuse_foreign(log, &found.map_err(fault)?)?,
    }
    let read = || -> rusqlite::Result<Vec<LogEntry>> {
        let sql = format!("SELECT {} FROM {name} ORDER BY rowid", LOG_COLUMNS.join(", "));
        let mut statement = conn.prepare(&sql)?;
        let rows = statement.query_map([], |row| {
            // A value of another type than the engine writes is treated as absent.
            let text =
                |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok()).map(str::to_owned);
            let kind = LogEntryKind::from(&*text(1).unwrap_or_default());
            Ok(LogEntry {
                logged_on: text(2).unwrap_or_default(),
                applied_on: text(3),
                checksum: text(4).and_then(|text| text.parse().ok()),
                program: text(5),
                who: text(6),
                why: text(7),
                ..LogEntry::new(text(0).unwrap_or_default(), kind)
            })
        })?;
        rows.collect()
    };
    read().map_err(fault)
}

pub(super) fn refuse_foreign(log: &TableName, found: &[String]) -> Result<(), Fault> {
    let has = |name: &&str| found.iter().any(|column| same_name(column, name));
    if LOG_COLUMNS.iter().all(has) { Ok(()) } else { Err(foreign_log(log, found)) }
}
