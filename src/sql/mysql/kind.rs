//! The kind of a MySQL or MariaDB statement: whether it causes an implicit commit, and what it changes.

use super::lexer::{Lexeme, Lexer};
use crate::sql::{Token, part};

/// The kind of a statement, as far as it matters for determining whether the statement took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// It reads or writes rows, and can be part of a transaction.
    Data,
    /// It creates or drops something that ends with the session, and can be part of a transaction.
    Temporary,
    /// It sets session variables, or selects the default database.
    Setting,
    /// `SET autocommit = 0`.
    Chains,
    /// `SET autocommit = 1`.
    Unchains,
    /// It begins a transaction.
    Begins,
    /// It commits a transaction.
    Commits,
    /// It rolls a transaction back.
    RollsBack,
    /// `LOCK TABLES`.
    Locks,
    /// `UNLOCK TABLES`.
    Unlocks,
    /// It does no harm if it runs again. It may cause an implicit commit, as `ANALYZE` does, or not, as `CHECKSUM`.
    Repeatable,
    /// It causes an implicit commit and changes these definitions.
    Defines(Vec<Subject<'a>>),
    /// It reads a file on the client.
    ReadsClient,
    /// `XA`.
    Distributed,
    /// It may cause an implicit commit, and its effect is unknown: `CALL`, `TRUNCATE`.
    Other,
}

/// An object that has a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    /// The type of object, as in `SHOW CREATE`.
    pub(crate) class: &'static str,
    /// Its name as the statement writes it, with its database if given.
    pub(crate) name: &'a str,
}

impl Kind<'_> {
    /// Whether it does not interfere with the transaction that it runs in.
    pub(crate) const fn is_transactional(&self) -> bool {
        !matches!(
            self,
            Self::Locks
                | Self::Unlocks
                | Self::Repeatable
                | Self::Defines(_)
                | Self::ReadsClient
                | Self::Other
        )
    }
}

/// The tokens of a statement, including those inside `/*! ... */`. Quoted tokens include their quotes.
pub(super) fn tokens(statement: &str) -> Vec<Token<'_>> {
    Words::new(statement).collect()
}

/// The kind of a statement.
pub(crate) fn kind(statement: &str) -> Kind<'_> {
    let mut words = Words::new(statement);
    let Some(first) = words.next() else { return Kind::Data };
    let first = match first {
        Token::Word(word) => word.to_ascii_lowercase(),
        // `(SELECT 1) UNION (SELECT 2)`
        _ => return Kind::Data,
    };
    let second = words.clone().next();
    let second_is = |words: &[&str]| second.is_some_and(|second| words.iter().any(|word| second.is(word)));
    match first.as_str() {
        "select" | "insert" | "update" | "delete" | "replace" | "with" | "values" | "table" | "do"
        | "explain" | "describe" | "desc" | "show" | "handler" | "savepoint" | "release" | "signal" => {
            Kind::Data
        }
        "load" if second_is(&["data", "xml"]) => load(words),
        "begin" if second_is(&["not"]) => Kind::Other,
        "begin" => Kind::Begins,
        "start" if second_is(&["transaction"]) => Kind::Begins,
        "commit" => Kind::Commits,
        "rollback" if words.any(|token| token.is("to")) => Kind::Data,
        "rollback" => Kind::RollsBack,
        "set" => setting(words),
        "use" | "prepare" | "deallocate" => Kind::Setting,
        "lock" if second_is(&["tables", "table"]) => Kind::Locks,
        "unlock" if second_is(&["tables", "table"]) => Kind::Unlocks,
        "xa" => Kind::Distributed,
        "flush" if words.clone().any(|token| token.is("lock") || token.is("export")) => Kind::Locks,
        "analyze" => analysis(words),
        "optimize" | "check" | "checksum" | "repair" | "flush" | "grant" => Kind::Repeatable,
        "create" | "alter" | "drop" => definition(&first, words),
        "rename" if second_is(&["table", "tables"]) => renaming(words),
        _ => Kind::Other,
    }
}

