//! The tracking table of SQL databases: its columns, and the forms that older programs gave it.

use std::fmt::Display;
use std::time::Duration;

use super::TableForm;
use crate::checksum::Checksum;
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::fault::{Fault, FaultKind};
use crate::history::{Dirty, Head, Record};
use crate::id::MigrationId;
use crate::sql::same_name;
use crate::stored::{StoredDown, StoredScript};

/// The current columns. Only the first two are required; `docs/format.md` explains each.
pub(super) const COLUMNS: [&str; 15] = [
    "name",
    "run_on",
    "checksum",
    "dirty",
    "duration_ms",
    "basis",
    "statement",
    "statements",
    "mark",
    "failure",
    "up_sql",
    "down_sql",
    "down_options",
    "down_checksum",
    "program",
];

/// How many of them the first table of the current form had. The others were added later, and a table without them is used as it is.
const FIRST_COLUMNS: usize = 14;

/// The columns that a table of the current form lacks.
pub(super) fn lacking(columns: &[String]) -> impl Iterator<Item = &'static str> + '_ {
    let is_lacking = |name: &&'static str| !columns.iter().any(|column| same_name(column, name));
    COLUMNS[FIRST_COLUMNS..].iter().copied().filter(is_lacking)
}

/// The columns of the log.
pub(super) const LOG_COLUMNS: [&str; 8] =
    ["name", "event", "logged_on", "applied_on", "checksum", "program", "who", "why"];

/// The columns that `moosicbox_schema` and early versions of `switchy_schema` gave the table, oldest first.
const LEGACY: [&str; 7] =
    ["id", "run_on", "finished_on", "status", "failure_reason", "up_checksum", "down_checksum"];

/// The column with the order of application, for a database that does not keep that order itself.
const PLACE: &str = "place";

/// The values of the column `dirty`. `NULL` is clean: the engine writes none, so it is from somebody who does not know the column.
pub(super) const CLEAN: i64 = 0;
pub(super) const UP_BEGAN: i64 = 1;
const DOWN_BEGAN: i64 = 2;
const DOWN_AGAIN: i64 = 3;
const UP_AGAIN: i64 = 4;

/// How to read a table: for each part of a record, the column that has it, or an expression of the two columns that may have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableLayout {
    pub(super) form: TableForm,
    pub(super) name: &'static str,
    pub(super) checksum: Option<&'static str>,
    pub(super) dirty: Option<&'static str>,
    pub(super) status: Option<&'static str>,
    pub(super) duration_ms: Option<&'static str>,
    pub(super) finished_on: Option<&'static str>,
    pub(super) digest: Option<&'static str>,
    pub(super) statement: Option<&'static str>,
    pub(super) statements: Option<&'static str>,
    pub(super) mark: Option<&'static str>,
    pub(super) failure: Option<&'static str>,
    pub(super) up_sql: Option<&'static str>,
    pub(super) down_sql: Option<&'static str>,
    pub(super) down_options: Option<&'static str>,
    pub(super) down_checksum: Option<&'static str>,
    pub(super) program: Option<&'static str>,
}

