//! What an expression of a statement does to values, read from its words.

use super::affinity::is_numeric;
use crate::sql::{Token, Tokens, part, same_name};

/// Functions that return `NULL` only for `NULL`, and words of expressions that do.
const KEEPS: [&str; 22] = [
    "abs", "and", "as", "blob", "cast", "coalesce", "hex", "ifnull", "integer", "is", "length", "lower",
    "ltrim", "not", "or", "quote", "real", "round", "rtrim", "text", "trim", "upper",
];

/// Words of conditions that are no columns.
const OPERATORS: [&str; 16] = [
    "between", "case", "collate", "else", "end", "false", "in", "is", "like", "not", "null", "or", "then",
    "true", "when", "where",
];

/// `CAST(column AS declared)`, or `CAST(column * 100 AS declared)`
#[derive(Clone)]
pub(super) struct Cast {
    pub(super) column: String,
    /// The number that multiplies the column.
    pub(super) factor: Option<String>,
    pub(super) declared: String,
}

/// Whether an expression may be `NULL` although it does not say so, where a column has a value. It says yes if it is not sure.
pub(super) fn may_be_null(value: &str, column: &str, table: &str) -> bool {
    let (mut tokens, mut words) = (Tokens::new(value), Vec::new());
    while let Some((token, at)) = tokens.next_placed() {
        words.push((token, part(value, at).starts_with('\'')));
    }
    if says_null(value) || is_recomputed(value) {
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

/// Whether an expression may be `NULL` although it does not say so. Columns that are joined with `||` are looked at otherwise.
pub(super) fn may_become_null(value: &str) -> bool {
    joined(value).len() < 2 && may_be_null(value, "", "")
}

/// Whether an expression is a column of a table other than this one.
pub(super) fn reads_other(value: &str, table: &str) -> bool {
    let mut tokens = Tokens::new(value);
    let (first, dot) = (tokens.next_name(), tokens.next());
    is_path(value) && dot == Some(Token::Mark(b'.')) && first.is_some_and(|name| !same_name(&name, table))
}

/// Whether a text reads a column of the table of this name: with that name before it, or with none.
pub(super) fn reads_own(text: &str, table: &str, column: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(text).collect();
    (0..tokens.len()).any(|at| is_own(&tokens, at, [table, column]))
}

/// Whether a condition, or one of those that `AND` joins in it, compares a column of the table of this name with one of another table.
pub(super) fn compares_own(condition: &str, table: &str, column: &str) -> bool {
    let (mut tokens, mut words) = (Tokens::new(condition), Vec::new());
    while let Some((token, at)) = tokens.next_placed() {
        // A text is no name.
        words.push(if part(condition, at).starts_with('\'') { Token::Mark(b'\'') } else { token });
    }
    words.split(|word| word.is("and")).any(|words| {
        let is_mark = |at: usize, mark| words.get(at) == Some(&Token::Mark(mark));
        let is_other = |at: usize| {
            let is_name =
                words[at].spelling().is_some_and(|name| !name.starts_with(|c: char| c.is_ascii_digit()));
            let is_column =
                is_name && !is_mark(at + 1, b'.') && !is_mark(at + 1, b'(') && !words[at].is_any(&OPERATORS);
            let owner = if at > 1 && is_mark(at - 1, b'.') { words[at - 2].spelling() } else { None };
            is_column
                && !is_own(words, at, [table, column])
                && owner.is_none_or(|owner| !same_name(owner, table))
        };
        (0..words.len()).any(|at| is_own(words, at, [table, column])) && (0..words.len()).any(is_other)
    })
}

/// Whether this token is the column of the table. The name of a table is none.
fn is_own(tokens: &[Token<'_>], at: usize, [table, column]: [&str; 2]) -> bool {
    let is_dot = |at: usize| tokens.get(at) == Some(&Token::Mark(b'.'));
    let is_it = tokens[at].spelling().is_some_and(|name| same_name(name, column)) && !is_dot(at + 1);
    is_it
        && match at.checked_sub(1) {
            None => true,
            Some(before) if is_dot(before) => {
                let owner = before.checked_sub(1).and_then(|at| tokens[at].spelling());
                owner.is_some_and(|owner| same_name(owner, table))
            }
            Some(before) => !tokens[before].is_any(&["as", "from", "join"]),
        }
}

/// The name of a column that is the whole expression, if it may be one of the table of this name.
pub(super) fn own_column(value: &str, table: &str) -> Option<String> {
    let mut tokens = Tokens::new(value);
    let mut names = Vec::new();
    while let Some(name) = tokens.next_name() {
        names.push(name);
        tokens.next();
    }
    match &*names {
        [name] if is_path(value) => Some(name.clone()),
        [own, name] if is_path(value) && same_name(own, table) => Some(name.clone()),
        _ => None,
    }
}

/// Whether an expression says `NULL`, so that it is meant.
pub(super) fn says_null(value: &str) -> bool {
    let (mut tokens, mut is_compared) = (Tokens::new(value), false);
    while let Some((token, at)) = tokens.next_placed() {
        let is_text = part(value, at).starts_with('\'');
        if !is_text && (token.is("nullif") || token.is("null") && !is_compared) {
            return true;
        }
        is_compared = !is_text && token.is_any(&["is", "not"]);
    }
    false
}

/// Whether an expression is a subquery for a sum or an average, which is computed again from the rows that are left.
fn is_recomputed(value: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(value).take(4).collect();
    matches!(*tokens, [Token::Mark(b'('), select, sum, Token::Mark(b'(')] if select.is("select") && sum.is_any(&["avg", "sum", "total"]))
}

/// Whether an expression is a column of this name, perhaps with the name of a table before it.
pub(super) fn is_column(value: &str, name: &str) -> bool {
    let last = Tokens::new(value).last().and_then(Token::spelling);
    is_path(value) && last.is_some_and(|last| same_name(last, name))
}

/// Whether an expression is a name, perhaps with the name of a table before it.
fn is_path(value: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(value).collect();
    let is_path = tokens.iter().skip(1).step_by(2).all(|token| *token == Token::Mark(b'.'));
    let is_name = |token: &Token<'_>| !matches!(token, Token::Mark(_));
    // A text in single quotes is no name.
    let is_text = value.trim_start().starts_with('\'');
    !is_text && is_path && tokens.len() % 2 == 1 && tokens.iter().step_by(2).all(is_name)
}

/// The columns that an expression joins with `||` and does nothing else with. A text between them is none.
pub(super) fn joined(value: &str) -> Vec<String> {
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

/// The columns that an expression casts to a number. None if it has a condition, which may have checked the text, or a query, which reads
/// other columns.
pub(super) fn casts(value: &str) -> Vec<Cast> {
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
    let mut as_ = name + 1;
    let mut factor = None;
    if is_mark(as_, b'*') {
        factor =
            placed.get(as_ + 1)?.0.spelling().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        as_ += 2;
    }
    let is_scaled = as_ > name + 1;
    if !is_mark(1, b'(') || !placed.get(as_)?.0.is("as") || is_scaled != factor.is_some() {
        return None;
    }
    let (mut depth, mut end) = (0, as_ + 1);
    while depth > 0 || !is_mark(end, b')') {
        depth += i32::from(is_mark(end, b'(')) - i32::from(is_mark(end, b')'));
        end += 1;
        placed.get(end)?;
    }
    let column = Tokens::new(part(value, placed[name].1.start..)).next_name()?;
    let declared = part(value, placed.get(as_ + 1)?.1.start..placed[end].1.start).trim();
    let factor = factor.map(str::to_owned);
    is_numeric(declared).then(|| Cast { column, factor, declared: declared.to_owned() })
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
            ("(SELECT max(c) FROM d WHERE e = a)", true),
            ("(SELECT sum(c) FROM d WHERE e = a)", false),
        ];
        for (value, expected) in rows {
            assert_eq!(may_be_null(value, "a", "t"), expected, "{value}");
        }
    }

    #[test]
    fn a_column_of_the_table_itself_is_told_from_those_of_others() {
        let rows = [
            ("FROM t JOIN u ON u.a = t.b", false, false),
            ("FROM t JOIN u ON u.b = main.t.\"A\"", true, true),
            ("FROM t JOIN a ON a.b = t.b", false, false),
            ("WHERE u.b = t.b AND t.a > 0", true, false),
            ("WHERE u.b = t.b AND a <> 'b' AND t.a IS NOT NULL AND length(t.a) = t.b", true, false),
            ("WHERE t.b > 0 AND b = trim(t.a)", true, true),
            ("", false, false),
        ];
        for (text, is_read, is_compared) in rows {
            assert_eq!(reads_own(text, "t", "a"), is_read, "{text}");
            assert_eq!(compares_own(text, "t", "a"), is_compared, "{text}");
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
            ("CAST(t.a * 100 AS INTEGER)", "a*100 INTEGER"),
            ("CAST(a * b AS INTEGER)", ""),
            ("CAST(a / 100 AS INTEGER)", ""),
            ("CAST(a AS TEXT)", ""),
            ("CAST(a || b AS INTEGER)", ""),
            ("CASE WHEN a GLOB '[0-9]*' THEN CAST(a AS INTEGER) END", ""),
            ("(CASE WHEN a GLOB '[0-9]*' THEN CAST(a AS INTEGER) END)", ""),
            ("iif(a GLOB '[0-9]*', CAST(a AS INTEGER), a)", ""),
            ("coalesce((SELECT CAST(a AS INTEGER) FROM u), a)", ""),
            ("CAST(a AS", ""),
        ];
        for (value, expected) in rows {
            let shown = |cast: &Cast| {
                let factor = cast.factor.iter().map(|factor| format!("*{factor}"));
                format!("{}{} {}", cast.column, factor.collect::<String>(), cast.declared)
            };
            let found: Vec<String> = casts(value).iter().map(shown).collect();
            assert_eq!(found.join(", "), expected, "{value}");
        }
    }
}
