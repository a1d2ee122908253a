//! [`ClientRows`]: the statements with which the database's own client writes records.

use super::table::Values;
use crate::history::{HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// Writes statements about rows of the tracking table and its log.
pub(super) struct ClientRows {
    /// The quoted name of the tracking table.
    pub(super) table: String,
    /// The quoted name of the log.
    pub(super) log: String,
    /// The column by which the records are ordered.
    pub(super) place: &'static str,
    /// The expression for the present time.
    pub(super) now: &'static str,
    /// A text as an SQL literal, or `NULL`.
    pub(super) literal: fn(Option<&str>) -> String,
}

impl ClientRows {
    pub(super) fn append(&self, record: &Record, digest: HistoryDigest) -> String {
        let (columns, values): (Vec<_>, Vec<_>) = self.values(record).into_iter().unzip();
        format!(
            "INSERT INTO {} (run_on, {}, basis) VALUES ({}, {}, {});",
            self.table,
            columns.join(", "),
            self.now,
            values.join(", "),
            self.digest(Some(digest))
        )
    }

    pub(super) fn update(&self, record: &Record) -> String {
        let sets: Vec<String> =
            self.values(record).into_iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let id = (self.literal)(Some(record.id.as_str()));
        format!("UPDATE {} SET {} WHERE name = {id};", self.table, sets.join(", "))
    }

    pub(super) fn delete(&self, id: &MigrationId) -> String {
        format!("DELETE FROM {} WHERE name = {};", self.table, (self.literal)(Some(id.as_str())))
    }

    pub(super) fn stamp(&self, digest: HistoryDigest) -> String {
        let (table, place) = (&self.table, self.place);
        let digest = self.digest(Some(digest));
        format!("UPDATE {table} SET basis = {digest} WHERE {place} = (SELECT max({place}) FROM {table});")
    }

    pub(super) fn log_entry(&self, entry: &LogEntry) -> String {
        let checksum = entry.checksum.map(|checksum| checksum.to_string());
        let values = [
            Some(entry.id.as_str()),
            Some(entry.kind.name()),
            entry.applied_on.as_deref(),
            checksum.as_deref(),
            entry.program.as_deref(),
        ];
        format!(
            "INSERT INTO {} (name, event, applied_on, checksum, program) VALUES ({});",
            self.log,
            values.map(self.literal).join(", ")
        )
    }

    /// A digest as a literal.
    pub(super) fn digest(&self, digest: Option<HistoryDigest>) -> String {
        (self.literal)(digest.map(|digest| digest.to_string()).as_deref())
    }

    /// The columns of a record with their values, except its date and the digest on it.
    fn values(&self, record: &Record) -> [(&'static str, String); 13] {
        let values = Values::from(record);
        let text = self.literal;
        let number = |value: Option<i64>| value.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
        [
            ("name", text(Some(values.name))),
            ("checksum", text(values.checksum.as_deref())),
            ("dirty", values.dirty.to_string()),
            ("duration_ms", number(values.duration_ms)),
            ("statement", number(values.statement.map(i64::from))),
            ("statements", number(values.statements.map(i64::from))),
            ("mark", text(values.mark)),
            ("failure", text(values.failure)),
            ("up_sql", text(values.up_sql)),
            ("down_sql", text(values.down_sql)),
            ("down_options", text(values.down_options)),
            ("down_checksum", text(values.down_checksum.as_deref())),
            ("program", text(values.program)),
        ]
    }
}
