//! Finds values that a statement loses: those that become `NULL` without saying so, and texts and fractions that `CAST` changes.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::act::DroppedColumn;
use super::ask::{default_of, exists, truths};
use super::clauses::{Clauses, Set};
use super::expression::{
    Cast, casts, is_column, joined, may_be_null, may_become_null, reads_other, reads_own,
};
use super::place::Place;
use super::uncopied::expression;
use crate::account::StepFinding;
use crate::backend::sqlite::client::literal;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::functions::has_only_own;
use crate::backend::sqlite::query::has_row;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{Tokens, has_word, mentions, same_name};

/// What a copy does to the values of a table, which matters if the table that it fills replaces that one.
#[derive(Clone)]
pub(super) struct Conversion {
    /// The table that it reads.
    pub(super) from: String,
    /// The column that it fills.
    pub(super) column: String,
    pub(super) finding: StepFinding,
}

/// The findings about an `UPDATE`, given the columns that the script drops later.
pub(super) fn by_update(
    conn: &Connection,
    own: &str,
    table: &str,
    dropped: &[&DroppedColumn],
) -> rusqlite::Result<Vec<StepFinding>> {
    let Some(clauses) = Clauses::of_update(own) else { return Ok(Vec::new()) };
    let is_dropped = |column: &str| dropped.iter().any(|one| one.is(table, column));
    let alias = if clauses.reads_others() { clauses.first_table().map(|(_, alias)| alias) } else { None };
    let kind = Kind::Update;
    let statement = Converting { conn, table, alias, clauses: &clauses, is_dropped: &is_dropped, kind };
    let found = statement.findings()?;
    if !found.is_empty() && exists(conn, "view", table)? {
        // Its triggers decide what is written.
        return Ok(Vec::new());
    }
    Ok(found.into_iter().map(|(_, finding)| finding).collect())
}

/// What a copy into a table does to values. The rest of the script is the last statement that drops a table: without one, nothing is lost.
pub(super) fn by_copy(conn: &Connection, place: Place<'_>, table: &str) -> rusqlite::Result<Vec<Conversion>> {
    if place.rest.is_empty() || !has_word(place.own, &["select"]) {
        return Ok(Vec::new());
    }
    let Some(clauses) = Clauses::of_copy(place.own, || columns::of(conn, "main", table))? else {
        return Ok(Vec::new());
    };
    let Some((from, alias)) = clauses.first_table() else { return Ok(Vec::new()) };
    let is_copied = |set: &Set<'_>, name: &str| is_column(set.value, name);
    let is_dropped = |name: &str| !clauses.sets.iter().any(|set| is_copied(set, name));
    let kind = Kind::Copy;
    let statement = Converting {
        conn,
        table: &from,
        alias: Some(alias),
        clauses: &clauses,
        is_dropped: &is_dropped,
        kind,
    };
    let found = statement.findings()?;
    Ok(found
        .into_iter()
        .map(|(column, finding)| Conversion { from: from.clone(), column, finding })
        .collect())
}

/// A statement that writes values which it computes.
struct Converting<'t> {
    conn: &'t Connection,
    /// The table whose values may be lost.
    table: &'t str,
    /// The name that the statement gives it, if it may read others.
    alias: Option<&'t str>,
    clauses: &'t Clauses<'t>,
    /// Whether a column that the statement reads and does not write is dropped later.
    is_dropped: &'t dyn Fn(&str) -> bool,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It writes into the table that it reads.
    Update,
    /// It fills another table, with perhaps other columns.
    Copy,
}

/// A way to lose values.
struct Doubt {
    column: String,
    /// Whether a row loses a value.
    condition: String,
    way: Way,
}

enum Way {
    /// The expression is `NULL` where its column had a value.
    Null,
    /// It joins columns with `||`, and one of them is `NULL`.
    Joins,
    /// A text that is no such number.
    Casts(Cast),
    /// A number whose fraction goes.
    Truncates(Cast),
    /// The values of a column that is dropped move to this one.
    Moves { from: String },
}

