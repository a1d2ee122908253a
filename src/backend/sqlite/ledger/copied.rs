//! Finds an `INSERT` without a list of columns that puts values into columns of other names.

use rusqlite::Connection;

use crate::account::StepFinding;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::problem::ProblemKind;
use crate::sql::{Token, Tokens, folded, has_word, mentions, part, same_name};

/// The finding about an `INSERT` that copies by position, if the result of a `SELECT` and the table have the same columns in another
/// order. For a `*` one column that is elsewhere is enough; a list of columns must be all columns of the table, in another order. An
/// expression with a name was given that name on purpose.
pub(super) fn finding(
    conn: &Connection,
    own: &str,
    database: &str,
    table: &str,
) -> rusqlite::Result<Option<StepFinding>> {
    let selects = selects(own);
    if selects.is_empty() {
        return Ok(None);
    }
    let columns = columns::of(conn, database, table)?;
    for (select, is_star) in selects {
        // A table that is copied onto itself, such as edges in the other direction, is meant so.
        if mentions(&select, table) {
            continue;
        }
        // The statement itself was prepared, so this fails only if its words were misread.
        let Some(select) = known(conn.prepare(&select))? else { continue };
        let names = (0..select.column_count()).map(|place| select.column_name(place));
        let given: Vec<String> = names.map(|name| name.map(folded)).collect::<rusqlite::Result<_>>()?;
        let own = |name: &str| columns.iter().position(|column| same_name(column, name));
        let is_given = |column: &String| given.iter().any(|name| same_name(name, column));
        if given.len() != columns.len() || !is_star && !columns.iter().all(is_given) {
            continue;
        }
        // A column that is given twice may be copied to another one too.
        let is_elsewhere = |(place, name): &(usize, &String)| {
            own(name).is_some_and(|own| own != *place && given[own] != **name)
        };
        if let Some((place, name)) = given.iter().enumerate().find(is_elsewhere) {
            let name = own(name).map_or(&**name, |own| &*columns[own]);
            return Ok(Some(StepFinding::new(
                ProblemKind::ValuesChanged,
                format!(
                    "copies by position: values of `{name}` go to the column `{}` of `{table}`",
                    columns[place]
                ),
                format!("name the columns: INSERT INTO {table} (...) SELECT ..."),
            )));
        }
    }
    Ok(None)
}

/// A token, and where it begins and ends.
type Placed<'a> = (Token<'a>, usize, usize);

/// Each `SELECT` whose rows an `INSERT` without a list of columns adds, as a statement of its own, and whether it selects a `*`. One with
/// an expression and no `*` is left out.
fn selects(own: &str) -> Vec<(String, bool)> {
    read(own).unwrap_or_default()
}

fn read(own: &str) -> Option<Vec<(String, bool)>> {
    if !has_word(own, &["select"]) {
        return None;
    }
    let tokens = top(own);
    let insert = tokens.iter().position(|(token, ..)| token.is("insert") || token.is("replace"))?;
    let outer = part(own, ..tokens[insert].1);
    let into = insert + tokens[insert..].iter().position(|(token, ..)| token.is("into"))?;
    // The name of the table, with that of its database, and the name that the statement gives it.
    let mut rest = tokens.get(into + 2..)?;
    if rest.first()?.0 == Token::Mark(b'.') {
        rest = rest.get(2..)?;
    }
    if rest.first()?.0.is("as") {
        rest = rest.get(2..)?;
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
    let is_union = |(token, ..): &Placed<'_>| token.is_any(&["union", "except", "intersect"]);
    let arms = rest[..end].split(is_union).filter_map(|arm| {
        let is_all = arm.first()?.0.is("all");
        let arm = if is_all { &arm[1..] } else { arm };
        let is_star = stars(arm)?;
        let text = part(own, arm.first()?.1..arm.last()?.2);
        let select = match (outer.is_empty(), inner.is_empty()) {
            (false, false) => format!("{outer} SELECT * FROM ({inner} {text})"),
            _ => format!("{outer} {inner} {text}"),
        };
        Some((select, is_star))
    });
    Some(arms.collect())
}

/// The tokens outside of parentheses. What is in parentheses is one token: the closing one.
fn top(own: &str) -> Vec<Placed<'_>> {
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

/// Whether a `SELECT` selects a `*`; `None` if it does not and selects something that is not a column.
fn stars(select: &[Placed<'_>]) -> Option<bool> {
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
    let (mut has_star, mut is_plain) = (false, true);
    for result in results[..end].split(|(token, ..)| *token == Token::Mark(b',')) {
        let tokens: Vec<Token<'_>> = result.iter().map(|(token, ..)| *token).collect();
        match *tokens {
            [Token::Mark(b'*')] | [.., Token::Mark(b'.'), Token::Mark(b'*')] => has_star = true,
            [name] => is_plain &= is_name(name),
            [.., table, point, name] => {
                let is_short = tokens.len() == 3 || tokens.len() == 5 && tokens[1] == dot;
                is_plain &= is_short && point == dot && is_name(table) && is_name(name);
            }
            _ => is_plain = false,
        }
    }
    (has_star || is_plain).then_some(has_star)
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
                "SELECT DISTINCT b, main.a.c FROM a",
            ),
            ("INSERT INTO n (a, b) SELECT * FROM a", ""),
            ("INSERT INTO n VALUES (1, 2)", ""),
            ("INSERT INTO n SELECT a AS b, c FROM a", ""),
            ("INSERT INTO n SELECT lower(a), c FROM a", ""),
            ("INSERT INTO n SELECT 1, c FROM a", ""),
            (
                "INSERT INTO n SELECT * FROM a UNION ALL SELECT b, c FROM d WHERE e IN (SELECT 1 UNION SELECT 2)",
                "SELECT * FROM a * | SELECT b, c FROM d WHERE e IN (SELECT 1 UNION SELECT 2)",
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
            let shown = |(select, is_star): &(String, bool)| {
                if *is_star { format!("{} *", words(select)) } else { words(select) }
            };
            let found: Vec<String> = selects(own).iter().map(shown).collect();
            assert_eq!(found.join(" | "), expected, "{own}");
        }
    }
}
