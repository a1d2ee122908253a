//! [`Clauses`]: the values that a statement computes for each row, and the clauses that select the rows, read from its words.

use crate::sql::{Token, Tokens, part};

/// A token, and where it begins and ends.
pub(super) type Placed<'a> = (Token<'a>, usize, usize);

/// What an `UPDATE` sets, or what is copied by `INSERT ... SELECT` and `CREATE TABLE ... AS SELECT`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clauses<'a> {
    pub(super) sets: Vec<Set<'a>>,
    /// The common table expressions of the statement.
    with: &'a str,
    /// `FROM`, and `WHERE` if there is one.
    from: String,
}

/// Columns, and the expression for their values. Several columns have a subquery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Set<'a> {
    pub(super) columns: Vec<String>,
    pub(super) value: &'a str,
}

/// Words that can stand after a table and are not a name for it.
const AFTER_TABLE: [&str; 11] =
    ["cross", "full", "indexed", "inner", "join", "left", "natural", "not", "on", "right", "where"];

impl<'a> Clauses<'a> {
    /// Those of an `UPDATE`.
    pub(super) fn of_update(own: &'a str) -> Option<Self> {
        let tokens = top(own);
        let update = position(&tokens, "update")?;
        let is_or = tokens.get(update + 1)?.0.is("or");
        let table = if is_or { update + 3 } else { update + 1 };
        let set = position(&tokens, "set")?;
        let rest = tokens.get(set + 1..)?;
        let end = ends(rest, &["from", "where", "returning", "order", "limit"]);
        let last = end + ends(&rest[end..], &["returning", "order", "limit"]);
        if rest.get(last).is_some_and(|(token, ..)| token.is_any(&["order", "limit"])) {
            return None;
        }
        let table = part(own, tokens.get(table)?.1..tokens[set].1);
        let is_comma = |(token, ..): &Placed<'_>| *token == Token::Mark(b',');
        let sets = rest[..end].split(is_comma).filter_map(|set| Set::of(own, set)).collect();
        let clauses = &rest[end..last];
        let from = match clauses {
            [] => format!("FROM {table}"),
            [(token, ..), (_, begin, _), .., (_, _, end)] | [(token, ..), (_, begin, end)]
                if token.is("from") =>
            {
                // `RIGHT` and `FULL` would join other rows to none of the table.
                if clauses.iter().any(|(token, ..)| token.is_any(&["right", "full"])) {
                    return None;
                }
                format!("FROM {table}, {}", part(own, *begin..*end))
            }
            [(_, begin, _), .., (_, _, end)] => format!("FROM {table} {}", part(own, *begin..*end)),
            [_] => return None,
        };
        Some(Self { sets, with: part(own, ..tokens[update].1), from })
    }

    /// Whether the statement reads more than one table.
    pub(super) fn reads_others(&self) -> bool {
        let tokens = top(&self.from);
        let end = ends(&tokens, &["where"]);
        tokens[..end].iter().any(|(token, ..)| *token == Token::Mark(b',') || token.is("join"))
    }

    /// Those of a copy whose rows each come from one row. `columns` is asked for the columns of the table if the statement does not list
    /// them.
    pub(super) fn of_copy<E>(
        own: &'a str,
        columns: impl FnOnce() -> Result<Vec<String>, E>,
    ) -> Result<Option<Self>, E> {
        let tokens = top(own);
        let Some((begin, listed)) = copy_begins(own, &tokens) else { return Ok(None) };
        let Some(mut copy) = Self::copy(own, &tokens, begin) else { return Ok(None) };
        let names = match listed {
            Listed::Columns(names) => names,
            Listed::Nothing => columns()?,
            Listed::Results => return Ok(Some(copy)),
        };
        if names.len() != copy.sets.len() {
            return Ok(None);
        }
        copy.sets.iter_mut().zip(names).for_each(|(set, name)| set.columns = vec![name]);
        Ok(Some(copy))
    }

