//! The effects that can be read from a script's text, without a database.

use std::collections::BTreeMap;

use super::{Effect, EffectKind, Evidence};
use crate::sql::{Token, Tokens, part, same_name};

/// The effects that the text names, in the order of the text, each effect once. The text may be of any dialect; what is not understood is
/// ignored.
pub(crate) fn scan(text: &str) -> Vec<Effect> {
    let mut reader = Reader::default();
    for statement in statements(text) {
        reader.read(&mut Words { rest: &statement });
    }
    reader.effects
}

/// The statements of a text as their tokens. The body of a function, procedure or trigger belongs to its statement, and text between
/// dollar quotes is skipped.
fn statements(text: &str) -> Vec<Vec<Token<'_>>> {
    let (mut statements, mut statement) = (Vec::new(), Vec::new());
    let (mut base, mut tokens, mut depth) = (0, Tokens::new(text), 0);
    while let Some(token) = tokens.next() {
        match token {
            Token::Mark(b';') if depth == 0 => statements.push(std::mem::take(&mut statement)),
            Token::Word(word) if word.starts_with('$') => {
                let end = base + tokens.offset();
                let start = end - word.len();
                base = dollar_quoted(part(text, start..)).map_or(end, |len| start + len);
                tokens = Tokens::new(part(text, base..));
            }
            token => {
                statement.push(token);
                depth = nesting(&statement, depth);
            }
        }
    }
    statements.push(statement);
    statements
}

/// The length of a text in dollar quotes, including the quotes: `$tag$ ... $tag$`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = part(text, ..part(text, 1..).find('$')? + 2);
    part(text, tag.len()..).find(tag).map(|at| at + 2 * tag.len())
}

/// The number of blocks of a body that are open after the last token.
fn nesting(statement: &[Token<'_>], depth: usize) -> usize {
    let (Some(last), before) = (statement.last(), statement.iter().rev().nth(1)) else { return depth };
    let is_after_end = before.is_some_and(|token| token.is("end"));
    let is = |words: &[&str]| last.is_any(words);
    if last.is("end") {
        depth.saturating_sub(1)
    } else if last.is("begin") || (is_after_end && is(&["if", "loop", "while", "repeat"])) {
        // Such a block was not counted at its beginning, but it is counted at its `END`.
        depth + usize::from(is_routine(statement))
    } else {
        depth + usize::from(depth > 0 && last.is("case") && !is_after_end)
    }
}

/// Whether a statement creates something with a body, which does not run now.
fn is_routine(statement: &[Token<'_>]) -> bool {
    let made = ["trigger", "function", "procedure", "event"];
    let mut words = statement.iter().skip_while(|token| !token.is("create")).take(12);
    // `CREATE TABLE t (event TEXT)` is not a routine.
    words.by_ref().take_while(|token| **token != Token::Mark(b'(')).any(|token| token.is_any(&made))
}

/// The words of a statement that are not read yet.
struct Words<'t, 'a> {
    rest: &'t [Token<'a>],
}

impl<'a> Words<'_, 'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Skips one of these words.
    fn skip(&mut self, words: &[&str]) -> bool {
        let found = self.rest.first().is_some_and(|token| token.is_any(words));
        if found {
            self.next();
        }
        found
    }

    fn skip_mark(&mut self, mark: u8) -> bool {
        let found = self.rest.first() == Some(&Token::Mark(mark));
        if found {
            self.next();
        }
        found
    }

    fn skip_if_exists(&mut self) -> bool {
        let found = self.skip(&["if"]);
        if found {
            self.skip(&["not"]);
            self.skip(&["exists"]);
        }
        found
    }

    /// The last part of a name: `t` of `app."t"`.
    fn name(&mut self) -> Option<String> {
        let mut name = self.next()?;
        while self.skip_mark(b'.') {
            name = self.next()?;
        }
        Some(name.spelling()?.replace("\"\"", "\"").replace("``", "`"))
    }

    /// Several names, separated by commas.
    fn names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            self.skip(&["only"]);
            names.extend(self.name());
            self.skip_mark(b'*');
            if !self.skip_mark(b',') {
                return names;
            }
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    effects: Vec<Effect>,
    /// The tables that the script created or renamed, by their names in lower case: `None` if created, otherwise the name before the
    /// script.
    tables: BTreeMap<String, Option<String>>,
}

