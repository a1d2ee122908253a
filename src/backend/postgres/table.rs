//! The tracking table in SQL: its definition, and reading and writing its rows.

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};

use super::{PLACE, execute, fault, query};
use crate::backend::table::{CLEAN, Row, TableLayout, UNKNOWN_HEAD, Values, exactly_one};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Head, Record};

pub(super) fn heading(table: &TableName, digest: &str) -> String {
    let name = table.quoted();
    format!("SELECT {digest}, (SELECT count(*) FROM {name}) FROM {name} ORDER BY {PLACE} DESC LIMIT 1")
}

pub(super) fn head(conn: &mut Client, sql: &str) -> Result<Head, Fault> {
    // The simple protocol takes one round trip; a prepared statement takes two.
    let rows = match conn.simple_query(sql) {
        Ok(rows) => rows,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(Head::EMPTY),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => return Ok(UNKNOWN_HEAD),
        Err(error) => return Err(fault(error)),
    };
    Ok(head_of(&rows))
}

/// The head in the server's answer.
pub(super) fn head_of(messages: &[SimpleQueryMessage]) -> Head {
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.map_or(Head::EMPTY, |row| Head {
        digest: row.get(0).and_then(|text| text.parse().ok()),
        count: row.get(1).and_then(|text| text.parse().ok()).unwrap_or_default(),
    })
}

pub(super) fn inserting(table: &TableName, digest: &str) -> String {
    format!(
        "INSERT INTO {} (name, run_on, checksum, dirty, duration_ms, statement, statements, mark, failure, up_sql, down_sql,
        down_options, down_checksum, program, basis)
        VALUES ($1, coalesce($2::timestamp AT TIME ZONE 'UTC', clock_timestamp()), $3, $4::integer, $5::bigint, $6::integer,
        $7::integer, $8, $9, $10, $11, $12, $13, $14, {digest})",
        table.quoted()
    )
}

/// Runs a statement with the values of a record as its parameters. The digest is the last parameter, if it is also written.
pub(super) fn write(
    conn: &mut Client,
    sql: &str,
    record: &Record,
    digest: Option<&str>,
) -> Result<(), Fault> {
    let values = Values::from(record);
    let (dirty, duration) = (values.dirty.to_string(), values.duration_ms.map(|ms| ms.to_string()));
    let [statement, statements] =
        [values.statement, values.statements].map(|number| number.map(|number| number.to_string()));
    let values = [
        Some(values.name),
        values.run_on,
        values.checksum.as_deref(),
        Some(&dirty),
        duration.as_deref(),
        statement.as_deref(),
        statements.as_deref(),
        values.mark,
        values.failure,
        values.up_sql,
        values.down_sql,
        values.down_options,
        values.down_checksum.as_deref(),
        values.program,
        digest,
    ];
    let values = if digest.is_some() { &values[..] } else { &values[..values.len() - 1] };
    let rows = execute(conn, sql, values);
    exactly_one(rows.map_err(fault)?, &record.id)
}

/// A date in the format of records: UTC, with milliseconds.
pub(super) fn date(column: &str, is_local: bool) -> String {
    let moment = if is_local { column.to_owned() } else { format!("{column} AT TIME ZONE 'UTC'") };
    format!("to_char({moment}, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')")
}

/// The records, oldest first, and the digest on the newest of them.
pub(super) fn records(
    conn: &mut Client,
    table: &TableName,
    reading: &TableLayout,
    has_places: bool,
) -> Result<(Vec<Record>, Option<String>), postgres::Error> {
    let text = |column: Option<&'static str>| {
        column.map_or("NULL::text".to_owned(), |column| format!("{column}::text"))
    };
    let sql = "SELECT atttypid = 'timestamptz'::regtype FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attname = 'run_on'";
    let is_local =
        query(conn, sql, &[Some(&table.quoted())])?.first().is_none_or(|row| !row.get::<_, bool>(0));
    let measured = reading.duration_ms.unwrap_or("NULL");
    let finished = reading.finished_on.unwrap_or("NULL");
    let duration = format!(
        "coalesce({measured}::bigint, (extract(epoch FROM {finished}::timestamp - run_on::timestamp) * 1000)::bigint)"
    );
    let sql = format!(
        "SELECT {}, {}, {}, {}::bigint, {}, {duration}, {}::bigint, {}, {}, {}, {}, {}, {}, {}::bigint, {}, {}
        FROM {} ORDER BY {}",
        text(Some(reading.name)),
        date("run_on", is_local),
        text(reading.checksum),
        reading.dirty.unwrap_or("0"),
        text(reading.status),
        reading.statement.unwrap_or("NULL"),
        text(reading.failure),
        text(reading.up_sql),
        text(reading.down_sql),
        text(reading.down_options),
        text(reading.down_checksum),
        text(reading.digest),
        reading.statements.unwrap_or("NULL"),
        text(reading.mark),
        text(reading.program),
        table.quoted(),
        if has_places { PLACE } else { "run_on, ctid" },
    );
    let rows = query(conn, &sql, &[])?;
    let record = |row: &postgres::Row| {
        Record::from(Row {
            name: row.get(0),
            run_on: row.get::<_, Option<String>>(1).unwrap_or_default(),
            checksum: row.get(2),
            dirty: row.get::<_, Option<i64>>(3).unwrap_or(CLEAN),
            status: row.get(4),
            duration_ms: row.get::<_, Option<i64>>(5).and_then(|ms| u64::try_from(ms).ok()),
            statement: row.get::<_, Option<i64>>(6).and_then(|number| u32::try_from(number).ok()),
            statements: row.get::<_, Option<i64>>(13).and_then(|number| u32::try_from(number).ok()),
            mark: row.get(14),
            failure: row.get(7),
            up_sql: row.get(8),
            down_sql: row.get(9),
            down_options: row.get(10),
            down_checksum: row.get(11),
            program: row.get(15),
        })
    };
    let records = rows.iter().map(record).collect();
    let digest = rows.last().and_then(|row| row.get(12));
    Ok((records, digest))
}

/// The columns of a table, in order; empty if there is no such table.
pub(super) fn columns(conn: &mut Client, table: &TableName) -> Result<Vec<String>, Fault> {
    let sql = "SELECT attname::text FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = query(conn, sql, &[Some(&table.quoted())]).map_err(fault)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