    /// A `SELECT` whose results are named by themselves.
    fn copy(own: &'a str, tokens: &[Placed<'a>], begin: usize) -> Option<Self> {
        let select = begin + position(&tokens[begin..], "select")?;
        let rest = tokens.get(select + 1..)?;
        let rest = if rest.first()?.0.is("all") { &rest[1..] } else { rest };
        let is_joining = |(token, ..): &Placed<'_>| {
            let words =
                ["distinct", "union", "except", "intersect", "group", "having", "window", "limit", "values"];
            token.is_any(&words)
        };
        let from = ends(rest, &["from"]);
        let last = (from..rest.len()).find(|&at| {
            let is_next = |word| rest.get(at + 1).is_some_and(|(token, ..)| token.is(word));
            let (token, ..) = rest[at];
            token == Token::Mark(b';')
                || token.is_any(&["order", "returning"])
                || token.is("on") && is_next("conflict")
        });
        let last = last.unwrap_or(rest.len());
        if rest.get(from).is_none_or(|(token, ..)| !token.is("from")) || rest.iter().any(is_joining) {
            return None;
        }
        let is_comma = |(token, ..): &Placed<'_>| *token == Token::Mark(b',');
        let result = |result: &[Placed<'a>]| {
            let (value, name) = match result {
                [.., (Token::Mark(b'*'), ..)] | [] => return None,
                [value @ .., (as_, ..), (_, at, _)] if as_.is("as") => (value, *at),
                _ => (result, result.last()?.1),
            };
            let name = Tokens::new(part(own, name..)).next_name().unwrap_or_default();
            Some(Set { columns: vec![name], value: part(own, value.first()?.1..value.last()?.2) })
        };
        let sets = rest[..from].split(is_comma).map(result).collect::<Option<Vec<_>>>()?;
        let from = part(own, rest[from].1..rest.get(last.checked_sub(1)?)?.2).to_owned();
        Some(Self { sets, with: part(own, tokens.get(begin)?.1..tokens[select].1), from })
    }

    /// The tables in `FROM` and the conditions that join them.
    pub(super) fn joined_by(&self) -> &str {
        let tokens = top(&self.from);
        let end = ends(&tokens, &["where"]);
        part(&self.from, ..tokens.get(end).map_or(self.from.len(), |(_, begin, _)| *begin))
    }

    /// `WHERE` and its condition, if there is one.
    pub(super) fn selected_by(&self) -> &str {
        part(&self.from, self.joined_by().len()..)
    }

    /// The first table in `FROM`, and the name that the statement gives it.
    pub(super) fn first_table(&self) -> Option<(String, &str)> {
        let tokens = top(&self.from);
        let mut at = 1;
        while tokens.get(at + 1).is_some_and(|(token, ..)| *token == Token::Mark(b'.')) {
            at += 2;
        }
        let is_named = tokens.get(at + 1).is_some_and(|(token, ..)| token.is("as"));
        let next = at + if is_named { 2 } else { 1 };
        let is_alias = |(token, ..): &&Placed<'_>| token.spelling().is_some() && !token.is_any(&AFTER_TABLE);
        let (token, begin, end) = tokens.get(next).filter(is_alias).or(tokens.get(at))?;
        token.spelling()?;
        let table = Tokens::new(part(&self.from, tokens.get(at)?.1..)).next_name()?;
        Some((table, part(&self.from, *begin..*end)))
    }

    /// A query for these results over the rows of the statement.
    pub(super) fn query(&self, results: &[String]) -> String {
        format!("{} SELECT {} {}", self.with, results.join(", "), self.from)
    }
}

impl<'a> Set<'a> {
    pub(super) fn of(own: &'a str, set: &[Placed<'a>]) -> Option<Self> {
        let [first, (Token::Mark(b'='), ..), value @ ..] = set else { return None };
        let value = part(own, value.first()?.1..value.last()?.2);
        Some(Self { columns: names(part(own, first.1..first.2)), value })
    }
}

/// The columns that a copy fills.
enum Listed {
    Columns(Vec<String>),
    /// All of the table.
    Nothing,
    /// Those that its results name, in a new table.
    Results,
}

