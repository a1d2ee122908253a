//! [`Changed`]: what a statement changes by name, for the check that it leaves the tables of the engine alone.

use super::subject::{is_event, is_routine};
use super::words::Words;
use super::{Act, Grammar, ObjectName};
use crate::sql::Token;

/// A table or a schema that a statement changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// The table itself: it is created, dropped, renamed, emptied or altered.
    Table(ObjectName),
    /// Rows of the table.
    Rows(ObjectName),
    /// What is written to the table from now on: a trigger or a rule changes it first.
    Writes(ObjectName),
    /// A schema or database is dropped or renamed, with everything in it.
    Schema(String),
}

/// The words before a statement inside a compound statement.
const BEFORE_STATEMENT: [&str; 7] = ["atomic", "begin", "then", "else", "do", "loop", "repeat"];

/// The first words of the statements that change something.
const VERBS: [&str; 12] = [
    "drop", "create", "alter", "rename", "truncate", "delete", "insert", "replace", "update", "merge",
    "load", "copy",
];

/// The first words of statements that contain others.
const CONTAINERS: [&str; 12] = [
    "begin", "if", "while", "loop", "repeat", "for", "case", "explain", "analyze", "describe", "desc", "with",
];

impl Changed {
    /// What a statement changes, by its tokens. What a variable, or a routine that it calls, contains is not known.
    pub(crate) fn by(tokens: &[Token<'_>], grammar: &Grammar) -> Vec<Self> {
        let Some(first) = tokens.first() else { return Vec::new() };
        // A text can be run: `PREPARE s FROM 'DROP TABLE a'`, or later, `SET @s = 'DROP TABLE a'`.
        let is_variable = first.is("set") && tokens.get(1) == Some(&Token::Mark(b'@'));
        if first.is_any(&["prepare", "execute"]) || is_variable {
            let quoted = tokens.iter().filter(|token| matches!(token, Token::Quoted(_)));
            let texts = quoted.filter_map(|token| token.spelling());
            return texts.flat_map(|text| inner(text, grammar)).collect();
        }
        // MariaDB: `SET STATEMENT max_statement_time = 1 FOR DROP TABLE a`
        if first.is("set") && tokens.get(1).is_some_and(|second| second.is("statement")) {
            let place = tokens.iter().position(|token| token.is("for"));
            return place.map_or_else(Vec::new, |place| {
                Self::by(tokens.get(place + 1..).unwrap_or_default(), grammar)
            });
        }
        // An event runs by itself, perhaps at once.
        if !grammar.folds && first.is_any(&["create", "alter"]) && is_event(tokens) {
            let place = tokens.iter().position(|token| token.is("do"));
            return place.map_or_else(Vec::new, |place| {
                // The word before shows where the statement begins.
                contained(tokens.get(place..).unwrap_or_default(), grammar)
            });
        }
        // A routine that is called later.
        if !grammar.folds && first.is("create") && is_routine(tokens) {
            return contained(tokens, grammar);
        }
        if first.is_any(&CONTAINERS) || *first == Token::Mark(b'(') {
            return contained(tokens, grammar);
        }
        Words::new(tokens, grammar).changed().unwrap_or_default()
    }
}

/// What the statement in a text literal changes, in which quotes may be doubled or escaped.
fn inner(literal: &str, grammar: &Grammar) -> Vec<Changed> {
    let text = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let text = text.replace("''", "'").replace("\\'", "'");
    Changed::by(&(grammar.tokens)(&text), grammar)
}

/// What the statements inside another one change.
fn contained(tokens: &[Token<'_>], grammar: &Grammar) -> Vec<Changed> {
    let is_explained = tokens[0].is_any(&["explain", "describe", "desc"]);
    if is_explained && !tokens.iter().any(|token| token.is_any(&["analyze", "analyse"])) {
        return Vec::new();
    }
    let is_compound =
        !is_explained && !tokens[0].is_any(&["analyze", "with"]) && tokens[0] != Token::Mark(b'(');
    let begins = |place: usize| match place.checked_sub(1).and_then(|before| tokens.get(before)) {
        None => false,
        Some(Token::Mark(mark)) => matches!(mark, b';' | b'(' | b')'),
        Some(before) => !is_compound || before.is_any(&BEFORE_STATEMENT),
    };
    let places = (1..tokens.len()).filter(|&place| tokens[place].is_any(&VERBS) && begins(place));
    places.filter_map(|place| Words::new(&tokens[place..], grammar).changed()).flatten().collect()
}

impl Words<'_, '_, '_> {
    fn changed(mut self) -> Option<Vec<Changed>> {
        let mut whole = self;
        let act = whole.act();
        let grammar = self.grammar;
        let first = self.next()?;
        let tables = |names: Vec<ObjectName>| Some(names.into_iter().map(Changed::Table).collect());
        let rows = |names: Vec<ObjectName>| Some(names.into_iter().map(Changed::Rows).collect());
        match act {
            Some(Act::Drops { kind: "table", names, .. }) => tables(names),
            Some(Act::Drops { kind: "schema" | "database", names, .. }) => {
                Some(names.into_iter().map(|name| Changed::Schema(name.name)).collect())
            }
            Some(Act::Creates { kind: "table", name, if_not_exists: false, .. }) => tables(vec![name]),
            Some(Act::Creates { kind: "schema" | "database", name, replaces: true, .. }) => {
                Some(vec![Changed::Schema(name.name)])
            }
            // `CREATE TRIGGER a BEFORE INSERT ON b`. What one does afterwards is seen when the engine reads what it wrote.
            Some(Act::Creates { kind: "trigger", .. }) if whole.is_at(&["before", "instead"]) => {
                self.written_behind("on")
            }
            // `CREATE RULE a AS ON INSERT TO b DO INSTEAD NOTHING`
            _ if first.is("create") && grammar.folds && self.is_at_rule() => self.written_behind("to"),
            Some(Act::Renames(pairs)) => {
                tables(pairs.into_iter().flat_map(|(from, to)| [from, to]).collect())
            }
            Some(Act::Deletes(name) | Act::AddsRows(Some(name))) => rows(vec![name]),
            Some(Act::DeletesUncounted(names)) if first.is("truncate") => tables(names),
            Some(Act::DeletesUncounted(names)) => rows(names),
            _ if first.is("alter") => self.altered(),
            // An index is a part of its table on MySQL.
            _ if (first.is("create") || first.is("drop")) && !grammar.folds => {
                let index = self.rest.iter().take(8).position(|token| token.is("index"))?;
                let place = index + self.rest.get(index..)?.iter().position(|token| token.is("on"))?;
                self.rest = self.rest.get(place + 1..)?;
                tables(vec![self.name()?])
            }
            _ if first.is("update") => {
                while self.skip(&["low_priority", "ignore"]) {}
                self.skip_only();
                let name = self.name()?;
                // A table of several may only be read.
                let is_alone = self.rest.iter().take(3).any(|token| token.is("set"));
                rows(if is_alone { vec![name] } else { Vec::new() })
            }
            _ if first.is("merge") => {
                self.skip(&["into"]);
                self.skip_only();
                rows(vec![self.name()?])
            }
            _ if first.is("copy") => {
                let name = self.name()?;
                rows(if self.rest.iter().any(|token| token.is("from")) { vec![name] } else { Vec::new() })
            }
            _ if first.is("load") => {
                let place = self.rest.windows(2).position(|two| two[0].is("into") && two[1].is("table"))?;
                self.rest = self.rest.get(place + 2..)?;
                rows(vec![self.name()?])
            }
            _ => None,
        }
    }

    fn is_at_rule(mut self) -> bool {
        self.skip(&["or"]);
        self.skip(&["replace"]);
        self.is_at(&["rule"])
    }

    /// The writes to the table that is named behind a word.
    fn written_behind(&mut self, word: &str) -> Option<Vec<Changed>> {
        let place = self.rest.iter().position(|token| token.is(word))?;
        self.rest = self.rest.get(place + 1..)?;
        Some(vec![Changed::Writes(self.name()?)])
    }

    /// What an `ALTER` that renames no table changes. PostgreSQL's `OWNER TO`, `SET (...)` and similar leave a table usable.
    fn altered(&mut self) -> Option<Vec<Changed>> {
        if self.skip(&["schema", "database"]) {
            let name = self.part()?;
            let is_renamed = self.is_at(&["rename"]);
            return Some(if is_renamed { vec![Changed::Schema(name)] } else { Vec::new() });
        }
        while self.skip(&["online", "ignore"]) {}
        self.skip(&["table"]).then_some(())?;
        self.skip_exists();
        self.skip_only();
        let mut names = vec![self.name()?];
        let matters = ["add", "drop", "alter", "rename", "schema"];
        if self.grammar.folds && !self.rest.iter().any(|token| token.is_any(&matters)) {
            return Some(Vec::new());
        }
        // `EXCHANGE PARTITION p WITH TABLE b`
        if let Some(place) = self.rest.windows(2).position(|two| two[0].is("with") && two[1].is("table")) {
            self.rest = self.rest.get(place + 2..)?;
            names.extend(self.name());
        }
        Some(names.into_iter().map(Changed::Table).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(statement: &str, grammar: &Grammar) -> String {
        let one = |changed: Changed| match changed {
            Changed::Table(name) => name.to_string(),
            Changed::Rows(name) => format!("rows of {name}"),
            Changed::Writes(name) => format!("writes to {name}"),
            Changed::Schema(name) => format!("schema {name}"),
        };
        let changed = grammar.in_each_reading(statement, &(grammar.tokens)(statement), Changed::by);
        changed.into_iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn statements_for_mysql_change_what_they_name() {
        for (statement, expected) in [
            ("DROP TABLE IF EXISTS `a`, b.`c` , d", "a, b.c, d"),
            ("/*!40000 drop */ /* x */ table -- y\n a", "a"),
            ("DROP /*M!100301 TABLE */ a", "a"),
            ("DROP /*!32311 TEMPORARY */ TABLE a", ""),
            ("DROP /*!99999 TEMPORARY */ TABLE a", "a"),
            ("DROP /*M! TEMPORARY */ TABLE a", "a"),
            ("DROP TABLES a", "a"),
            ("DROP TEMPORARY TABLE a", ""),
            ("CREATE PROCEDURE p() DROP TABLE a", "a"),
            ("CREATE DEFINER = x@y FUNCTION f() RETURNS INT BEGIN DELETE FROM a; RETURN 1; END", "rows of a"),
            ("CREATE TABLE `function` (b INT)", "function"),
            ("DROP VIEW a", ""),
            ("DROP DATABASE IF EXISTS `a`", "schema a"),
            ("drop schema a", "schema a"),
            ("CREATE OR REPLACE DATABASE a", "schema a"),
            ("CREATE DATABASE a", ""),
            ("ALTER DATABASE a CHARACTER SET utf8mb4", ""),
            ("CREATE TABLE IF NOT EXISTS a (b INT)", ""),
            ("CREATE OR REPLACE TABLE a (b INT)", "a"),
            ("CREATE TABLE a (b INT)", "a"),
            ("CREATE TABLE b AS SELECT * FROM a", "b"),
            ("CREATE VIEW b AS SELECT * FROM a", ""),
            ("CREATE UNIQUE INDEX i ON a (b)", "a"),
            ("DROP INDEX i ON a", "a"),
            ("RENAME TABLE a TO b, c TO d.e", "a, b, c, d.e"),
            ("ALTER TABLE a RENAME TO b", "a, b"),
            ("ALTER ONLINE TABLE a ADD x INT", "a"),
            ("ALTER TABLE a DISCARD TABLESPACE", "a"),
            ("ALTER TABLE b EXCHANGE PARTITION p WITH TABLE a", "b, a"),
            ("TRUNCATE a", "a"),
            ("TRUNCATE TABLE `x`.a", "x.a"),
            ("DELETE FROM a WHERE b = 1", "rows of a"),
            ("INSERT IGNORE INTO a VALUES (1)", "rows of a"),
            ("REPLACE a SELECT * FROM b", "rows of a"),
            ("INSERT INTO b SELECT * FROM a", "rows of b"),
            ("UPDATE LOW_PRIORITY a AS x SET b = 1", "rows of a"),
            ("UPDATE b JOIN a ON a.x = b.x SET b.y = a.y", ""),
            ("LOAD DATA INFILE 'a' INTO TABLE a", "rows of a"),
            ("PREPARE s FROM 'DROP TABLE a'", "a"),
            ("EXECUTE IMMEDIATE 'DROP DATABASE a'", "schema a"),
            ("PREPARE s FROM @sql", ""),
            ("SET STATEMENT max_statement_time = 1 FOR DROP TABLE a", "a"),
            ("BEGIN NOT ATOMIC DROP TABLE a; IF x THEN TRUNCATE b; END IF; END", "a, b"),
            ("ANALYZE DELETE FROM a", "rows of a"),
            ("SELECT * FROM a", ""),
            ("LOCK TABLES a WRITE", ""),
            ("CREATE PROCEDURE p() BEGIN DROP TABLE a; END", "a"),
            ("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW DELETE FROM b", "writes to a"),
            ("CREATE TRIGGER before AFTER INSERT ON a FOR EACH ROW DELETE FROM b", ""),
            ("CREATE INDEX rule ON a (b)", "a"),
            ("CREATE EVENT e ON SCHEDULE AT NOW() DO DROP TABLE a", "a"),
            ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN TRUNCATE a; END", "a"),
            ("SET @sql = 'DROP TABLE a'", "a"),
            ("SET @sql = 'SELECT 1', @b = NOW()", ""),
        ] {
            assert_eq!(said(statement, &crate::sql::mysql::GRAMMAR), expected, "{statement}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn statements_for_postgres_change_what_they_name() {
        for (statement, expected) in [
            ("DROP TABLE IF EXISTS public.\"a\" CASCADE", "public.a"),
            ("DROP TABLE A", "a"),
            ("DROP SCHEMA IF EXISTS a, b CASCADE", "schema a, schema b"),
            ("ALTER SCHEMA a RENAME TO b", "schema a"),
            ("ALTER TABLE a OWNER TO b", ""),
            ("ALTER TABLE ONLY a ADD CONSTRAINT p PRIMARY KEY (b)", "a"),
            ("ALTER TABLE a SET SCHEMA b", "a, b.a"),
            ("CREATE INDEX i ON a (b)", ""),
            ("TRUNCATE ONLY a, b CASCADE", "a, b"),
            ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "rows of a"),
            ("WITH x AS (SELECT 1) UPDATE a SET b = 1", "rows of a"),
            ("EXPLAIN (ANALYZE) DELETE FROM a", "rows of a"),
            ("EXPLAIN DELETE FROM a", ""),
            ("MERGE INTO a USING b ON true WHEN MATCHED THEN UPDATE SET x = 1", "rows of a"),
            ("COPY a FROM '/x'", "rows of a"),
            (
                "CREATE TRIGGER t BEFORE INSERT OR UPDATE OF b ON s.a FOR EACH ROW EXECUTE FUNCTION f()",
                "writes to s.a",
            ),
            ("CREATE TRIGGER t INSTEAD OF INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", "writes to a"),
            ("CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", ""),
            ("CREATE OR REPLACE RULE r AS ON INSERT TO a DO INSTEAD NOTHING", "writes to a"),
            ("CREATE VIEW rule AS SELECT a TO b", ""),
            ("COPY a TO '/x'", ""),
            ("SELECT 'DROP TABLE a'", ""),
        ] {
            assert_eq!(said(statement, &crate::sql::postgres::GRAMMAR), expected, "{statement}");
        }
    }
}
