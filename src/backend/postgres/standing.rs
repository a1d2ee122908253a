//! Whether a statement is done whose end nobody saw: the index that it builds or drops beside running writes is looked at.

use postgres::Client;

use super::{fault, query};
use crate::fault::Fault;
use crate::reached::Standing;
use crate::sql::postgres::statements;
use crate::sql::{Token, Tokens, blank_len};

/// A name as it stands in a text, perhaps with its schema.
type Name<'a> = &'a str;

/// An index that a statement is about which runs beside writes.
enum Index<'a> {
    /// It lies in the schema of its table, wherever names are looked up.
    Built {
        table: Name<'a>,
        name: Name<'a>,
    },
    Dropped(Name<'a>),
}

/// The index of a statement, if it names one.
fn index(text: &str) -> Option<Index<'_>> {
    let mut tokens = Tokens::new(text);
    let verb = tokens.next()?;
    let builds = verb.is("create");
    let object = tokens.by_ref().find(|token| !(builds && token.is("unique")))?;
    let is_concurrent = tokens.next()?.is("concurrently");
    if !(builds || verb.is("drop")) || !object.is("index") || !is_concurrent {
        return None;
    }
    let name = named(text, &mut tokens, "if", "exists")?;
    if !builds {
        return Some(Index::Dropped(name))
            .filter(|_| tokens.next().is_none_or(|next| next != Token::Mark(b',')));
    }
    // `CREATE INDEX CONCURRENTLY ON t (c)` leaves the name to the server.
    tokens.next().filter(|token| token.is("on") && !name.eq_ignore_ascii_case("on"))?;
    Some(Index::Built { table: named(text, &mut tokens, "only", "only")?, name })
}

/// The name behind words that need not be there.
fn named<'a>(text: &'a str, tokens: &mut Tokens<'a>, first: &str, last: &str) -> Option<Name<'a>> {
    if tokens.clone().next()?.is(first) {
        tokens.find(|token| token.is(last))?;
    }
    let start = tokens.offset() + blank_len(&text[tokens.offset()..]);
    tokens.next().filter(|token| matches!(token, Token::Word(_) | Token::Quoted(_)))?;
    while tokens.clone().next() == Some(Token::Mark(b'.')) {
        tokens.nth(1)?;
    }
    Some(&text[start..tokens.offset()])
}

/// What the index of a statement is before it: its number, 0 where there is none, and its name with its schema. Nothing of a
/// statement that is about none.
pub(super) fn mark(conn: &mut Client, text: &str) -> String {
    let found = match index(text) {
        None => return String::new(),
        Some(Index::Built { table, name }) => query(
            conn,
            "SELECT coalesce(to_regclass(name)::oid, 0::oid) || ' ' || name FROM (
                SELECT format('%I.%s', nspname, $2) AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE pg_class.oid = to_regclass($1)) AS it",
            &[Some(table), Some(name)],
        ),
        Some(Index::Dropped(name)) => query(
            conn,
            "SELECT pg_class.oid || ' ' || format('%I.%I', nspname, relname)
            FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass($1)",
            &[Some(name)],
        ),
    };
    // What cannot be found, the statement will not find either, and says so better.
    found.ok().and_then(|rows| rows.first().map(|row| row.get(0))).unwrap_or_default()
}

/// What to do about the index that a statement left which failed, if it left one.
pub(super) fn remedy(conn: &mut Client, text: &str) -> Option<String> {
    let mark = mark(conn, text);
    let (_, name) = mark.split_once(' ')?;
    let (_, is_valid) = found(conn, name).ok()??;
    (!is_valid).then(|| drop_invalid(name))
}

fn drop_invalid(index: &str) -> String {
    format!(
        "remove the invalid index that it left, with DROP INDEX CONCURRENTLY {index}, and correct what is wrong"
    )
}

/// The number of an index, and whether it is valid.
fn found(conn: &mut Client, name: &str) -> Result<Option<(String, bool)>, postgres::Error> {
    let sql = "SELECT indexrelid::text, indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
    Ok(query(conn, sql, &[Some(name)])?.first().map(|row| (row.get(0), row.get(1))))
}

/// Whether a statement is done that nobody saw end.
pub(super) fn stands(conn: &mut Client, script: &str, statement: u32, mark: &str) -> Result<Standing, Fault> {
    let unknown = || Ok(Standing::Unknown("it cannot be in a transaction".to_owned()));
    let pieces = statements(script).unwrap_or_default();
    let place = usize::try_from(statement).unwrap_or(usize::MAX).wrapping_sub(1);
    let Some(index) = pieces.get(place).and_then(|piece| index(piece.text)) else { return unknown() };
    let Some((before, name)) = mark.split_once(' ') else { return unknown() };
    let now = found(conn, name).map_err(fault)?;
    let is_as_before = match &now {
        Some((number, _)) => number == before,
        None => before == "0",
    };
    Ok(match (index, now) {
        (Index::Built { .. }, Some((_, false))) => {
            Standing::Half { what: format!("the invalid index {name}"), remedy: drop_invalid(name) }
        }
        (Index::Built { .. }, None) => Standing::NotDone,
        _ if is_as_before => Standing::NotDone,
        _ => Standing::Done,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_where_its_table_is() {
        let rows = [
            ("CREATE INDEX CONCURRENTLY /* on */ i ON t (a)", "t i"),
            (
                "create unique index concurrently if not exists \"I on\" on only s . \"t\" using btree (a, b)",
                "s . \"t\" \"I on\"",
            ),
            ("DROP INDEX CONCURRENTLY IF EXISTS s.i CASCADE", "s.i"),
            ("DROP INDEX CONCURRENTLY i, j", ""),
            ("CREATE INDEX CONCURRENTLY ON t (a)", ""),
            ("CREATE INDEX i ON t (a)", ""),
            ("REINDEX INDEX CONCURRENTLY i", ""),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", ""),
            ("CREATE", ""),
        ];
        for (text, expected) in rows {
            let found = match index(text) {
                Some(Index::Built { table, name }) => format!("{table} {name}"),
                Some(Index::Dropped(name)) => name.to_owned(),
                None => String::new(),
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