impl Reader {
    fn read(&mut self, words: &mut Words<'_, '_>) {
        let Some(first) = words.next() else { return };
        if first.is("create") {
            self.create(words);
        } else if first.is("drop") {
            self.drop(words);
        } else if first.is("alter") {
            self.alter(words);
        } else if first.is("delete") {
            self.delete(words);
        } else if first.is("with") {
            // This also covers PostgreSQL's `WITH gone AS (DELETE FROM a RETURNING *) SELECT ...`.
            while let Some(token) = words.next() {
                if token.is("delete") && words.rest.first().is_some_and(|next| next.is("from")) {
                    self.delete(words);
                }
            }
        } else if first.is("truncate") {
            words.skip(&["table"]);
            for table in words.names() {
                self.add(EffectKind::DeletesRows, &table, None);
            }
        }
    }

    fn create(&mut self, words: &mut Words<'_, '_>) {
        while words.skip(&["global", "local", "temp", "temporary", "unlogged", "virtual", "foreign"]) {}
        // With `IF NOT EXISTS` the table may be an old one.
        if words.skip(&["table"]) && !words.skip_if_exists() {
            if let Some(name) = words.name() {
                self.appears(&name, None);
            }
        }
    }

    /// Records that a table has this name from now on. If a table of the same name was dropped before, it was replaced.
    fn appears(&mut self, name: &str, before: Option<String>) {
        self.tables.insert(name.to_lowercase(), before);
        let gone =
            |effect: &&mut Effect| effect.kind == EffectKind::DropsTable && same_name(&effect.object, name);
        if let Some(effect) = self.effects.iter_mut().find(gone) {
            effect.kind = EffectKind::ReplacesTable;
        }
    }

    fn drop(&mut self, words: &mut Words<'_, '_>) {
        let is_temporary = words.skip(&["temporary"]);
        words.skip(&["materialized", "foreign"]);
        let kind = match words.next() {
            Some(word) if word.is("table") => EffectKind::DropsTable,
            Some(word) if word.is("view") => EffectKind::DropsView,
            Some(word) if word.is("trigger") => EffectKind::DropsTrigger,
            Some(word) if word.is("index") => EffectKind::DropsIndex,
            _ => return,
        };
        words.skip(&["concurrently"]);
        words.skip_if_exists();
        for name in words.names() {
            if kind == EffectKind::DropsTable && !is_temporary {
                self.drop_table(&name);
            } else if !is_temporary {
                self.add(kind, &name, None);
            }
        }
    }

    fn drop_table(&mut self, name: &str) {
        self.add(EffectKind::DropsTable, name, None);
        let Some(before) = self.tables.remove(&name.to_lowercase()).flatten() else { return };
        if self.tables.get(&before.to_lowercase()) == Some(&None) {
            self.appears(&before, None);
        }
    }

    fn alter(&mut self, words: &mut Words<'_, '_>) {
        if !words.skip(&["table"]) {
            return;
        }
        words.skip_if_exists();
        words.skip(&["only"]);
        let Some(table) = words.name() else { return };
        words.skip_mark(b'*');
        for action in actions(words.rest) {
            self.action(&table, &mut Words { rest: action });
        }
    }

    fn action(&mut self, table: &str, action: &mut Words<'_, '_>) {
        let others = ["constraint", "primary", "index", "key", "foreign", "check", "period", "system"];
        if action.skip(&["drop"]) {
            let is_column = action.skip(&["column"]);
            // A column can also have such a name; the action then ends with it.
            let is_qualified = !is_column && action.rest.len() > 1;
            if is_qualified && action.skip(&["partition"]) {
                self.add(EffectKind::DeletesRows, table, None);
            } else if !(is_qualified && action.skip(&others)) {
                action.skip_if_exists();
                let column = action.name();
                self.add(EffectKind::DropsColumn, table, column);
            }
        } else if action.skip(&["truncate"]) {
            self.add(EffectKind::DeletesRows, table, None);
        } else if action.skip(&["rename"]) && action.skip(&["to", "as"]) {
            let before = self.before(table);
            self.tables.remove(&table.to_lowercase());
            if let Some(name) = action.name() {
                self.appears(&name, before);
            }
        }
    }

