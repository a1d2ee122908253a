//! The tracking table in SQL: its definition, and reading and writing its rows.

use mysql::Conn;
use mysql::prelude::Queryable;

use super::query::{self, code, column, fault, first, get, run, text};
use super::{PLACE, quoted};
use crate::backend::table::{Row, TableLayout, UNKNOWN_HEAD, UP_BEGAN, Values, state};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;

pub(super) fn head(conn: &mut Conn, table: &TableName, digest: &str) -> Result<Head, Fault> {
    let name = quoted(table);
    let sql =
        format!("SELECT {digest}, (SELECT COUNT(*) FROM {name}) FROM {name} ORDER BY {PLACE} DESC LIMIT 1");
    match first(conn, &sql) {
        Ok(None) => Ok(Head::EMPTY),
        Ok(Some(row)) => Ok(Head {
            digest: get::<String>(&row, 0).and_then(|text| text.parse().ok()),
            count: get(&row, 1).unwrap_or_default(),
        }),
        Err(error) if code(&error) == Some(query::NO_SUCH_TABLE) => Ok(Head::EMPTY),
        Err(error) if code(&error) == Some(query::UNKNOWN_COLUMN) => Ok(UNKNOWN_HEAD),
        Err(error) => Err(fault(error)),
    }
}

/// The statement that adds a record with its digest.
pub(super) fn insertion(table: &TableName, record: &Record, digest: Option<HistoryDigest>) -> String {
    format!("INSERT INTO {} ({INSERTED}) VALUES ({})", quoted(table), inserted(record, digest))
}

/// The columns that are written for a new record.
pub(super) const INSERTED: &str =
    "name, run_on, checksum, dirty, duration_ms, statement, statements, mark, failure, up_sql, down_sql,
            down_options, down_checksum, program, basis";

/// The values of these columns.
pub(super) fn inserted(record: &Record, digest: Option<HistoryDigest>) -> String {
    let values = Values::from(record);
    format!(
        "{}, {}, {}, {}",
        text(Some(values.name)),
        dated(values.run_on, "UTC_TIMESTAMP(3)"),
        rest(&values).map(|(_, value)| value).join(", "),
        text(digest.map(|digest| digest.to_string()).as_deref())
    )
}

/// The assignments that rewrite a record. They change its date only if the record has one.
pub(super) fn sets(record: &Record) -> String {
    let values = Values::from(record);
    let sets = rest(&values).map(|(column, value)| format!("{column} = {value}")).join(", ");
    format!("run_on = {}, {sets}", dated(values.run_on, "run_on"))
}

/// The condition that a record is as an unfinished step left it.
pub(super) fn is_at(id: &MigrationId, from: &Dirty) -> String {
    format!(
        "name = {} AND dirty = {} AND statement <=> {} AND mark <=> {}",
        text(Some(id.as_str())),
        state(from),
        number(from.statement),
        text(from.mark.as_deref())
    )
}

/// The statement that writes how far an unfinished step got, if its record is at `from`.
pub(super) fn advance(table: &TableName, id: &MigrationId, from: &Dirty, to: &Dirty) -> String {
    format!(
        "UPDATE {} SET statement = {}, statements = {}, mark = {}, failure = {} WHERE {}",
        quoted(table),
        number(to.statement),
        number(to.of),
        text(to.mark.as_deref()),
        text(to.failure.as_deref()),
        is_at(id, from)
    )
}

/// The definition of the table's columns. All columns have one character set, whatever the default of the database is, and are compared
/// byte by byte, including trailing blanks if the server supports that.
pub(super) fn definition(conn: &mut Conn) -> Result<String, Fault> {
    let sql = "SELECT COLLATION_NAME FROM information_schema.COLLATIONS
        WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')";
    Ok(collated(column::<String>(conn, sql).map_err(fault)?.as_deref()))
}

/// The definition with this collation, if the server has one that compares trailing blanks.
pub(super) fn collated(collation: Option<&str>) -> String {
    let collation = collation.unwrap_or("utf8mb4_bin");
    format!("{COLUMNS} ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}")
}

const COLUMNS: &str = "(
    place BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(700) NOT NULL UNIQUE,
    run_on DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    checksum CHAR(64),
    dirty INT NOT NULL DEFAULT 0,
    duration_ms BIGINT,
    basis CHAR(64),
    statement INT UNSIGNED,
    statements INT UNSIGNED,
    mark TEXT,
    failure MEDIUMTEXT,
    up_sql MEDIUMTEXT,
    down_sql LONGTEXT,
    down_options TEXT,
    down_checksum CHAR(64),
    program TEXT
)";

fn number(value: Option<impl ToString>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// A date of the engine in UTC, or `otherwise` if there is no date.
fn dated(date: Option<&str>, otherwise: &str) -> String {
    format!("COALESCE(CAST({} AS DATETIME(3)), {otherwise})", text(date))
}

/// The columns of a record after its name and date, with their values in SQL.
fn rest(values: &Values<'_>) -> [(&'static str, String); 12] {
    [
        ("checksum", text(values.checksum.as_deref())),
        ("dirty", values.dirty.to_string()),
        ("duration_ms", number(values.duration_ms)),
        ("statement", number(values.statement)),
        ("statements", number(values.statements)),
        ("mark", text(values.mark)),
        ("failure", text(values.failure)),
        ("up_sql", text(values.up_sql)),
        ("down_sql", text(values.down_sql)),
        ("down_options", text(values.down_options)),
        ("down_checksum", text(values.down_checksum.as_deref())),
        ("program", text(values.program)),
    ]
}