fn load(mut words: Words<'_>) -> Kind<'_> {
    if words.by_ref().take(4).any(|token| token.is("local")) { Kind::ReadsClient } else { Kind::Data }
}

/// `ANALYZE` executes the statement after it, unless a table follows.
fn analysis(mut words: Words<'_>) -> Kind<'_> {
    let runs = ["select", "insert", "update", "delete", "replace", "with"];
    let is_run = words.by_ref().take(4).any(|token| runs.iter().any(|word| token.is(word)));
    if is_run { Kind::Data } else { Kind::Repeatable }
}

fn setting(words: Words<'_>) -> Kind<'_> {
    if words.clone().next().is_some_and(|token| token.is("statement") || token.is("password")) {
        return Kind::Other;
    }
    let mut start = words.clone();
    if start.next().is_some_and(|token| token.is("default"))
        && start.next().is_some_and(|token| token.is("role"))
    {
        return Kind::Repeatable;
    }
    let tokens: Vec<Token<'_>> = words.collect();
    // The last assignment counts.
    let last = assignments(&tokens).filter_map(switches).last();
    last.map_or(Kind::Setting, |value| if is_off(value) { Kind::Chains } else { Kind::Unchains })
}

fn assignments<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let mut depth = 0_usize;
    tokens.split(move |token| {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *token == Token::Mark(b',')
    })
}

/// The value that an assignment sets the session's `autocommit` to, if it sets it.
fn switches<'t, 'a>(assignment: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let at = assignment.iter().position(|token| *token == Token::Mark(b'='))?;
    let (left, right) = assignment.split_at(at);
    let is_variable = left.first() == Some(&Token::Mark(b'@')) && left.get(1) != Some(&Token::Mark(b'@'));
    let is = |word| left.iter().any(|token| token.is(word));
    if is_variable || is("global") || !is("autocommit") {
        return None;
    }
    right.get(1..)
}

fn is_off(value: &[Token<'_>]) -> bool {
    let value = value.first().and_then(|token| token.spelling()).unwrap_or_default();
    let value = value.trim_matches(['\'', '"']);
    ["0", "off", "false"].iter().any(|off| value.eq_ignore_ascii_case(off))
}

/// The user variable that a statement sets `autocommit` to, if any.
pub(crate) fn autocommit_variable(statement: &str) -> Option<&str> {
    let mut words = Words::new(statement);
    words.next().filter(|first| first.is("set"))?;
    let tokens: Vec<Token<'_>> = words.collect();
    match assignments(&tokens).filter_map(switches).last()? {
        [Token::Mark(b'@'), Token::Word(name) | Token::Quoted(name), ..] => Some(name),
        _ => None,
    }
}

/// Whether a statement is `SET TRANSACTION ...`, which affects only the next transaction.
pub(crate) fn is_about_next(statement: &str) -> bool {
    let mut words = Words::new(statement);
    words.next().is_some_and(|first| first.is("set"))
        && words.next().is_some_and(|second| second.is("transaction"))
}

/// Whether a statement asks how many rows the previous statement found or changed.
pub(crate) fn asks_for_counts(statement: &str) -> bool {
    let tokens: Vec<Token<'_>> = Words::new(statement).collect();
    let asks = |word: &str| {
        let is_call = |pair: &[Token<'_>]| pair[0].is(word) && pair[1] == Token::Mark(b'(');
        tokens.windows(2).any(is_call)
    };
    // Inside a routine, it asks about the statements of the routine.
    let makes = tokens.first().is_some_and(|first| first.is("create") || first.is("alter"));
    !makes && (asks("row_count") || asks("found_rows"))
}

/// Whether a statement runs others that its text does not show, or not in full: a routine, a prepared statement, a compound statement.
pub(crate) fn runs_unread(statement: &str) -> bool {
    let mut words = Words::new(statement);
    let Some(mut first) = words.next() else { return false };
    let second = words.clone().next();
    if first.is("set") && second.is_some_and(|second| second.is("statement")) {
        // `SET STATEMENT max_statement_time = 1 FOR CALL p()`
        let Some(inner) = words.find(|token| token.is("for")).and_then(|_| words.next()) else {
            return false;
        };
        first = inner;
    }
    let is_compound = first.is("begin") && second.is_some_and(|second| second.is("not"));
    is_compound
        || ["call", "execute", "if", "while", "loop", "for", "repeat", "case"]
            .iter()
            .any(|word| first.is(word))
}

/// Whether a statement sets a user variable to a value that may differ the next time: `SET @x = (SELECT ...)`.
pub(crate) fn computes_variable(statement: &str) -> bool {
    let tokens: Vec<Token<'_>> = Words::new(statement).collect();
    let sets = tokens.first().is_some_and(|first| first.is("set"));
    // `@@sql_mode` is a system variable.
    let at = Token::Mark(b'@');
    let names = |three: &[Token<'_>]| three[0] != at && three[1] == at && three[2] != at;
    let computes = tokens.contains(&Token::Mark(b'('));
    // `SELECT count(*) INTO @x`, `SELECT @x := 1`
    let pair = |first: Token<'_>, second: Token<'_>| tokens.windows(2).any(|pair| pair == [first, second]);
    let into = tokens.windows(2).any(|pair| pair[0].is("into") && pair[1] == at);
    let assigns = into || pair(Token::Mark(b':'), Token::Mark(b'='));
    // `CALL p(@x)`
    let calls = tokens.first().is_some_and(|first| first.is("call")) && tokens.contains(&at);
    let asks = tokens.iter().any(|token| token.is("last_insert_id") || token.is("identity"));
    (!sets && assigns) || calls || (sets && (computes || asks) && tokens.windows(3).any(names))
}

/// Whether a statement creates what it defines, as `CREATE TABLE` and `CREATE INDEX` do.
pub(crate) fn creates(statement: &str) -> bool {
    Words::new(statement).next().is_some_and(|first| first.is("create"))
}

fn definition<'a>(verb: &str, mut words: Words<'a>) -> Kind<'a> {
    let others =
        ["server", "user", "role", "tablespace", "logfile", "undo", "resource", "package", "instance"];
    if words.clone().next().is_some_and(|next| others.iter().any(|other| next.is(other))) {
        return Kind::Other;
    }
    // The words before it are options: OR REPLACE, DEFINER = a@b, UNIQUE, ...
    let Some(class) = words.by_ref().take(16).find_map(class) else { return Kind::Other };
    let subject = |class, name| Subject { class, name };
    match class {
        Class::Temporary => Kind::Temporary,
        // It changes a character set or a similar option, perhaps of the default database.
        Class::Shown("DATABASE") if verb == "alter" => Kind::Repeatable,
        Class::Index => {
            words.by_ref().find(|token| token.is("on"));
            words.name().map_or(Kind::Other, |name| Kind::Defines(vec![subject("TABLE", name)]))
        }
        Class::Shown(class) => {
            let Some(name) = words.name() else { return Kind::Other };
            let mut subjects = vec![subject(class, name)];
            if verb == "drop" {
                while words.next() == Some(Token::Mark(b',')) {
                    let Some(name) = words.name() else { return Kind::Other };
                    subjects.push(subject(class, name));
                }
            }
            // The definition does not show the effect of these.
            let hidden = ["truncate", "discard", "import", "exchange", "force"];
            let hides = verb == "alter" && words.any(|token| hidden.iter().any(|word| token.is(word)));
            if hides { Kind::Other } else { Kind::Defines(subjects) }
        }
    }
}

#[derive(Clone, Copy)]
enum Class {
    Temporary,
    Index,
    Shown(&'static str),
}

fn class(token: Token<'_>) -> Option<Class> {
    let Token::Word(word) = token else { return None };
    Some(match word.to_ascii_lowercase().as_str() {
        "temporary" => Class::Temporary,
        "index" => Class::Index,
        "table" => Class::Shown("TABLE"),
        "sequence" => Class::Shown("SEQUENCE"),
        "view" => Class::Shown("VIEW"),
        "procedure" => Class::Shown("PROCEDURE"),
        "function" => Class::Shown("FUNCTION"),
        "trigger" => Class::Shown("TRIGGER"),
        "event" => Class::Shown("EVENT"),
        "database" | "schema" => Class::Shown("DATABASE"),
        _ => return None,
    })
}

/// A renaming is represented by the old names of its tables. If a name occurs twice, as in a swap, these show nothing.
fn renaming(mut words: Words<'_>) -> Kind<'_> {
    words.next();
    let (mut subjects, mut names) = (Vec::new(), Vec::new());
    loop {
        let Some(from) = words.name() else { return Kind::Other };
        if !words.by_ref().take(4).any(|token| token.is("to")) {
            return Kind::Other;
        }
        let Some(to) = words.name() else { return Kind::Other };
        subjects.push(Subject { class: "TABLE", name: from });
        names.extend([from, to]);
        if words.next() != Some(Token::Mark(b',')) {
            break;
        }
    }
    let is_again = |(place, name): (usize, &&str)| names[..place].contains(name);
    if names.iter().enumerate().any(is_again) { Kind::Other } else { Kind::Defines(subjects) }
}

/// The tokens of a statement, including those inside `/*! ... */`.
#[derive(Clone)]
struct Words<'a> {
    lexer: Lexer<'a>,
}

impl<'a> Words<'a> {
    const fn new(statement: &'a str) -> Self {
        Self { lexer: Lexer::new(statement) }
    }

    /// Reads a name, with its database if given, after `IF EXISTS` or `IF NOT EXISTS`, if present.
    fn name(&mut self) -> Option<&'a str> {
        let mut next = self.placed()?;
        if next.1.is("if") {
            self.by_ref().find(|token| token.is("exists"))?;
            next = self.placed()?;
        }
        let (start, token) = next;
        if !matches!(token, Token::Word(_) | Token::Quoted(_)) {
            return None;
        }
        let mut end = self.lexer.offset();
        while self.clone().next() == Some(Token::Mark(b'.')) {
            self.next();
            self.next()?;
            end = self.lexer.offset();
        }
        Some(part(self.lexer.text(), start..end))
    }

    fn placed(&mut self) -> Option<(usize, Token<'a>)> {
        loop {
            if let (start, Lexeme::Token(token)) = self.lexer.next(false)? {
                return Some((start, token));
            }
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.placed().map(|(_, token)| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_runs_what_its_text_shows_or_not() {
        for statement in [
            "CALL p()",
            "execute s",
            "EXECUTE IMMEDIATE @x",
            "BEGIN NOT ATOMIC SELECT 1; END",
            "/*!50000 CALL p() */",
            "SET STATEMENT max_statement_time = 1 FOR CALL p()",
        ] {
            assert!(runs_unread(statement), "{statement}");
        }
        for statement in ["SELECT 1", "BEGIN", "PREPARE s FROM 'x'", "SET @a = 'CALL p()'", "DROP TABLE a"] {
            assert!(!runs_unread(statement), "{statement}");
        }
    }

    #[test]
    fn statements_are_what_they_begin_with() {
        let rows = [
            ("SELECT 1", Kind::Data),
            ("(SELECT 1) UNION (SELECT 2)", Kind::Data),
            ("/*!40101 SET NAMES utf8 */", Kind::Setting),
            ("SET @OLD_SQL_MODE=@@SQL_MODE", Kind::Setting),
            ("SET AUTOCOMMIT = 0", Kind::Chains),
            ("set @@session.autocommit=OFF", Kind::Chains),
            ("SET autocommit=1", Kind::Unchains),
            ("SET @OLD_AUTOCOMMIT = @@AUTOCOMMIT, autocommit = 0", Kind::Chains),
            ("SET @OLD_AUTOCOMMIT = @@AUTOCOMMIT", Kind::Setting),
            ("SET GLOBAL autocommit = 0", Kind::Setting),
            ("SET AUTOCOMMIT=@OLD_AUTOCOMMIT", Kind::Unchains),
            ("SET DEFAULT ROLE NONE", Kind::Repeatable),
            ("ANALYZE FORMAT=JSON UPDATE t SET a = 1", Kind::Data),
            ("ANALYZE TABLE t", Kind::Repeatable),
            ("FLUSH TABLES WITH READ LOCK", Kind::Locks),
            ("XA START 'a'", Kind::Distributed),
            ("ALTER DATABASE CHARACTER SET utf8mb4", Kind::Repeatable),
            ("CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (DATABASE 'x')", Kind::Other),
            ("SET PASSWORD FOR a = 'b'", Kind::Other),
            ("BEGIN", Kind::Begins),
            ("begin work", Kind::Begins),
            ("START TRANSACTION READ ONLY", Kind::Begins),
            ("BEGIN NOT ATOMIC SELECT 1; END", Kind::Other),
            ("START SLAVE", Kind::Other),
            ("ROLLBACK", Kind::RollsBack),
            ("ROLLBACK TO SAVEPOINT a", Kind::Data),
            ("CALL p()", Kind::Other),
            ("TRUNCATE t", Kind::Other),
            ("CREATE TEMPORARY TABLE t (a INT)", Kind::Temporary),
            ("DROP TEMPORARY TABLE t", Kind::Temporary),
            ("LOCK TABLES `t` WRITE", Kind::Locks),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", Kind::ReadsClient),
            ("LOAD DATA INFILE 'x' INTO TABLE t", Kind::Data),
            ("CREATE USER a", Kind::Other),
            ("ALTER TABLE t TRUNCATE PARTITION p", Kind::Other),
            ("RENAME TABLE a TO c, b TO a, c TO b", Kind::Other),
        ];
        for (statement, expected) in rows {
            assert_eq!(kind(statement), expected, "{statement}");
        }
    }

    #[test]
    fn what_changes_a_definition_says_which() {
        let rows = [
            ("CREATE TABLE t (a INT)", "TABLE t"),
            ("create table if not exists `my db` . `t;` (a INT)", "TABLE `my db` . `t;`"),
            (
                "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`a`@`b` SQL SECURITY DEFINER VIEW v AS SELECT 1",
                "VIEW v",
            ),
            (
                "CREATE /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1 */",
                "TRIGGER tr",
            ),
            ("CREATE UNIQUE INDEX i ON t (a)", "TABLE t"),
            ("DROP INDEX i ON db.t", "TABLE db.t"),
            ("ALTER TABLE t ADD COLUMN b INT, ADD INDEX (b)", "TABLE t"),
            ("ALTER IGNORE TABLE t ENGINE=InnoDB", "TABLE t"),
            ("DROP TABLE IF EXISTS a, `b`, c.d", "TABLE a, TABLE `b`, TABLE c.d"),
            ("DROP PROCEDURE IF EXISTS p", "PROCEDURE p"),
            ("RENAME TABLE a TO b, c TO d.e", "TABLE a, TABLE c"),
            ("CREATE DATABASE IF NOT EXISTS x", "DATABASE x"),
            ("CREATE FUNCTION f() RETURNS INT RETURN 1", "FUNCTION f"),
        ];
        for (statement, expected) in rows {
            let Kind::Defines(subjects) = kind(statement) else {
                panic!("{statement}: {:?}", kind(statement))
            };
            let found: Vec<_> =
                subjects.iter().map(|subject| format!("{} {}", subject.class, subject.name)).collect();
            assert_eq!(found.join(", "), expected, "{statement}");
        }
    }

    #[test]
    fn a_variable_is_computed_or_copied() {
        for statement in ["SET @a = (SELECT 1)", "SELECT count(*) INTO @a FROM t", "SET @now = NOW()"] {
            assert!(computes_variable(statement), "{statement}");
        }
        for statement in
            ["SET @a = 1", "SET @OLD=@@SQL_MODE, SQL_MODE='x'", "SET sql_mode = CONCAT(@@sql_mode, ',x')"]
        {
            assert!(!computes_variable(statement), "{statement}");
        }
    }
}
