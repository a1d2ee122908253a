//! Reads whether a statement makes MySQL change values that do not fit, instead of refusing them.

use crate::sql::Token;

/// Whether the `sql_mode` that a statement sets lets values be changed that do not fit; `None` if its text does not show that.
pub(super) fn leniency(tokens: &[Token<'_>]) -> Option<bool> {
    tokens.first().filter(|first| first.is("set"))?;
    let place = (1..tokens.len()).rev().find(|&place| sets_mode(tokens, place))?;
    let value = tokens.get(place + 1..)?;
    let value = &value[value.iter().position(|token| *token == Token::Mark(b'='))? + 1..];
    let mut depth = 0_usize;
    let end = value.iter().position(|token| {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (*token == Token::Mark(b',') || token.is("for"))
    });
    let value = end.map_or(value, |end| &value[..end]);
    let is_strict = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("strict") || text.contains("traditional")
    };
    let names_strict = |token: &Token<'_>| matches!(token, Token::Quoted(text) if is_strict(text));
    match value {
        [Token::Quoted(text)] => Some(!is_strict(text)),
        [word @ Token::Word(text)] if !word.is("default") => Some(!is_strict(text)),
        // The mode from before is set again: `SET sql_mode = @old`
        [Token::Mark(b'@'), Token::Word(_) | Token::Quoted(_)] => Some(false),
        // `REPLACE(@@sql_mode, 'STRICT_TRANS_TABLES', '')`
        _ if value.iter().any(|token| token.is("replace")) && value.iter().any(names_strict) => Some(true),
        _ => None,
    }
}

/// Whether the token is the `sql_mode` of the session, and gets a value.
fn sets_mode(tokens: &[Token<'_>], place: usize) -> bool {
    let before = |count: usize| place.checked_sub(count).and_then(|place| tokens.get(place));
    let is_mark = |token: Option<&Token<'_>>, mark: u8| token == Some(&Token::Mark(mark));
    let scope = if is_mark(before(1), b'.') { before(2) } else { before(1) };
    let of_all = scope.is_some_and(|scope| scope.is_any(&["global", "persist", "persist_only"]));
    // `SET @sql_mode = @@sql_mode`
    let is_variable = is_mark(before(1), b'@') && !is_mark(before(2), b'@');
    let next = tokens.get(place + 1);
    tokens[place].is("sql_mode")
        && !of_all
        && !is_variable
        && (is_mark(next, b'=') || (is_mark(next, b':') && is_mark(tokens.get(place + 2), b'=')))
}
