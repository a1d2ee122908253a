//! [`Write`]: how a statement writes to a table, for the triggers that it fires.

use std::collections::BTreeSet;

use crate::sql::{Token, part};

/// How a statement writes to a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::backend) struct Write {
    /// The words of triggers that it fires.
    pub(in crate::backend) events: Vec<&'static str>,
    /// Names, with those of all columns that an `UPDATE` sets; none if it is not known which it sets.
    pub(in crate::backend) names: Vec<String>,
}

impl Write {
    /// What a statement does to a table that it writes to.
    pub(super) fn of(tokens: &[Token<'_>]) -> Self {
        let events = events_of(tokens);
        let names = if events.contains(&"UPDATE") { names_in(tokens) } else { Vec::new() };
        Self { events, names }
    }
}

/// The words of triggers that a statement fires. Those that a statement deletes rows with do not count: it is asked about itself.
fn events_of(tokens: &[Token<'_>]) -> Vec<&'static str> {
    const ALL: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];
    const VERBS: [&str; 7] = ["insert", "copy", "load", "update", "delete", "merge", "replace"];
    let Some(first) = tokens.first() else { return Vec::new() };
    // A routine writes when it is called, but an event runs by itself.
    if first.is("create") && !tokens.iter().any(|token| token.is("event")) {
        return Vec::new();
    }
    let has = |one: &[&str], next: &str| tokens.windows(2).any(|two| two[0].is_any(one) && two[1].is(next));
    let verb = if first.is("with") {
        // Queries of `WITH`, and the statement behind them. A function can have the name of a verb.
        let mut verbs = tokens.windows(3).filter(|three| {
            matches!(three[0], Token::Mark(b'(' | b')'))
                && three[1].is_any(&VERBS)
                && three[2] != Token::Mark(b'(')
        });
        match (verbs.next(), verbs.next()) {
            (Some(three), None) => three[1],
            _ => return ALL.to_vec(),
        }
    } else {
        *first
    };
    if verb.is("delete") {
        Vec::new()
    } else if verb.is("update") {
        vec!["UPDATE"]
    } else if verb.is("replace") || (verb.is("load") && has(&["replace"], "into")) {
        vec!["INSERT", "DELETE"]
    } else if verb.is_any(&["insert", "copy", "load"]) {
        // `ON CONFLICT (a) DO UPDATE`, `ON DUPLICATE KEY UPDATE`
        if has(&["do", "key"], "update") { vec!["INSERT", "UPDATE"] } else { vec!["INSERT"] }
    } else {
        ALL.to_vec()
    }
}

/// All names in a statement of PostgreSQL that sets columns; none if it may set others than those that it names.
fn names_in(tokens: &[Token<'_>]) -> Vec<String> {
    // The server cuts a longer name.
    const LONGEST: usize = 63;
    let is_read = tokens.first().is_some_and(|first| first.is_any(&["update", "insert", "with"]));
    // `U&"n\0061me"`
    let is_escaped = |two: &[Token<'_>]| {
        two[0] == Token::Mark(b'&') && two[1].spelling().is_some_and(|text| text.starts_with('"'))
    };
    if !is_read || tokens.windows(2).any(is_escaped) {
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    for token in tokens {
        let name = match token {
            Token::Word(word) if !word.starts_with(|first: char| first.is_ascii_digit()) => {
                word.to_ascii_lowercase()
            }
            Token::Quoted(text) if text.starts_with('"') => {
                part(text, 1..text.len() - 1).replace("\"\"", "\"")
            }
            _ => continue,
        };
        if name.len() > LONGEST {
            return Vec::new();
        }
        names.insert(name);
    }
    names.into_iter().collect()
}
