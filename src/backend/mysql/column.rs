//! [`Column`]: a column of a live table, and whether a new type can lose its values.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{fault, get, text};
use crate::backend::server_forecast::Surroundings;
use crate::fault::Fault;
use crate::sql::act::{ObjectName, Retyped};
use crate::sql::column_type::{can_cut, holds_text, may_misfit};
use crate::sql::same_name;

/// The schema of a name, in SQL.
pub(super) fn schema(name: &ObjectName, surroundings: Surroundings<'_>) -> String {
    let schema = surroundings.schemas_of(name).into_iter().next().flatten();
    schema.map_or_else(|| "DATABASE()".to_owned(), |schema| text(Some(&schema)))
}

/// A column of a table.
pub(super) struct Column {
    pub(super) name: String,
    kind: String,
    /// The character set, if the column holds texts.
    charset: Option<String>,
    /// The character set of the table, for a column that names none.
    default_charset: String,
    can_be_null: bool,
    /// Whether its values are those of an expression.
    is_generated: bool,
    /// Whether the session changes values that do not fit, instead of refusing them.
    is_lenient: bool,
}

impl Column {
    /// The columns of a table.
    pub(super) fn all(
        conn: &mut Conn,
        table: &ObjectName,
        surroundings: Surroundings<'_>,
    ) -> Result<Vec<Self>, Fault> {
        // Each view of the schema gets the names as values, so that the server does not open all its tables.
        let (schema, name) = (schema(table, surroundings), text(Some(&table.name)));
        let sql = format!(
            "SELECT c.COLUMN_NAME, c.COLUMN_TYPE, c.CHARACTER_SET_NAME, t.TABLE_COLLATION, c.IS_NULLABLE, @@sql_mode, c.EXTRA
            FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
            WHERE c.TABLE_SCHEMA = {schema} AND c.TABLE_NAME = {name} AND t.TABLE_SCHEMA = {schema} AND t.TABLE_NAME = {name}
            ORDER BY c.ORDINAL_POSITION"
        );
        let rows: Vec<Row> = conn.query(sql).map_err(fault)?;
        Ok(rows.iter().filter_map(Self::of).collect())
    }

    /// The column of this name, if there is one.
    pub(super) fn named(
        conn: &mut Conn,
        table: &ObjectName,
        name: &str,
        surroundings: Surroundings<'_>,
    ) -> Result<Option<Self>, Fault> {
        let columns = Self::all(conn, table, surroundings)?;
        Ok(columns.into_iter().find(|column| same_name(&column.name, name)))
    }

    fn of(row: &Row) -> Option<Self> {
        let collation: Option<String> = get(row, 3);
        let mode: String = get(row, 5)?;
        Some(Self {
            name: get(row, 0)?,
            kind: get(row, 1)?,
            charset: get(row, 2),
            default_charset: collation.as_deref().map(charset_of).unwrap_or_default(),
            can_be_null: get::<String>(row, 4)? == "YES",
            is_generated: get::<String>(row, 6).is_some_and(|extra| is_generated(&extra)),
            is_lenient: !mode.contains("STRICT"),
        })
    }

    /// Whether values may be cut, rounded or replaced when the column is changed.
    pub(super) fn can_lose_by(&self, retyped: &Retyped) -> bool {
        let charset = retyped.charset.as_deref().unwrap_or(&self.default_charset);
        let is_lenient = self.is_lenient || retyped.is_lenient;
        (retyped.using.is_some() && !self.is_generated)
            || can_cut(&self.kind, &retyped.to)
            || (holds_text(&retyped.to) && self.can_lose_in(charset))
            || (is_lenient && may_misfit(&self.kind, &retyped.to))
            || (is_lenient && retyped.is_required && self.can_be_null)
    }

    /// Whether its texts may have characters that another character set has not.
    pub(super) fn can_lose_in(&self, charset: &str) -> bool {
        let Some(old) = &self.charset else { return false };
        let (old, new) = (plain(old), plain(charset));
        let is_any = |one: &str| {
            // Collations that begin with `uca1400` are those of any character set.
            ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030", "binary", "default", "uca1400"].contains(&one)
        };
        let is_basic = ["utf8mb3", "ucs2"].contains(&new);
        !(old == new || is_any(new) || old == "ascii" || (is_basic && !is_any(old)))
    }
}

/// Whether the values of a column with this `EXTRA` are those of an expression. MySQL writes `DEFAULT_GENERATED` for a default that is one.
fn is_generated(extra: &str) -> bool {
    ["VIRTUAL", "STORED", "PERSISTENT"].iter().any(|kind| extra.contains(kind))
}

/// The character set of a collation: `latin1` of `latin1_swedish_ci`.
fn charset_of(collation: &str) -> String {
    collation.split('_').next().unwrap_or_default().to_owned()
}

/// The name of a character set that has two.
fn plain(charset: &str) -> &str {
    if charset == "utf8" { "utf8mb3" } else { charset }
}

#[cfg(test)]
mod tests {
    use super::is_generated;

    #[test]
    fn a_default_that_is_an_expression_makes_no_generated_column() {
        for extra in ["VIRTUAL GENERATED", "STORED GENERATED", "STORED GENERATED INVISIBLE", "PERSISTENT"] {
            assert!(is_generated(extra), "{extra}");
        }
        for extra in
            ["", "DEFAULT_GENERATED", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP", "auto_increment"]
        {
            assert!(!is_generated(extra), "{extra}");
        }
    }
}
