//! Finds values that `INSERT ... ON CONFLICT DO UPDATE`, or a `REPLACE` of whole rows, sets to `NULL` in rows that are there already.

use rusqlite::Connection;

use super::ask::{default_of, truths};
use super::clauses::{Clauses, Placed, Set, ends, insertion, names, top};
use super::converted::{becomes_null, had};
use super::expression::may_be_null;
use super::replacing::{KeyColumn, has_key, keys_in};
use super::uncopied::expression;
use crate::account::StepFinding;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::functions::has_only_own;
use crate::backend::sqlite::query::texts;
use crate::dialect::quote;
use crate::remedy::Remedy;
use crate::sql::{Token, Tokens, folded_set, part, same_name};

/// A statement that changes rows if they are there already.
struct Upsert<'a> {
    with: &'a str,
    /// The name that the statement gives its table.
    alias: Option<&'a str>,
    /// The columns that it lists; all if it lists none.
    listed: Option<Vec<String>>,
    /// The query for its rows.
    rows: &'a str,
    /// Whether its author wrote the rows as values.
    is_literal: bool,
    /// What it changes; `None` for a `REPLACE`, which writes all columns that it lists.
    update: Option<Update<'a>>,
}

/// `ON CONFLICT (key) DO UPDATE SET ... WHERE ...`
struct Update<'a> {
    /// The key that it names; each one of the table if it names none.
    key: Option<Vec<String>>,
    sets: Vec<Set<'a>>,
    condition: Option<&'a str>,
}

/// The findings about a statement on a table. Its rows are read once more if a value in them may be `NULL`, and each is looked up by its key.
pub(super) fn findings(conn: &Connection, own: &str, table: &str) -> rusqlite::Result<Vec<StepFinding>> {
    let Some(upsert) = Upsert::of(own) else { return Ok(Vec::new()) };
    let sets = match &upsert.update {
        Some(update) => upsert.doubtful(&update.sets, table),
        None if upsert.is_literal => Vec::new(),
        None => upsert.replaced(conn, own, table)?,
    };
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let sets = nullable(conn, table, sets)?;
    let named = upsert.update.as_ref().and_then(|update| update.key.clone());
    let all = columns::of(conn, "main", table)?;
    let listed = upsert.listed.as_ref().unwrap_or(&all);
    let mut keys = keys_in(conn, table, listed)?;
    if let Some(named) = named {
        let named = folded_set(named.iter().map(String::as_str));
        keys.retain(|key| named == folded_set(key.iter().map(|column| &*column.name)));
    }
    if sets.is_empty() || keys.is_empty() {
        return Ok(Vec::new());
    }
    let condition = upsert.update.as_ref().and_then(|update| update.condition);
    let mut asked = [upsert.with, upsert.rows].into_iter().chain(condition);
    if !asked.all(has_only_own) || !sets.iter().all(|(_, value)| has_only_own(value)) {
        return Ok(Vec::new());
    }
    let query = upsert.query(conn, table, [listed, &all], &keys, &sets)?;
    let are_lost = truths(conn, &query)?.unwrap_or_default();
    let lost = sets.iter().zip(are_lost).filter(|(_, is_lost)| *is_lost);
    let finding = |(column, _): &(String, String)| {
        let finding = becomes_null(table, column);
        match upsert.update {
            Some(_) => finding,
            None => StepFinding { remedy: instead_of_replace(column), ..finding },
        }
    };
    Ok(lost.map(|(set, _)| finding(set)).collect())
}

/// The remedy that keeps the old value of a column.
fn instead_of_replace(column: &str) -> Remedy {
    let column = quote(column);
    let update = format!(
        "keep it with INSERT ... ON CONFLICT ... DO UPDATE SET {column} = coalesce(excluded.{column}, {column})"
    );
    Remedy::from(update).or("write coalesce(..., NULL) if NULL is meant")
}

