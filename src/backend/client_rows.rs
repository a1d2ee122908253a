//! [`ClientRows`]: the statements that write records as they stand, for the database's own client and for sessions of other drivers.

use super::table::{Values, state};
use crate::history::{Dirty, HistoryDigest, Record};
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
        self.inserted(record, self.now, Some(digest))
    }

    /// The statement that adds a record with its own date, if it has one. `date` makes the value of the column from a literal.
    pub(super) fn insert(
        &self,
        record: &Record,
        digest: Option<HistoryDigest>,
        date: fn(&str) -> String,
    ) -> String {
        let own = Some(&*record.run_on).filter(|run_on| !run_on.is_empty());
        let date = own.map_or_else(|| self.now.to_owned(), |own| date(&(self.literal)(Some(own))));
        self.inserted(record, &date, digest)
    }

    fn inserted(&self, record: &Record, date: &str, digest: Option<HistoryDigest>) -> String {
        let (columns, values): (Vec<_>, Vec<_>) = self.values(record).into_iter().unzip();
        format!(
            "INSERT INTO {} (run_on, {}, basis) VALUES ({date}, {}, {});",
            self.table,
            columns.join(", "),
            values.join(", "),
            self.digest(digest)
        )
    }

    pub(super) fn update(&self, record: &Record) -> String {
        self.updated(record, "")
    }

    /// The statement that rewrites a record, also its date if the new one has a date.
    pub(super) fn rewrite(&self, record: &Record, date: fn(&str) -> String) -> String {
        let own = Some(&*record.run_on).filter(|run_on| !run_on.is_empty());
        let date = own.map(|own| format!("run_on = {}, ", date(&(self.literal)(Some(own)))));
        self.updated(record, &date.unwrap_or_default())
    }

    fn updated(&self, record: &Record, date: &str) -> String {
        let sets: Vec<String> =
            self.values(record).into_iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let id = (self.literal)(Some(record.id.as_str()));
        format!("UPDATE {} SET {date}{} WHERE name = {id};", self.table, sets.join(", "))
    }

    /// The statement that writes how far an unfinished step got, if its record is at `from`. `is` compares values that may be `NULL`.
    pub(super) fn advance(&self, id: &MigrationId, from: &Dirty, to: &Dirty, is: &str) -> String {
        let text = self.literal;
        format!(
            "UPDATE {} SET statement = {}, statements = {}, mark = {}, failure = {} WHERE name = {} AND dirty = {} AND statement {is} {} \
             AND mark {is} {};",
            self.table,
            number(to.statement.map(i64::from)),
            number(to.of.map(i64::from)),
            text(to.mark.as_deref()),
            text(to.failure.as_deref()),
            text(Some(id.as_str())),
            state(from),
            number(from.statement.map(i64::from)),
            text(from.mark.as_deref())
        )
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

    /// The statement that adds an entry to the log, with who made it and why.
    pub(super) fn whole_log_entry(&self, entry: &LogEntry) -> String {
        let checksum = entry.checksum.map(|checksum| checksum.to_string());
        let values = [
            Some(entry.id.as_str()),
            Some(entry.kind.name()),
            entry.applied_on.as_deref(),
            checksum.as_deref(),
            entry.program.as_deref(),
            entry.who.as_deref(),
            entry.why.as_deref(),
        ];
        format!(
            "INSERT INTO {} (name, event, applied_on, checksum, program, who, why) VALUES ({});",
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

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}