    fn delete(&mut self, words: &mut Words<'_, '_>) {
        while words.skip(&["low_priority", "quick", "ignore"]) {}
        words.skip(&["from"]);
        for table in words.names() {
            self.add(EffectKind::DeletesRows, &table, None);
        }
    }

    /// The name that a table had before the script; `None` if the script created it.
    fn before(&self, table: &str) -> Option<String> {
        self.tables.get(&table.to_lowercase()).cloned().unwrap_or_else(|| Some(table.to_owned()))
    }

    fn add(&mut self, kind: EffectKind, object: &str, column: Option<String>) {
        let is_of_table =
            matches!(kind, EffectKind::DropsTable | EffectKind::DropsColumn | EffectKind::DeletesRows);
        let object = if is_of_table { self.before(object) } else { Some(object.to_owned()) };
        let Some(object) = object else { return };
        let effect = Effect { column, ..Effect::new(kind, object, Evidence::Text) };
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }
}

/// The actions of an `ALTER TABLE`, which are separated by commas.
fn actions<'t, 'a>(rest: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let mut depth = 0_i32;
    rest.split(move |token| {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth -= 1,
            _ => {}
        }
        depth == 0 && *token == Token::Mark(b',')
    })
}

#[cfg(test)]
mod tests {
    use super::scan;

    /// The effects of a script as clauses, without the note that they come from its text.
    fn in_words(text: &str) -> String {
        let clauses: Vec<_> = scan(text).iter().map(ToString::to_string).collect();
        clauses.join("; ").replace(" (as its text reads)", "")
    }

    #[test]
    fn a_text_shows_its_effects() {
        let rows = [
            ("DROP TABLE a", "drops the table `a`"),
            ("drop table if exists app.\"a\"\"b\" cascade", "drops the table `a\"b`"),
            (
                "DROP TABLE a, `b`, app.[c]; DROP TABLE A2",
                "drops the table `a`; drops the table `b`; drops the table `c`; drops the table `A2`",
            ),
            ("DROP TEMPORARY TABLE a; DROP FOREIGN TABLE b", "drops the table `b`"),
            ("DROP VIEW IF EXISTS v; DROP MATERIALIZED VIEW w", "drops the view `v`; drops the view `w`"),
            ("DROP TRIGGER t ON a", "drops the trigger `t`"),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS i; DROP INDEX j ON a",
                "drops the index `i`; drops the index `j`",
            ),
            ("ALTER TABLE a DROP b", "drops the column `a.b`"),
            (
                "ALTER TABLE IF EXISTS ONLY app.a DROP COLUMN IF EXISTS \"b c\" CASCADE",
                "drops the column `a.b c`",
            ),
            (
                "ALTER TABLE a ADD x DECIMAL(1, 2), DROP b, DROP COLUMN c",
                "drops the column `a.b`; drops the column `a.c`",
            ),
            (
                "ALTER TABLE a DROP CONSTRAINT c, DROP PRIMARY KEY, DROP INDEX i, DROP KEY k, DROP FOREIGN \
                    KEY f, DROP CHECK c",
                "",
            ),
            (
                "ALTER TABLE a DROP key; ALTER TABLE a DROP COLUMN index",
                "drops the column `a.key`; drops the column `a.index`",
            ),
            (
                "ALTER TABLE a DROP PARTITION p; ALTER TABLE b TRUNCATE PARTITION p",
                "deletes rows of `a`; deletes rows of `b`",
            ),
            ("ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER c DROP DEFAULT", ""),
            ("DELETE FROM a WHERE b IN (SELECT c FROM d); DELETE FROM a", "deletes rows of `a`"),
            (
                "DELETE FROM ONLY app.a USING b; DELETE IGNORE FROM c",
                "deletes rows of `a`; deletes rows of `c`",
            ),
            ("DELETE a, b FROM a JOIN b", "deletes rows of `a`; deletes rows of `b`"),
            ("WITH x AS (SELECT 1) DELETE FROM a", "deletes rows of `a`"),
            ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x", "deletes rows of `a`"),
            (
                "TRUNCATE a; TRUNCATE TABLE ONLY b, c RESTART IDENTITY",
                "deletes rows of `a`; deletes rows of `b`; deletes rows of `c`",
            ),
            ("-- DROP TABLE a\nSELECT 'DROP TABLE b'; /* DELETE FROM c; */", ""),
            ("INSERT INTO a VALUES ('; DROP TABLE b;')", ""),
            ("DROP SCHEMA s; DROP", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(in_words(text), expected, "{text}");
        }
    }