/// Where the query of a copy begins, and the columns that it fills. One with common table expressions before `INSERT` is left out.
fn copy_begins(own: &str, tokens: &[Placed<'_>]) -> Option<(usize, Listed)> {
    let is_create = tokens.first()?.0.is("create");
    if is_create {
        let begin = position(tokens, "as")? + 1;
        return tokens.get(begin)?.0.is_any(&["with", "select"]).then_some((begin, Listed::Results));
    }
    let (insert, mut at) = insertion(tokens)?;
    let (token, begin, end) = *tokens.get(at)?;
    let listed = if token == Token::Mark(b')') {
        at += 1;
        Listed::Columns(names(part(own, begin..end)))
    } else {
        Listed::Nothing
    };
    let is_query = tokens.get(at)?.0.is_any(&["with", "select"]);
    (insert == 0 && is_query).then_some((at, listed))
}

/// Where `INSERT` or `REPLACE` is in a statement, and where the statement goes on after the name of its table.
pub(super) fn insertion(tokens: &[Placed<'_>]) -> Option<(usize, usize)> {
    let insert = tokens.iter().position(|(token, ..)| token.is_any(&["insert", "replace"]))?;
    let mut at = insert + position(&tokens[insert..], "into")? + 2;
    if tokens.get(at)?.0 == Token::Mark(b'.') {
        at += 2;
    }
    if tokens.get(at)?.0.is("as") {
        at += 2;
    }
    Some((insert, at))
}

/// The names in a text, as SQLite reads them.
pub(super) fn names(text: &str) -> Vec<String> {
    let (mut tokens, mut names) = (Tokens::new(text), Vec::new());
    loop {
        match tokens.next_name() {
            Some(name) => names.push(name),
            None if tokens.next().is_none() => return names,
            None => {}
        }
    }
}

fn position(tokens: &[Placed<'_>], word: &str) -> Option<usize> {
    tokens.iter().position(|(token, ..)| token.is(word))
}

/// Where one of these clauses begins, or else the end. `IS DISTINCT FROM` begins none.
pub(super) fn ends(tokens: &[Placed<'_>], words: &[&str]) -> usize {
    let is_compared = |at: usize| at > 0 && tokens[at - 1].0.is("distinct");
    let is_end =
        |&at: &usize| tokens[at].0 == Token::Mark(b';') || tokens[at].0.is_any(words) && !is_compared(at);
    (0..tokens.len()).find(is_end).unwrap_or(tokens.len())
}

/// The tokens outside of parentheses. What is in parentheses is one token: the closing one.
pub(super) fn top(own: &str) -> Vec<Placed<'_>> {
    let (mut tokens, mut depth) = (Tokens::new(own), 0);
    let (mut placed, mut opened) = (Vec::new(), 0);
    while let Some((token, at)) = tokens.next_placed() {
        match token {
            Token::Mark(b'(') => {
                if depth == 0 {
                    opened = at.start;
                }
                depth += 1;
            }
            Token::Mark(b')') => {
                depth -= 1;
                if depth == 0 {
                    placed.push((token, opened, at.end));
                }
            }
            _ if depth == 0 => placed.push((token, at.start, at.end)),
            _ => {}
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sets, and the query for them.
    fn shown(clauses: Option<Clauses<'_>>) -> String {
        let Some(clauses) = clauses else { return "-".to_owned() };
        let sets = clauses.sets.iter().map(|set| format!("{}: {}", set.columns.join("+"), set.value));
        let sets: Vec<String> = sets.collect();
        let query = clauses.query(&["x".to_owned()]);
        format!("{} | {}", sets.join("; "), query.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn an_update_is_read() {
        let rows = [
            ("UPDATE t SET a = b", "a: b | SELECT x FROM t"),
            (
                "WITH m AS (SELECT 1) UPDATE main.\"t u\" AS k SET a = lower(b), \"c\"\"d\" = 1 WHERE e > (SELECT f FROM g LIMIT 1);",
                "a: lower(b); c\"d: 1 | WITH m AS (SELECT 1) SELECT x FROM main.\"t u\" AS k WHERE e > (SELECT f FROM g LIMIT 1)",
            ),
            (
                "UPDATE t SET (a, b) = (SELECT c, d FROM e) WHERE f IS DISTINCT FROM g RETURNING a",
                "a+b: (SELECT c, d FROM e) | SELECT x FROM t WHERE f IS DISTINCT FROM g",
            ),
            (
                "UPDATE t AS k SET a = b FROM c JOIN d ON e WHERE f RETURNING a",
                "a: b | SELECT x FROM t AS k , c JOIN d ON e WHERE f",
            ),
            ("UPDATE t SET a = b FROM (SELECT 1)", "a: b | SELECT x FROM t , (SELECT 1)"),
            ("UPDATE t SET a = b FROM c RIGHT JOIN d ON e WHERE f", "-"),
            ("UPDATE OR IGNORE t SET a = b WHERE c", "a: b | SELECT x FROM t WHERE c"),
            ("UPDATE t SET a = b WHERE", "-"),
            ("UPDATE t SET a = b WHERE c ORDER BY d LIMIT 1", "-"),
            ("UPDATE t SET", " | SELECT x FROM t"),
            ("UPDATE", "-"),
        ];
        for (own, expected) in rows {
            assert_eq!(shown(Clauses::of_update(own)), expected, "{own}");
        }
    }

    #[test]
    fn the_first_table_is_named() {
        let rows = [
            ("t JOIN u ON a = b", "t t"),
            ("main.\"t u\" WHERE c", "t u \"t u\""),
            ("t AS x, u", "t x"),
            ("main.t", "t t"),
            ("(SELECT 1) y LEFT JOIN u", ""),
            ("(SELECT 1) JOIN u", ""),
        ];
        for (from, expected) in rows {
            let own = format!("INSERT INTO n (a) SELECT a FROM {from}");
            let clauses = Clauses::of_copy(&own, || Ok::<_, ()>(Vec::new())).unwrap().unwrap();
            let first = clauses.first_table().map(|(table, alias)| format!("{table} {alias}"));
            assert_eq!(first.unwrap_or_default(), expected, "{from}");
        }
    }

    #[test]
    fn a_copy_is_read() {
        let rows = [
            ("INSERT INTO n SELECT a, b FROM t", "p: a; q: b | SELECT x FROM t"),
            (
                "INSERT OR IGNORE INTO main.n (c, d) SELECT ALL lower(a) AS e, t.b FROM t WHERE f ORDER BY g;",
                "c: lower(a); d: t.b | SELECT x FROM t WHERE f",
            ),
            (
                "INSERT INTO n WITH m AS (SELECT 1) SELECT a, b FROM m JOIN t ON m.a = t.a WHERE true ON CONFLICT DO NOTHING",
                "p: a; q: b | WITH m AS (SELECT 1) SELECT x FROM m JOIN t ON m.a = t.a WHERE true",
            ),
            ("CREATE TABLE n AS SELECT a, b + 1 AS \"c d\" FROM t", "a: a; c d: b + 1 | SELECT x FROM t"),
            ("INSERT INTO n SELECT * FROM t", "-"),
            ("INSERT INTO n SELECT a FROM t", "-"),
            ("INSERT INTO n SELECT DISTINCT a, b FROM t", "-"),
            ("INSERT INTO n SELECT a, b FROM t GROUP BY a", "-"),
            ("INSERT INTO n SELECT a, b FROM t UNION SELECT 1, 2", "-"),
            ("INSERT INTO n VALUES (1, 2)", "-"),
            ("INSERT INTO n SELECT 1, 2", "-"),
            ("WITH m AS (SELECT 1) INSERT INTO n SELECT a, b FROM m", "-"),
            ("INSERT INTO", "-"),
        ];
        let columns = || Ok::<_, ()>(vec!["p".to_owned(), "q".to_owned()]);
        for (own, expected) in rows {
            assert_eq!(shown(Clauses::of_copy(own, columns).unwrap()), expected, "{own}");
        }
    }
}
