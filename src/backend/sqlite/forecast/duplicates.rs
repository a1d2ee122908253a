//! Rows of the live database that a new unique index would not accept.

use rusqlite::Connection;

use crate::backend::sqlite::cursor::TokenCursor;
use crate::backend::sqlite::fault::{fault, is_of_system, known};
use crate::dialect::quote;
use crate::fault::{Fault, FaultKind};
use crate::sql::{Token, Tokens, part};

/// The new unique index that a statement has just created on the copy.
#[derive(Debug)]
pub(super) struct UniqueIndex {
    /// Its table, by the name that it has on the copy.
    pub(super) table: String,
    /// Its columns and their collations.
    columns: Vec<(String, String)>,
    /// The condition on the rows in it, if there is one.
    condition: Option<String>,
}

impl UniqueIndex {
    /// `None` for any other statement, and for an index on an expression.
    pub(super) fn of(copy: &Connection, own: &str) -> rusqlite::Result<Option<Self>> {
        let Some((index, table)) = Self::names(own) else { return Ok(None) };
        let sql = "SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno";
        let read = || -> rusqlite::Result<Vec<(Option<String>, String)>> {
            copy.prepare(sql)?.query_map([index], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let columns = known(read())?.unwrap_or_default().into_iter();
        let columns: Option<Vec<_>> = columns.map(|(name, collation)| Some((name?, collation))).collect();
        let columns = columns.filter(|columns| !columns.is_empty());
        Ok(columns.map(|columns| Self { table: table.to_owned(), columns, condition: condition(own) }))
    }

    /// The index and its table, as the statement names them.
    fn names(own: &str) -> Option<(&str, &str)> {
        let mut cursor = TokenCursor::new(own);
        if !(cursor.skip_if("create") && cursor.skip_if("unique") && cursor.skip_if("index")) {
            return None;
        }
        cursor.skip_exists();
        let (index, _) = cursor.qualified()?;
        let table = cursor.skip_if("on").then(|| cursor.name())??;
        Some((index, table))
    }

    /// The error that the live database will have because of its rows.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) fn refused(&self, live: &Connection, table: &str) -> Result<Option<Fault>, Fault> {
        let name = |(column, _): &(String, String)| format!("{}.{}", quote(table), quote(column));
        let present = self.columns.iter().map(|column| format!("{} IS NOT NULL", name(column)));
        let conditions = present.chain(self.condition.iter().map(|condition| format!("({condition})")));
        let conditions = conditions.collect::<Vec<_>>().join(" AND ");
        let group =
            self.columns.iter().map(|column| format!("{} COLLATE {}", name(column), quote(&column.1)));
        let group = group.collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM main.{} WHERE {conditions} GROUP BY {group} HAVING count(*) > 1)",
            quote(table)
        );
        // A column that the live table does not have yet is an error here.
        let has_some = match live.query_row(&sql, [], |row| row.get(0)) {
            Err(error) if is_of_system(&error) => return Err(fault(error)),
            found => found.unwrap_or(false),
        };
        let columns = self.columns.iter().map(|(column, _)| format!("{}.{column}", self.table));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let refused = || Fault::new(FaultKind::Other, format!("UNIQUE constraint failed: {columns}"));
        Ok(has_some.then(refused))
    }
}

/// The condition of a partial index.
fn condition(own: &str) -> Option<String> {
    let mut tokens = Tokens::new(own);
    let mut depth = 0;
    while let Some(token) = tokens.next() {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth -= 1,
            _ if depth == 0 && token.is("where") => {
                return Some(part(own, tokens.offset()..).trim_end().trim_end_matches(';').to_owned());
            }
            _ => {}
        }
    }
    None
}
