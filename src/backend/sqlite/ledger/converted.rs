//! Finds values that a statement turns into `NULL` without saying so, and texts that `CAST` turns into other numbers.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::act::drops_column;
use super::affinity::is_numeric;
use super::ask::exists;
use super::clauses::{Clauses, Set, top};
use super::place::Place;
use crate::account::StepFinding;
use crate::backend::sqlite::client::literal;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::functions::has_only_own;
use crate::problem::ProblemKind;
use crate::sql::{Token, Tokens, has_word, part, same_name};

/// Functions that return `NULL` only for `NULL`, and words of expressions that do.
const KEEPS: [&str; 22] = [
    "abs", "and", "as", "blob", "cast", "coalesce", "hex", "ifnull", "integer", "is", "length", "lower",
    "ltrim", "not", "or", "quote", "real", "round", "rtrim", "text", "trim", "upper",
];

/// The findings about an `UPDATE`.
pub(super) fn by_update(
    conn: &Connection,
    place: Place<'_>,
    table: &str,
) -> rusqlite::Result<Vec<StepFinding>> {
    let Some(clauses) = Clauses::of_update(place.own) else { return Ok(Vec::new()) };
    let is_dropped = |column: &str| drops_column(place.rest, table, column);
    let found = Converted { conn, table, clauses: &clauses, is_dropped: &is_dropped }.findings()?;
    if !found.is_empty() && exists(conn, "view", table)? {
        // Its triggers decide what is written.
        return Ok(Vec::new());
    }
    Ok(found.into_iter().map(|(_, finding)| finding).collect())
}

/// What a copy does to values that are lost when its source is dropped, each with its column. The rest of the script
/// is the last statement that drops a table: without one, nothing is lost.
pub(super) fn by_copy(
    conn: &Connection,
    place: Place<'_>,
    table: &str,
) -> rusqlite::Result<Vec<(String, StepFinding)>> {
    if place.rest.is_empty() || !has_word(place.own, &["select"]) {
        return Ok(Vec::new());
    }
    let Some(clauses) = Clauses::of_copy(place.own, || columns::of(conn, "main", table))? else {
        return Ok(Vec::new());
    };
    let is_copied = |set: &Set<'_>, name: &str| is_column(set.value, name);
    let is_dropped = |name: &str| !clauses.sets.iter().any(|set| is_copied(set, name));
    Converted { conn, table, clauses: &clauses, is_dropped: &is_dropped }.findings()
}

/// What a statement does with the values of its sets.
pub(super) struct Converted<'t> {
    pub(super) conn: &'t Connection,
    /// The table that the statement writes.
    pub(super) table: &'t str,
    pub(super) clauses: &'t Clauses<'t>,
    /// Whether a column that the statement reads and does not write is dropped later.
    pub(super) is_dropped: &'t dyn Fn(&str) -> bool,
}

/// A way to lose values.
struct Doubt {
    column: String,
    /// Whether a row loses a value, and the same with the name of the first table before that of the column, for a join in which several
    /// tables have the column.
    condition: String,
    in_first: Option<String>,
    way: Way,
}

enum Way {
    /// The expression is `NULL` where its column had a value.
    Null,
    /// It joins columns with `||`, and one of them is `NULL`.
    Joins,
    Casts(Cast),
}

/// `CAST(column AS declared)`
struct Cast {
    column: String,
    declared: String,
}