impl Converting<'_> {
    /// The findings, each with the column that it is about. Each row that the statement reads is read once more, and only if an expression
    /// can lose a value.
    ///
    /// No number of rows is in a finding, so that a statement which is repeated for many rows is told once.
    fn findings(&self) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let doubts = self.clauses.sets.iter().map(|set| self.doubts(set)).chain([self.moves()]);
        let doubts: Vec<Doubt> =
            doubts.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect();
        let conditions: Vec<String> = doubts.iter().map(|doubt| doubt.condition.clone()).collect();
        let all = if doubts.is_empty() { None } else { self.hold(&conditions)? };
        let mut found = Vec::new();
        for (place, doubt) in doubts.iter().enumerate() {
            let is_lost = match &all {
                Some(all) => all[place],
                // One that cannot be evaluated, such as a name that the rows do not have, says nothing about the others.
                None => self.hold(&conditions[place..=place])?.is_some_and(|one| one[0]),
            };
            if is_lost {
                found.push((doubt.column.clone(), self.finding(doubt)?));
            }
        }
        Ok(found)
    }

    /// Which of these conditions a row meets; `None` if they cannot be evaluated, or not without an effect.
    fn hold(&self, conditions: &[String]) -> rusqlite::Result<Option<Vec<bool>>> {
        let results: Vec<String> = conditions.iter().map(|condition| format!("max({condition})")).collect();
        let query = self.clauses.query(&results);
        if !has_only_own(&query) {
            return Ok(None);
        }
        truths(self.conn, &query)
    }

    fn doubts(&self, set: &Set<'_>) -> rusqlite::Result<Vec<Doubt>> {
        let value = set.value;
        let had = |names: &[String]| -> rusqlite::Result<String> {
            let had: Vec<String> =
                names.iter().map(|name| self.had(name)).collect::<rusqlite::Result<_>>()?;
            Ok(had.join(" OR "))
        };
        let mut doubts = Vec::new();
        let mut doubt = |column: &String, condition, way| {
            doubts.push(Doubt { column: column.clone(), condition, way });
        };
        if let [column, _, ..] = &*set.columns {
            if Tokens::new(value).nth(1).is_some_and(|token| token.is("select")) {
                doubt(column, format!("({}) AND NOT EXISTS {value}", had(&set.columns)?), Way::Null);
            }
            return Ok(doubts);
        }
        let Some(column) = set.columns.first() else { return Ok(doubts) };
        let is_other = |other: &&Set<'_>| !std::ptr::eq(*other, set);
        let mut others = self.clauses.sets.iter().filter(is_other);
        if others.any(|other| mentions(other.value, column)) {
            // Its value goes elsewhere.
            return Ok(doubts);
        }
        let table = self.clauses.first_table().map_or("", |(_, alias)| alias);
        let may_be_null = may_be_null(value, column, &Tokens::new(table).next_name().unwrap_or_default());
        if may_be_null && !(self.kind == Kind::Update && self.is_required(column)?) {
            doubt(column, format!("({value}) IS NULL AND {}", self.had(column)?), Way::Null);
        }
        let parts = joined(value);
        let is_lost = |name: &&String| (self.is_dropped)(name) && !same_name(name, column);
        let lost: Vec<String> = parts.iter().filter(is_lost).cloned().collect();
        if parts.len() > 1 && !parts.iter().any(|name| same_name(name, column)) && !lost.is_empty() {
            doubt(column, format!("({value}) IS NULL AND ({})", had(&lost)?), Way::Joins);
        }
        for cast in casts(value) {
            if same_name(&cast.column, column) || (self.is_dropped)(&cast.column) {
                let from = self.cast_from(&cast);
                if cast.declared.to_ascii_lowercase().contains("int") {
                    let condition = truncates(&from);
                    doubt(column, condition, Way::Truncates(cast.clone()));
                }
                if cast.factor.is_none() {
                    // The comparison turns a text that is a number into that number.
                    let condition =
                        format!("typeof({from}) = 'text' AND {from} <> CAST({from} AS {})", cast.declared);
                    doubt(column, condition, Way::Casts(cast));
                }
            }
        }
        Ok(doubts)
    }

    /// The columns of the table that a copy drops, if it computes others from them and these may be `NULL`. A zero can mean that there is
    /// nothing to move.
    fn moves(&self) -> rusqlite::Result<Vec<Doubt>> {
        let mut doubts = Vec::new();
        if self.kind == Kind::Update || !self.clauses.sets.iter().any(|set| may_become_null(set.value)) {
            return Ok(doubts);
        }
        let other = self.clauses.joined_by();
        let own = self.alias.and_then(|alias| Tokens::new(alias).next_name()).unwrap_or_default();
        for from in columns::of(self.conn, "main", self.table)?.iter().filter(|name| (self.is_dropped)(name))
        {
            let is_target = |set: &&Set<'_>| {
                let is_other = reads_other(set.value, &own);
                if is_other { reads_own(other, &own, from) } else { mentions(set.value, from) }
            };
            let targets: Vec<&Set<'_>> = self.clauses.sets.iter().filter(is_target).collect();
            let is_clear = |set: &&Set<'_>| {
                !may_become_null(set.value) || set.columns.first().is_some_and(|name| same_name(name, from))
            };
            if let (Some(first), false) = (targets.first(), targets.iter().any(is_clear)) {
                let nulls = targets.iter().map(|set| format!("({}) IS NULL", set.value));
                let nulls = nulls.collect::<Vec<_>>().join(" AND ");
                doubts.push(Doubt {
                    column: first.columns.first().cloned().unwrap_or_default(),
                    condition: format!("{nulls} AND {} AND {} <> 0", self.had(from)?, self.column(from)),
                    way: Way::Moves { from: from.clone() },
                });
            }
        }
        Ok(doubts)
    }

    /// Whether a column cannot be `NULL`: a statement that would make it so fails, skips the row or writes the default.
    fn is_required(&self, column: &str) -> rusqlite::Result<bool> {
        let sql =
            "SELECT 1 FROM pragma_table_info(?1, 'main') WHERE name = ?2 COLLATE NOCASE AND \"notnull\"";
        has_row(self.conn, sql, &[self.table, column])
    }

    /// What a cast converts.
    fn cast_from(&self, cast: &Cast) -> String {
        let column = self.column(&cast.column);
        cast.factor.as_ref().map_or_else(|| column.clone(), |factor| format!("({column} * {factor})"))
    }

    /// A column that the statement reads. In double quotes, SQLite could take its name for a text.
    fn column(&self, name: &str) -> String {
        let name = format!("`{}`", name.replace('`', "``"));
        self.alias.map_or_else(|| name.clone(), |alias| format!("{alias}.{name}"))
    }

    fn had(&self, name: &str) -> rusqlite::Result<String> {
        had(self.conn, [self.table, name], &self.column(name))
    }

    fn finding(&self, doubt: &Doubt) -> rusqlite::Result<StepFinding> {
        let (table, written) = (self.table, &doubt.column);
        let (what, remedy) = match &doubt.way {
            Way::Casts(Cast { column, declared, .. }) => (
                format!(
                    "casts `{column}` of `{table}` to {declared}, although some of its texts are not such numbers"
                ),
                format!("correct these texts first{}, or keep them in a TEXT column", self.example(doubt)?),
            ),
            Way::Truncates(Cast { column, factor, declared }) => {
                let times = factor.as_ref().map_or_else(String::new, |factor| format!(" times {factor}"));
                let what = format!(
                    "casts `{column}` of `{table}`{times} to {declared}, although some of these numbers have a fraction{}",
                    self.example(doubt)?
                );
                let remedy = "write CAST(round(...) AS INTEGER) if whole numbers are meant, or keep them in a REAL column";
                (what, remedy.to_owned())
            }
            Way::Joins => (
                format!(
                    "sets `{written}` of `{table}` to NULL where one of the columns that it joins with || is NULL, and the others are lost"
                ),
                "write coalesce(..., '') around each of these columns".to_owned(),
            ),
            Way::Null => return Ok(becomes_null(table, written)),
            Way::Moves { from } => (
                format!(
                    "replaces `{table}` without its column `{from}`, and `{written}`, which is computed from it, is NULL in rows where `{from}` had a value"
                ),
                format!(
                    "give `{written}` a value for each value of `{from}`, or write coalesce(..., NULL) if NULL is meant"
                ),
            ),
        };
        Ok(StepFinding::new(ProblemKind::ValuesChanged, what, remedy))
    }

    /// What a cast makes of one of the values, in words.
    fn example(&self, doubt: &Doubt) -> rusqlite::Result<String> {
        let (Way::Casts(cast) | Way::Truncates(cast)) = &doubt.way else { return Ok(String::new()) };
        let sample = format!("min(CASE WHEN {} THEN {} END)", doubt.condition, self.cast_from(cast));
        let sample: Option<Value> =
            known(self.conn.query_row(&self.clauses.query(&[sample]), [], |row| row.get(0)))?;
        let Some(sample @ (Value::Text(_) | Value::Real(_))) = sample else { return Ok(String::new()) };
        let sql = format!("SELECT CAST(CAST(?1 AS {}) AS TEXT)", cast.declared);
        let number: String = self.conn.query_row(&sql, [&sample], |row| row.get(0))?;
        let words = match sample {
            Value::Text(text) => {
                let mut short: String = text.chars().take(40).collect();
                if short.len() < text.len() {
                    short.push('…');
                }
                literal(Some(&short))
            }
            Value::Real(number) => number.to_string(),
            _ => return Ok(String::new()),
        };
        Ok(format!(" ({words} becomes {number})"))
    }
}

