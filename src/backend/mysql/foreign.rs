//! Reading tables of other tools.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{column, fault, get};
use super::{columns, quoted, text};
use crate::backend::unhex;
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
    let forms: Vec<Option<(&str, Form)>> = wanted
        .iter()
        .map(|wanted| {
            let found = columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(name, of)| (name.as_str(), Form::of(of)))
        })
        .collect();
    let mut rows = Vec::new();
    if !wanted.is_empty() {
        let list: Vec<String> = forms
            .iter()
            .map(|form| form.as_ref().map_or("NULL".to_owned(), |(name, form)| form.read(name)))
            .collect();
        let most = ForeignTable::MOST_ROWS + 1;
        let sql = format!("SELECT {} FROM {} LIMIT {most}", list.join(", "), quoted(table));
        let found: Vec<Row> = conn.query(sql).map_err(fault)?;
        for row in &found {
            let cell = |(place, form): (usize, &Option<(&str, Form)>)| match (get::<String>(row, place), form)
            {
                (Some(text), Some((_, form))) => form.cell(text),
                _ => Cell::Null,
            };
            rows.push(forms.iter().enumerate().map(cell).collect());
        }
    }
    Ok(Some(ForeignTable::new(columns.into_iter().map(|(name, _)| name).collect(), rows)))
}

/// How the values of a column are read, as texts.
enum Form {
    Bytes,
    Number,
    Moment,
    Text,
}

impl Form {
    /// By its type, as `SHOW COLUMNS` has it: `bigint(20) unsigned`.
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
            Self::Bytes => unhex(&text).map_or(Cell::Text(text), Cell::Bytes),
            Self::Number => text.parse().map_or(Cell::Text(text), Cell::Number),
            Self::Moment | Self::Text => Cell::Text(text),
        }
    }
}
