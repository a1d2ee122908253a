//! Reads what a single statement takes away, word by word.

use super::altering::text_of;
use super::{Dropped, Loss, Others};
use crate::sql::Token;
use crate::sql::act::ObjectName;
use crate::sql::act::words::Words;

/// The objects that can be dropped, and take others with them.
const KINDS: [&str; 19] = [
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
    "publication",
    "subscription",
];

/// The first words of other objects that `CASCADE` drops something with.
const RARE_KINDS: [(&str, &str); 6] = [
    ("operator", "operator"),
    ("cast", "cast"),
    ("transform", "transform"),
    ("access", "access method"),
    ("text", "text search object"),
    ("conversion", "conversion"),
];

impl Words<'_, '_, '_> {
    pub(super) fn losses(self) -> Option<Vec<Loss>> {
        let mut found = self.named_losses().unwrap_or_default();
        let calls = [
            "select", "values", "do", "insert", "update", "delete", "merge", "replace", "with", "set",
            "copy", "declare", "refresh",
        ];
        let is_table = self.rest.iter().take(4).any(|token| token.is("table"));
        // What creates a table of the rows of a query runs the query. `ALTER FUNCTION f()` does not run it.
        let is_run = self.is_at(&calls)
            || (self.is_at(&["alter"]) && is_table)
            || (self.is_at(&["create"]) && self.makes_rows());
        let called = if is_run { self.called() } else { Vec::new() };
        if !called.is_empty() {
            found.push(Loss::Calls(called));
        }
        (!found.is_empty()).then_some(found)
    }

    fn makes_rows(self) -> bool {
        let kind = self
            .rest
            .iter()
            .find(|token| token.is_any(&["table", "view", "function", "procedure", "trigger"]));
        let is_stored =
            kind.is_some_and(|kind| kind.is("table")) || self.rest.iter().any(|it| it.is("materialized"));
        is_stored && (self.rest.iter().any(|token| token.is("select")) || self.has_other_query())
    }

    /// Whether it has a query that begins with another word than `SELECT`, behind `AS`, or behind the columns on MySQL: `AS VALUES (1)`. A type
    /// and an option also have such words: `a time with time zone`, `WITH (fillfactor = 70)`, `FOR VALUES IN (1)`.
    fn has_other_query(self) -> bool {
        let begins = |place: usize| {
            let mut words = Self::new(self.rest.get(place..).unwrap_or_default(), self.grammar);
            while words.skip_mark(b'(') {}
            words.is_at(&["values", "table"])
                // `WITH x AS (...)`, `WITH RECURSIVE x (a) AS (...)`
                || (words.skip(&["with"]) && {
                    words.skip(&["recursive"]);
                    words.name().is_some() && (words.is_at(&["as"]) || words.skip_mark(b'('))
                })
        };
        let is_before =
            |token: &Token<'_>| token.is("as") || (!self.grammar.folds && *token == Token::Mark(b')'));
        (1..self.rest.len()).any(|place| is_before(&self.rest[place - 1]) && begins(place))
    }

    /// What a statement takes away by its own words.
    fn named_losses(mut self) -> Option<Vec<Loss>> {
        let all = self;
        let first = self.next()?;
        let Token::Word(first) = first else { return None };
        Some(match first.to_ascii_lowercase().as_str() {
            "drop" => self.drops()?,
            "create" => self.replaced()?,
            "alter" => self.alters()?,
            "delete" => {
                let mut names = all.emptied_here();
                while self.skip(&["low_priority", "quick", "ignore", "history"]) {}
                // `DELETE x FROM a AS x` is about `a`.
                if !self.is_at(&["from"]) {
                    names.retain(|name| all.named_as(name).is_empty());
                }
                all.rows(names, Others::Cascading)
            }
            "truncate" => {
                let cascades = self.rest.iter().any(|token| token.is("cascade"));
                all.rows(all.emptied_here(), if cascades { Others::Referencing } else { Others::Children })
            }
            "with" => {
                let mut found = all.rows(all.emptied_here(), Others::Cascading);
                found.extend(
                    all.main_of_with().into_iter().flat_map(|main| main.named_losses().unwrap_or_default()),
                );
                let mut distinct = Vec::new();
                for loss in found {
                    if !distinct.contains(&loss) {
                        distinct.push(loss);
                    }
                }
                distinct
            }
            // `COPY (DELETE FROM a RETURNING *) TO 'file'`, `COPY a TO PROGRAM 'sh'`
            "copy" => {
                let mut found = all.rows(all.emptied_here(), Others::Cascading);
                if self.rest.windows(2).any(|two| two[0].is_any(&["to", "from"]) && two[1].is("program")) {
                    found.push(Loss::Unread);
                }
                found
            }
            "insert" => {
                // `INSERT INTO a WITH x AS (DELETE FROM b RETURNING c) SELECT c FROM x`
                let mut found = all.rows(all.emptied_here(), Others::Cascading);
                while self.skip(&["low_priority", "delayed", "high_priority", "ignore", "into"]) {}
                let table = self.name()?;
                let overwrites = |two: &[Token<'_>]| two[0].is_any(&["do", "key"]) && two[1].is("update");
                if self.rest.windows(2).any(overwrites) {
                    found.push(Loss::Overwritten(table));
                }
                found
            }
            "merge" => {
                self.skip(&["into"]);
                let others = if self.is_at(&["only"]) { Others::Keys } else { Others::Cascading };
                self.skip_only();
                let table = self.name()?;
                let has = |word: &str| self.rest.windows(2).any(|two| two[0].is("then") && two[1].is(word));
                match (has("delete"), has("update")) {
                    (true, _) => vec![Loss::Rows { table, others }],
                    (false, true) => vec![Loss::Overwritten(table)],
                    (false, false) => Vec::new(),
                }
            }
            "replace" => {
                while self.skip(&["low_priority", "delayed", "into"]) {}
                vec![Loss::Replaced(self.name()?)]
            }
            "load" => {
                let place = self.rest.windows(3).position(|three| {
                    three[0].is("replace") && three[1].is("into") && three[2].is("table")
                })?;
                self.rest = self.rest.get(place + 3..)?;
                vec![Loss::Replaced(self.name()?)]
            }
            "update" => {
                while self.skip(&["low_priority", "ignore"]) {}
                self.skip_only();
                // `ON CONFLICT DO UPDATE SET`
                if self.is_at(&["set"]) {
                    return None;
                }
                let table = self.name()?;
                if self.has_at_top("where") { Vec::new() } else { vec![Loss::Overwritten(table)] }
            }
            "refresh" => {
                while self.skip(&["materialized", "view", "concurrently"]) {}
                let table = self.name()?;
                let is_emptied = self.is_at(&["with"]) && self.rest.iter().any(|token| token.is("no"));
                if is_emptied { vec![Loss::Rows { table, others: Others::None }] } else { Vec::new() }
            }
            "reset" | "purge" if !self.grammar.folds => vec![Loss::Server(self.server_loss()?)],
            _ => return None,
        })
    }

    /// What a statement about the server itself drops.
    fn server_loss(&self) -> Option<&'static str> {
        if self.is_at(&["master", "binary"]) {
            Some("binary logs of the server")
        } else if self.is_at(&["slave", "replica"]) {
            Some("replication position of the server")
        } else {
            None
        }
    }

    /// The rows of tables that a statement names. `ONLY` excludes those that inherit from them.
    fn rows(self, tables: Vec<ObjectName>, others: Others) -> Vec<Loss> {
        let before =
            |token: &Token<'_>| *token == Token::Mark(b',') || token.is_any(&["from", "truncate", "table"]);
        let is_only = self.rest.windows(2).any(|two| before(&two[0]) && two[1].is("only"));
        let others = match others {
            Others::Cascading if is_only => Others::Keys,
            Others::Children if is_only => Others::None,
            others => others,
        };
        tables.into_iter().map(|table| Loss::Rows { table, others }).collect()
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

    /// The names before an opening parenthesis, except where it begins columns: `INSERT INTO a (b)`.
    pub(in crate::sql::act) fn called(self) -> Vec<ObjectName> {
        let mut found = Vec::new();
        let (mut words, mut is_table) = (self, false);
        while let Some(first) = words.rest.first() {
            let mut ahead = words;
            let name = ahead.name().filter(|_| !is_table);
            is_table = first.is_any(&[
                "into",
                "table",
                "exists",
                "references",
                "key",
                "index",
                "unique",
                "copy",
                "only",
            ]);
            let is_call = ahead.rest.first() == Some(&Token::Mark(b'('));
            match name {
                Some(name) if is_call && !is_table && !found.contains(&name) => found.push(name),
                _ => {}
            }
            if ahead.rest.len() < words.rest.len() { words = ahead } else { _ = words.next() }
        }
        found
    }

    /// The role, publication or subscription that a statement creates.
    pub(super) fn made(mut self) -> Option<(&'static str, ObjectName)> {
        self.skip(&["create"]).then_some(())?;
        let others = ["publication", "subscription"];
        let kind = self.role().or_else(|| others.into_iter().find(|kind| self.skip(&[kind])))?;
        self.skip_exists();
        Some((kind, self.object_name(kind)?))
    }

    /// A role. On PostgreSQL, users and groups are roles.
    fn role(&mut self) -> Option<&'static str> {
        let is_user = self.skip(&["user", "group"]);
        let is_role = !is_user && self.skip(&["role"]);
        match (is_user, is_role) {
            (true, _) if !self.grammar.folds => Some("user"),
            (true, _) | (_, true) => Some("role"),
            (false, false) => None,
        }
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
        } else if let Some(kind) = self.role() {
            kind
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
        // `DROP USER MAPPING`
        if self.is_at(&["mapping"]) && ["role", "user"].contains(&kind) {
            return None;
        }
        // `DROP OPERATOR === (a, b)`, `DROP CAST (a AS b)`: they have no name of their own.
        if ["operator", "cast", "transform"].contains(&kind) {
            let end = self.rest.iter().position(|token| token.is_any(&["cascade", "restrict"]));
            let shown = text_of(self.rest.get(..end.unwrap_or(self.rest.len()))?);
            let (name, cascades) = (ObjectName::new(None, shown, self.grammar), self.cascades());
            let on = None;
            let dropped = Dropped { kind, name, on, if_exists, cascades, is_replaced: false };
            return Some(vec![Loss::Object(dropped)]);
        }
        let mut names = vec![self.object_name(kind)?];
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
            names.push(self.object_name(kind)?);
        }
        let on = if self.skip(&["on"]) { self.name() } else { None };
        let cascades = self.cascades();
        let object = |name| {
            Loss::Object(Dropped { kind, name, on: on.clone(), if_exists, cascades, is_replaced: false })
        };
        Some(names.into_iter().map(object).collect())
    }

    fn cascades(&self) -> bool {
        self.rest.iter().any(|token| token.is("cascade"))
    }

    /// The next name. That of a role is a text on MySQL, with the host it connects from: `'a'@'b'`.
    fn object_name(&mut self, kind: &str) -> Option<ObjectName> {
        let name = match self.rest.first() {
            Some(Token::Quoted(text)) if ["role", "user"].contains(&kind) && !self.grammar.folds => {
                self.next();
                let name = text.trim_matches(['\'', '"', '`']).to_owned();
                ObjectName::new(None, name, self.grammar)
            }
            _ => self.name()?,
        };
        if self.skip_mark(b'@') {
            self.next()?;
        }
        Some(name)
    }

    /// `CREATE OR REPLACE TABLE`, which drops a table of that name first.
    fn replaced(&mut self) -> Option<Vec<Loss>> {
        (self.skip(&["or"]) && self.skip(&["replace"])).then_some(())?;
        let kind = ["table", "database", "schema", "sequence"].into_iter().find(|kind| self.skip(&[kind]))?;
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
}