/// Recognises a table by the set of its columns, never by the text of its definition. `None` if it is not a tracking table.
fn recognise(columns: &[String]) -> Option<TableLayout> {
    let has = |name: &str| columns.iter().any(|column| same_name(column, name));
    let column = |name: &'static str| has(name).then_some(name);
    let known =
        |list: &[&str]| columns.iter().all(|column| list.iter().any(|known| same_name(column, known)));
    let is_current = COLUMNS[..FIRST_COLUMNS].iter().all(|name| has(name));
    let is_renamed = !has("name") && COLUMNS[1..FIRST_COLUMNS].iter().chain(&LEGACY).all(|name| has(name));
    if !has("run_on") {
        return None;
    }
    // Unknown columns belong to a later version if the table has the current form. Otherwise the table belongs to another program.
    if has("name") && (is_current || known(&COLUMNS)) {
        Some(TableLayout {
            form: match lacking(columns).next() {
                _ if !is_current => TableForm::Old,
                Some(_) => TableForm::Lacking,
                None => TableForm::Current,
            },
            name: "name",
            checksum: column("checksum"),
            dirty: column("dirty"),
            status: None,
            duration_ms: column("duration_ms"),
            finished_on: None,
            digest: column("basis"),
            statement: column("statement"),
            statements: column("statements"),
            mark: column("mark"),
            failure: column("failure"),
            up_sql: column("up_sql"),
            down_sql: column("down_sql"),
            down_options: column("down_options"),
            down_checksum: column("down_checksum"),
            program: column("program"),
        })
    } else if has("id") && known(&LEGACY) {
        Some(TableLayout {
            form: TableForm::Old,
            name: "id",
            checksum: column("up_checksum"),
            dirty: None,
            status: column("status"),
            duration_ms: None,
            finished_on: column("finished_on"),
            digest: None,
            statement: None,
            statements: None,
            mark: None,
            failure: column("failure_reason"),
            up_sql: None,
            down_sql: None,
            down_options: None,
            down_checksum: None,
            program: None,
        })
    } else if is_renamed && known(&[&COLUMNS[1..], &LEGACY, &[PLACE]].concat()) {
        // switchy_schema 0.5 takes the current table for one of the oldest form: it renames `name`, and adds the columns that are
        // missing. The rows that it writes have no values in the current columns. In the columns that it adds, the current rows have
        // values that it takes for unknown.
        Some(TableLayout {
            form: TableForm::Old,
            name: "id",
            checksum: Some("coalesce(checksum, up_checksum)"),
            dirty: Some("dirty"),
            status: Some("status"),
            duration_ms: Some("duration_ms"),
            finished_on: Some("finished_on"),
            digest: Some("basis"),
            statement: Some("statement"),
            statements: Some("statements"),
            mark: Some("mark"),
            failure: Some("coalesce(failure, failure_reason)"),
            up_sql: Some("up_sql"),
            down_sql: Some("down_sql"),
            down_options: Some("down_options"),
            down_checksum: Some("down_checksum"),
            program: column("program"),
        })
    } else {
        None
    }
}

/// The layout of a table with these columns.
///
/// # Errors
/// The table is not a tracking table.
pub(super) fn recognised(columns: &[String]) -> Result<TableLayout, Fault> {
    recognise(columns).ok_or_else(|| {
        let columns = columns.join(", ");
        let what = format!("the table exists and is not a tracking table, its columns are {columns}");
        Fault::new(FaultKind::ForeignTable, what)
    })
}

/// The fault of a table that has the name of the log and is not the log.
pub(super) fn foreign_log(log: &TableName, columns: &[String]) -> Fault {
    let columns = columns.join(", ");
    let what =
        format!("the table `{log}` exists and is not the log of migrations, its columns are {columns}");
    Fault::new(FaultKind::Other, what)
        .remedy("rename that table, since the migrations keep their log under its name")
}

/// Whether a record is there that is not dirty, as a statement with its name as the parameter finds out.
pub(super) fn asking_for_applied(table: &str, name: &str) -> String {
    format!("SELECT 1 FROM {table} WHERE name = {name} AND dirty = 0")
}

/// The head of a table of an older form: it is unknown until the table is read.
pub(super) const UNKNOWN_HEAD: Head = Head { digest: None, count: 0 };

impl TableLayout {
    /// The head of a table whose rows were all read, with the digest on its newest row.
    pub(super) fn head(&self, count: usize, digest: Option<&str>) -> Head {
        match (self.digest, count) {
            (None, _) => UNKNOWN_HEAD,
            (Some(_), 0) => Head::EMPTY,
            (Some(_), count) => Head { digest: digest.and_then(|text| text.parse().ok()), count },
        }
    }
}

/// Checks that one row was written. A trigger or a rule on a table of the engine could suppress a write, and a record that is not written
/// is an error.
pub(super) fn exactly_one<N: From<u8> + PartialEq + Display + Copy>(
    rows: N,
    id: &MigrationId,
) -> Result<(), Fault> {
    if rows == N::from(1) {
        return Ok(());
    }
    let what = format!("writing the record of `{id}` changed {rows} rows, not one");
    Err(Fault::new(FaultKind::Other, what))
}