impl Converted<'_> {
    /// The findings, each with the column that it is about. Each row that the statement reads is read once more, and only if an expression
    /// can lose a value.
    pub(super) fn findings(&self) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let doubts: Vec<Doubt> = self.clauses.sets.iter().flat_map(|set| self.doubts(set)).collect();
        let mut found = Vec::new();
        if doubts.is_empty() {
            return Ok(found);
        }
        let whole: Vec<String> = doubts.iter().map(|doubt| sum(&doubt.condition)).collect();
        let is_harmless = |results: &[String]| has_only_own(&self.clauses.query(results));
        let all = if is_harmless(&whole) { self.counts(&whole)? } else { None };
        for (place, doubt) in doubts.iter().enumerate() {
            let mut count = all.as_ref().map(|counts| counts[place]);
            // One that cannot be evaluated, such as a name that the rows do not have, says nothing about the others.
            for condition in [Some(&doubt.condition), doubt.in_first.as_ref()].into_iter().flatten() {
                let alone = [sum(condition)];
                if count.is_none() && is_harmless(&alone) {
                    count = self.counts(&alone)?.map(|counts| counts[0]);
                }
            }
            if let Some(rows) = count.filter(|rows| *rows > 0) {
                found.push((doubt.column.clone(), self.finding(doubt, rows)?));
            }
        }
        Ok(found)
    }

    fn counts(&self, results: &[String]) -> rusqlite::Result<Option<Vec<u64>>> {
        known(self.conn.query_row(&self.clauses.query(results), [], |row| {
            let count = |place| Ok(row.get::<_, Option<i64>>(place)?.unwrap_or_default().unsigned_abs());
            (0..results.len()).map(count).collect()
        }))
    }

    fn doubts(&self, set: &Set<'_>) -> Vec<Doubt> {
        let value = set.value;
        let had = |name: &String| format!("{} IS NOT NULL", column_name(name));
        if let [column, _, ..] = &*set.columns {
            let had: Vec<String> = set.columns.iter().map(had).collect();
            let condition = format!("({}) AND NOT EXISTS {value}", had.join(" OR "));
            let is_query = Tokens::new(value).nth(1).is_some_and(|token| token.is("select"));
            let doubt = Doubt { column: column.clone(), condition, in_first: None, way: Way::Null };
            return if is_query { vec![doubt] } else { Vec::new() };
        }
        let Some(column) = set.columns.first() else { return Vec::new() };
        let mut doubts = Vec::new();
        let first = self.clauses.first_table();
        let table = first.and_then(|table| Tokens::new(table).next_name()).unwrap_or_default();
        if may_be_null(value, column, &table) {
            let is_lost = |had: &str| format!("({value}) IS NULL AND {had} IS NOT NULL");
            let name = column_name(column);
            let in_first = first.map(|table| is_lost(&format!("{table}.{name}")));
            doubts.push(Doubt {
                column: column.clone(),
                condition: is_lost(&name),
                in_first,
                way: Way::Null,
            });
        }
        let parts = joined(value);
        let is_lost = |name: &&String| (self.is_dropped)(name) && !same_name(name, column);
        let lost: Vec<String> = parts.iter().filter(is_lost).map(had).collect();
        if parts.len() > 1 && !parts.iter().any(|name| same_name(name, column)) && !lost.is_empty() {
            let condition = format!("({value}) IS NULL AND ({})", lost.join(" OR "));
            doubts.push(Doubt { column: column.clone(), condition, in_first: None, way: Way::Joins });
        }
        for cast in casts(value) {
            if same_name(&cast.column, column) || (self.is_dropped)(&cast.column) {
                let from = column_name(&cast.column);
                // The comparison turns a text that is a number into that number.
                let condition =
                    format!("typeof({from}) = 'text' AND {from} <> CAST({from} AS {})", cast.declared);
                doubts.push(Doubt {
                    column: column.clone(),
                    condition,
                    in_first: None,
                    way: Way::Casts(cast),
                });
            }
        }
        doubts
    }

    fn finding(&self, doubt: &Doubt, rows: u64) -> rusqlite::Result<StepFinding> {
        let table = self.table;
        let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        let written = &doubt.column;
        let Cast { column, declared } = match &doubt.way {
            Way::Casts(cast) => cast,
            Way::Joins => {
                return Ok(StepFinding::new(
                    ProblemKind::ValuesChanged,
                    format!(
                        "sets `{written}` of `{table}` to NULL in {rows}, since one of the columns that it joins with || is NULL there"
                    ),
                    "write coalesce(..., '') around each of these columns",
                ));
            }
            Way::Null => {
                return Ok(StepFinding::new(
                    ProblemKind::ValuesChanged,
                    format!(
                        "sets `{written}` of `{table}` to NULL in {rows} with a value, since the expression for it is NULL there"
                    ),
                    format!(
                        "keep the old value there, for example with coalesce(..., {written}), or write NULL in the expression if it is meant"
                    ),
                ));
            }
        };
        let sample = format!("min(CASE WHEN {} THEN {} END)", doubt.condition, column_name(column));
        let sample: Option<Value> =
            known(self.conn.query_row(&self.clauses.query(&[sample]), [], |row| row.get(0)))?;
        let example = match sample {
            Some(Value::Text(text)) => {
                let sql = format!("SELECT CAST(CAST(?1 AS {declared}) AS TEXT)");
                let number: String = self.conn.query_row(&sql, [&text], |row| row.get(0))?;
                let short: String = text.chars().take(40).collect();
                format!(": {} becomes {number}", literal(Some(&short)))
            }
            _ => String::new(),
        };
        Ok(StepFinding::new(
            ProblemKind::ValuesChanged,
            format!("casts `{column}` to {declared}, and the text of {rows} is not such a number{example}"),
            "correct these texts first, or keep them in a column of texts",
        ))
    }
}

