//! Reads what a single statement takes away, word by word.

use super::{Dropped, Loss, Others, Retyped};
use crate::sql::Token;
use crate::sql::act::ObjectName;
use crate::sql::act::words::Words;

/// The objects that can be dropped, and take others with them.
const KINDS: [&str; 20] = [
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
    "role",
    "publication",
    "subscription",
];

/// The first words of other objects that `CASCADE` drops something with.
const RARE_KINDS: [(&str, &str); 4] = [
    ("operator", "operator"),
    ("access", "access method"),
    ("text", "text search object"),
    ("conversion", "conversion"),
];

impl Words<'_, '_, '_> {
    pub(super) fn losses(self) -> Option<Vec<Loss>> {
        let mut found = self.named_losses().unwrap_or_default();
        let calls = [
            "select", "values", "do", "insert", "update", "delete", "merge", "replace", "with", "alter",
            "set", "copy", "declare", "refresh",
        ];
        // What creates a table of the rows of a query runs the query.
        let is_run = self.is_at(&calls) || (self.is_at(&["create"]) && self.makes_rows());
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
        is_stored && self.rest.iter().any(|token| token.is_any(&["select", "values", "with"]))
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
                let others = if self.skip(&["only"]) { Others::Keys } else { Others::Cascading };
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
            Some("position of the replication")
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
    fn called(self) -> Vec<ObjectName> {
        let mut found = Vec::new();
        let (mut words, mut is_table) = (self, false);
        while let Some(first) = words.rest.first() {
            let mut ahead = words;
            let name = ahead.name().filter(|_| !is_table);
            is_table = first.is_any(&["into", "table", "exists", "references", "key", "index", "unique"]);
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
        let kind = if self.skip(&["user", "group"]) {
            "role"
        } else {
            ["role", "publication", "subscription"].into_iter().find(|kind| self.skip(&[kind]))?
        };
        self.skip_exists();
        Some((kind, self.object_name(kind)?))
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
        } else if self.skip(&["user", "group"]) {
            "role"
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
        if kind == "role" && self.is_at(&["mapping"]) {
            return None;
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
        let cascades = self.rest.iter().any(|token| token.is("cascade"));
        let object = |name| {
            Loss::Object(Dropped { kind, name, on: on.clone(), if_exists, cascades, is_replaced: false })
        };
        Some(names.into_iter().map(object).collect())
    }

    /// The next name. That of a role is a text on MySQL, with the host it connects from: `'a'@'b'`.
    fn object_name(&mut self, kind: &str) -> Option<ObjectName> {
        let name = match self.rest.first() {
            Some(Token::Quoted(text)) if kind == "role" && !self.grammar.folds => {
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
        let mut found: Vec<Loss> = actions.filter_map(action).flatten().collect();
        // MariaDB's `ALTER IGNORE TABLE` deletes the rows that a new key does not allow, and changes values that do not fit.
        if is_forced {
            for loss in &mut found {
                if let Loss::Type(retyped) = loss {
                    retyped.is_lenient = true;
                }
            }
            if self.rest.iter().any(|token| token.is_any(&["unique", "primary"])) {
                found.push(Loss::Rows { table, others: Others::None });
            }
        }
        Some(found)
    }

    /// An action of an `ALTER TABLE`.
    fn action(mut self, table: &ObjectName, may_be_missing: bool) -> Option<Vec<Loss>> {
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
        let rows = || Some(vec![Loss::Rows { table: table.clone(), others: Others::None }]);
        if let Some(moved) = self.moves(table) {
            return Some(moved.into_iter().map(Loss::Moved).collect());
        }
        if self.skip(&["drop"]) {
            let is_column = self.skip(&["column", "attribute"]);
            // A column can also have such a name; the action then ends with it.
            let is_qualified = !is_column && self.rest.len() > 1;
            if is_qualified && self.skip(&["partition"]) {
                return rows();
            }
            // The rows of the past are in no other table.
            if is_qualified && self.is_at(&["system"]) {
                return rows();
            }
            if is_qualified && self.skip(&["constraint"]) {
                let if_exists = self.skip_exists() || may_be_missing;
                let name = self.name()?;
                let cascades = self.is_at(&["cascade"]);
                let on = Some(table.clone());
                let dropped =
                    Dropped { kind: "constraint", name, on, if_exists, cascades, is_replaced: false };
                return cascades.then(|| vec![Loss::Object(dropped)]);
            }
            if is_qualified && self.is_at(&OTHERS) {
                return None;
            }
            let if_exists = self.skip_exists() || may_be_missing;
            let column = self.part()?;
            let cascades = self.is_at(&["cascade"]);
            return Some(vec![Loss::Column { table: table.clone(), column, if_exists, cascades }]);
        }
        let has = |word: &str| self.rest.iter().any(|token| token.is(word));
        let empties = [("discard", "tablespace"), ("engine", "blackhole")];
        let is_emptied = empties.iter().any(|(first, word)| self.is_at(&[first]) && has(word));
        if self.is_at(&["truncate"]) || is_emptied {
            return rows();
        }
        let is_volatile = (self.is_at(&["engine"]) && (has("memory") || has("heap")))
            || (self.is_at(&["set"]) && has("unlogged"));
        if is_volatile {
            return Some(vec![Loss::Volatile(table.clone())]);
        }
        if self.is_at(&["convert"]) && !has("partition") {
            return self.charset().map(|charset| vec![Loss::Charset { table: table.clone(), charset }]);
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
        let is_required = !is_alter && self.rest.windows(2).any(|two| two[0].is("not") && two[1].is("null"));
        let charset = self.charset();
        Some(vec![Loss::Type(Retyped {
            table: table.clone(),
            column,
            to,
            using,
            charset,
            is_required,
            is_lenient: false,
        })])
    }

    /// The tables that an action takes rows out of, which are then in another table.
    fn moves(mut self, table: &ObjectName) -> Option<Vec<ObjectName>> {
        if self.skip(&["detach"]) {
            return Some(vec![table.clone()]);
        }
        if self.skip(&["no"]) {
            self.skip(&["inherit"]).then_some(())?;
            return Some(vec![self.name()?]);
        }
        let is_exchange = self.skip(&["exchange"]);
        (is_exchange || self.skip(&["convert"])).then_some(())?;
        self.skip(&["partition"]).then_some(())?;
        if !is_exchange {
            return Some(vec![table.clone()]);
        }
        let place = self.rest.windows(2).position(|two| two[0].is("with") && two[1].is("table"))?;
        self.rest = self.rest.get(place + 2..)?;
        Some(vec![table.clone(), self.name()?])
    }

    /// The character set that the words name, also by one of its collations.
    fn charset(self) -> Option<String> {
        let value = |place: usize| {
            let mut words = Self::new(self.rest.get(place..)?, self.grammar);
            words.skip_mark(b'=');
            words.next()?.spelling().map(|name| name.trim_matches(['\'', '"', '`']).to_lowercase())
        };
        let named = self.rest.iter().position(|token| token.is("charset")).map(|place| place + 1);
        let named = named.or_else(|| {
            let is_named = |two: &[Token<'_>]| two[0].is_any(&["character", "char"]) && two[1].is("set");
            self.rest.windows(2).position(is_named).map(|place| place + 2)
        });
        if let Some(place) = named {
            return value(place);
        }
        let collation = value(self.rest.iter().position(|token| token.is("collate"))? + 1)?;
        collation.split('_').next().map(str::to_owned)
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
