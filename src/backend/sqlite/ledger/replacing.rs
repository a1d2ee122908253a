//! Finds a `REPLACE` that does not name all columns: it deletes a row and adds it again, so the other columns lose their values.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::Connection;

use super::ask::truths;
use super::clauses::{insertion, names, top};
use super::uncopied::{expression, is_computed};
use crate::account::StepFinding;
use crate::backend::sqlite::functions::has_only_own;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{Token, part, same_name};

/// A `REPLACE` with a list of columns, and the query for its rows.
struct Replacing<'a> {
    /// The statement up to its list of columns.
    head: &'a str,
    columns: Vec<String>,
    with: &'a str,
    rows: &'a str,
}

/// A column that is not named, and the condition that a row has a value there that it loses.
struct Left {
    name: String,
    condition: String,
}

/// What is known about the `REPLACE` statements of a script, by their beginnings. A script can have thousands of the same form.
#[derive(Default)]
pub(super) struct Replacements(BTreeMap<String, Known>);

/// The columns that statements of a form leave out, and the unique keys that they name.
struct Known {
    left: Vec<Left>,
    keys: Vec<Vec<String>>,
}

impl Replacements {
    /// Forgets everything, since the schema has changed.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The finding about a statement that replaces rows of a table.
    ///
    /// The rows that it replaces are looked up by each unique key that it names. A default that is computed, such as the time, is meant.
    pub(super) fn finding(
        &mut self,
        conn: &Connection,
        own: &str,
        table: &str,
    ) -> rusqlite::Result<Option<StepFinding>> {
        let Some(replacing) = Replacing::of(own) else { return Ok(None) };
        let known = match self.0.entry(replacing.head.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Known::of(conn, table, &replacing.columns)?),
        };
        replacing.finding(conn, table, known)
    }
}

impl Known {
    fn of(conn: &Connection, table: &str, named: &[String]) -> rusqlite::Result<Self> {
        let is_named = |name: &String| named.iter().any(|column| same_name(column, name));
        let (left, number) = left(conn, table, is_named)?;
        let mut keys = if left.is_empty() { Vec::new() } else { keys(conn, table)? };
        keys.extend(number.map(|number| vec![number]));
        keys.retain(|key| key.iter().all(is_named));
        Ok(Self { left, keys })
    }
}

impl Replacing<'_> {
    fn finding(
        &self,
        conn: &Connection,
        table: &str,
        Known { left, keys }: &Known,
    ) -> rusqlite::Result<Option<StepFinding>> {
        if left.is_empty() || keys.is_empty() || !has_only_own(self.with) || !has_only_own(self.rows) {
            return Ok(None);
        }
        for key in keys {
            let query = self.query(table, key, left);
            let Some(are_lost) = truths(conn, &query)? else { continue };
            let lost: Vec<String> = left
                .iter()
                .zip(are_lost)
                .filter(|(_, is_lost)| *is_lost)
                .map(|(left, _)| format!("`{}`", left.name))
                .collect();
            if lost.is_empty() {
                continue;
            }
            return Ok(Some(StepFinding::new(
                ProblemKind::ValuesChanged,
                format!(
                    "replaces rows of `{table}` and loses the values of {}: REPLACE deletes a row before it adds it, and the statement does not name these columns",
                    lost.join(", ")
                ),
                "name all columns, or keep the row: INSERT ... ON CONFLICT ... DO UPDATE SET ...",
            )));
        }
        Ok(None)
    }
}

