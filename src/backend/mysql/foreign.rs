//! Reading tables of other tools.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::text;
use super::query::{column, fault, get};
use super::quoted;
use crate::backend::foreign;
use crate::dialect::{TableName, quote_in};
use crate::fault::Fault;
use crate::foreign::{Cell, ForeignTable};

/// Reads a table. It reads no view, since reading a view can run any code.
pub(super) fn table(
    conn: &mut Conn,
    table: &TableName,
    wanted: &[&str],
) -> Result<Option<ForeignTable>, Fault> {
    let schema = table.schema().map_or("DATABASE()".to_owned(), |schema| text(Some(schema)));
    let place = format!("table_schema = {schema} AND table_name = {}", text(Some(table.as_str())));
    let sql =
        format!("SELECT COUNT(*) FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND {place}");
    if column::<u64>(conn, &sql).map_err(fault)? != Some(1) {
        return Ok(None);
    }
    let sql = format!(
        "SELECT column_name, column_type FROM information_schema.columns WHERE {place} ORDER BY ordinal_position"
    );
    let columns = conn.query::<Row, _>(sql).map_err(fault)?;
    let columns = columns.iter().filter_map(|row| Some((get(row, 0)?, Form::of(&get::<String>(row, 1)?))));
    let columns = columns.collect();
    let read = foreign::table::<Form>(columns, wanted, &quoted(table), |sql| {
        let rows: Vec<Row> = conn.query(sql).map_err(fault)?;
        Ok(rows.iter().map(|row| (0..row.len()).map(|place| get(row, place)).collect()).collect())
    });
    read.map(Some)
}

/// How the values of a column are read as text.
enum Form {
    Bytes,
    Number,
    Moment,
    Text,
}

impl Form {
    /// The form for the type of the column, as the server reports it: `bigint(20) unsigned`.
    fn of(of: &str) -> Self {
        let of = of.to_ascii_lowercase();
        let word = of.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        match word {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" => Self::Number,
            "timestamp" => Self::Moment,
            _ if word.ends_with("blob") || word.ends_with("binary") => Self::Bytes,
            _ => Self::Text,
        }
    }
}

impl foreign::Form for Form {
    fn read(&self, column: &str) -> String {
        let column = quote_in(column, '`');
        match self {
            Self::Bytes => format!("HEX({column})"),
            // A `TIMESTAMP` is shown in the time zone of the session.
            Self::Moment => {
                format!(
                    "DATE_FORMAT(CONVERT_TZ({column}, @@session.time_zone, '+00:00'), '%Y-%m-%dT%H:%i:%s.%f')"
                )
            }
            Self::Number => format!("CAST({column} + 0 AS CHAR)"),
            Self::Text => format!("CAST({column} AS CHAR CHARACTER SET utf8mb4)"),
        }
    }

    fn cell(&self, text: String) -> Cell {
        match self {
            Self::Bytes => foreign::unhex(&text).map_or(Cell::Text(text), Cell::Bytes),
            Self::Number => text.parse().map_or(Cell::Text(text), Cell::Number),
            Self::Moment | Self::Text => Cell::Text(text),
        }
    }
}
