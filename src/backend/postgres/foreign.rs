//! Reading tables of other tools.

use postgres::Client;

use super::query::{fault, query};
use crate::backend::foreign;
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{Cell, ForeignTable};
use crate::sql::same_name;

/// Reads a table, found by its schema or by the search path. It reads no view, since reading a view can run any code.
pub(super) fn table(
    conn: &mut Client,
    table: &TableName,
    wanted: &[&str],
) -> Result<Option<ForeignTable>, Fault> {
    let sql = "SELECT attname::text, atttypid::regtype::text, typnamespace = 'pg_catalog'::regnamespace,
        CASE WHEN relrowsecurity THEN row_security_active(pg_class.oid) ELSE false END
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = to_regclass($1) AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let found = query(conn, sql, &[Some(&table.quoted())]).map_err(fault)?;
    if !wanted.is_empty() && found.iter().any(|row| row.get(3)) {
        let what = format!("`{table}` may hide rows from this user, since it has row level security");
        return Err(Fault::new(FaultKind::Other, what).remedy("connect as a role that sees all of them"));
    }
    let columns: Vec<(String, Form)> = found.iter().map(|row| (row.get(0), Form::of(row.get(1)))).collect();
    // The cast of any other type may be a user-defined function.
    let is_own = |(row, (name, _)): &(&postgres::Row, &(String, Form))| {
        !row.get::<_, bool>(2) && wanted.iter().any(|wanted| same_name(name, wanted))
    };
    if let Some((_, (name, _))) = found.iter().zip(&columns).find(is_own) {
        let what = format!("the column `{name}` of `{table}` has a type that is not PostgreSQL's own");
        return Err(
            Fault::new(FaultKind::Other, what).remedy("look who made the table, and correct it there")
        );
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let read = foreign::table::<Form>(columns, wanted, &table.quoted(), |sql| {
        let rows = query(conn, sql, &[]).map_err(fault)?;
        Ok(rows.iter().map(|row| (0..row.len()).map(|place| row.get(place)).collect()).collect())
    });
    read.map(Some)
}

/// How the values of a column are read as text.
enum Form {
    Bytes,
    Number,
    Truth,
    Moment,
    Text,
}

impl Form {
    /// The form for the type of the column, as the server names it.
    fn of(of: &str) -> Self {
        match of {
            "bytea" => Self::Bytes,
            "smallint" | "integer" | "bigint" => Self::Number,
            "boolean" => Self::Truth,
            "timestamp with time zone" => Self::Moment,
            _ => Self::Text,
        }
    }
}

impl foreign::Form for Form {
    fn read(&self, column: &str) -> String {
        let column = quote(column);
        match self {
            Self::Bytes => format!("encode({column}, 'hex')"),
            Self::Moment => format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"),
            Self::Truth => format!("{column}::integer::text"),
            Self::Number | Self::Text => format!("{column}::text"),
        }
    }

    fn cell(&self, text: String) -> Cell {
        match self {
            Self::Bytes => foreign::unhex(&text).map_or(Cell::Text(text), Cell::Bytes),
            Self::Number | Self::Truth => text.parse().map_or(Cell::Text(text), Cell::Number),
            Self::Moment | Self::Text => Cell::Text(text),
        }
    }
}
