//! PostgreSQL tokens, as far as splitting needs them, by the rules of `src/backend/parser/scan.l`.

use crate::sql::pieces::trim_blanks;
use crate::sql::{Token, part};

/// The tokens of a text, each with its offset. Quoted tokens include their quotes.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether plain strings have backslash escapes: `standard_conforming_strings = off`.
    backslashes: bool,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, backslashes: false }
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// The byte offset up to which the text has been read.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    pub(super) const fn set_backslashes(&mut self, backslashes: bool) {
        self.backslashes = backslashes;
    }

    pub(super) fn next(&mut self, is_at_start: bool) -> Option<(usize, Token<'a>)> {
        self.at += blank_len(part(self.text, self.at..), is_at_start);
        let start = self.at;
        let rest = part(self.text, start..);
        let first = *rest.as_bytes().first()?;
        let (token, len) = match quoted_len(rest, self.backslashes) {
            Some(len) => (Token::Quoted(part(rest, ..len)), len),
            None if is_word(first) && first != b'$' => {
                let len = word_len(rest);
                (Token::Word(part(rest, ..len)), len)
            }
            None => (Token::Mark(first), 1),
        };
        self.at += len;
        Some((start, token))
    }
}

/// Any non-ASCII byte is part of a name.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The length of a name or of the integer part of a number. A dollar quote or an `E'` can begin directly after a
/// number.
fn word_len(text: &str) -> usize {
    let is_number = text.as_bytes()[0].is_ascii_digit();
    let belongs = |byte: &u8| if is_number { byte.is_ascii_digit() } else { is_word(*byte) };
    text.bytes().take_while(belongs).count()
}

/// The length in bytes of the white space and comments at the start of a text. An unclosed `/*` is not included, so
/// that the server reports it.
pub(super) fn blank_len(text: &str, is_at_start: bool) -> usize {
    let mut rest = text;
    loop {
        rest = trim_blanks(rest, is_at_start);
        if rest.starts_with("--") {
            rest = rest.find(['\n', '\r']).map_or("", |end| part(rest, end..));
        } else if let Some(len) = comment_len(rest) {
            rest = part(rest, len..);
        } else if is_at_start && is_restriction(rest) {
            rest = rest.find('\n').map_or("", |end| part(rest, end..));
        } else {
            return text.len() - rest.len();
        }
    }
}

/// Whether a text begins with a `\restrict` or `\unrestrict` line. `pg_dump` writes them since 2025 so that `psql`
/// executes no commands of its own in what follows
/// ([release notes of 17.6](https://www.postgresql.org/docs/release/17.6/)). Here there are no such commands.
fn is_restriction(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let is_command = words.next().is_some_and(|word| matches!(word, "\\restrict" | "\\unrestrict"));
    is_command
        && words.next().is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        && words.next().is_none()
}

/// The length of the comment at the start of a text, if it is closed. Comments nest.
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

/// The length of the string, quoted name or dollar quote at the start of a text. If it is not closed, it extends to the
/// end, and so does an unclosed comment.
fn quoted_len(text: &str, backslashes: bool) -> Option<usize> {
    let second_is_quote = text.as_bytes().get(1) == Some(&b'\'');
    match text.as_bytes()[0] {
        b'\'' => Some(string_len(text, 0, backslashes)),
        b'e' | b'E' if second_is_quote => Some(string_len(text, 1, true)),
        b'b' | b'B' | b'x' | b'X' if second_is_quote => Some(string_len(text, 1, false)),
        b'u' | b'U' if part(text, 1..).starts_with("&'") => Some(string_len(text, 2, false)),
        b'"' => Some(name_len(text)),
        b'$' => dollar_len(text),
        b'/' if text.starts_with("/*") => Some(text.len()),
        _ => None,
    }
}

/// The length of a string whose quote is at `open`. Its continuations on following lines are part of it and are read
/// like its first part: in `E'a'` with `'\''` on the next line, the backslash is an escape.
fn string_len(text: &str, open: usize, backslashes: bool) -> usize {
    let mut at = open + 1;
    while let Some(byte) = text.as_bytes().get(at) {
        at += match byte {
            b'\\' if backslashes => 2,
            b'\'' => match continuation_len(part(text, at + 1..)) {
                Some(len) => 1 + len,
                None => return at + 1,
            },
            _ => 1,
        };
    }
    text.len()
}

/// The offset after the quote that continues a string: a quote that follows directly, or after white space with a line
/// end. Comments that begin with two dashes may be in between.
fn continuation_len(text: &str) -> Option<usize> {
    let mut rest = trim_blanks(text, false);
    while rest.starts_with("--") {
        rest = trim_blanks(part(rest, rest.find(['\n', '\r'])?..), false);
    }
    let between = part(text, ..text.len() - rest.len());
    let continues = between.is_empty() || between.contains(['\n', '\r']);
    (continues && rest.starts_with('\'')).then_some(between.len() + 1)
}

/// The length of a name in double quotes. Two double quotes inside are one.
fn name_len(text: &str) -> usize {
    let mut at = 1;
    while let Some(len) = part(text, at..).find('"') {
        at += len + 1;
        if !part(text, at..).starts_with('"') {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The length of a text in dollar quotes: `$tag$ ... $tag$`. Nothing between them has a meaning.
fn dollar_len(text: &str) -> Option<usize> {
    let name = part(text, 1..).bytes().take_while(|&byte| is_word(byte) && byte != b'$').count();
    // `$1` is a parameter.
    let is_tag = part(text, name + 1..).starts_with('$') && !text.as_bytes()[1].is_ascii_digit();
    let tag = is_tag.then(|| part(text, ..name + 2))?;
    Some(part(text, tag.len()..).find(tag).map_or(text.len(), |at| at + 2 * tag.len()))
}