impl<'a> Upsert<'a> {
    fn of(own: &'a str) -> Option<Self> {
        let tokens = top(own);
        let (verb, behind) = insertion(&tokens)?;
        let is = |at: usize, word: &str| tokens.get(at).is_some_and(|(token, ..)| token.is(word));
        let is_replace = is(verb, "replace") || is(verb + 1, "or") && is(verb + 2, "replace");
        let alias = behind.checked_sub(2).filter(|at| is(*at, "as"));
        let alias = alias.map(|at| part(own, tokens[at + 1].1..tokens[at + 1].2));
        let mut rest = tokens.get(behind..)?;
        let mut listed = None;
        if let Some((_, begin, end)) = rest.first().filter(|(token, ..)| *token == Token::Mark(b')')) {
            listed = Some(names(part(own, *begin..*end)));
            rest = &rest[1..];
        }
        let begin = rest.first().filter(|(token, ..)| token.is_any(&["select", "values", "with"]))?;
        let conflicts =
            || (0..rest.len()).filter(|&at| rest[at].0.is("conflict") && at > 0 && rest[at - 1].0.is("on"));
        let (end, update) = match (conflicts().next(), conflicts().count(), is_replace) {
            (Some(at), 1, false) => (at - 1, Some(Update::of(own, &rest[at + 1..])?)),
            (None, _, true) => (ends(rest, &["returning"]), None),
            _ => return None,
        };
        let with = part(own, ..tokens[verb].1);
        let is_plain = with.trim().is_empty() || !begin.0.is("with");
        is_plain.then(|| Self {
            with,
            alias,
            listed,
            rows: part(own, begin.1..rest.get(end.saturating_sub(1)).map_or(begin.2, |last| last.2)),
            is_literal: begin.0.is("values"),
            update,
        })
    }

    /// The columns that get a value that may be `NULL`, with the values. A value that the author wrote is left out.
    fn doubtful(&self, sets: &[Set<'a>], table: &str) -> Vec<(String, String)> {
        let named = self.alias.and_then(|alias| Tokens::new(alias).next_name());
        let own = named.as_deref().unwrap_or(table);
        let of = |set: &Set<'a>| match &*set.columns {
            [column] => {
                let judged =
                    if self.is_literal { self.without_written(set.value) } else { set.value.to_owned() };
                may_be_null(&judged, column, own).then(|| (column.clone(), set.value.to_owned()))
            }
            _ => None,
        };
        sets.iter().filter_map(of).collect()
    }

    /// An expression with a number in place of each `excluded.column` whose value is in `VALUES`.
    fn without_written(&self, value: &str) -> String {
        let (mut tokens, mut judged, mut end) = (Tokens::new(value), String::new(), 0);
        while let Some((token, at)) = tokens.next_placed() {
            let mut column = tokens.clone();
            if !token.is("excluded") || column.next() != Some(Token::Mark(b'.')) {
                continue;
            }
            let Some(name) = column.next_name() else { continue };
            let is_listed = |listed: &Vec<String>| listed.iter().any(|other| same_name(other, &name));
            if self.listed.as_ref().is_none_or(is_listed) {
                judged.push_str(part(value, end..at.start));
                judged.push('1');
                end = column.offset();
                tokens = column;
            }
        }
        judged + part(value, end..)
    }

    /// The columns that a `REPLACE` of selected rows writes, with the values. One whose expression says `NULL`, or cannot be
    /// `NULL`, is left out.
    fn replaced(&self, conn: &Connection, own: &str, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
        let columns = || columns::of(conn, "main", table);
        let listed = self.listed.clone().map_or_else(columns, Ok)?;
        let clauses = Clauses::of_copy(own, columns)?;
        let is_certain = |name: &String| {
            let set = clauses
                .iter()
                .flat_map(|clauses| &clauses.sets)
                .find(|set| set.columns.first().is_some_and(|column| same_name(column, name)));
            set.is_some_and(|set| !may_be_null(set.value, "", ""))
        };
        let doubtful = listed.into_iter().filter(|name| !is_certain(name));
        Ok(doubtful.map(|name| (name.clone(), format!("excluded.{}", quote(&name)))).collect())
    }

