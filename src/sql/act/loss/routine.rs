//! Reads whether a function that a statement creates only reads.

use crate::sql::Token;
use crate::sql::act::words::Words;
use crate::sql::act::{Grammar, ObjectName};

/// The words that begin what changes something.
const CHANGING: [&str; 17] = [
    "insert", "update", "delete", "truncate", "merge", "create", "alter", "drop", "execute", "call", "copy",
    "do", "refresh", "import", "grant", "revoke", "load",
];

/// The same on MySQL alone; elsewhere they are functions and names. `SONAME` loads a function from a library.
const CHANGING_ON_MYSQL: [&str; 3] = ["replace", "rename", "soname"];

/// The functions that a new function calls; `None` if its text does not show that it changes nothing else.
pub(super) fn calls(tokens: &[Token<'_>], grammar: &Grammar) -> Option<Vec<ObjectName>> {
    let place = tokens.iter().position(|token| token.is("returns"))?;
    let rest = tokens.get(place + 1..)?;
    let language = rest.windows(2).find(|two| two[0].is("language")).and_then(|two| two[1].spelling());
    let language = language.map(|name| name.trim_matches('\'').to_ascii_lowercase());
    let is_known = ["sql", "plpgsql"].iter().any(|known| language.as_deref() == Some(known));
    if grammar.folds && !is_known {
        return None;
    }
    let mut called = reads(rest, grammar)?;
    let texts =
        rest.iter().filter(|token| matches!(token, Token::Quoted(_))).filter_map(|token| token.spelling());
    for text in texts.filter(|_| grammar.folds) {
        // An escaped quote would end the text too early.
        if !text.contains('$') && text.contains('\\') {
            return None;
        }
        called.extend(reads(&(grammar.tokens)(&inside(text)), grammar)?);
    }
    Some(called)
}

/// The text between quotes or dollar quotes.
pub(super) fn inside(quoted: &str) -> String {
    let quoted = quoted.trim_start_matches(|c| c != '\'' && c != '$');
    let dollar = quoted.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    match dollar {
        Some((_, body)) => {
            body.rsplit_once('$').and_then(|(body, _)| body.rsplit_once('$')).map(|(body, _)| body)
        }
        None => quoted.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')),
    }
    .unwrap_or_default()
    .replace("''", "'")
}

/// What words call, if none of them changes something.
fn reads(tokens: &[Token<'_>], grammar: &Grammar) -> Option<Vec<ObjectName>> {
    let changes =
        |token: &Token<'_>| token.is_any(&CHANGING) || (!grammar.folds && token.is_any(&CHANGING_ON_MYSQL));
    (!tokens.iter().any(changes)).then(|| Words::new(tokens, grammar).called())
}
