//! MySQL and MariaDB tokens, as far as splitting needs them (`sql/sql_lex.cc`), and the delimiters between them.

use super::client;
use super::comments::{comment_len, version_len};
use crate::sql::pieces::{Refused, trim_blanks};
use crate::sql::{Token, part};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme<'a> {
    Token(Token<'a>),
    /// The start or the end of a comment whose content a server executes: `/*!50003`, `/*M!`, `*/`.
    Version,
    /// The delimiter, if it is not the semicolon.
    Delimiter,
}

/// The tokens of a text, each with its offset. Quoted tokens include their quotes.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    delimiter: &'a str,
    /// The number of open `/*!`.
    versions: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, delimiter: ";", versions: 0 }
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// The byte offset up to which the text has been read.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    pub(super) const fn is_in_version(&self) -> bool {
        self.versions > 0
    }

    pub(super) fn has_own_delimiter(&self) -> bool {
        self.delimiter != ";"
    }

    /// Reads the delimiter after the word `DELIMITER`, which is at `start`.
    pub(super) fn read_delimiter(&mut self, start: usize) -> Result<(), Refused> {
        let what = "DELIMITER is not followed by a delimiter alone".to_owned();
        let after_word = start + "delimiter".len();
        let (delimiter, len) = client::delimiter(part(self.text, after_word..))
            .map_err(|remedy| Refused { offset: start, what, remedy })?;
        self.delimiter = delimiter;
        self.at = after_word + len;
        Ok(())
    }

    /// The next token. At the start of a statement, two dashes begin a comment even without a blank after them.
    pub(super) fn next(&mut self, is_at_start: bool) -> Option<(usize, Lexeme<'a>)> {
        self.skip_blanks(is_at_start);
        let start = self.at;
        let rest = part(self.text, start..);
        let first = *rest.as_bytes().first()?;
        let (lexeme, len) = if self.is_at_delimiter(start) {
            (Lexeme::Delimiter, self.delimiter.len())
        } else if let Some(len) = version_len(rest) {
            self.versions += 1;
            (Lexeme::Version, len)
        } else if self.versions > 0 && rest.starts_with("*/") {
            self.versions -= 1;
            (Lexeme::Version, 2)
        } else {
            let (token, len) = self.token(rest, first);
            (Lexeme::Token(token), len)
        };
        self.at += len;
        Some((start, lexeme))
    }

    /// Skips the rest of a version comment whose start was just read, as a server that ignores it does. Comments may stand in it.
    pub(super) fn skip_version(&mut self) {
        self.versions = self.versions.saturating_sub(1);
        loop {
            let rest = part(self.text, self.at..);
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            let Some(inner) = rest.find("/*").filter(|inner| *inner < end) else {
                self.at += end;
                return;
            };
            let within = part(rest, inner + 2..);
            self.at += inner + 2 + within.find("*/").map_or(within.len(), |end| end + 2);
        }
    }

    /// Skips white space and comments. Like the client, it looks for the delimiter first: some scripts have
    /// `DELIMITER #`, and mysqlbinlog writes `DELIMITER /*!*/;`.
    fn skip_blanks(&mut self, is_at_start: bool) {
        loop {
            let rest = part(self.text, self.at..);
            self.at += rest.len() - trim_blanks(rest, is_at_start).len();
            let len = comment_len(part(self.text, self.at..), is_at_start);
            if len == 0 || self.is_at_delimiter(self.at) {
                return;
            }
            self.at += len;
        }
    }

    fn is_at_delimiter(&self, at: usize) -> bool {
        self.versions == 0 && self.has_own_delimiter() && part(self.text, at..).starts_with(self.delimiter)
    }

    fn token(&self, rest: &'a str, first: u8) -> (Token<'a>, usize) {
        if let Some(len) = quoted_len(rest) {
            (Token::Quoted(part(rest, ..len)), len)
        } else if is_word(first) {
            let len = self.word_len(rest);
            (Token::Word(part(rest, ..len)), len)
        } else if rest.starts_with("\\N") {
            // `\N` is NULL.
            (Token::Quoted(part(rest, ..2)), 2)
        } else {
            (Token::Mark(first), 1)
        }
    }

    /// The length of a word. It ends before a delimiter, as in `END$$`. Any non-ASCII byte is part of a word.
    fn word_len(&self, text: &str) -> usize {
        let len = text.bytes().take_while(|&byte| is_word(byte)).count();
        let is_cut = |at: &usize| {
            self.versions == 0
                && self.has_own_delimiter()
                && text.get(*at..).is_some_and(|rest| rest.starts_with(self.delimiter))
        };
        (1..len).find(is_cut).unwrap_or(len)
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The length of the string or quoted name at the start of a text. If it is not closed, it extends to the end, and so
/// does an unclosed comment.
fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = match bytes[0] {
        quote @ (b'\'' | b'"' | b'`') => quote,
        _ if text.starts_with("/*") => return Some(text.len()),
        _ => return None,
    };
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\\' if quote != b'`' => 2,
            _ if byte != quote => 1,
            _ if bytes.get(at + 1) == Some(&quote) => 2,
            _ => return Some(at + 1),
        };
    }
    Some(text.len())
}