impl<'a> Replacing<'a> {
    fn of(own: &'a str) -> Option<Self> {
        let tokens = top(own);
        let (verb, behind) = insertion(&tokens)?;
        let is_replace = tokens[verb].0.is("replace")
            || tokens.get(verb + 1)?.0.is("or") && tokens.get(verb + 2)?.0.is("replace");
        let rest = tokens.get(behind..)?;
        let (list, rest) = rest.split_first().filter(|((token, ..), _)| *token == Token::Mark(b')'))?;
        let ends =
            |(token, ..): &(Token<'_>, usize, usize)| *token == Token::Mark(b';') || token.is("returning");
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let begin = rest.first().filter(|(token, ..)| token.is_any(&["select", "values", "with"]))?;
        let with = part(own, ..tokens[verb].1);
        let is_plain = with.trim().is_empty() || !begin.0.is("with");
        let has_conflict = rest.iter().any(|(token, ..)| token.is("conflict"));
        (is_replace && is_plain && !has_conflict).then(|| Self {
            head: part(own, ..list.2),
            columns: names(part(own, list.1..list.2)),
            with,
            rows: part(own, begin.1..rest.get(end.saturating_sub(1)).map_or(begin.2, |last| last.2)),
        })
    }

    /// Whether a row with the same key has a value, for each of the columns that are left out.
    fn query(&self, table: &str, key: &[String], left: &[Left]) -> String {
        let listed = |names: &[String]| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let results: Vec<String> = left.iter().map(|left| format!("max({})", left.condition)).collect();
        format!(
            "WITH \"given rows\" ({}) AS ({} {}) SELECT {} FROM main.{} WHERE ({key}) IN (SELECT {key} FROM \"given rows\")",
            listed(&self.columns),
            self.with,
            self.rows,
            results.join(", "),
            quote(table),
            key = listed(key),
        )
    }
}

/// The columns that a statement leaves out, and the column that is the row number.
fn left(
    conn: &Connection,
    table: &str,
    is_named: impl Fn(&String) -> bool,
) -> rusqlite::Result<(Vec<Left>, Option<String>)> {
    let mut columns = conn.prepare(
        "SELECT name, dflt_value,
            pk = 1 AND type = 'INTEGER' COLLATE NOCASE
            AND NOT EXISTS (SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk > 1)
            AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')
        FROM pragma_table_info(?1, 'main')",
    )?;
    let mut rows = columns.query([table])?;
    let (mut left, mut number) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let (name, default): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let is_number = row.get(2)?;
        if is_number {
            number = Some(name.clone());
        }
        if is_named(&name) || default.as_deref().is_some_and(is_computed) {
            continue;
        }
        let column = quote(&name);
        let condition = match default {
            _ if is_number => "1".to_owned(),
            Some(default) => format!("{column} IS NOT NULL AND {column} IS NOT ({})", expression(&default)),
            None => format!("{column} IS NOT NULL"),
        };
        left.push(Left { name, condition });
    }
    Ok((left, number))
}

/// A column of a unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    /// The collation by which the key compares its values; `None` for the row number.
    collation: Option<String>,
}

/// The condition that a row has the key of another one, which SQLite looks up in the index of the key. Without an affinity of their own, the other
/// values are converted as an `INSERT` converts them.
pub(super) fn has_key(key: &[KeyColumn], row: &str, operator: &str, other: &str) -> String {
    let equals = |column: &KeyColumn| {
        let name = quote(&column.name);
        let collation = column.collation.as_deref();
        let collated = collation.map_or_else(String::new, |it| format!(" COLLATE {}", quote(it)));
        format!("{row}.{name}{collated} {operator} +{other}.{name}")
    };
    key.iter().map(equals).collect::<Vec<_>>().join(" AND ")
}

/// The unique keys of a table whose columns are all among these, also the row number.
pub(super) fn keys_in(
    conn: &Connection,
    table: &str,
    columns: &[String],
) -> rusqlite::Result<Vec<Vec<KeyColumn>>> {
    let mut all = collated_keys(conn, table)?;
    let number = left(conn, table, |_| true)?.1;
    all.extend(number.map(|name| vec![KeyColumn { name, collation: None }]));
    let is_listed = |column: &KeyColumn| columns.iter().any(|other| same_name(other, &column.name));
    all.retain(|key| key.iter().all(is_listed));
    Ok(all)
}

/// The columns of each unique index that holds all rows.
fn keys(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let keys = collated_keys(conn, table)?;
    Ok(keys.into_iter().map(|key| key.into_iter().map(|column| column.name).collect()).collect())
}

fn collated_keys(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<KeyColumn>>> {
    let mut members = conn.prepare(
        "SELECT l.name, k.name, k.coll FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS k
        WHERE l.\"unique\" AND NOT l.partial AND k.key ORDER BY l.seq, k.seqno",
    )?;
    let mut rows = members.query([table])?;
    let mut keys = Vec::<(String, Vec<Option<KeyColumn>>)>::new();
    while let Some(row) = rows.next()? {
        let (index, name): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let collation = row.get(2)?;
        let column = name.map(|name| KeyColumn { name, collation });
        match keys.last_mut().filter(|(name, _)| *name == index) {
            Some((_, columns)) => columns.push(column),
            None => keys.push((index, vec![column])),
        }
    }
    // One with an expression is left out.
    Ok(keys.into_iter().filter_map(|(_, columns)| columns.into_iter().collect()).collect())
}