/// A row, as any database returns it.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) run_on: String,
    pub(super) checksum: Option<String>,
    pub(super) dirty: i64,
    pub(super) status: Option<String>,
    pub(super) duration_ms: Option<u64>,
    pub(super) statement: Option<u32>,
    pub(super) statements: Option<u32>,
    pub(super) mark: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) up_sql: Option<String>,
    pub(super) down_sql: Option<String>,
    pub(super) down_options: Option<String>,
    pub(super) down_checksum: Option<String>,
    pub(super) program: Option<String>,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        let is_to_resume = matches!(row.dirty, DOWN_AGAIN | UP_AGAIN);
        let direction =
            if matches!(row.dirty, DOWN_BEGAN | DOWN_AGAIN) { Direction::Down } else { Direction::Up };
        let dirty = match row.status.as_deref() {
            Some("failed") => {
                let failure = row.failure.unwrap_or_else(|| "no reason was recorded".to_owned());
                Some(Dirty { statement: row.statement, failure: Some(failure), ..Dirty::begun(direction) })
            }
            Some("in_progress") => Some(Dirty::begun(direction)),
            _ => (row.dirty != CLEAN).then_some(Dirty {
                direction,
                statement: row.statement,
                of: row.statements,
                mark: row.mark,
                failure: row.failure,
                is_to_resume,
            }),
        };
        Self {
            run_on: row.run_on,
            checksum: row.checksum.and_then(|text| text.parse().ok()).filter(|&sum| sum != UNKNOWN),
            dirty,
            duration: row.duration_ms.map(Duration::from_millis),
            up_sql: row.up_sql,
            down: down(row.down_sql, row.down_options, row.down_checksum.as_deref()),
            program: row.program,
            ..Self::new(row.name, None)
        }
    }
}

/// The value of `down_options` if code undoes a migration.
const CODE: &str = "code";

fn down(text: Option<String>, options: Option<String>, checksum: Option<&str>) -> Option<StoredDown> {
    match (text, options) {
        (None, Some(options)) if options == CODE => Some(StoredDown::Code),
        (None, _) => None,
        (Some(text), options) => Some(StoredDown::Script(StoredScript {
            text,
            options: options.unwrap_or_default(),
            checksum: checksum.and_then(|text| text.parse().ok()),
        })),
    }
}

/// The value that older programs wrote for an unknown checksum: 64 zeros.
const UNKNOWN: Checksum = Checksum::from_bytes([0; 32]);

/// The value of the column `dirty` for an unfinished step.
pub(super) const fn state(dirty: &Dirty) -> i64 {
    match (dirty.direction, dirty.is_to_resume) {
        (Direction::Up, false) => UP_BEGAN,
        (Direction::Up, true) => UP_AGAIN,
        (Direction::Down, false) => DOWN_BEGAN,
        (Direction::Down, true) => DOWN_AGAIN,
    }
}

/// The values of a record, as any database takes them.
pub(super) struct Values<'a> {
    pub(super) name: &'a str,
    pub(super) run_on: Option<&'a str>,
    pub(super) checksum: Option<String>,
    pub(super) dirty: i64,
    pub(super) duration_ms: Option<i64>,
    pub(super) statement: Option<u32>,
    pub(super) statements: Option<u32>,
    pub(super) mark: Option<&'a str>,
    pub(super) failure: Option<&'a str>,
    pub(super) up_sql: Option<&'a str>,
    pub(super) down_sql: Option<&'a str>,
    pub(super) down_options: Option<&'a str>,
    pub(super) down_checksum: Option<String>,
    pub(super) program: Option<&'a str>,
}

impl<'a> From<&'a Record> for Values<'a> {
    fn from(record: &'a Record) -> Self {
        let dirty = record.dirty.as_ref();
        let script = match &record.down {
            Some(StoredDown::Script(script)) => Some(script),
            _ => None,
        };
        let options = match &record.down {
            Some(StoredDown::Code) => CODE,
            Some(StoredDown::Script(script)) => &script.options,
            None => "",
        };
        Self {
            name: record.id.as_str(),
            run_on: Some(&*record.run_on).filter(|run_on| !run_on.is_empty()),
            checksum: record.checksum.map(|checksum| checksum.to_string()),
            dirty: dirty.map_or(CLEAN, state),
            duration_ms: record.duration.and_then(|duration| i64::try_from(duration.as_millis()).ok()),
            statement: dirty.and_then(|dirty| dirty.statement),
            statements: dirty.and_then(|dirty| dirty.of),
            mark: dirty.and_then(|dirty| dirty.mark.as_deref()),
            failure: dirty.and_then(|dirty| dirty.failure.as_deref()),
            up_sql: record.up_sql.as_deref(),
            down_sql: script.map(|script| &*script.text),
            down_options: Some(options).filter(|options| !options.is_empty()),
            down_checksum: script.and_then(|script| script.checksum).map(|checksum| checksum.to_string()),
            program: record.program.as_deref(),
        }
    }
}
