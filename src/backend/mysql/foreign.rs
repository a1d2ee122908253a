//! Reading tables of other tools.

use mysql::consts::ColumnType;
use mysql::prelude::Queryable;
use mysql::{Column, Conn, Row};

use super::query::{column, fault, get};
use super::{columns, quoted, text};
use crate::backend::foreign;
use crate::dialect::{TableName, quote_in};
use crate::fault::Fault;
use crate::foreign::{Cell, ForeignTable};

/// A table: no view, which could do anything when it is read.
pub(super) fn table(
    conn: &mut Conn,
    table: &TableName,
    wanted: &[&str],
) -> Result<Option<ForeignTable>, Fault> {
    let schema = table.schema().map_or("DATABASE()".to_owned(), |schema| text(Some(schema)));
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = {schema}
        AND table_name = {}",
        text(Some(table.as_str()))
    );
    if column::<u64>(conn, &sql).map_err(fault)? != Some(1) {
        return Ok(None);
    }
    let columns = columns(conn, table)?;
    let columns = columns.iter().map(|column| (column.name_str().into_owned(), Form::of(column))).collect();
    let read = foreign::table::<Form>(columns, wanted, &quoted(table), |sql| {
        let rows: Vec<Row> = conn.query(sql).map_err(fault)?;
        Ok(rows.iter().map(|row| (0..row.len()).map(|place| get(row, place)).collect()).collect())
    });
    read.map(Some)
}

/// How the values of a column are read, as texts.
enum Form {
    Bytes,
    Number,
    Moment,
    Text,
}

impl Form {
    /// Numbers and dates have the character set of bytes, too.
    fn of(column: &Column) -> Self {
        /// The character set `binary`.
        const BYTES: u16 = 63;
        match column.column_type() {
            ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_INT24
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_LONGLONG
            | ColumnType::MYSQL_TYPE_BIT => Self::Number,
            ColumnType::MYSQL_TYPE_TIMESTAMP => Self::Moment,
            ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_BLOB
                if column.character_set() == BYTES =>
            {
                Self::Bytes
            }
            _ => Self::Text,
        }
    }
}

impl foreign::Form for Form {
    fn read(&self, column: &str) -> String {
        let column = quote_in(column, '`');
        match self {
            Self::Bytes => format!("HEX({column})"),
            // A time stamp is shown in the zone of the session.
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
