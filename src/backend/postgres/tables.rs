//! The tables that a script replaces.

use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::query::apart;
use super::{fault, query};
use crate::backend::server_ledger::{SHOWN_KEYS, Tables, key};
use crate::dialect::quote;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;
use crate::sql::act::ObjectName;

/// The rows of a query with this time limit instead of the script's.
fn rows_within(client: &mut Client, limit: &str, sql: &str) -> Result<Vec<SimpleQueryRow>, Fault> {
    let messages =
        apart(client, &format!("SET LOCAL statement_timeout = '{limit}'; {sql}")).map_err(fault)?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

fn value(row: &SimpleQueryRow, column: usize) -> Option<String> {
    row.try_get(column).ok().flatten().map(str::to_owned)
}

/// Which rows of a table the role may read.
enum Access {
    All,
    Filtered,
    None,
}

/// `None` if there is no such table.
fn access(client: &mut Client, table: &ObjectName) -> Result<Option<Access>, Fault> {
    let sql = "SELECT has_table_privilege(oid, 'SELECT'), row_security_active(oid) FROM pg_catalog.pg_class
        WHERE oid = to_regclass($1) AND relkind IN ('r', 'p')";
    let found = query(client, sql, &[Some(&table.quoted_in('"'))]).map_err(fault)?;
    Ok(found.first().map(|row| match (row.get(0), row.get(1)) {
        (false, _) => Access::None,
        (true, true) => Access::Filtered,
        (true, false) => Access::All,
    }))
}

fn count(client: &mut Client, table: &ObjectName) -> Result<Option<u64>, Fault> {
    let rows = rows_within(client, "0", &format!("SELECT count(*) FROM {}", table.quoted_in('"')))?;
    Ok(rows.first().and_then(|row| value(row, 0)?.parse().ok()))
}

impl Tables for Client {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        let schema = query(self, "SELECT current_schema()::text", &[]).map_err(fault)?;
        Ok(schema.first().and_then(|row| row.get(0)))
    }

    fn schema_of(&mut self, table: &ObjectName, path: Option<&[String]>) -> Result<Option<String>, Fault> {
        let name = quote(&table.name);
        let found = match path {
            None => {
                let sql = "SELECT n.nspname::text FROM pg_catalog.pg_class c
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";
                query(self, sql, &[Some(&name)])
            }
            Some(path) => {
                let sql = "SELECT schema FROM unnest(string_to_array($1, E'\\n')) WITH ORDINALITY AS path (schema, place)
                    WHERE to_regclass(quote_ident(schema) || '.' || $2) IS NOT NULL ORDER BY place LIMIT 1";
                query(self, sql, &[Some(&path.join("\n")), Some(&name)])
            }
        };
        Ok(found.map_err(fault)?.first().and_then(|row| row.get(0)))
    }

    fn rows(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        match access(self, table)? {
            Some(Access::All) => count(self, table),
            _ => Ok(None),
        }
    }

    fn rows_to_lose(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        match access(self, table)? {
            Some(Access::All) => count(self, table),
            Some(Access::Filtered) => {
                let what = format!(
                    "row level security applies to `{table}` for this role, so rows that it hides would be lost"
                );
                let remedy =
                    Remedy::from("run it as a role with BYPASSRLS, or as one that no policy applies to");
                let allowed = Remedy::metadata("allow", "[\"destructive\"]").only_if("the rows may go");
                Err(Fault::new(FaultKind::Other, what).remedy(remedy.or(allowed)))
            }
            Some(Access::None) | None => Ok(None),
        }
    }

    fn missing(&mut self, [old, new]: [&ObjectName; 2]) -> Result<Vec<String>, Fault> {
        let [old, new] = [old, new].map(|table| table.quoted_in('"'));
        // The columns of the primary key, and whether the new table has each of them.
        let sql = "SELECT a.attname::text, EXISTS (
                SELECT FROM pg_catalog.pg_attribute b
                WHERE b.attrelid = to_regclass($2) AND b.attname = a.attname AND b.atttypid = a.atttypid AND NOT b.attisdropped)
            FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)";
        let columns = query(self, sql, &[Some(&old), Some(&new)]).map_err(fault)?;
        if columns.is_empty() || columns.iter().any(|column| !column.get::<_, bool>(1)) {
            return Ok(Vec::new());
        }
        let columns: Vec<String> = columns.iter().map(|column| column.get(0)).collect();
        let text = |table: &str, column: &String| format!("{table}.{}::text", quote(column));
        let same = columns.iter().map(|column| format!("n.{0} = o.{0}", quote(column)));
        let sql = format!(
            "SELECT {} FROM {old} o WHERE NOT EXISTS (SELECT FROM {new} n WHERE {}) LIMIT {SHOWN_KEYS}",
            columns.iter().map(|column| text("o", column)).collect::<Vec<_>>().join(", "),
            same.collect::<Vec<_>>().join(" AND ")
        );
        // An example is not worth an error.
        let rows = rows_within(self, "2s", &sql).unwrap_or_default();
        Ok(rows.iter().map(|row| key(&columns, |place| value(row, place))).collect())
    }
}
