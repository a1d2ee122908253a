//! The tokens of PostgreSQL as far as cutting needs them, by `src/backend/parser/scan.l`.

use crate::sql::Token;
use crate::sql::pieces::trim_blanks;

/// The tokens of a text, each with its offset. Quoted things are handed out with their quotes.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether plain strings take backslashes: `standard_conforming_strings = off`.
    backslashes: bool,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, backslashes: false }
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// How far the text has been read.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    pub(super) const fn set_backslashes(&mut self, backslashes: bool) {
        self.backslashes = backslashes;
    }

    pub(super) fn next(&mut self, is_at_start: bool) -> Option<(usize, Token<'a>)> {
        self.at += blank_len(&self.text[self.at..], is_at_start);
        let start = self.at;
        let rest = &self.text[start..];
        let first = *rest.as_bytes().first()?;
        let (token, len) = match quoted_len(rest, self.backslashes) {
            Some(len) => (Token::Quoted(&rest[..len]), len),
            None if is_word(first) && first != b'$' => {
                let len = word_len(rest);
                (Token::Word(&rest[..len]), len)
            }
            None => (Token::Mark(first), 1),
        };
        self.at += len;
        Some((start, token))
    }
}

/// Any byte beyond ASCII belongs to a name.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// How long a name or the whole part of a number is. Behind a number a dollar quote or an `E'` can begin at once.
fn word_len(text: &str) -> usize {
    let is_number = text.as_bytes()[0].is_ascii_digit();
    let belongs = |byte: &u8| if is_number { byte.is_ascii_digit() } else { is_word(*byte) };
    text.bytes().take_while(belongs).count()
}

/// How many bytes of white space and comments a text begins with. An unclosed `/*` is neither: the server shall see it.
pub(super) fn blank_len(text: &str, is_at_start: bool) -> usize {
    let mut rest = text;
    loop {
        rest = trim_blanks(rest, is_at_start);
        if rest.starts_with("--") {
            rest = rest.find(['\n', '\r']).map_or("", |end| &rest[end..]);
        } else if let Some(len) = comment_len(rest) {
            rest = &rest[len..];
        } else if is_at_start && is_restriction(rest) {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else {
            return text.len() - rest.len();
        }
    }
}

/// Whether a text begins with a line that keeps `psql` from taking what follows for commands of its own. `pg_dump` writes them since 2025
/// ([release notes of 17.6](https://www.postgresql.org/docs/release/17.6/)), and here there are no such commands.
fn is_restriction(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let is_command = words.next().is_some_and(|word| matches!(word, "\\restrict" | "\\unrestrict"));
    is_command
        && words.next().is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        && words.next().is_none()
}

/// How long the comment is that a text begins with, if it is closed. Comments nest.
fn comment_len(text: &str) -> Option<usize> {
    if !text.starts_with("/*") {
        return None;
    }
    let (mut at, mut depth) = (0, 0);
    loop {
        match text.as_bytes().get(at..at + 2)? {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// How long the string, quoted name or dollar quote is that a text begins with. One that is never closed reaches to the
/// end, and so does a comment.
fn quoted_len(text: &str, backslashes: bool) -> Option<usize> {
    let second_is_quote = text.as_bytes().get(1) == Some(&b'\'');
    match text.as_bytes()[0] {
        b'\'' => Some(string_len(text, 0, backslashes)),
        b'e' | b'E' if second_is_quote => Some(string_len(text, 1, true)),
        b'b' | b'B' | b'x' | b'X' if second_is_quote => Some(string_len(text, 1, false)),
        b'u' | b'U' if text[1..].starts_with("&'") => Some(string_len(text, 2, false)),
        b'"' => Some(name_len(text)),
        b'$' => dollar_len(text),
        b'/' if text.starts_with("/*") => Some(text.len()),
        _ => None,
    }
}

/// How long a string is whose quote stands at `open`. Further parts on further lines belong to it, and are read as the
/// first: in `E'a'` and `'\''` on the next line the backslash counts.
fn string_len(text: &str, open: usize, backslashes: bool) -> usize {
    let mut at = open + 1;
    while let Some(byte) = text.as_bytes().get(at) {
        at += match byte {
            b'\\' if backslashes => 2,
            b'\'' => match continuation_len(&text[at + 1..]) {
                Some(len) => 1 + len,
                None => return at + 1,
            },
            _ => 1,
        };
    }
    text.len()
}

/// How far it is behind the quote with which a string goes on: one at once, or one behind blanks with a line's end.
/// Comments may stand between if they begin with two dashes.
fn continuation_len(text: &str) -> Option<usize> {
    let mut rest = trim_blanks(text, false);
    while rest.starts_with("--") {
        rest = trim_blanks(&rest[rest.find(['\n', '\r'])?..], false);
    }
    let between = &text[..text.len() - rest.len()];
    let goes_on = between.is_empty() || between.contains(['\n', '\r']);
    (goes_on && rest.starts_with('\'')).then_some(between.len() + 1)
}

/// How long a name in double quotes is: two of them are one inside.
fn name_len(text: &str) -> usize {
    let mut at = 1;
    while let Some(len) = text[at..].find('"') {
        at += len + 1;
        if !text[at..].starts_with('"') {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// How long a text in dollar quotes is: `$tag$ ... $tag$`. Nothing between has a meaning.
fn dollar_len(text: &str) -> Option<usize> {
    let name = text[1..].bytes().take_while(|&byte| is_word(byte) && byte != b'$').count();
    // `$1` is a parameter.
    let is_tag = text[name + 1..].starts_with('$') && !text.as_bytes()[1].is_ascii_digit();
    let tag = is_tag.then(|| &text[..name + 2])?;
    Some(text[tag.len()..].find(tag).map_or(text.len(), |at| at + 2 * tag.len()))
}
