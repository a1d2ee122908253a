//! [`Loss`]: what a statement for a server takes away, by its words.

use super::subject::is_event;
use super::words::Words;
use super::{Grammar, ObjectName};
use crate::sql::Token;

mod altering;
mod reading;
mod routine;
#[cfg(test)]
mod tests;

/// Something that a statement takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It drops an object.
    Object(Dropped),
    /// It drops a column.
    Column {
        table: ObjectName,
        column: String,
        if_exists: bool,
        cascades: bool,
        /// Whether the tables that inherit it keep it.
        is_only: bool,
    },
    /// It deletes rows of a table, and of others.
    Rows { table: ObjectName, others: Others },
    /// It takes rows out of a table, and another table has them.
    Moved(ObjectName),
    /// It overwrites rows of a table.
    Overwritten(ObjectName),
    /// It overwrites rows of a table by deleting them first, so that foreign keys delete others: `REPLACE` on MySQL.
    Replaced(ObjectName),
    /// It keeps the rows of a table from now on only until the server stops.
    Volatile(ObjectName),
    /// It gives a column another type.
    Type(Retyped),
    /// It gives all texts of a table another character set.
    Charset { table: ObjectName, charset: String },
    /// It drops everything that these roles own.
    Owned(Vec<String>),
    /// It drops something of the server that has no name.
    Server(&'static str),
    /// It calls these functions, of which one may do anything.
    Calls(Vec<ObjectName>),
    /// It runs what its text does not show.
    Unread,
}

/// An object that a statement drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) kind: &'static str,
    pub(crate) name: ObjectName,
    /// The table of a trigger.
    pub(crate) on: Option<ObjectName>,
    /// Whether it is no error if there is no such object.
    pub(crate) if_exists: bool,
    /// Whether what depends on it is dropped too.
    pub(crate) cascades: bool,
    /// Whether the statement creates another object under its name.
    pub(crate) is_replaced: bool,
}

/// The other tables that lose rows with those of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// No others: the statement names a partition, or `ONLY` the table.
    None,
    /// Those that inherit from it.
    Children,
    /// Those whose foreign keys have `ON DELETE CASCADE`.
    Keys,
    /// Those that inherit from it, and those whose foreign keys have `ON DELETE CASCADE`.
    Cascading,
    /// Those that inherit from it, and all that reference it.
    Referencing,
}

/// A column that gets another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retyped {
    pub(crate) table: ObjectName,
    pub(crate) column: String,
    /// The type, as its text.
    pub(crate) to: String,
    /// The columns and words of the expression that converts the values; empty for a column that becomes generated.
    pub(crate) using: Option<Vec<String>>,
    /// The character set, if the statement names one.
    pub(crate) charset: Option<String>,
    /// Whether it is `NOT NULL` from now on.
    pub(crate) is_required: bool,
    /// Whether a value that does not fit is changed, and is no error.
    pub(crate) is_lenient: bool,
}

