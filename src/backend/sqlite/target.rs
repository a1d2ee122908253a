//! [`target`]: the table that a statement writes to, read from its words.

use super::cursor::TokenCursor;
use crate::sql::{Token, has_word, part, statement_start};

/// The table a statement writes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) table: &'a str,
    pub(super) verb: Verb,
    /// Whether it deletes all rows, since it has no WHERE.
    pub(super) names_all: bool,
    /// The statement up to and including the name of the table.
    pub(super) head: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Deletes,
    Updates,
    Inserts,
    /// `REPLACE`, `INSERT OR REPLACE`, `INSERT ... ON CONFLICT`
    Replaces,
    Drops,
}

/// `None` for a statement that neither writes rows nor drops a table.
pub(super) fn target(own: &str) -> Option<Target<'_>> {
    let own = part(own, statement_start(own, 0)..);
    let mut tokens = TokenCursor::new(own);
    let mut depth = 0;
    let verb = loop {
        let token = tokens.next()?;
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth -= 1,
            _ if depth > 0 => {}
            _ if token.is("create") => return None,
            _ if token.is("delete") => break Verb::Deletes,
            _ if token.is("update") => break Verb::Updates,
            _ if token.is("insert") => break Verb::Inserts,
            _ if token.is("replace") => break Verb::Replaces,
            _ if token.is("drop") => break Verb::Drops,
            _ => {}
        }
    };
    let mut is_replacing = verb == Verb::Replaces;
    if tokens.skip_if("or") {
        is_replacing |= tokens.next()?.is("replace");
    }
    match verb {
        Verb::Drops => {
            tokens.next().filter(|token| token.is("table"))?;
            tokens.skip_exists();
        }
        Verb::Deletes | Verb::Inserts | Verb::Replaces => {
            tokens.next().filter(|token| token.is("from") || token.is("into"))?;
        }
        Verb::Updates => {}
    }
    let mut table = tokens.next()?.spelling()?;
    if tokens.skip_dot() {
        table = tokens.next()?.spelling()?;
    }
    let end = tokens.offset();
    let rest = part(own, end..);
    let names_all = verb == Verb::Deletes && !has_word(rest, &["where"]);
    let verb = match verb {
        Verb::Inserts if is_replacing || has_word(rest, &["conflict"]) => Verb::Replaces,
        verb => verb,
    };
    Some(Target { table, verb, names_all, head: part(own, ..end) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_a_statement_writes_is_found() {
        let rows = [
            ("DELETE FROM a WHERE b IN (SELECT c FROM d)", Some(("a", Verb::Deletes))),
            ("WITH x AS (SELECT 1 FROM y) DELETE FROM main.\"a b\"", Some(("a b", Verb::Deletes))),
            ("UPDATE OR IGNORE a SET b = 1", Some(("a", Verb::Updates))),
            ("/* c */ REPLACE INTO a VALUES (1)", Some(("a", Verb::Replaces))),
            ("INSERT OR REPLACE INTO a SELECT 1", Some(("a", Verb::Replaces))),
            ("INSERT INTO a VALUES (1) ON CONFLICT DO UPDATE SET b = 1", Some(("a", Verb::Replaces))),
            ("INSERT OR IGNORE INTO a VALUES (1)", Some(("a", Verb::Inserts))),
            ("DROP TABLE IF EXISTS a", Some(("a", Verb::Drops))),
            ("DROP TABLE a", Some(("a", Verb::Drops))),
            ("DROP VIEW a", None),
            ("CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; END", None),
            ("SELECT 1 FROM a", None),
            ("ALTER TABLE a DROP COLUMN b", None),
        ];
        for (statement, expected) in rows {
            let found = target(statement).map(|target| (target.table, target.verb));
            assert_eq!(found, expected, "{statement}");
        }
    }
}