fn sum(condition: &str) -> String {
    format!("sum({condition})")
}

/// A name that must be a column: in double quotes, SQLite could take it for a text.
fn column_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Whether an expression may be `NULL` although it does not say so, where a column has a value. It says yes if it is not sure.
fn may_be_null(value: &str, column: &str, table: &str) -> bool {
    let (mut tokens, mut words) = (Tokens::new(value), Vec::new());
    while let Some((token, at)) = tokens.next_placed() {
        words.push((token, part(value, at).starts_with('\'')));
    }
    let is_one = |at: usize, expected: &[&str]| {
        words.get(at).is_some_and(|(token, is_text)| !is_text && token.is_any(expected))
    };
    let says_null = |at: usize| {
        is_one(at, &["nullif"]) || is_one(at, &["null"]) && (at == 0 || !is_one(at - 1, &["is", "not"]))
    };
    if (0..words.len()).any(says_null) {
        return false;
    }
    let is_kept = |at: usize| {
        let (token, is_text) = words[at];
        let is_dot = |at: usize| words.get(at).is_some_and(|(token, _)| *token == Token::Mark(b'.'));
        match token {
            Token::Mark(mark) => !matches!(mark, b'/' | b'%'),
            _ if is_text => true,
            Token::Word(word) if word.starts_with(|first: char| first.is_ascii_digit()) => true,
            // Another table of a join may have no row.
            _ if is_dot(at + 1) => token.spelling().is_some_and(|name| same_name(name, table)),
            _ => token.is_any(&KEEPS) || token.spelling().is_some_and(|name| same_name(name, column)),
        }
    };
    !(0..words.len()).all(is_kept)
}

/// Whether an expression is a column of this name, perhaps with the name of a table before it.
fn is_column(value: &str, name: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(value).collect();
    let is_path = tokens.iter().skip(1).step_by(2).all(|token| *token == Token::Mark(b'.'));
    let last = tokens.last().and_then(|token| token.spelling());
    is_path && tokens.len() % 2 == 1 && last.is_some_and(|last| same_name(last, name))
}

/// The columns that an expression joins with `||` and does nothing else with. A text between them is none.
fn joined(value: &str) -> Vec<String> {
    let (mut tokens, mut parts, mut is_part) = (Tokens::new(value), Vec::new(), true);
    while let Some((token, at)) = tokens.next_placed() {
        match token {
            Token::Mark(b'|') if !is_part && tokens.next() == Some(Token::Mark(b'|')) => is_part = true,
            Token::Mark(b'.') if !is_part => {
                is_part = true;
                parts.pop();
            }
            Token::Word(_) | Token::Quoted(_) if is_part => {
                is_part = false;
                if !part(value, at.clone()).starts_with('\'') {
                    parts.extend(Tokens::new(part(value, at)).next_name());
                }
            }
            _ => return Vec::new(),
        }
    }
    parts
}

