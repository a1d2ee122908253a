//! Reads what a single statement takes away, word by word.

use super::{Dropped, Loss};
use crate::sql::Token;
use crate::sql::act::ObjectName;
use crate::sql::act::words::Words;

/// The objects that can be dropped, and take others with them.
const KINDS: [&str; 17] = [
    "table",
    "view",
    "index",
    "trigger",
    "schema",
    "database",
    "type",
    "domain",
    "extension",
    "function",
    "procedure",
    "routine",
    "aggregate",
    "sequence",
    "server",
    "language",
    "collation",
];

/// The first words of other objects that `CASCADE` drops something with.
const RARE_KINDS: [(&str, &str); 4] = [
    ("operator", "operator"),
    ("access", "access method"),
    ("text", "text search object"),
    ("conversion", "conversion"),
];

impl Words<'_, '_, '_> {
    pub(super) fn losses(mut self) -> Option<Vec<Loss>> {
        let all = self;
        let first = self.next()?;
        let Token::Word(first) = first else { return None };
        let rows = |tables: Vec<ObjectName>, cascades: bool| {
            tables.into_iter().map(|table| Loss::Rows { table, cascades }).collect()
        };
        Some(match first.to_ascii_lowercase().as_str() {
            "drop" => self.drops()?,
            "create" => self.replaced()?,
            "alter" => self.alters()?,
            "delete" => {
                let mut names = all.emptied();
                while self.skip(&["low_priority", "quick", "ignore"]) {}
                // `DELETE x FROM a AS x` is about `a`.
                if !self.is_at(&["from"]) {
                    names.retain(|name| all.named_as(name).is_empty());
                }
                rows(names, false)
            }
            "truncate" => {
                let cascades = self.rest.iter().any(|token| token.is("cascade"));
                rows(all.emptied(), cascades)
            }
            "with" => {
                let mut found = rows(all.emptied(), false);
                found.extend(
                    all.main_of_with().into_iter().flat_map(|main| main.losses().unwrap_or_default()),
                );
                let mut distinct = Vec::new();
                for loss in found {
                    if !distinct.contains(&loss) {
                        distinct.push(loss);
                    }
                }
                distinct
            }
            // `COPY (DELETE FROM a RETURNING *) TO 'file'`
            "copy" => rows(all.emptied(), false),
            "merge" => {
                self.skip(&["into"]);
                self.skip(&["only"]);
                let table = self.name()?;
                let has = |word: &str| self.rest.windows(2).any(|two| two[0].is("then") && two[1].is(word));
                match (has("delete"), has("update")) {
                    (true, _) => vec![Loss::Rows { table, cascades: false }],
                    (false, true) => vec![Loss::Overwritten(table)],
                    (false, false) => Vec::new(),
                }
            }
            "replace" => {
                while self.skip(&["low_priority", "delayed", "into"]) {}
                vec![Loss::Overwritten(self.name()?)]
            }
            "load" => {
                let place = self.rest.windows(3).position(|three| {
                    three[0].is("replace") && three[1].is("into") && three[2].is("table")
                })?;
                self.rest = self.rest.get(place + 3..)?;
                vec![Loss::Overwritten(self.name()?)]
            }
            "update" => {
                while self.skip(&["low_priority", "ignore", "only"]) {}
                let table = self.name()?;
                if self.has_at_top("where") { Vec::new() } else { vec![Loss::Overwritten(table)] }
            }
            "select" | "values" | "do" => {
                let called = all.called();
                if called.is_empty() { Vec::new() } else { vec![Loss::Calls(called)] }
            }
            _ => return None,
        })
    }

    /// Whether a word occurs outside of parentheses.
    fn has_at_top(&self, word: &str) -> bool {
        let mut depth = 0_usize;
        self.rest.iter().any(|token| {
            match token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is(word)
        })
    }

    /// The statement behind the queries of a `WITH`.
    fn main_of_with(self) -> Option<Self> {
        let mut depth = 0_usize;
        let starts = ["select", "insert", "update", "delete", "merge", "replace", "values"];
        let place = self.rest.iter().position(|token| {
            match token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is_any(&starts)
        })?;
        Some(Self::new(self.rest.get(place..)?, self.grammar))
    }

    /// The names before an opening parenthesis.
    fn called(self) -> Vec<ObjectName> {
        let mut found = Vec::new();
        let mut words = self;
        while !words.rest.is_empty() {
            let mut ahead = words;
            match ahead.name() {
                Some(name) if ahead.rest.first() == Some(&Token::Mark(b'(')) => {
                    if !found.contains(&name) {
                        found.push(name);
                    }
                    words = ahead;
                }
                Some(_) => words = ahead,
                None => _ = words.next(),
            }
        }
        found
    }

    fn drops(&mut self) -> Option<Vec<Loss>> {
        if self.skip(&["owned"]) {
            self.skip(&["by"]);
            let mut roles = vec![self.part()?];
            while self.skip_mark(b',') {
                roles.push(self.part()?);
            }
            return Some(vec![Loss::Owned(roles)]);
        }
        if self.is_at(&["temporary"]) {
            return Some(Vec::new());
        }
        while self.skip(&["materialized", "foreign"]) {}
        let kind = if self.skip(&["data"]) {
            self.skip(&["wrapper"]);
            "foreign data wrapper"
        } else if let Some(kind) = KINDS.into_iter().find(|kind| self.skip(&[kind])) {
            kind
        } else if self.skip(&["tables"]) {
            "table"
        } else {
            // An operator, a configuration of the text search, ...
            let (_, kind) = RARE_KINDS.into_iter().find(|(word, _)| self.skip(&[word]))?;
            let parts =
                ["class", "family", "method", "search", "configuration", "dictionary", "parser", "template"];
            while self.skip(&parts) {}
            kind
        };
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
                break;
            }
            names.push(self.name()?);
        }
        let on = if self.skip(&["on"]) { self.name() } else { None };
        let cascades = self.rest.iter().any(|token| token.is("cascade"));
        let object = |name| {
            Loss::Object(Dropped { kind, name, on: on.clone(), if_exists, cascades, is_replaced: false })
        };
        Some(names.into_iter().map(object).collect())
    }

    /// `CREATE OR REPLACE TABLE`, which drops a table of that name first.
    fn replaced(&mut self) -> Option<Vec<Loss>> {
        (self.skip(&["or"]) && self.skip(&["replace"])).then_some(())?;
        let kind = ["table", "database", "schema"].into_iter().find(|kind| self.skip(&[kind]))?;
        let name = self.name()?;
        Some(vec![Loss::Object(Dropped {
            kind,
            name,
            on: None,
            if_exists: true,
            cascades: false,
            is_replaced: true,
        })])
    }

    fn alters(&mut self) -> Option<Vec<Loss>> {
        let mut is_forced = false;
        loop {
            if self.skip(&["ignore"]) {
                is_forced = true;
            } else if !self.skip(&["online", "foreign"]) {
                break;
            }
        }
        let is_type = self.skip(&["type"]);
        (is_type || self.skip(&["table"])).then_some(())?;
        let is_sure = self.skip_exists();
        self.skip(&["only"]);
        let table = self.name()?;
        self.skip_mark(b'*');
        let mut depth = 0_i32;
        let actions = self.rest.split(|token| {
            match token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth -= 1,
                _ => {}
            }
            depth == 0 && *token == Token::Mark(b',')
        });
        let grammar = self.grammar;
        let action = |action| Words::new(action, grammar).action(&table, is_sure);
        let mut found: Vec<Loss> = actions.filter_map(action).collect();
        // MariaDB's `ALTER IGNORE TABLE` deletes the rows that a new key does not allow.
        if is_forced && self.rest.iter().any(|token| token.is_any(&["unique", "primary"])) {
            found.push(Loss::Rows { table, cascades: false });
        }
        Some(found)
    }

    /// An action of an `ALTER TABLE`.
    fn action(mut self, table: &ObjectName, may_be_missing: bool) -> Option<Loss> {
        const OTHERS: [&str; 10] = [
            "constraint",
            "primary",
            "index",
            "key",
            "foreign",
            "check",
            "period",
            "system",
            "identity",
            "default",
        ];
        let rows = || Some(Loss::Rows { table: table.clone(), cascades: false });
        if self.skip(&["drop"]) {
            let is_column = self.skip(&["column", "attribute"]);
            // A column can also have such a name; the action then ends with it.
            let is_qualified = !is_column && self.rest.len() > 1;
            if is_qualified && self.skip(&["partition"]) {
                return rows();
            }
            if is_qualified && self.is_at(&OTHERS) {
                return None;
            }
            let if_exists = self.skip_exists() || may_be_missing;
            let column = self.part()?;
            let cascades = self.is_at(&["cascade"]);
            return Some(Loss::Column { table: table.clone(), column, if_exists, cascades });
        }
        let has = |word: &str| self.rest.iter().any(|token| token.is(word));
        let empties = [("discard", "tablespace"), ("engine", "blackhole")];
        let is_emptied = empties.iter().any(|(first, word)| self.is_at(&[first]) && has(word));
        if self.is_at(&["truncate"]) || is_emptied {
            return rows();
        }
        let is_alter = self.skip(&["alter"]);
        let is_change = !is_alter && self.skip(&["change"]);
        if !is_alter && !is_change && !self.skip(&["modify"]) {
            return None;
        }
        self.skip(&["column", "attribute"]);
        self.skip_exists();
        let column = self.part()?;
        if is_alter {
            self.skip(&["set"]);
            self.skip(&["data"]);
            self.skip(&["type"]).then_some(())?;
        } else if is_change {
            self.part()?;
        }
        let (to, using) = self.type_text();
        Some(Loss::Type { table: table.clone(), column, to, using })
    }

    /// The text of a type, and the words of the expression behind `USING`.
    fn type_text(self) -> (String, Option<Vec<String>>) {
        const ENDS: [&str; 20] = [
            "using",
            "collate",
            "cascade",
            "restrict",
            "not",
            "null",
            "default",
            "comment",
            "first",
            "after",
            "auto_increment",
            "generated",
            "as",
            "unique",
            "primary",
            "key",
            "check",
            "references",
            "charset",
            "on",
        ];
        let end = self.rest.iter().position(|token| token.is_any(&ENDS)).unwrap_or(self.rest.len());
        let mut text = String::new();
        for token in self.rest.get(..end).unwrap_or_default() {
            match token {
                Token::Mark(mark) => text.push(char::from(*mark)),
                Token::Word(word) | Token::Quoted(word) => {
                    if text.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
                        text.push(' ');
                    }
                    text.push_str(word);
                }
            }
        }
        let using = self.rest.get(end).filter(|token| token.is("using")).map(|_| {
            let words = Self::new(self.rest.get(end + 1..).unwrap_or_default(), self.grammar);
            let name = |place: usize| Self::new(&words.rest[place..], words.grammar).part();
            (0..words.rest.len()).filter_map(name).collect()
        });
        (text, using)
    }
}
