//! Reads what a statement does, word by word.

use super::quoted::{text_inside, unescaped};
use super::{Act, Grammar, ObjectName};
use crate::sql::Token;

/// The objects that have a definition.
const KINDS: [&str; 13] = [
    "table",
    "index",
    "view",
    "trigger",
    "function",
    "procedure",
    "sequence",
    "type",
    "domain",
    "schema",
    "database",
    "extension",
    "event",
];

/// The words after `ON DELETE`, and after the event of a trigger.
const AFTER_ON_DELETE: [&str; 6] = ["cascade", "set", "restrict", "no", "on", "or"];

/// How many texts within texts are read.
const DEPTH: usize = 8;

impl Act {
    /// What a statement does, by its tokens.
    pub(crate) fn of(tokens: &[Token<'_>], grammar: &Grammar) -> Self {
        Words::new(tokens, grammar).act().unwrap_or(Self::Other)
    }
}

/// The tokens of a statement that are not read yet.
#[derive(Clone, Copy)]
pub(super) struct Words<'t, 'a, 'g> {
    pub(super) rest: &'t [Token<'a>],
    pub(super) grammar: &'g Grammar,
}

impl<'t, 'a, 'g> Words<'t, 'a, 'g> {
    pub(super) const fn new(rest: &'t [Token<'a>], grammar: &'g Grammar) -> Self {
        Self { rest, grammar }
    }
}

impl<'a> Words<'_, 'a, '_> {
    pub(super) fn act(&mut self) -> Option<Act> {
        let all = *self;
        let first = self.next()?;
        // `(SELECT ...)`
        let Token::Word(first) = first else { return Some(Act::AddsRows(None)) };
        match first.to_ascii_lowercase().as_str() {
            "create" => self.creation(),
            "drop" => self.dropping(),
            "alter" => Some(self.alteration().unwrap_or_else(|| all.other_alteration())),
            "rename" => {
                self.skip(&["table", "tables"]).then_some(())?;
                self.renames()
            }
            "delete" => Some(self.deletion().unwrap_or_else(|| Act::DeletesUncounted(all.emptied()))),
            "truncate" => Some(Act::DeletesUncounted(all.emptied())),
            "insert" | "replace" => {
                while self.skip(&["low_priority", "delayed", "high_priority", "ignore", "into"]) {}
                Some(Act::AddsRows(self.name()))
            }
            "copy" | "table" | "values" => Some(Act::AddsRows(None)),
            "update" => Some(Act::Updates),
            "use" => Some(Act::SetsSchema(vec![self.part()?])),
            "set" => self.setting(),
            "rollback" => Some(Act::Undoes),
            "select" => Some(self.selection(all)),
            "with" | "do" | "call" | "merge" | "execute" | "begin" | "explain" => Some(all.opaque()),
            _ => None,
        }
    }

    /// A statement that does more than its first words say.
    fn opaque(self) -> Act {
        let emptied = self.emptied();
        if emptied.is_empty() { Act::Calls } else { Act::DeletesUncounted(emptied) }
    }

    /// A query, after its first word. It may create a table (`SELECT a INTO b`, which elsewhere sets variables), set the schema, or call a routine.
    fn selection(&mut self, all: Self) -> Act {
        let mut words = *self;
        while let Some(token) = words.next() {
            if token.is("into") && self.grammar.folds {
                let is_temporary = words.skip(&["temp", "temporary"]);
                words.skip(&["unlogged", "table"]);
                if let Some(name) = words.name() {
                    return Act::Creates {
                        kind: "table",
                        name,
                        is_temporary,
                        replaces: false,
                        if_not_exists: false,
                    };
                }
            }
        }
        if let Some(schema) = self.set_schema() {
            return Act::SetsSchema(schema);
        }
        if calls_routine(all.rest) { all.opaque() } else { Act::AddsRows(None) }
    }

    /// The schema that a query sets: `set_config('search_path', 'a', false)`.
    fn set_schema(&self) -> Option<Vec<String>> {
        let place = self.rest.iter().position(|token| token.is("set_config"))?;
        let [_, Token::Quoted("'search_path'"), _, Token::Quoted(schema), ..] = self.rest.get(place + 1..)?
        else {
            return None;
        };
        Some(schema.trim_matches('\'').split(',').map(|schema| schema.trim().to_owned()).collect())
    }

