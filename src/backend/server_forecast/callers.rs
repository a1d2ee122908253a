//! [`Callers`]: what calls a function that deletes rows, without a statement that names the function.

use super::Inventory;
use crate::sql::{Token, same_name};

/// The views, tables, domains and operators that do so. The server is asked once.
#[derive(Default)]
pub(super) struct Callers(Option<Vec<String>>);

impl Callers {
    /// Whether a statement that evaluates something names one of them.
    pub(super) fn are_in(&mut self, server: &mut dyn Inventory, text: &str, tokens: &[Token<'_>]) -> bool {
        if !evaluates(tokens) {
            return false;
        }
        let all = self.0.get_or_insert_with(|| server.callers().unwrap_or_default());
        let has_name = |name: &str| {
            let mut spellings = tokens.iter().filter_map(|token| token.spelling());
            spellings.any(|spelling| same_name(spelling.trim_matches('"'), name))
        };
        let is_operator = |name: &str| !name.chars().any(char::is_alphanumeric);
        all.iter().any(|name| if is_operator(name) { text.contains(name.as_str()) } else { has_name(name) })
    }
}

/// Whether a statement evaluates expressions when it runs.
fn evaluates(tokens: &[Token<'_>]) -> bool {
    const VERBS: [&str; 12] = [
        "select", "table", "values", "with", "insert", "update", "delete", "merge", "copy", "refresh",
        "declare", "prepare",
    ];
    let has = |words: &[&str]| tokens.iter().any(|token| token.is_any(words));
    let Some(first) = tokens.first() else { return false };
    first.is_any(&VERBS)
        || *first == Token::Mark(b'(')
        || (first.is("explain") && has(&["analyze", "analyse"]))
        || (first.is("create") && has(&["as"]) && has(&["table", "materialized"]))
}
