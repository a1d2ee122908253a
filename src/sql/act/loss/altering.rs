//! Reads what an `ALTER TABLE` takes away, action by action.

use super::{Dropped, Loss, Others, Retyped};
use crate::sql::Token;
use crate::sql::act::ObjectName;
use crate::sql::act::words::Words;

impl Words<'_, '_, '_> {
    pub(super) fn alters(&mut self) -> Option<Vec<Loss>> {
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
        let is_only = self.is_at(&["only"]);
        let is_enclosed = self.skip_only();
        let table = self.name()?;
        if is_enclosed {
            self.skip_mark(b')');
        }
        self.skip_mark(b'*');
        // MariaDB: `ALTER TABLE a WAIT 5 DROP b`
        if !self.grammar.folds && !self.skip(&["nowait"]) && self.skip(&["wait"]) {
            self.next();
        }
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
        for loss in &mut found {
            if let Loss::Column { is_only: keeps, .. } = loss {
                *keeps = is_only;
            }
        }
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
            // PostgreSQL drops only constraints and columns, such as one named `key`.
            let is_mysql = is_qualified && !self.grammar.folds;
            if is_mysql && self.skip(&["partition"]) {
                return rows();
            }
            // The rows of the past are in no other table.
            if is_mysql && self.is_at(&["system"]) {
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
            if is_mysql && self.is_at(&OTHERS) {
                return None;
            }
            let if_exists = self.skip_exists() || may_be_missing;
            let column = self.part()?;
            let cascades = self.is_at(&["cascade"]);
            let table = table.clone();
            return Some(vec![Loss::Column { table, column, if_exists, cascades, is_only: false }]);
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
        // `MODIFY a INT AS (b + 1) STORED` replaces the values.
        let is_generated = self.rest.iter().any(|token| token.is("generated"))
            || self.rest.windows(2).any(|two| two[0].is("as") && two[1] == Token::Mark(b'('));
        let using = using.or_else(|| (!is_alter && is_generated).then(Vec::new));
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
        let text = text_of(self.rest.get(..end).unwrap_or_default());
        let using = self.rest.get(end).filter(|token| token.is("using")).map(|_| {
            let words = Self::new(self.rest.get(end + 1..).unwrap_or_default(), self.grammar);
            let name = |place: usize| Self::new(&words.rest[place..], words.grammar).part();
            (0..words.rest.len()).filter_map(name).collect()
        });
        (text, using)
    }
}

/// The text of tokens, with few blanks.
pub(super) fn text_of(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    for token in tokens {
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
    text
}
