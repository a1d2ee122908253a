//! Reading records and log entries from rows of texts.

use super::Texts;
use crate::backend::table::{Row, UP_BEGAN};
use crate::history::{Head, Record};
use crate::log_entry::{LogEntry, LogEntryKind};

/// A query for texts: each expression is a column with a name of its own, since some drivers find a value by the name of its column.
pub(in crate::backend) fn select(expressions: &[String], from: &str) -> String {
    let columns: Vec<String> =
        (0..).zip(expressions).map(|(number, expression)| format!("{expression} AS c{number}")).collect();
    format!("SELECT {} {from}", columns.join(", "))
}

/// The records, oldest first, and the digest on the newest of them. Each row has, as texts: `name`, `run_on`, `checksum`, `dirty`,
/// `status`, `duration_ms`, `statement`, `statements`, `mark`, `failure`, `up_sql`, `down_sql`, `down_options`, `down_checksum`, `basis`,
/// `program`.
pub(in crate::backend) fn records(rows: Texts) -> (Vec<Record>, Option<String>) {
    let mut digest = None;
    let records = rows.into_iter().map(|row| {
        let mut parts = row.into_iter();
        let mut text = || parts.next().flatten();
        let (name, run_on, checksum, dirty, status) = (text(), text(), text(), text(), text());
        let (duration, statement, statements, mark, failure) = (text(), text(), text(), text(), text());
        let (up_sql, down_sql, down_options, down_checksum) = (text(), text(), text(), text());
        digest = text();
        Record::from(Row {
            name: name.unwrap_or_default(),
            run_on: run_on.unwrap_or_default(),
            checksum,
            dirty: dirty.and_then(|dirty| dirty.parse().ok()).unwrap_or(UP_BEGAN),
            status,
            duration_ms: duration.and_then(|ms| ms.parse().ok()),
            statement: statement.and_then(|number| number.parse().ok()),
            statements: statements.and_then(|number| number.parse().ok()),
            mark,
            failure,
            up_sql,
            down_sql,
            down_options,
            down_checksum,
            program: text(),
        })
    });
    let records: Vec<Record> = records.collect();
    (records, digest)
}

/// The head of the history. Its row, if there is a record, has as texts the digest, and the number of records.
pub(in crate::backend) fn head(rows: &Texts) -> Head {
    let Some([digest, Some(count)]) = rows.first().map(Vec::as_slice) else { return Head::EMPTY };
    Head {
        digest: digest.as_deref().and_then(|text| text.parse().ok()),
        count: count.parse().unwrap_or_default(),
    }
}

/// The entries of the log. Each row has the columns of the log, in the order of their list.
pub(in crate::backend) fn log_entries(rows: Texts) -> Vec<LogEntry> {
    let entry = |row: Vec<Option<String>>| {
        let mut parts = row.into_iter();
        let mut text = || parts.next().flatten();
        let (name, kind) = (text().unwrap_or_default(), text().unwrap_or_default());
        LogEntry {
            logged_on: text().unwrap_or_default(),
            applied_on: text(),
            checksum: text().and_then(|text| text.parse().ok()),
            program: text(),
            who: text(),
            why: text(),
            ..LogEntry::new(name, LogEntryKind::from(&*kind))
        }
    };
    rows.into_iter().map(entry).collect()
}
