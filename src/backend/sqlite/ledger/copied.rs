//! Finds an `INSERT` that puts values into columns of other names.

use rusqlite::Connection;

use super::clauses::{Placed, insertion, names, top};
use super::place::Place;
use crate::account::StepFinding;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::problem::ProblemKind;
use crate::sql::{Token, folded, has_word, mentions, part, same_name};

/// The finding about an `INSERT` that copies by position, if the result of a `SELECT` and the table have the same columns in another
/// order. For a `*` one column that is elsewhere is enough; of a list of results, two columns must have changed places. An expression
/// with a name was given that name on purpose. So were columns that the statement lists, unless the script drops a table afterwards: the
/// rest is the last statement that does.
pub(super) fn finding(
    conn: &Connection,
    place: Place<'_>,
    database: &str,
    table: &str,
) -> rusqlite::Result<Option<StepFinding>> {
    let (listed, selects) = read(place.own).unwrap_or_default();
    if selects.is_empty() || !listed.is_empty() && place.rest.is_empty() {
        return Ok(None);
    }
    let columns = if listed.is_empty() { columns::of(conn, database, table)? } else { listed };
    for Selected { select, plain } in selects {
        // A table that is copied onto itself, such as edges in the other direction, is meant so.
        if mentions(&select, table) {
            continue;
        }
        // The statement itself was prepared, so this fails only if its words were misread.
        let Some(select) = known(conn.prepare(&select))? else { continue };
        let names = (0..select.column_count()).map(|place| select.column_name(place));
        let mut given: Vec<String> = names.map(|name| name.map(folded)).collect::<rusqlite::Result<_>>()?;
        if given.len() != columns.len() {
            continue;
        }
        let is_star = plain.is_none();
        for place in
            plain.iter().flatten().enumerate().filter(|(_, is_plain)| !**is_plain).map(|(place, _)| place)
        {
            given[place].clear();
        }
        let own = |name: &str| columns.iter().position(|column| same_name(column, name));
        let is_given = |column: &String| given.iter().any(|name| same_name(name, column));
        // A column that is given twice may be copied to another one too.
        let is_elsewhere = |(place, name): &(usize, &String)| {
            let is_other = own(name).is_some_and(|own| own != *place && given[own] != **name);
            is_other && (is_star || is_given(&columns[*place]))
        };
        if let Some((place, name)) = given.iter().enumerate().find(is_elsewhere) {
            let name = own(name).map_or(&**name, |own| &*columns[own]);
            return Ok(Some(StepFinding::new(
                ProblemKind::ValuesChanged,
                format!(
                    "copies by position: values of `{name}` go to the column `{}` of `{table}`",
                    columns[place]
                ),
                format!("name the columns in the same order: INSERT INTO {table} (...) SELECT ..."),
            )));
        }
    }
    Ok(None)
}

/// A `SELECT` as a statement of its own.
pub(super) struct Selected {
    pub(super) select: String,
    /// Which results are columns; `None` if it selects a `*`.
    plain: Option<Vec<bool>>,
}

/// The columns that an `INSERT` lists, and the query whose rows it adds.
pub(super) fn whole_query(own: &str) -> Option<(Vec<String>, String)> {
    let Body { listed, outer, inner, query } = Body::of(own)?;
    let text = part(own, query.first()?.1..query.last()?.2);
    Some((listed, with_queries(outer, inner, text)))
}

/// A `SELECT` with the queries before it that have names.
fn with_queries(outer: &str, inner: &str, text: &str) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (false, false) => format!("{outer} SELECT * FROM ({inner} {text})"),
        _ => format!("{outer} {inner} {text}"),
    }
}

/// The columns that an `INSERT` lists, and each `SELECT` whose rows it adds.
pub(super) fn read(own: &str) -> Option<(Vec<String>, Vec<Selected>)> {
    let Body { listed, outer, inner, query } = Body::of(own)?;
    let is_union = |(token, ..): &Placed<'_>| token.is_any(&["union", "except", "intersect"]);
    let arms = query.split(is_union).filter_map(|arm| {
        let is_all = arm.first()?.0.is("all");
        let arm = if is_all { &arm[1..] } else { arm };
        let plain = plain(arm)?;
        let text = part(own, arm.first()?.1..arm.last()?.2);
        Some(Selected { select: with_queries(outer, inner, text), plain })
    });
    Some((listed, arms.collect()))
}

/// The parts of an `INSERT` that adds the rows of a query.
struct Body<'a> {
    listed: Vec<String>,
    /// `WITH ...` before `INSERT`
    outer: &'a str,
    /// `WITH ...` before `SELECT`
    inner: &'a str,
    query: Vec<Placed<'a>>,
}