/// The columns that an expression casts to a number. In a `CASE`, a condition may have looked at the text.
fn casts(value: &str) -> Vec<Cast> {
    if top(value).iter().any(|(token, ..)| token.is("case")) {
        return Vec::new();
    }
    let (mut tokens, mut placed) = (Tokens::new(value), Vec::new());
    while let Some((token, at)) = tokens.next_placed() {
        placed.push((token, at));
    }
    let begins = (0..placed.len()).filter(|&at| placed[at].0.is("cast"));
    begins.filter_map(|at| cast(value, &placed[at..])).collect()
}

fn cast(value: &str, placed: &[(Token<'_>, std::ops::Range<usize>)]) -> Option<Cast> {
    let is_mark = |at: usize, mark| placed.get(at).is_some_and(|(token, _)| *token == Token::Mark(mark));
    let mut name = 2;
    while is_mark(name + 1, b'.') {
        name += 2;
    }
    if !is_mark(1, b'(') || !placed.get(name + 1)?.0.is("as") {
        return None;
    }
    let (mut depth, mut end) = (0, name + 2);
    while depth > 0 || !is_mark(end, b')') {
        depth += i32::from(is_mark(end, b'(')) - i32::from(is_mark(end, b')'));
        end += 1;
        placed.get(end)?;
    }
    let column = Tokens::new(part(value, placed[name].1.start..)).next_name()?;
    let declared = part(value, placed.get(name + 2)?.1.start..placed[end].1.start).trim();
    is_numeric(declared).then(|| Cast { column, declared: declared.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_may_be_null_is_found() {
        let rows = [
            ("NULL", false),
            ("'x'", false),
            ("1", false),
            ("a", false),
            ("t.a", false),
            ("u.a", true),
            ("upper(trim(\"A\")) || 'null'", false),
            ("nullif(b, '')", false),
            ("CASE WHEN b IS NULL THEN a ELSE NULL END", false),
            ("a * 100", false),
            ("a / 2", true),
            ("b", true),
            ("b || ' ' || a", true),
            ("date(a)", true),
            ("CASE WHEN b IS NOT NULL THEN a END", true),
            ("(SELECT c FROM d WHERE e = a)", true),
        ];
        for (value, expected) in rows {
            assert_eq!(may_be_null(value, "a", "t"), expected, "{value}");
        }
    }

    #[test]
    fn the_columns_that_are_joined_are_found() {
        let rows = [
            ("a || ' ' || \"b c\"", "a, b c"),
            ("t.a||u.b", "a, b"),
            ("a", "a"),
            ("a | b", ""),
            ("coalesce(a, '') || b", ""),
            ("a + b", ""),
            ("a ||", "a"),
        ];
        for (value, expected) in rows {
            assert_eq!(joined(value).join(", "), expected, "{value}");
        }
    }

    #[test]
    fn the_casts_of_an_expression_are_found() {
        let rows = [
            ("CAST(a AS INTEGER)", "a INTEGER"),
            (
                "coalesce(cast(t.\"b c\" as decimal(10, 2)), 0) + CAST(d AS DATE)",
                "b c decimal(10, 2), d DATE",
            ),
            ("CAST(a AS TEXT)", ""),
            ("CAST(a || b AS INTEGER)", ""),
            ("CASE WHEN a GLOB '[0-9]*' THEN CAST(a AS INTEGER) END", ""),
            ("CAST(a AS", ""),
        ];
        for (value, expected) in rows {
            let shown = |cast: &Cast| format!("{} {}", cast.column, cast.declared);
            let found: Vec<String> = casts(value).iter().map(shown).collect();
            assert_eq!(found.join(", "), expected, "{value}");
        }
    }
}
