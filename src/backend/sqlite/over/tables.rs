//! The tables that a script replaces.

use crate::backend::server_ledger::{SHOWN_KEYS, Tables, key};
use crate::backend::sqlite::client::literal;
use crate::backend::statements::{Statements, column, number, says};
use crate::dialect::quote;
use crate::fault::Fault;
use crate::sql::act::{Grammar, ObjectName};
use crate::sql::{Token, Tokens};

/// How SQLite reads a statement.
pub(super) const GRAMMAR: Grammar = Grammar {
    tokens,
    readings: |_| Vec::new(),
    quotes: &['"', '`', '\''],
    folds: false,
    rename_keeps_schema: true,
};

fn tokens(statement: &str) -> Vec<Token<'_>> {
    Tokens::new(statement).collect()
}

/// The tables of a session.
pub(super) fn of<S: Statements>(session: &mut S) -> Box<dyn Tables + '_> {
    Box::new(Session(session))
}

struct Session<'s, S>(&'s mut S);

impl<S: Statements> Tables for Session<'_, S> {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        Ok(Some("main".to_owned()))
    }

    fn rows(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        match number(self.0, &format!("SELECT count(*) AS c0 FROM {}", table.quoted_in('"'))) {
            Err(fault) if says(&fault, "no such ") => Ok(None),
            counted => counted.map(Some),
        }
    }

    fn missing(&mut self, [old, new]: [&ObjectName; 2]) -> Result<Vec<String>, Fault> {
        let sql = format!(
            "SELECT name AS c0 FROM pragma_table_info({}) WHERE pk > 0 ORDER BY pk",
            literal(Some(&old.name))
        );
        let columns = column(self.0, &sql)?;
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let [old, new] = [old, new].map(|table| table.quoted_in('"'));
        let texts = (0..)
            .zip(&columns)
            .map(|(number, column)| format!("CAST(o.{} AS TEXT) AS c{number}", quote(column)));
        let same = columns.iter().map(|column| format!("n.{0} IS o.{0}", quote(column)));
        let sql = format!(
            "SELECT {} FROM {old} o WHERE NOT EXISTS (SELECT 1 FROM {new} n WHERE {}) LIMIT {SHOWN_KEYS}",
            texts.collect::<Vec<_>>().join(", "),
            same.collect::<Vec<_>>().join(" AND ")
        );
        // An example is not worth an error.
        let rows = self.0.rows(&sql).unwrap_or_default();
        Ok(rows.iter().map(|row| key(&columns, |place| row.get(place).cloned().flatten())).collect())
    }
}
