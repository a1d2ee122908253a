//! [`Act`]: what a statement for a server does to tables and other objects, read from its words.

use super::Token;
use crate::dialect::quote_in;

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod body;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod changed;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod loss;
mod quoted;
#[cfg(feature = "mysql")]
mod rows;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod subject;
#[cfg(all(test, any(feature = "postgres", feature = "mysql")))]
mod tests;
mod words;

#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use self::body::{Body, Trigger};
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use self::changed::Changed;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use self::loss::{Dropped, Loss, Others, Retyped};
#[cfg(feature = "mysql")]
pub(crate) use self::rows::rows_of;

/// What a statement does to tables and other objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// It creates an object.
    Creates {
        kind: &'static str,
        name: ObjectName,
        is_temporary: bool,
        /// `OR REPLACE`: an object of that name is dropped first.
        replaces: bool,
        /// `IF NOT EXISTS`: it does nothing if there is an object of that name.
        if_not_exists: bool,
    },
    /// It drops objects.
    Drops {
        kind: &'static str,
        names: Vec<ObjectName>,
        /// `IF EXISTS`: it does nothing for a name without an object.
        if_exists: bool,
        /// `CASCADE`: it drops what depends on them too.
        cascades: bool,
    },
    /// It renames tables, one after the other.
    Renames(Vec<(ObjectName, ObjectName)>),
    /// It changes the definition of this object, if it is known, so that what refers to it may break.
    Alters(Option<ObjectName>),
    /// It changes rows.
    Updates,
    /// It deletes rows of one table.
    Deletes(ObjectName),
    /// It deletes rows of these tables, in a way that cannot be counted.
    DeletesUncounted(Vec<ObjectName>),
    /// It adds rows, perhaps those of another table, to this table if it is known.
    AddsRows(Option<ObjectName>),
    /// It calls a routine, which may do anything.
    Calls,
    /// Names without a schema are searched in these schemas from now on; new objects are in the first.
    SetsSchema(Vec<String>),
    /// It undoes statements, since a savepoint or since the beginning of a transaction.
    Undoes,
    /// It does none of these.
    Other,
}

/// A name, and the schema that it is in.
#[derive(Debug, Clone)]
pub(crate) struct ObjectName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    /// The name as the statement has it, with its schema if that is written.
    shown: String,
    pub(crate) ignores_case: bool,
}

impl ObjectName {
    pub(super) fn new(schema: Option<String>, name: String, grammar: &Grammar) -> Self {
        let shown = schema.as_ref().map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
        Self { schema, name, shown, ignores_case: !grammar.folds }
    }

    /// The name with its schema, quoted with this character.
    pub(crate) fn quoted_in(&self, mark: char) -> String {
        let name = quote_in(&self.name, mark);
        match &self.schema {
            Some(schema) => format!("{}.{name}", quote_in(schema, mark)),
            None => name,
        }
    }

    /// What two spellings of one name have in common.
    pub(crate) fn key(&self) -> String {
        let key = format!("{}\0{}", self.schema.as_deref().unwrap_or_default(), self.name);
        if self.ignores_case { key.to_lowercase() } else { key }
    }
}

impl PartialEq for ObjectName {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ObjectName {}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// How a server reads a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grammar {
    /// The tokens of a statement. Quoted tokens include their quotes.
    pub(crate) tokens: fn(&str) -> Vec<Token<'_>>,
    /// The statement as each server of the kind reads it, if they do not all read the same comments as statements.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(crate) readings: fn(&str) -> Vec<String>,
    /// The characters around a quoted name, which are doubled inside.
    pub(crate) quotes: &'static [char],
    /// Whether a name without quotes is in lower case, however it is written. If not, the case of names is ignored.
    pub(crate) folds: bool,
    /// Whether a table that `ALTER TABLE` renames stays in its schema; else, it moves to the current one.
    pub(crate) rename_keeps_schema: bool,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Grammar {
    /// What is found in a statement with these tokens, in whatever way a server reads it.
    pub(crate) fn in_each_reading<T: PartialEq>(
        &self,
        text: &str,
        tokens: &[Token<'_>],
        find: fn(&[Token<'_>], &Self) -> Vec<T>,
    ) -> Vec<T> {
        let mut found = find(tokens, self);
        for reading in (self.readings)(text) {
            for one in find(&(self.tokens)(&reading), self) {
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        found
    }

    /// Whether servers take a statement with these tokens for different acts.
    pub(crate) fn is_ambiguous(&self, text: &str, tokens: &[Token<'_>]) -> bool {
        let act = Act::of(tokens, self);
        (self.readings)(text).iter().any(|reading| Act::of(&(self.tokens)(reading), self) != act)
    }
}