impl Dropped {
    /// What a statement creates of the objects that are no [`Act`](super::Act) of it, such as a role.
    pub(crate) fn made(tokens: &[Token<'_>], grammar: &Grammar) -> Option<(&'static str, ObjectName)> {
        Words::new(tokens, grammar).made()
    }
}

/// The words before a statement inside a body.
const BEFORE_STATEMENT: [&str; 7] = ["begin", "atomic", "then", "else", "do", "loop", "repeat"];

/// The first words of statements that take something away.
const VERBS: [&str; 16] = [
    "drop", "alter", "truncate", "delete", "merge", "replace", "update", "create", "call", "execute", "with",
    "explain", "insert", "copy", "refresh", "reset",
];

/// How many texts within texts are read.
const DEPTH: usize = 4;

impl Loss {
    /// What a statement takes away, by its tokens.
    pub(crate) fn of(tokens: &[Token<'_>], grammar: &Grammar) -> Vec<Self> {
        read(tokens, grammar, DEPTH)
    }

    /// The functions that a function calls which a statement creates; `None` if its text does not show that it only reads.
    pub(crate) fn calls_of_function(tokens: &[Token<'_>], grammar: &Grammar) -> Option<Vec<ObjectName>> {
        routine::calls(tokens, grammar)
    }
}

fn read(tokens: &[Token<'_>], grammar: &Grammar, depth: usize) -> Vec<Loss> {
    let Some(first) = tokens.first() else { return Vec::new() };
    let behind = |place: usize| tokens.get(place..).unwrap_or_default();
    let is_text = |token: &&Token<'_>| matches!(token, Token::Quoted(text) if text.contains(['\'', '$']));
    let texts = || tokens.iter().filter(is_text).filter_map(|token| token.spelling());
    let inner = |depth: usize| -> Vec<Loss> {
        texts().flat_map(|text| body(&(grammar.tokens)(&routine::inside(text)), grammar, depth)).collect()
    };
    if depth == 0 {
        return Vec::new();
    }
    let is_compound = first.is("begin") && tokens.get(1).is_some_and(|second| second.is("not"));
    let is_do = first.is("do") && grammar.folds;
    match first {
        // `(SELECT ...)`
        Token::Mark(b'(') => read(behind(1), grammar, depth - 1),
        _ if is_do => with_unread(inner(depth - 1)),
        _ if is_compound
            || (!grammar.folds && first.is_any(&["if", "while", "loop", "repeat", "for", "case"])) =>
        {
            with_unread(body(behind(1), grammar, depth - 1))
        }
        _ if first.is("prepare") => {
            // `PREPARE s AS DELETE FROM a`, `PREPARE s FROM 'DELETE FROM a'`
            let place = tokens.iter().position(|token| token.is("as")).filter(|_| grammar.folds);
            place.map_or_else(|| inner(depth - 1), |place| read(behind(place + 1), grammar, depth - 1))
        }
        _ if first.is("execute") => {
            let is_shown = tokens.get(1).is_some_and(|second| second.is("immediate"))
                && texts().count() == tokens.len() - 2;
            if is_shown { inner(depth - 1) } else { vec![Loss::Unread] }
        }
        _ if first.is("call") => vec![Loss::Unread],
        // An event runs by itself, and one that is made now may do so at once.
        _ if first.is_any(&["create", "alter"]) && !grammar.folds && is_event(tokens) => {
            let place = tokens.iter().position(|token| token.is("do"));
            // A new schedule makes an existing event run: `ALTER EVENT e ON SCHEDULE AT NOW()`
            let is_started = first.is("alter") && tokens.iter().any(|it| it.is_any(&["schedule", "enable"]));
            let unseen = || if is_started { vec![Loss::Unread] } else { Vec::new() };
            place.map_or_else(unseen, |place| body(behind(place + 1), grammar, depth - 1))
        }
        _ if first.is("set") && tokens.get(1).is_some_and(|second| second.is("statement")) => {
            let place = tokens.iter().position(|token| token.is("for"));
            place.map_or_else(Vec::new, |place| read(behind(place + 1), grammar, depth - 1))
        }
        _ if first.is_any(&["explain", "analyze", "describe", "desc"]) => {
            explained(tokens, grammar, depth - 1)
        }
        _ => Words::new(tokens, grammar).losses().unwrap_or_default(),
    }
}

fn with_unread(mut losses: Vec<Loss>) -> Vec<Loss> {
    if !losses.contains(&Loss::Unread) {
        losses.push(Loss::Unread);
    }
    losses
}

/// What the statements of a body name.
fn body(tokens: &[Token<'_>], grammar: &Grammar, depth: usize) -> Vec<Loss> {
    let mut found = Vec::new();
    for place in 0..tokens.len() {
        let before = place.checked_sub(1).and_then(|before| tokens.get(before));
        let begins =
            before.is_none_or(|before| *before == Token::Mark(b';') || before.is_any(&BEFORE_STATEMENT));
        if begins && tokens[place].is_any(&VERBS) {
            let rest = &tokens[place..];
            let end = rest.iter().position(|token| *token == Token::Mark(b';')).unwrap_or(rest.len());
            for loss in read(&rest[..end], grammar, depth) {
                if !found.contains(&loss) {
                    found.push(loss);
                }
            }
        }
    }
    found
}

/// `EXPLAIN ANALYZE` executes the statement behind it; on MariaDB `ANALYZE` does.
fn explained(tokens: &[Token<'_>], grammar: &Grammar, depth: usize) -> Vec<Loss> {
    let starts = [
        "select", "insert", "update", "delete", "merge", "replace", "with", "execute", "values", "create",
        "refresh", "declare",
    ];
    let Some(place) = tokens.iter().position(|token| token.is_any(&starts)) else { return Vec::new() };
    let options = &tokens[..place];
    let analyze = options.iter().position(|token| token.is_any(&["analyze", "analyse"]));
    let is_off =
        |place: usize| options.get(place + 1).is_some_and(|value| value.is_any(&["false", "off", "0"]));
    match analyze {
        Some(analyze) if !is_off(analyze) => read(&tokens[place..], grammar, depth),
        _ => Vec::new(),
    }
}