/// Runs an update, and returns the number of rows that it found, including rows that it did not change.
pub(super) fn matched(conn: &mut Conn, sql: &str) -> Result<u64, Fault> {
    run(conn, sql)?;
    // `Rows matched: 1  Changed: 0  Warnings: 0`, in the language of the server: `匹配行：1已更改：0警告：0`. The number of affected rows counts
    // only changed rows.
    let info = conn.info_str();
    let matched = info.split(|c: char| !c.is_ascii_digit()).find(|number| !number.is_empty());
    Ok(matched.and_then(|number| number.parse().ok()).unwrap_or_else(|| conn.affected_rows()))
}

/// A date in the format of records: UTC, with milliseconds.
pub(super) fn iso(moment: &str) -> String {
    format!("LEFT(DATE_FORMAT({moment}, '%Y-%m-%dT%H:%i:%s.%f'), 23)")
}

/// The parts of a record as texts, in the order in which rows of texts are read.
pub(super) fn selected(reading: &TableLayout, is_stamp: bool) -> [String; 16] {
    let text = |column: Option<&'static str>| {
        column.map_or("NULL".to_owned(), |column| format!("CAST({column} AS CHAR)"))
    };
    // A `TIMESTAMP` is shown in the time zone of the session.
    let utc = if is_stamp { "CONVERT_TZ(run_on, @@session.time_zone, '+00:00')" } else { "run_on" };
    let (measured, finished) = (reading.duration_ms.unwrap_or("NULL"), reading.finished_on.unwrap_or("NULL"));
    [
        text(Some(reading.name)),
        iso(utc),
        text(reading.checksum),
        format!("CAST(coalesce({}, 0) AS CHAR)", reading.dirty.unwrap_or("0")),
        text(reading.status),
        format!(
            "CAST(COALESCE({measured}, TIMESTAMPDIFF(MICROSECOND, run_on, {finished}) DIV 1000) AS CHAR)"
        ),
        text(reading.statement),
        text(reading.statements),
        text(reading.mark),
        text(reading.failure),
        text(reading.up_sql),
        text(reading.down_sql),
        text(reading.down_options),
        text(reading.down_checksum),
        text(reading.digest),
        text(reading.program),
    ]
}

/// The records, oldest first, and the digest on the newest of them.
pub(super) fn records(
    conn: &mut Conn,
    table: &TableName,
    reading: &TableLayout,
    has_places: bool,
    is_stamp: bool,
) -> Result<(Vec<Record>, Option<String>), Fault> {
    let or_null = |column: Option<&'static str>| column.unwrap_or("NULL");
    // A `TIMESTAMP` is shown in the time zone of the session.
    let utc = if is_stamp { "CONVERT_TZ(run_on, @@session.time_zone, '+00:00')" } else { "run_on" };
    let (measured, finished) = (or_null(reading.duration_ms), or_null(reading.finished_on));
    let duration = format!("COALESCE({measured}, TIMESTAMPDIFF(MICROSECOND, run_on, {finished}) DIV 1000)");
    let sql = format!(
        "SELECT {}, {}, {}, {}, {}, {duration}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {} FROM {} ORDER BY {}",
        reading.name,
        iso(utc),
        or_null(reading.checksum),
        format_args!("coalesce({}, 0)", reading.dirty.unwrap_or("0")),
        or_null(reading.status),
        or_null(reading.statement),
        or_null(reading.statements),
        or_null(reading.mark),
        or_null(reading.failure),
        or_null(reading.up_sql),
        or_null(reading.down_sql),
        or_null(reading.down_options),
        or_null(reading.down_checksum),
        or_null(reading.digest),
        or_null(reading.program),
        quoted(table),
        if has_places { PLACE } else { "run_on" },
    );
    let record = |row: &mysql::Row| {
        Record::from(Row {
            name: query::get(row, 0).unwrap_or_default(),
            run_on: query::get(row, 1).unwrap_or_default(),
            checksum: query::get(row, 2),
            dirty: query::get(row, 3).unwrap_or(UP_BEGAN),
            status: query::get(row, 4),
            duration_ms: query::get(row, 5),
            statement: query::get(row, 6),
            statements: query::get(row, 7),
            mark: query::get(row, 8),
            failure: query::get(row, 9),
            up_sql: query::get(row, 10),
            down_sql: query::get(row, 11),
            down_options: query::get(row, 12),
            down_checksum: query::get(row, 13),
            program: query::get(row, 15),
        })
    };
    let rows: Vec<mysql::Row> = conn.query(sql).map_err(fault)?;
    let digest = rows.last().and_then(|row| query::get(row, 14));
    Ok((rows.iter().map(record).collect(), digest))
}
