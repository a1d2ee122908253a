//! The tables that a script replaces.

use mysql::prelude::Queryable;
use mysql::{Conn, Error};

use super::query::{self, code, column, fault, first, get, rows_under, text};
use crate::backend::server_ledger::{SHOWN_KEYS, Tables, key};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::sql::act::ObjectName;

/// The errors of a table that is not there, is not locked while others are, or may not be read.
const UNREADABLE: [u16; 4] =
    [query::NO_SUCH_TABLE, query::NOT_LOCKED, query::NO_RIGHT_TO_TABLE, query::NOT_A_TABLE];

/// `None` if a table cannot be read.
fn readable<T>(read: Result<T, Error>) -> Result<Option<T>, Fault> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if code(&error).is_some_and(|code| UNREADABLE.contains(&code)) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

impl Tables for Conn {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        column(self, "SELECT DATABASE()").map_err(fault)
    }

    fn rows(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        let sql = format!("SELECT COUNT(*) FROM {}", table.quoted_in('`'));
        // The limits of the script are for its own statements.
        let counted = match rows_under(self, "max_statement_time = 0, sql_big_selects = 1", &sql) {
            Ok(None) => first(self, &sql),
            counted => counted.map(|rows| rows.into_iter().flatten().next()),
        };
        Ok(readable(counted)?.flatten().and_then(|row| get(&row, 0)))
    }

    fn missing(&mut self, [old, new]: [&ObjectName; 2]) -> Result<Vec<String>, Fault> {
        let at = |table: &ObjectName| {
            let schema = table.schema.as_deref().map(|schema| text(Some(schema)));
            [schema.unwrap_or_else(|| "DATABASE()".to_owned()), text(Some(&table.name))]
        };
        let ([old_schema, old_name], [new_schema, new_name]) = (at(old), at(new));
        let sql = format!(
            "SELECT o.COLUMN_NAME, n.COLUMN_NAME IS NOT NULL FROM information_schema.COLUMNS o
            LEFT JOIN information_schema.COLUMNS n
                ON n.TABLE_SCHEMA = {new_schema} AND n.TABLE_NAME = {new_name} AND n.COLUMN_NAME = o.COLUMN_NAME
                AND n.COLUMN_TYPE = o.COLUMN_TYPE AND n.COLLATION_NAME <=> o.COLLATION_NAME
            WHERE o.TABLE_SCHEMA = {old_schema} AND o.TABLE_NAME = {old_name} AND o.COLUMN_KEY = 'PRI'
            ORDER BY o.ORDINAL_POSITION"
        );
        let columns: Vec<(String, bool)> = self.query(sql).map_err(fault)?;
        if columns.is_empty() || columns.iter().any(|(_, is_there)| !is_there) {
            return Ok(Vec::new());
        }
        let columns: Vec<String> = columns.into_iter().map(|(column, _)| column).collect();
        let [old, new] = [old, new].map(|table| table.quoted_in('`'));
        let of = |table: &str, column: &String| format!("{table}.{}", quote_in(column, '`'));
        let same = columns.iter().map(|column| format!("{} = {}", of("n", column), of("o", column)));
        let texts = columns.iter().map(|column| format!("CAST({} AS CHAR)", of("o", column)));
        let sql = format!(
            "SELECT {} FROM {old} o WHERE NOT EXISTS (SELECT 1 FROM {new} n WHERE {}) LIMIT {SHOWN_KEYS}",
            texts.collect::<Vec<_>>().join(", "),
            same.collect::<Vec<_>>().join(" AND ")
        );
        // An example is not worth an error, nor a long wait. MySQL has no such limit, and is not asked.
        let rows = rows_under(self, "max_statement_time = 2", &sql).ok().flatten().unwrap_or_default();
        Ok(rows.iter().map(|row| key(&columns, |place| get(row, place))).collect())
    }
}
