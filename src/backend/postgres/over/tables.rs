//! The tables that a script replaces.

use crate::backend::postgres::client::literal;
use crate::backend::server_ledger::{SHOWN_KEYS, Tables, key};
use crate::backend::statements::{Statements, column, number, value};
use crate::dialect::quote;
use crate::fault::Fault;
use crate::sql::act::ObjectName;

/// The tables of a session.
pub(super) fn of<S: Statements>(session: &mut S) -> Box<dyn Tables + '_> {
    Box::new(Session(session))
}

struct Session<'s, S>(&'s mut S);

impl<S: Statements> Tables for Session<'_, S> {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        value(self.0, "SELECT current_schema()::text AS c0")
    }

    fn schema_of(&mut self, table: &ObjectName, path: Option<&[String]>) -> Result<Option<String>, Fault> {
        let name = literal(Some(&quote(&table.name)));
        let sql = match path {
            None => format!(
                "SELECT n.nspname::text AS c0 FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass({name})"
            ),
            Some(path) => format!(
                "SELECT schema AS c0 FROM unnest(string_to_array({}, E'\\n')) WITH ORDINALITY AS path (schema, place)
                WHERE to_regclass(quote_ident(schema) || '.' || {name}) IS NOT NULL ORDER BY place LIMIT 1",
                literal(Some(&path.join("\n")))
            ),
        };
        value(self.0, &sql)
    }

    /// Not those of a table that the role may not read, or of which it sees some rows only.
    fn rows(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        let name = table.quoted_in('"');
        let sql = format!(
            "SELECT (has_table_privilege(oid, 'SELECT') AND NOT row_security_active(oid))::text AS c0 FROM pg_catalog.pg_class
            WHERE oid = to_regclass({}) AND relkind IN ('r', 'p')",
            literal(Some(&name))
        );
        if value(self.0, &sql)?.as_deref() != Some("true") {
            return Ok(None);
        }
        number(self.0, &format!("SELECT count(*)::text AS c0 FROM {name}")).map(Some)
    }

    fn missing(&mut self, [old, new]: [&ObjectName; 2]) -> Result<Vec<String>, Fault> {
        let [old, new] = [old, new].map(|table| table.quoted_in('"'));
        // The columns of the primary key that the new table has too.
        let sql = format!(
            "SELECT a.attname::text AS c0 FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            JOIN pg_catalog.pg_attribute b ON b.attrelid = to_regclass({1}) AND b.attname = a.attname
                AND b.atttypid = a.atttypid AND NOT b.attisdropped
            WHERE i.indrelid = to_regclass({0}) AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)",
            literal(Some(&old)),
            literal(Some(&new))
        );
        let columns = column(self.0, &sql)?;
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let texts =
            (0..).zip(&columns).map(|(number, column)| format!("o.{}::text AS c{number}", quote(column)));
        let same = columns.iter().map(|column| format!("n.{0} = o.{0}", quote(column)));
        let sql = format!(
            "SELECT {} FROM {old} o WHERE NOT EXISTS (SELECT FROM {new} n WHERE {}) LIMIT {SHOWN_KEYS}",
            texts.collect::<Vec<_>>().join(", "),
            same.collect::<Vec<_>>().join(" AND ")
        );
        let rows = self.0.rows(&sql)?;
        Ok(rows.iter().map(|row| key(&columns, |place| row.get(place).cloned().flatten())).collect())
    }
}
