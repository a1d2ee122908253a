//! The tables that a script replaces.

use postgres::Client;

use super::{fault, query};
use crate::backend::server_ledger::{SHOWN_KEYS, Tables, key};
use crate::dialect::quote;
use crate::fault::Fault;
use crate::sql::act::Name;

fn quoted(table: &Name) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

impl Tables for Client {
    fn rows(&mut self, table: &Name) -> Result<Option<u64>, Fault> {
        let name = quoted(table);
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass($1) AND relkind IN ('r', 'p'))";
        let has = query(self, sql, &[Some(&name)]).map_err(fault)?;
        if !has.first().is_some_and(|row| row.get(0)) {
            return Ok(None);
        }
        let rows = query(self, &format!("SELECT count(*) FROM {name}"), &[]).map_err(fault)?;
        Ok(rows.first().map(|row| row.get::<_, i64>(0).unsigned_abs()))
    }

    fn missing(&mut self, [old, new]: [&Name; 2]) -> Result<Vec<String>, Fault> {
        let [old, new] = [old, new].map(quoted);
        // The columns of the primary key, and whether the new table has each of them.
        let sql = "SELECT a.attname::text, EXISTS (
                SELECT FROM pg_catalog.pg_attribute b
                WHERE b.attrelid = to_regclass($2) AND b.attname = a.attname AND NOT b.attisdropped)
            FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)";
        let columns = query(self, sql, &[Some(&old), Some(&new)]).map_err(fault)?;
        if columns.is_empty() || columns.iter().any(|column| !column.get::<_, bool>(1)) {
            return Ok(Vec::new());
        }
        let columns: Vec<String> = columns.iter().map(|column| column.get(0)).collect();
        // As texts, keys of different types can be compared.
        let text = |table: &str, column: &String| format!("{table}.{}::text", quote(column));
        let same = columns.iter().map(|column| format!("{} = {}", text("n", column), text("o", column)));
        let sql = format!(
            "SELECT {} FROM {old} o WHERE NOT EXISTS (SELECT FROM {new} n WHERE {}) LIMIT {SHOWN_KEYS}",
            columns.iter().map(|column| text("o", column)).collect::<Vec<_>>().join(", "),
            same.collect::<Vec<_>>().join(" AND ")
        );
        let rows = query(self, &sql, &[]).map_err(fault)?;
        Ok(rows.iter().map(|row| key(&columns, |place| row.get(place))).collect())
    }
}