    #[test]
    fn bodies_are_not_executed() {
        let rows = [
            (
                "CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; \
                    DELETE FROM c; END; DROP VIEW v",
                "drops the view `v`",
            ),
            (
                "CREATE FUNCTION f() RETURNS void AS $$BEGIN DELETE FROM a; DROP TABLE b; \
                    END$$ LANGUAGE plpgsql; DROP VIEW v",
                "drops the view `v`",
            ),
            (
                "CREATE OR REPLACE FUNCTION f() AS $body$ DELETE FROM a; $$; DELETE FROM b; $body$; \
                    DROP VIEW v",
                "drops the view `v`",
            ),
            (
                "CREATE DEFINER = `a`@`b` PROCEDURE p() BEGIN IF x THEN DELETE FROM a; END IF; \
                    BEGIN DELETE FROM b; END; CASE x WHEN 1 THEN DELETE FROM c; END CASE; DELETE FROM d; END; DROP VIEW v",
                "drops the view `v`",
            ),
            ("CREATE TABLE a (event TEXT); DROP VIEW v", "drops the view `v`"),
            ("BEGIN; DELETE FROM a; END; DROP VIEW v", "deletes rows of `a`; drops the view `v`"),
            ("SELECT $1; DROP VIEW v", "drops the view `v`"),
        ];
        for (text, expected) in rows {
            assert_eq!(in_words(text), expected, "{text}");
        }
    }

    #[test]
    fn tables_of_the_script_itself_are_not_lost() {
        let rows = [
            ("CREATE TABLE a (b); DELETE FROM a; ALTER TABLE a DROP b; DROP TABLE A", ""),
            ("CREATE TEMP TABLE a (b); DROP TABLE a; DROP TABLE a", "drops the table `a`"),
            ("CREATE TABLE IF NOT EXISTS a (b); DROP TABLE a", "drops the table `a`"),
            ("CREATE TABLE new (b); DROP TABLE a; ALTER TABLE new RENAME TO a", "replaces the table `a`"),
            ("ALTER TABLE a RENAME TO old; CREATE TABLE a (b); DROP TABLE old", "replaces the table `a`"),
            ("ALTER TABLE a RENAME TO old; DROP TABLE old", "drops the table `a`"),
            ("ALTER TABLE a RENAME TO b; DELETE FROM b", "deletes rows of `a`"),
            ("ALTER TABLE a RENAME COLUMN b TO c", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(in_words(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        /// Text of any kind, and pieces of SQL in any order.
        #[test]
        fn any_text_is_accepted(text in ".*", pieces in proptest::collection::vec(0..PIECES.len(), 0..12)) {
            scan(&text);
            let pieces: Vec<&str> = pieces.into_iter().map(|piece| PIECES[piece]).collect();
            scan(&pieces.join(" "));
            scan(&pieces.concat());
        }
    }

    const PIECES: [&str; 24] = [
        "DROP",
        "TABLE",
        "ALTER",
        "COLUMN",
        "DELETE",
        "FROM",
        "TRUNCATE",
        "CREATE",
        "TRIGGER",
        "BEGIN",
        "END",
        ";",
        ",",
        ".",
        "(",
        ")",
        "a",
        "'ä",
        "\"b",
        "$$",
        "/*",
        "--",
        "\n",
        "RENAME TO",
    ];
}