/// Whether a number loses more than what a calculation with `REAL` adds to a whole number: 1.1 * 100 is 110.00000000000001.
fn truncates(number: &str) -> String {
    format!(
        "typeof({number}) = 'real' AND (CAST({number} AS INTEGER) <> CAST(round({number}) AS INTEGER)
            OR abs({number} - round({number})) > 1e-6 + abs({number}) * 1e-15 OR abs({number}) > 9.2233720368547758e18)"
    )
}

/// The finding about values of a column that become `NULL`.
pub(super) fn becomes_null(table: &str, column: &str) -> StepFinding {
    StepFinding::new(
        ProblemKind::ValuesChanged,
        format!(
            "sets `{column}` of `{table}` to NULL where it had a value, since the expression for it is NULL there"
        ),
        format!(
            "keep the old value with coalesce(..., {}), or write coalesce(..., NULL) if NULL is meant",
            quote(column)
        ),
    )
}

/// Whether a row has a value that somebody gave it, in a column of a table, given the column as an expression.
pub(super) fn had(conn: &Connection, [table, name]: [&str; 2], column: &str) -> rusqlite::Result<String> {
    let usual = default_of(conn, table, name)?
        .map_or_else(String::new, |default| format!(" AND {column} IS NOT ({})", expression(&default)));
    Ok(format!("({column} IS NOT NULL AND {column} <> ''{usual})"))
}
