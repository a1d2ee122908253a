//! [`Access`]: the tables and functions that a statement uses, and whether it treats each row by itself.

use std::collections::BTreeSet;

use rusqlite::hooks::{AuthAction, AuthContext};

use crate::backend::sqlite::functions::{OTHER_OWN, SCALAR};
use crate::sql::{Token, Tokens};

/// A table by its database (`main` or `temp`) and its name, both in lower case.
pub(super) type TableKey = (String, String);

/// What a statement uses, as SQLite's authorizer reports it.
#[derive(Debug, Default, Clone)]
pub(super) struct Access {
    pub(super) reads: BTreeSet<TableKey>,
    /// The tables and views whose rows it writes, directly or by a trigger.
    pub(super) writes: BTreeSet<TableKey>,
    functions: BTreeSet<String>,
    selects: usize,
    /// Whether a trigger or a view is a part of it.
    is_nested: bool,
}

/// Functions whose result depends on the statements before, or on a setting that cannot be read.
const SESSION: [&str; 4] = ["changes", "last_insert_rowid", "like", "total_changes"];

/// Words of a statement whose result for a row can depend on other rows.
const TOGETHER: [&str; 16] = [
    "conflict",
    "distinct",
    "except",
    "exists",
    "group",
    "having",
    "intersect",
    "join",
    "left",
    "limit",
    "offset",
    "over",
    "returning",
    "union",
    "window",
    "with",
];

impl Access {
    pub(super) fn note(&mut self, context: &AuthContext<'_>) {
        let table =
            |name: &str| (context.database_name.unwrap_or("main").to_lowercase(), name.to_lowercase());
        self.is_nested |= context.accessor.is_some();
        match context.action {
            AuthAction::Read { table_name, .. } => {
                self.reads.insert(table(table_name));
            }
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => {
                self.writes.insert(table(table_name));
            }
            AuthAction::Function { function_name } => {
                self.functions.insert(function_name.to_lowercase());
            }
            AuthAction::Select => self.selects += 1,
            _ => {}
        }
    }

    /// Whether it uses only functions of SQLite whose errors the copy shows too.
    pub(super) fn has_only_own_functions(&self) -> bool {
        let is_own = |name: &str| SCALAR.contains(&name) || OTHER_OWN.contains(&name);
        self.functions.iter().all(|name| is_own(name) || name.starts_with("sqlite_"))
    }

    /// Whether it selects something.
    pub(super) fn has_select(&self) -> bool {
        self.selects > 0
    }

    /// Whether its result depends on the connection.
    pub(super) fn asks_the_session(&self) -> bool {
        SESSION.iter().any(|name| self.functions.contains(*name))
    }

    /// Whether a statement with some of the rows does to each of them what it does to it with all rows. This reads the text in addition,
    /// and says no if it is not sure.
    pub(super) fn is_row_by_row(&self, own: &str) -> bool {
        let tokens: Vec<Token<'_>> = Tokens::new(own).collect();
        let has = |word: &&str| tokens.iter().any(|token| token.is(word));
        let selects = tokens.iter().filter(|token| token.is("select")).count();
        let begins = |word: &str| tokens.first().is_some_and(|first| first.is(word));
        let is_simple = !self.is_nested
            && self.functions.iter().all(|name| SCALAR.contains(&name.as_str()))
            && !TOGETHER.iter().any(has)
            && !begins("replace")
            // `INSERT OR IGNORE`
            && !tokens.get(1).is_some_and(|second| second.is("or"));
        let own_writes = || self.writes.iter().filter(|(_, name)| !name.starts_with("sqlite_"));
        is_simple
            && if begins("insert") && selects == 0 {
                self.reads.is_empty() && self.writes.len() == 1
            } else if begins("insert") {
                let is_apart = self.reads.is_disjoint(&self.writes);
                selects == 1 && self.reads.len() == 1 && self.writes.len() == 1 && is_apart
            } else if begins("create") {
                selects == 1
                    && self.reads.iter().filter(|(_, name)| !name.starts_with("sqlite_")).count() == 1
            } else {
                let is_same = own_writes().count() == 1 && self.reads.is_subset(&self.writes);
                (begins("update") || begins("delete")) && selects == 0 && self.selects == 0 && is_same
            }
    }
}