    /// Whether a row that is there loses a value, for each of the columns. The row is the innermost table, so a column name without a table is one
    /// of its columns.
    fn query(
        &self,
        conn: &Connection,
        table: &str,
        [listed, all]: [&Vec<String>; 2],
        keys: &[Vec<KeyColumn>],
        sets: &[(String, String)],
    ) -> rusqlite::Result<String> {
        let quoted = quote(table);
        let alias = self.alias.unwrap_or(&quoted);
        let mut given = vec!["*".to_owned()];
        for name in all.iter().filter(|name| !listed.iter().any(|other| same_name(other, name))) {
            let default = default_of(conn, table, name)?;
            let default = default.map_or_else(|| "NULL".to_owned(), |default| expression(&default));
            given.push(format!("{default} AS {}", quote(name)));
        }
        let condition = self.update.as_ref().and_then(|update| update.condition);
        let condition = condition.map_or_else(String::new, |condition| format!(" AND +({condition})"));
        let (mut results, mut lost) = (Vec::new(), Vec::new());
        for (place, (column, value)) in sets.iter().enumerate() {
            let had = had(conn, [table, column], &format!("{alias}.{}", quote(column)))?;
            // With one query for each key, SQLite uses the index of each.
            let by_key = keys.iter().map(|key| {
                format!(
                    "EXISTS (SELECT 1 FROM main.{quoted} AS {alias} WHERE {}{condition} AND +(({value}) IS NULL AND {had}))",
                    has_key(key, alias, "=", "excluded")
                )
            });
            lost.push(format!("({}) AS r{place}", by_key.collect::<Vec<_>>().join(" OR ")));
            results.push(format!("max(r{place})"));
        }
        let names: Vec<String> = listed.iter().map(|name| quote(name)).collect();
        Ok(format!(
            "WITH \"given rows\" ({}) AS ({} {}), excluded AS (SELECT {} FROM \"given rows\")
            SELECT {} FROM (SELECT {} FROM excluded)",
            names.join(", "),
            self.with,
            self.rows,
            given.join(", "),
            results.join(", "),
            lost.join(", ")
        ))
    }
}

impl<'a> Update<'a> {
    fn of(own: &'a str, tokens: &[Placed<'a>]) -> Option<Self> {
        let (key, rest) = match tokens {
            [(Token::Mark(b')'), begin, end), rest @ ..] => (Some(names(part(own, *begin..*end))), rest),
            _ => (None, tokens),
        };
        let [(do_, ..), (update, ..), (set, ..), rest @ ..] = rest else { return None };
        if !(do_.is("do") && update.is("update") && set.is("set")) {
            return None;
        }
        let all = ends(rest, &["returning"]);
        let behind = ends(&rest[..all], &["where"]);
        let is_comma = |(token, ..): &Placed<'_>| *token == Token::Mark(b',');
        let sets = rest[..behind].split(is_comma).filter_map(|set| Set::of(own, set)).collect();
        let condition = match rest.get(behind + 1..all) {
            Some([(_, begin, _), .., (_, _, end)] | [(_, begin, end)]) => Some(part(own, *begin..*end)),
            _ => None,
        };
        Some(Self { key, sets, condition })
    }
}

/// Those of the columns that can be `NULL`.
fn nullable(
    conn: &Connection,
    table: &str,
    mut sets: Vec<(String, String)>,
) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT name FROM pragma_table_info(?1, 'main') WHERE \"notnull\" OR pk > 0";
    let required = texts(conn, sql, &[table])?;
    sets.retain(|(column, _)| !required.iter().any(|name| same_name(name, column)));
    Ok(sets)
}
