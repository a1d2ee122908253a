//! Finds an `INSERT` without a list of columns that puts values into columns of other names.

use rusqlite::Connection;

use crate::account::StepFinding;
use crate::backend::sqlite::cursor::TokenCursor;
use crate::problem::ProblemKind;
use crate::sql::Token;

/// The finding about `INSERT INTO table SELECT *`, if the result and the table have the same columns in another order.
pub(super) fn finding(conn: &Connection, own: &str, table: &str) -> rusqlite::Result<Option<StepFinding>> {
    let Some(select) = star_select(own) else { return Ok(None) };
    // The statement itself was prepared, so this fails only if its words were misread.
    let Ok(select) = conn.prepare(select) else { return Ok(None) };
    let given = select.column_names();
    let mut columns =
        conn.prepare("SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid")?;
    let columns: Vec<String> =
        columns.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let is_elsewhere = |(place, name): (usize, &&str)| {
        let own = columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        own.is_some_and(|own| own != place) && columns.len() == given.len()
    };
    let moved = given.iter().enumerate().find(|&(place, name)| is_elsewhere((place, name)));
    Ok(moved.map(|(place, name)| {
        StepFinding::new(
            ProblemKind::ValuesChanged,
            format!(
                "copies by position: values of `{name}` go to the column `{}` of `{table}`",
                columns[place]
            ),
            format!("name the columns: INSERT INTO {table} (...) SELECT ..."),
        )
    }))
}

/// The `SELECT` of an `INSERT` that names no columns and selects a `*`.
fn star_select(own: &str) -> Option<&str> {
    let mut words = TokenCursor::new(own);
    _ = words.find(|token| token.is("into"))?;
    words.next()?;
    if words.skip_dot() {
        words.next()?;
    }
    let rest = &own[words.offset()..];
    let mut select = TokenCursor::new(rest);
    if !select.skip_if("select") {
        return None;
    }
    select.skip_if("distinct");
    let (mut depth, mut previous) = (0, Token::Mark(b','));
    for token in select {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth -= 1,
            Token::Mark(b'*') if depth == 0 && matches!(previous, Token::Mark(b',' | b'.')) => {
                return Some(rest);
            }
            _ if depth == 0 && token.is("from") => return None,
            _ => {}
        }
        previous = token;
    }
    None
}
