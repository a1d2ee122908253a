//! Finds values that a statement turns into `NULL` without saying so, and texts that `CAST` turns into other numbers.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::act::DroppedColumn;
use super::affinity::is_numeric;
use super::ask::{exists, truths};
use super::clauses::{Clauses, Set};
use super::place::Place;
use super::uncopied::expression;
use crate::account::StepFinding;
use crate::backend::sqlite::client::literal;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::functions::has_only_own;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{Token, Tokens, has_word, mentions, part, same_name};

/// Functions that return `NULL` only for `NULL`, and words of expressions that do.
const KEEPS: [&str; 22] = [
    "abs", "and", "as", "blob", "cast", "coalesce", "hex", "ifnull", "integer", "is", "length", "lower",
    "ltrim", "not", "or", "quote", "real", "round", "rtrim", "text", "trim", "upper",
];

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
    let statement = Converting { conn, table, alias: None, clauses: &clauses, is_dropped: &is_dropped };
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
    let statement =
        Converting { conn, table: &from, alias: Some(alias), clauses: &clauses, is_dropped: &is_dropped };
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
    Casts(Cast),
}

/// `CAST(column AS declared)`
struct Cast {
    column: String,
    declared: String,
}

impl Converting<'_> {
    /// The findings, each with the column that it is about. Each row that the statement reads is read once more, and only if an expression
    /// can lose a value.
    ///
    /// No number of rows is in a finding, so that a statement which is repeated for many rows is told once.
    fn findings(&self) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let doubts = self.clauses.sets.iter().map(|set| self.doubts(set));
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
        if may_be_null(value, column, &Tokens::new(table).next_name().unwrap_or_default()) {
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
                let from = self.column(&cast.column);
                // The comparison turns a text that is a number into that number.
                let condition =
                    format!("typeof({from}) = 'text' AND {from} <> CAST({from} AS {})", cast.declared);
                doubt(column, condition, Way::Casts(cast));
            }
        }
        Ok(doubts)
    }

    /// A column that the statement reads. In double quotes, SQLite could take its name for a text.
    fn column(&self, name: &str) -> String {
        let name = format!("`{}`", name.replace('`', "``"));
        self.alias.map_or_else(|| name.clone(), |alias| format!("{alias}.{name}"))
    }

    /// Whether a row has a value in a column that somebody gave it.
    fn had(&self, name: &str) -> rusqlite::Result<String> {
        let column = self.column(name);
        let sql = "SELECT dflt_value FROM pragma_table_info(?1, 'main') WHERE name = ?2 COLLATE NOCASE";
        let default: Option<Option<String>> =
            self.conn.query_row(sql, [self.table, name], |row| row.get(0)).optional()?;
        let usual = default
            .flatten()
            .map_or_else(String::new, |default| format!(" AND {column} IS NOT ({})", expression(&default)));
        Ok(format!("({column} IS NOT NULL AND {column} <> ''{usual})"))
    }

    fn finding(&self, doubt: &Doubt) -> rusqlite::Result<StepFinding> {
        let (table, written) = (self.table, &doubt.column);
        let Cast { column, declared } = match &doubt.way {
            Way::Casts(cast) => cast,
            Way::Joins => {
                return Ok(StepFinding::new(
                    ProblemKind::ValuesChanged,
                    format!(
                        "sets `{written}` of `{table}` to NULL where one of the columns that it joins with || is NULL, and the others are lost"
                    ),
                    "write coalesce(..., '') around each of these columns",
                ));
            }
            Way::Null => {
                return Ok(StepFinding::new(
                    ProblemKind::ValuesChanged,
                    format!(
                        "sets `{written}` of `{table}` to NULL where it had a value, since the expression for it is NULL there"
                    ),
                    format!(
                        "keep the old value with coalesce(..., {}), or write coalesce(..., NULL) if NULL is meant",
                        quote(written)
                    ),
                ));
            }
        };
        let sample = format!("min(CASE WHEN {} THEN {} END)", doubt.condition, self.column(column));
        let sample: Option<Value> =
            known(self.conn.query_row(&self.clauses.query(&[sample]), [], |row| row.get(0)))?;
        let example = match sample {
            Some(Value::Text(text)) => {
                let sql = format!("SELECT CAST(CAST(?1 AS {declared}) AS TEXT)");
                let number: String = self.conn.query_row(&sql, [&text], |row| row.get(0))?;
                let mut short: String = text.chars().take(40).collect();
                if short.len() < text.len() {
                    short.push('…');
                }
                format!(" ({} becomes {number})", literal(Some(&short)))
            }
            _ => String::new(),
        };
        Ok(StepFinding::new(
            ProblemKind::ValuesChanged,
            format!(
                "casts `{column}` of `{table}` to {declared}, although some of its texts are not such numbers"
            ),
            format!("correct these texts first{example}, or keep them in a TEXT column"),
        ))
    }
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

/// The columns that an expression casts to a number. A condition may have looked at the text, and a query reads other columns.
fn casts(value: &str) -> Vec<Cast> {
    if Tokens::new(value).any(|token| token.is_any(&["case", "iif", "select"])) {
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
            ("(CASE WHEN a GLOB '[0-9]*' THEN CAST(a AS INTEGER) END)", ""),
            ("iif(a GLOB '[0-9]*', CAST(a AS INTEGER), a)", ""),
            ("coalesce((SELECT CAST(a AS INTEGER) FROM u), a)", ""),
            ("CAST(a AS", ""),
        ];
        for (value, expected) in rows {
            let shown = |cast: &Cast| format!("{} {}", cast.column, cast.declared);
            let found: Vec<String> = casts(value).iter().map(shown).collect();
            assert_eq!(found.join(", "), expected, "{value}");
        }
    }
}
