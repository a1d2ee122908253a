//! `CHECK` constraints: SQLite judges which values they accept.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::dialect::quote;
use crate::sql::{Token, Tokens, part, same_name};

/// The expressions of all `CHECK` constraints in the definition of a table.
pub(super) fn checks(sql: &str) -> Vec<&str> {
    let (mut tokens, mut found) = (Tokens::new(sql), Vec::new());
    while let Some(token) = tokens.next() {
        if !token.is("check") {
            continue;
        }
        let Some((Token::Mark(b'('), open)) = tokens.next_placed() else { continue };
        let mut depth = 1;
        while depth > 0 {
            match tokens.next_placed() {
                Some((Token::Mark(b'('), _)) => depth += 1,
                Some((Token::Mark(b')'), _)) => depth -= 1,
                Some(_) => {}
                None => return found,
            }
        }
        // The end is behind the parenthesis, which is one byte.
        found.push(part(sql, open.end..tokens.offset() - 1));
    }
    found
}

fn names_in_double_quotes(sql: &str) -> impl Iterator<Item = &str> {
    let mut tokens = Tokens::new(sql);
    std::iter::from_fn(move || tokens.next_placed()).filter_map(|(token, place)| match token {
        Token::Quoted(name) if part(sql, place).starts_with('"') => Some(name),
        _ => None,
    })
}

/// Whether the checks that use no other column accept a value of this one.
pub(super) fn accepted<'c>(
    conn: &'c Connection,
    column: &str,
    checks: &[&str],
) -> impl Fn(&Value) -> bool + 'c {
    let names_it =
        |check: &&&str| Tokens::new(check).filter_map(Token::spelling).any(|name| same_name(name, column));
    let alone = |check: &&str| {
        // SQLite reads the name of a column in double quotes as a text if it does not know the column.
        if names_in_double_quotes(check).any(|name| !same_name(name, column)) {
            return None;
        }
        let sql = format!("SELECT ({check}) IS NOT FALSE FROM (SELECT ?1 AS {})", quote(column));
        // It does not compile if the check uses another column.
        conn.prepare(&sql).is_ok().then_some(sql)
    };
    let queries: Vec<String> = checks.iter().filter(names_it).filter_map(alone).collect();
    move |value| {
        // An error is a check that does not accept the value, for example of `json_extract`.
        queries.iter().all(|sql| conn.query_row(sql, [value], |row| row.get(0)).unwrap_or(false))
    }
}
