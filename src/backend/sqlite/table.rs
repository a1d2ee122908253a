//! The tracking table in SQL: its definition, and reading and writing its rows.

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, ToSql, params};

use super::fault::{begins, in_file};
use super::query::value;
use super::{fault, in_main, message};
use crate::backend::TableForm;
use crate::backend::table::{
    CLEAN, Row, TableLayout, UNKNOWN_HEAD, UP_BEGAN, Values, exactly_one, recognised,
};
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};
use crate::history::{Head, HistoryDigest, Record};
use crate::sql::Tokens;

/// The columns of the table.
pub(super) const DEFINITION: &str = "(
    name TEXT NOT NULL UNIQUE,
    run_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now')),
    checksum TEXT,
    dirty INTEGER NOT NULL DEFAULT 0,
    duration_ms INTEGER,
    basis TEXT,
    statement INTEGER,
    statements INTEGER,
    mark TEXT,
    failure TEXT,
    up_sql TEXT,
    down_sql TEXT,
    down_options TEXT,
    down_checksum TEXT,
    program TEXT
)";

/// The digest on the newest record, unless a record is dirty, and the number of records.
pub(super) fn head(conn: &Connection, table: &TableName, sql: &str) -> Result<Head, Fault> {
    let read = || -> rusqlite::Result<Option<Head>> {
        let mut statement = conn.prepare(sql)?;
        let asks_for_dirty = statement.column_count() > 2;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        // A comparison with `NULL` is neither true nor false.
        let is_dirty = asks_for_dirty && row.get::<_, Option<bool>>(2)?.unwrap_or(false);
        let digest = row.get_ref(0)?.as_str().ok().filter(|_| !is_dirty).and_then(|text| text.parse().ok());
        Ok(Some(Head { digest, count: usize::try_from(row.get::<_, i64>(1)?).unwrap_or_default() }))
    };
    match read() {
        Ok(head) => Ok(head.unwrap_or(Head::EMPTY)),
        Err(error) if is_missing(&error, table) => Ok(Head::EMPTY),
        Err(error) if message(&error).starts_with("no such column: ") => Ok(UNKNOWN_HEAD),
        Err(error) => Err(in_file(conn)(error)),
    }
}

/// Adds a record, with this digest on it. What the record does not have is left out, since preparing the statement takes time in
/// proportion to its columns.
pub(super) fn insert(
    conn: &Connection,
    table: &TableName,
    record: &Record,
    digest: Option<HistoryDigest>,
) -> Result<(), Fault> {
    let values = Values::from(record);
    let digest = digest.map(|digest| digest.to_string());
    let all: [(&str, &dyn ToSql); 15] = [
        ("run_on", &values.run_on),
        ("name", &values.name),
        ("checksum", &values.checksum),
        ("dirty", &values.dirty),
        ("duration_ms", &values.duration_ms),
        ("statement", &values.statement),
        ("statements", &values.statements),
        ("mark", &values.mark),
        ("failure", &values.failure),
        ("up_sql", &values.up_sql),
        ("down_sql", &values.down_sql),
        ("down_options", &values.down_options),
        ("down_checksum", &values.down_checksum),
        ("program", &values.program),
        ("basis", &digest),
    ];
    let has_value = |value: &dyn ToSql| !matches!(value.to_sql(), Ok(ToSqlOutput::Owned(Value::Null)));
    let (mut columns, mut places) = (String::with_capacity(160), String::with_capacity(80));
    let mut given = Vec::with_capacity(all.len());
    if values.run_on.is_none() {
        columns.push_str("run_on, ");
        places.push_str("strftime('%Y-%m-%dT%H:%M:%f', 'now'), ");
    }
    for (column, value) in all.into_iter().filter(|(_, value)| has_value(*value)) {
        let comma = if given.is_empty() { "" } else { ", " };
        columns.extend([comma, column]);
        places.extend([comma, "?"]);
        given.push(value);
    }
    let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", in_main(table));
    exactly_one(conn.execute(&sql, &*given).map_err(fault)?, &record.id)
}

/// Replaces everything about a record except its name and the digest on it.
pub(super) fn update(conn: &Connection, table: &TableName, record: &Record) -> Result<(), Fault> {
    let values = Values::from(record);
    let params = params![
        values.name,
        values.run_on,
        values.checksum,
        values.dirty,
        values.duration_ms,
        values.statement,
        values.statements,
        values.mark,
        values.failure,
        values.up_sql,
        values.down_sql,
        values.down_options,
        values.down_checksum,
        values.program
    ];
    let sql = format!(
        "UPDATE {} SET run_on = coalesce(?2, run_on), checksum = ?3, dirty = ?4, duration_ms = ?5,
        statement = ?6, statements = ?7, mark = ?8, failure = ?9, up_sql = ?10, down_sql = ?11,
        down_options = ?12, down_checksum = ?13, program = ?14 WHERE name = ?1",
        in_main(table)
    );
    exactly_one(conn.execute(&sql, params).map_err(fault)?, &record.id)
}

/// The columns of the table as it is now. The statement is run, because preparing it does not notice a schema that was rolled back after
/// `PRAGMA writable_schema = RESET`.
pub(super) fn columns(conn: &Connection, name: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(&format!("SELECT * FROM {name} LIMIT 0"))?;
    statement.query([])?.next()?;
    (0..statement.column_count()).map(|column| statement.column_name(column).map(str::to_owned)).collect()
}