    /// `SET search_path = a, b`, `SET SCHEMA 'a'`, after the first word.
    fn setting(&mut self) -> Option<Act> {
        self.skip(&["local", "session"]);
        let is_path = self.skip(&["search_path"]);
        (is_path || self.skip(&["schema"])).then_some(())?;
        self.skip(&["to"]);
        self.skip_mark(b'=');
        match self.rest.first()? {
            Token::Quoted(text) if text.starts_with('\'') => {
                Some(Act::SetsSchema(vec![text.trim_matches('\'').to_owned()]))
            }
            _ => {
                let mut path = vec![self.part()?];
                while self.skip_mark(b',') {
                    path.push(self.part()?);
                }
                Some(Act::SetsSchema(path))
            }
        }
    }

    /// The tables that the statement deletes rows of, also in texts that it has the server execute.
    pub(super) fn emptied(self) -> Vec<ObjectName> {
        self.emptied_within(DEPTH)
    }

    /// The same, without those that its texts name.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn emptied_here(self) -> Vec<ObjectName> {
        self.emptied_within(0)
    }

    fn emptied_within(self, depth: usize) -> Vec<ObjectName> {
        let mut found = Vec::new();
        let mut words = self;
        while let Some(token) = words.next() {
            let mut ahead = words;
            // MariaDB: `DELETE HISTORY FROM a`
            if token.is("delete")
                && ahead.is_at(&["history"])
                && ahead.rest.get(1).is_some_and(|it| it.is("from"))
            {
                ahead.next();
            }
            // `DELETE QUICK FROM a`
            if token.is("delete") && !self.grammar.folds {
                while ahead.skip(&["low_priority", "quick", "ignore"]) {}
            }
            if token.is("delete") && ahead.skip(&["from"]) || token.is("truncate") {
                ahead.skip(&["table"]);
                found.extend(ahead.list());
            } else if token.is("delete") && !ahead.is_at(&AFTER_ON_DELETE) {
                // `DELETE a FROM b AS a`
                let named = ahead.list();
                let of = named.iter().flat_map(|alias| self.named_as(alias)).collect::<Vec<_>>();
                found.extend(named);
                found.extend(of);
            } else if token.is("merge")
                && ahead.skip(&["into"])
                && self.rest.iter().any(|token| token.is("delete"))
            {
                found.extend(ahead.list());
            } else if let Token::Quoted(text) = token {
                if let Some(inner) = text_inside(text).filter(|inner| depth > 0 && inner.contains(' ')) {
                    let tokens = (self.grammar.tokens)(inner);
                    found.extend(Words { rest: &tokens, grammar: self.grammar }.emptied_within(depth - 1));
                }
            }
        }
        found
    }

    /// The tables that have this alias in the statement.
    pub(super) fn named_as(self, alias: &ObjectName) -> Vec<ObjectName> {
        const JOINING: [&str; 9] = ["as", "join", "inner", "cross", "left", "right", "outer", "on", "using"];
        let mut found = Vec::new();
        let mut words = self;
        while words.next().is_some_and(|token| !token.is("from")) {}
        while !words.rest.is_empty() {
            let mut ahead = words;
            if let Some(name) = ahead.name().filter(|_| !words.is_at(&JOINING)) {
                ahead.skip(&["as"]);
                if ahead.name().is_some_and(|after| after == *alias) {
                    found.push(name);
                }
            }
            words.next();
        }
        found
    }

    /// Names, separated by commas.
    fn list(&mut self) -> Vec<ObjectName> {
        let mut names = Vec::new();
        loop {
            let is_enclosed = self.skip_only();
            let Some(name) = self.name() else { break };
            names.push(name);
            if is_enclosed {
                self.skip_mark(b')');
            }
            // `DELETE a.* FROM a`
            if self.skip_mark(b'.') {
                self.skip_mark(b'*');
            }
            if !self.skip_mark(b',') {
                break;
            }
        }
        names
    }

    /// An `ALTER` that does not rename a table.
    fn other_alteration(mut self) -> Act {
        let breaks = ["drop", "rename", "type", "change", "modify", "schema", "replace"];
        if !self.rest.iter().any(|token| breaks.iter().any(|word| token.is(word))) {
            return Act::Other;
        }
        self.next();
        while self.skip(&["online", "ignore", "materialized", "foreign"]) {}
        let has_kind = self.kind().is_some();
        self.skip_exists();
        self.skip_only();
        Act::Alters(if has_kind { self.name() } else { None })
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn is_at(&self, words: &[&str]) -> bool {
        self.rest.first().is_some_and(|token| token.is_any(words))
    }

    /// Skips one of these words, and returns whether it was next.
    pub(super) fn skip(&mut self, words: &[&str]) -> bool {
        let is_next = self.is_at(words);
        if is_next {
            self.next();
        }
        is_next
    }

    pub(super) fn skip_mark(&mut self, mark: u8) -> bool {
        let is_next = self.rest.first() == Some(&Token::Mark(mark));
        if is_next {
            self.next();
        }
        is_next
    }

    /// Skips `IF EXISTS` or `IF NOT EXISTS`, and returns whether it was next.
    pub(super) fn skip_exists(&mut self) -> bool {
        let is_next = self.skip(&["if"]);
        if is_next {
            self.skip(&["not"]);
            self.skip(&["exists"]);
        }
        is_next
    }

    /// Skips `ONLY` before a table, and returns whether the table is in parentheses: `DELETE FROM ONLY (a)`.
    pub(super) fn skip_only(&mut self) -> bool {
        self.skip(&["only"]) && self.skip_mark(b'(')
    }

    fn kind(&mut self) -> Option<&'static str> {
        KINDS
            .into_iter()
            .find(|kind| self.skip(&[kind]))
            .or_else(|| self.skip(&["tables"]).then_some("table"))
    }

    /// The next name, with its schema. Words that cannot be names here must be skipped before.
    pub(super) fn name(&mut self) -> Option<ObjectName> {
        let mut parts = vec![self.part()?];
        while self.rest.first() == Some(&Token::Mark(b'.')) && self.rest.get(1) != Some(&Token::Mark(b'*')) {
            self.next();
            parts.push(self.part()?);
        }
        let name = parts.pop()?;
        Some(ObjectName::new(parts.pop(), name, self.grammar))
    }

    pub(super) fn part(&mut self) -> Option<String> {
        match self.next()? {
            // `U&"a\0062"`
            Token::Word("u" | "U") if self.rest.first() == Some(&Token::Mark(b'&')) => {
                self.next();
                let Token::Quoted(quoted) = self.next()? else { return None };
                let name = quoted.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"");
                // `U&"a!0062" UESCAPE '!'`
                let escape =
                    if self.skip(&["uescape"]) { self.next()?.spelling()?.chars().nth(1)? } else { '\\' };
                unescaped(&name, escape)
            }
            Token::Word(name) if self.grammar.folds => Some(name.to_ascii_lowercase()),
            Token::Word(name) => Some(name.to_owned()),
            Token::Quoted(quoted) => {
                let quote = quoted.chars().next().filter(|first| self.grammar.quotes.contains(first))?;
                let name = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
                Some(name.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            Token::Mark(_) => None,
        }
    }

    fn creation(&mut self) -> Option<Act> {
        const OPTIONS: [&str; 8] =
            ["global", "local", "unlogged", "unique", "materialized", "recursive", "aggregate", "foreign"];
        let (mut is_temporary, mut replaces) = (false, false);
        let kind = loop {
            if let Some(kind) = self.kind() {
                break kind;
            } else if self.skip(&["temp", "temporary"]) {
                is_temporary = true;
            } else if self.skip(&["or"]) {
                replaces = self.skip(&["replace"]);
            } else if self.skip(&["definer", "algorithm"]) {
                // `DEFINER = a@b`
                self.skip_mark(b'=');
                self.next()?;
                if self.skip_mark(b'@') {
                    self.next()?;
                }
            } else if self.skip(&["sql"]) {
                self.skip(&["security"]);
                self.next()?;
            } else if !self.skip(&OPTIONS) && !self.skip(&["fulltext", "spatial", "constraint"]) {
                return None;
            }
        };
        // `CREATE EVENT TRIGGER`
        if kind == "event" && self.is_at(&["trigger"]) {
            return None;
        }
        self.skip(&["concurrently"]);
        let if_not_exists = self.skip_exists();
        // `CREATE INDEX ON t`, `CREATE SCHEMA AUTHORIZATION a`
        if self.is_at(&["on", "authorization"]) {
            return None;
        }
        Some(Act::Creates { kind, name: self.name()?, is_temporary, replaces, if_not_exists })
    }

    fn dropping(&mut self) -> Option<Act> {
        let is_temporary = self.skip(&["temporary"]);
        self.skip(&["materialized", "foreign"]);
        let kind = self.kind()?;
        // `DROP EVENT TRIGGER`
        if kind == "event" && self.is_at(&["trigger"]) {
            return None;
        }
        // It does not drop a permanent table of the same name.
        let kind = if is_temporary { "temporary table" } else { kind };
        self.skip(&["concurrently"]);
        let if_exists = self.skip_exists();
        let mut names = vec![self.name()?];
        loop {
            // `DROP FUNCTION f(INT), g`
            if self.skip_mark(b'(') {
                while !self.skip_mark(b')') {
                    self.next()?;
                }
            }
            if !self.skip_mark(b',') {
                let cascades = self.rest.iter().any(|token| token.is("cascade"));
                return Some(Act::Drops { kind, names, if_exists, cascades });
            }
            names.push(self.name()?);
        }
    }

    /// `ALTER TABLE a RENAME TO b`, `ALTER TABLE a ADD c INT, RENAME b`, `ALTER TABLE a SET SCHEMA b`.
    fn alteration(&mut self) -> Option<Act> {
        self.skip(&["online", "ignore"]);
        self.skip(&["table"]).then_some(())?;
        self.skip_exists();
        self.skip_only();
        let from = self.name()?;
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                token if token.is("rename") => {
                    if self.skip(&["column", "index", "key", "constraint", "attribute"]) {
                        continue;
                    }
                    let is_explicit = self.skip(&["to", "as"]) || self.skip_mark(b'=');
                    let mut to = self.name()?;
                    if self.grammar.rename_keeps_schema && from.schema.is_some() {
                        to = ObjectName::new(from.schema.clone(), to.name, self.grammar);
                    }
                    // `RENAME a TO b` is about a column.
                    if is_explicit || !self.is_at(&["to"]) {
                        return Some(Act::Renames(vec![(from, to)]));
                    }
                }
                token if token.is("set") && self.skip(&["schema"]) => {
                    let to = ObjectName::new(Some(self.part()?), from.name.clone(), self.grammar);
                    return Some(Act::Renames(vec![(from, to)]));
                }
                _ => {}
            }
        }
        None
    }

    /// `RENAME TABLE a TO b, c TO d`, after the first two words.
    fn renames(&mut self) -> Option<Act> {
        let mut pairs = Vec::new();
        loop {
            self.skip_exists();
            let from = self.name()?;
            // `WAIT 10`
            while !self.skip(&["to"]) {
                self.next()?;
            }
            pairs.push((from, self.name()?));
            if !self.skip_mark(b',') {
                return Some(Act::Renames(pairs));
            }
        }
    }

    /// A deletion from one table, after the first word.
    fn deletion(&mut self) -> Option<Act> {
        while self.skip(&["low_priority", "quick", "ignore", "history"]) {}
        self.skip(&["from"]).then_some(())?;
        let is_enclosed = self.skip_only();
        let table = self.name()?;
        if is_enclosed {
            self.skip_mark(b')');
        }
        // `DELETE FROM a, b USING ...`, `DELETE FROM a.* USING ...`
        let is_one = !self.skip_mark(b',') && !self.skip_mark(b'.');
        is_one.then_some(Act::Deletes(table))
    }
}

/// Whether a query calls a function other than these, which change no rows.
fn calls_routine(words: &[Token<'_>]) -> bool {
    const HARMLESS: [&str; 18] = [
        "setval",
        "nextval",
        "currval",
        "set_config",
        "current_setting",
        "pg_get_serial_sequence",
        "max",
        "min",
        "count",
        "sum",
        "coalesce",
        "greatest",
        "now",
        "exists",
        "in",
        "from",
        "as",
        "values",
    ];
    let is_call = |pair: &[Token<'_>]| {
        pair[1] == Token::Mark(b'(')
            && pair[0]
                .spelling()
                .is_some_and(|name| !HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known)))
    };
    words.windows(2).any(is_call)
}