impl<'a> Body<'a> {
    fn of(own: &'a str) -> Option<Self> {
        if !has_word(own, &["select"]) {
            return None;
        }
        let tokens = top(own);
        let (insert, behind) = insertion(&tokens)?;
        let outer = part(own, ..tokens[insert].1);
        let mut rest = tokens.get(behind..)?;
        let mut listed = Vec::new();
        if let Some((_, begin, end)) = rest.first().filter(|(token, ..)| *token == Token::Mark(b')')) {
            listed = names(part(own, *begin..*end));
            rest = &rest[1..];
        }
        let begin = rest.first()?;
        let mut inner = "";
        if begin.0.is("with") {
            let select = rest.iter().position(|(token, ..)| token.is("select") || token.is("values"))?;
            inner = part(own, begin.1..rest[select].1);
            rest = &rest[select..];
        } else if !begin.0.is("select") && !begin.0.is("values") {
            return None;
        }
        let ends = |at: usize| {
            let is_next = |word: &str| rest.get(at + 1).is_some_and(|(token, ..)| token.is(word));
            let token = rest[at].0;
            token == Token::Mark(b';')
                || token.is("returning")
                || token.is("limit")
                || token.is("order") && is_next("by")
                || token.is("on") && is_next("conflict")
        };
        let end = (0..rest.len()).find(|&at| ends(at)).unwrap_or(rest.len());
        Some(Self { listed, outer, inner, query: rest[..end].to_vec() })
    }
}

/// Which results of a `SELECT` are columns: `Some(None)` if it selects a `*`, and `None` if it is no `SELECT` or gives a result a name.
#[allow(clippy::option_option, reason = "one is whether it can be read")]
fn plain(select: &[Placed<'_>]) -> Option<Option<Vec<bool>>> {
    let select = select.split_first().filter(|((token, ..), _)| token.is("select"))?.1;
    let is_modified = select.first().is_some_and(|(token, ..)| token.is("all") || token.is("distinct"));
    let results = if is_modified { &select[1..] } else { select };
    let end = results.iter().position(|(token, ..)| token.is("from")).unwrap_or(results.len());
    let dot = Token::Mark(b'.');
    let is_name = |token: Token<'_>| match token {
        Token::Word(word) => !word.starts_with(|first: char| first.is_ascii_digit()),
        Token::Quoted(_) => true,
        Token::Mark(_) => false,
    };
    let mut plain = Vec::new();
    for result in results[..end].split(|(token, ..)| *token == Token::Mark(b',')) {
        let tokens: Vec<Token<'_>> = result.iter().map(|(token, ..)| *token).collect();
        plain.push(match *tokens {
            [.., as_, _] if as_.is("as") => return None,
            [Token::Mark(b'*')] | [.., Token::Mark(b'.'), Token::Mark(b'*')] => return Some(None),
            [name] => is_name(name),
            [.., table, point, name] => {
                let is_short = tokens.len() == 3 || tokens.len() == 5 && tokens[1] == dot;
                is_short && point == dot && is_name(table) && is_name(name)
            }
            _ => false,
        });
    }
    Some(Some(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selects_of_an_insert_are_found() {
        let rows = [
            ("INSERT INTO n SELECT * FROM a", "SELECT * FROM a *"),
            ("INSERT INTO main.n AS x SELECT ALL a.* FROM a ORDER BY 1", "SELECT ALL a.* FROM a *"),
            (
                "INSERT OR IGNORE INTO n SELECT DISTINCT b, main.a.c FROM a LIMIT 3;",
                "SELECT DISTINCT b, main.a.c FROM a ++",
            ),
            ("INSERT INTO n (a, \"b c\") SELECT * FROM a", "a, b c: SELECT * FROM a *"),
            ("INSERT INTO n VALUES (1, 2)", ""),
            ("INSERT INTO n SELECT a AS b, c FROM a", ""),
            ("INSERT INTO n SELECT lower(a), c FROM a", "SELECT lower(a), c FROM a -+"),
            ("INSERT INTO n SELECT 1, c FROM a", "SELECT 1, c FROM a -+"),
            (
                "INSERT INTO n SELECT * FROM a UNION ALL SELECT b, c FROM d WHERE e IN (SELECT 1 UNION SELECT 2)",
                "SELECT * FROM a * | SELECT b, c FROM d WHERE e IN (SELECT 1 UNION SELECT 2) ++",
            ),
            (
                "WITH m AS (SELECT 1) INSERT INTO n SELECT * FROM m JOIN b ON c = d ON CONFLICT DO NOTHING",
                "WITH m AS (SELECT 1) SELECT * FROM m JOIN b ON c = d *",
            ),
            (
                "REPLACE INTO n WITH m(a) AS (SELECT 1) SELECT * FROM m",
                "WITH m(a) AS (SELECT 1) SELECT * FROM m *",
            ),
            ("INSERT INTO n DEFAULT VALUES", ""),
            ("INSERT INTO", ""),
        ];
        for (own, expected) in rows {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let (listed, selects) = read(own).unwrap_or_default();
            let shown = |Selected { select, plain }: &Selected| {
                let sign = |is_plain: &bool| if *is_plain { '+' } else { '-' };
                let plain = plain.as_ref().map_or("*".to_owned(), |plain| plain.iter().map(sign).collect());
                let list = if listed.is_empty() { String::new() } else { format!("{}: ", listed.join(", ")) };
                format!("{list}{} {plain}", words(select))
            };
            let found: Vec<String> = selects.iter().map(shown).collect();
            assert_eq!(found.join(" | "), expected, "{own}");
        }
    }
}