/// The records, oldest first, and the digest on the newest of them.
pub(super) fn records(
    conn: &Connection,
    name: &str,
    reading: &TableLayout,
) -> rusqlite::Result<(Vec<Record>, Option<String>)> {
    let or_null = |column: Option<&'static str>| column.unwrap_or("NULL");
    let measured = or_null(reading.duration_ms);
    let duration = match reading.finished_on {
        Some(finished) => format!(
            "coalesce({measured}, CAST(round((julianday({finished}) - julianday(run_on)) * 86400000) AS INTEGER))"
        ),
        None => measured.to_owned(),
    };
    let sql = format!(
        "SELECT CAST({} AS TEXT), CAST(run_on AS TEXT), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}
        FROM {name} ORDER BY rowid",
        reading.name,
        or_null(reading.checksum),
        reading.dirty.unwrap_or("0"),
        or_null(reading.status),
        duration,
        or_null(reading.statement),
        or_null(reading.failure),
        or_null(reading.digest),
        or_null(reading.up_sql),
        or_null(reading.down_sql),
        or_null(reading.down_options),
        or_null(reading.down_checksum),
        or_null(reading.statements),
        or_null(reading.mark),
        or_null(reading.program),
    );
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut records, mut digest) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        // Columns have no fixed type in SQLite. A value of another type than the engine writes is treated as absent.
        let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok()).map(str::to_owned);
        records.push(Record::from(Row {
            name: text(0).unwrap_or_default(),
            run_on: text(1).unwrap_or_default(),
            checksum: text(2),
            dirty: row.get(3).map_or(UP_BEGAN, |dirty: Option<i64>| dirty.unwrap_or(CLEAN)),
            status: text(4),
            duration_ms: row.get::<_, i64>(5).ok().and_then(|ms| u64::try_from(ms).ok()),
            statement: row.get(6).ok(),
            statements: row.get(13).ok(),
            mark: text(14),
            failure: text(7),
            up_sql: text(9),
            down_sql: text(10),
            down_options: text(11),
            down_checksum: text(12),
            program: text(15),
        }));
        digest = text(8);
    }
    Ok((records, digest))
}

/// The parts of a record as texts, in the order in which rows of texts are read. A value of another type than the engine writes is treated
/// as absent, and such a mark of an unfinished step as a mark.
pub(super) fn selected(reading: &TableLayout) -> [String; 16] {
    let of = |kind: &str, column: Option<&'static str>| match column {
        Some(column) => format!("CASE typeof({column}) WHEN '{kind}' THEN CAST({column} AS TEXT) END"),
        None => "NULL".to_owned(),
    };
    let text = |column| of("text", column);
    let number = |column| of("integer", column);
    let dirty = reading.dirty.unwrap_or("0");
    let duration = match reading.finished_on {
        Some(finished) => format!(
            "CAST(coalesce({}, CAST(round((julianday({finished}) - julianday(run_on)) * 86400000) AS INTEGER)) AS TEXT)",
            reading.duration_ms.unwrap_or("NULL")
        ),
        None => number(reading.duration_ms),
    };
    [
        format!("CAST({} AS TEXT)", reading.name),
        "CAST(run_on AS TEXT)".to_owned(),
        text(reading.checksum),
        format!(
            "CASE typeof({dirty}) WHEN 'integer' THEN CAST({dirty} AS TEXT) WHEN 'null' THEN '{CLEAN}' END"
        ),
        text(reading.status),
        duration,
        number(reading.statement),
        number(reading.statements),
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

/// The query for the digest on the newest record, unless a record is dirty, and the number of records.
pub(super) fn heading_of_clean(table: &TableName) -> String {
    let name = in_main(table);
    format!(
        "SELECT CASE WHEN dirty <> 0 OR EXISTS (SELECT 1 FROM {name} WHERE dirty <> 0) OR typeof(basis) <> 'text' THEN NULL ELSE basis END \
         AS c0, CAST((SELECT count(*) FROM {name}) AS TEXT) AS c1 FROM {name} ORDER BY rowid DESC LIMIT 1"
    )
}

/// Creates an index of the dirty records alone, so that a start finds them without reading the others. If the application has another
/// object with that name, no index is created, and the start reads the table.
pub(super) fn index_dirty(conn: &Connection, table: &TableName) -> rusqlite::Result<()> {
    let name = format!("{}_dirty", table.as_str());
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE)";
    if value(conn, sql, &[&name])? {
        return Ok(());
    }
    let index = quote(&name);
    conn.execute_batch(&format!("CREATE INDEX main.{index} ON {} (dirty) WHERE dirty <> 0", table.quoted()))
}

/// The layout of a table with these columns. A table of an older form is replaced, which drops it, so it must be a plain table: a virtual
/// table may have such columns too.
pub(super) fn recognised_table(
    conn: &Connection,
    table: &TableName,
    columns: &[String],
) -> Result<TableLayout, Fault> {
    let layout = recognised(columns)?;
    if layout.form == TableForm::Current {
        return Ok(layout);
    }
    let sql = "SELECT coalesce(sql, type) FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let made: String = value(conn, sql, &[table.as_str()]).map_err(fault)?;
    let kind = match Tokens::new(&made).nth(1) {
        Some(token) if token.is("virtual") => "a virtual table",
        Some(token) if token.is("view") => "a view",
        _ => return Ok(layout),
    };
    let what = format!("it is {kind} and not a tracking table; it stays as it is");
    Err(Fault::new(FaultKind::ForeignTable, what))
}

/// Refuses an index with the name of a tracking table that is missing: no table can have that name.
pub(super) fn refuse_index(conn: &Connection, table: &TableName) -> Result<(), Fault> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'index' AND name = ?1 COLLATE NOCASE)";
    if value(conn, sql, &[table.as_str()]).map_err(in_file(conn))? {
        let what = "it is an index and not a tracking table; it stays as it is";
        return Err(Fault::new(FaultKind::ForeignTable, what));
    }
    Ok(())
}

pub(super) fn is_missing(error: &rusqlite::Error, table: &TableName) -> bool {
    begins(error, &format!("no such table: main.{table}"))
}
