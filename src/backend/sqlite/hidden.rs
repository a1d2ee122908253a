//! The tables that a script names and that temporary tables and views of the connection hide: SQLite finds a name in the temporary
//! schema first (<https://www.sqlite.org/lang_naming.html>).

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::cursor::TokenCursor;
use crate::account::SchemaObject;
use crate::sql::{Token, Tokens, folded, same_name, statements};

/// The temporary tables and views that hide a table or view which one of these scripts names without its database, each with the place
/// of the first such script.
pub(super) fn named(conn: &Connection, scripts: &[&str]) -> rusqlite::Result<Vec<(usize, SchemaObject)>> {
    // Most connections have no temporary objects, so the statement is one that is prepared quickly.
    let mut objects = conn.prepare("SELECT type, name FROM temp.sqlite_master")?;
    let mut temporary = Vec::new();
    let mut rows = objects.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        let Some(kind) = ["table", "view"].into_iter().find(|known| *known == kind) else { continue };
        let sql =
            "SELECT 1 FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
        let is_in_main = conn.prepare(sql)?.exists([&name])?;
        temporary.push((folded(&name), SchemaObject::new(kind, name), is_in_main));
    }
    let mut found = Vec::new();
    for (place, script) in scripts.iter().enumerate() {
        if temporary.is_empty() {
            break;
        }
        for (_, statement) in statements(script) {
            let names = Names::of(statement);
            for meant in &names.meant {
                if let Some(hiding) =
                    temporary.iter().position(|(name, _, is_in_main)| name == meant && *is_in_main)
                {
                    found.push((place, temporary.remove(hiding).1));
                }
            }
            // From now on there is a table of this name that can be hidden, or the script has dropped the one that hides it.
            for (name, _, is_in_main) in &mut temporary {
                *is_in_main |= names.created.as_ref() == Some(name);
            }
            temporary.retain(|(name, ..)| names.shown.as_ref() != Some(name));
        }
    }
    Ok(found)
}

/// The names of tables and views in a statement, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    /// Those that are written without their database.
    meant: BTreeSet<String>,
    /// The table or view that it creates in the database itself.
    created: Option<String>,
    /// The temporary table or view that it drops by its whole name.
    shown: Option<String>,
}

/// The words that end the list of tables after `FROM`.
const AFTER_FROM: [&str; 11] = [
    "where",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "union",
    "except",
    "intersect",
    "returning",
    "set",
];

impl Names {
    fn of(statement: &str) -> Self {
        let tokens: Vec<Token<'_>> = Tokens::new(statement).collect();
        let (mut names, begin) = (Self::default(), tokens.iter().take(5));
        let is_first = |word: &str| tokens.first().is_some_and(|token| token.is(word));
        let makes = |kinds: &[&str]| is_first("create") && begin.clone().any(|token| token.is_any(kinds));
        let (creates, has_on) = (makes(&["table", "view"]), makes(&["index", "trigger"]));
        let is_temporary = tokens.get(1).is_some_and(|token| token.is("temp") || token.is("temporary"));
        let mut words = TokenCursor::new(statement);
        // Whether a comma at this depth of parentheses is followed by a table.
        let (mut lists, mut is_created, mut is_comparison) = (vec![false], false, false);
        while let Some(token) = words.next() {
            // `IS DISTINCT FROM` is followed by a value.
            let is_value = std::mem::replace(&mut is_comparison, token.is("distinct"));
            if is_value && token.is("from") {
                continue;
            }
            let last = lists.len() - 1;
            match token {
                Token::Mark(b'(') => lists.push(false),
                Token::Mark(b')') if last > 0 => _ = lists.pop(),
                Token::Mark(b';') => lists = vec![false],
                _ if token.is_any(&AFTER_FROM) => lists[last] = false,
                _ => {}
            }
            let is_object = token.is("table") || token.is("view");
            let introduces = is_object
                || token.is_any(&["from", "join", "into", "update"])
                || token.is("on") && has_on
                || token == Token::Mark(b',') && lists[last];
            if !introduces {
                continue;
            }
            if token.is("from") || token.is("join") {
                lists[last] = true;
            }
            words.skip_exists();
            if token.is("update") {
                if words.skip_if("or") {
                    words.next();
                }
                // The event of a trigger, or `DO UPDATE SET`.
                if words.is_at(&["on", "of", "set"]) {
                    continue;
                }
            }
            let Some((database, name)) = words.full_name() else { continue };
            let name = folded(&name);
            let is_temp = database.as_deref().is_some_and(|database| same_name(database, "temp"));
            if creates && is_object && !is_created {
                is_created = true;
                if !is_temp && !is_temporary {
                    names.created = Some(name);
                }
            } else if is_first("drop") && is_temp {
                names.shown = Some(name);
            } else if database.is_none() && !is_common(&tokens, &name) {
                names.meant.insert(name);
            }
        }
        names
    }
}

/// Whether a name is that of a common table expression of the statement.
fn is_common(tokens: &[Token<'_>], name: &str) -> bool {
    let is_name = |token: &Token<'_>| token.spelling().is_some_and(|word| same_name(word, name));
    tokens.iter().any(|token| token.is("with"))
        && tokens.windows(3).any(|three| {
            is_name(&three[0])
                && (three[1].is("as")
                    && (three[2] == Token::Mark(b'(') || three[2].is("materialized") || three[2].is("not")))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_tables_where_sqlite_expects_them() {
        let rows = [
            ("ALTER TABLE log ADD COLUMN y", "log"),
            ("ALTER TABLE main.log ADD COLUMN y", ""),
            ("ALTER TABLE other ADD COLUMN log TEXT", "other"),
            (
                "SELECT log FROM a, (SELECT 1 FROM b) c, [d e] JOIN \"f\"\"g\" ON h = log, i WHERE j IN (k, l)",
                "a b d e f\"g i",
            ),
            ("INSERT OR IGNORE INTO log (a, b) SELECT a, b FROM main.log, s", "log s"),
            ("UPDATE OR IGNORE log SET a = 1, b = 2 FROM c", "c log"),
            ("DELETE FROM log WHERE EXISTS (SELECT 1 FROM x)", "log x"),
            ("CREATE UNIQUE INDEX IF NOT EXISTS i ON log (a, b)", "log"),
            ("CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE x SET a = 1; DELETE FROM y; END", "log x y"),
            ("CREATE TRIGGER t AFTER UPDATE ON log BEGIN SELECT 1; END", "log"),
            (
                "CREATE TRIGGER t AFTER UPDATE OF a ON log BEGIN SELECT 1 WHERE new.a IS DISTINCT FROM b; END",
                "log",
            ),
            ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1, d = 2", "a"),
            ("CREATE TABLE log (a, b)", ""),
            ("CREATE TABLE IF NOT EXISTS n AS SELECT * FROM log", "log"),
            ("CREATE TEMP TABLE log AS SELECT * FROM main.log", ""),
            ("DROP TABLE IF EXISTS log", "log"),
            ("DROP VIEW temp.log", ""),
            (
                "WITH log AS (SELECT 1), b(c) AS NOT MATERIALIZED (SELECT 2) INSERT INTO a SELECT * FROM log",
                "a",
            ),
            ("SELECT 'from log', count(*) FROM a -- from log", "a"),
        ];
        for (statement, expected) in rows {
            let names: Vec<String> = Names::of(statement).meant.into_iter().collect();
            assert_eq!(names.join(" "), expected, "{statement}");
        }
    }
}
