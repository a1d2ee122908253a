//! A small scanner for SQL text: comments, strings, words and positions. Messages use it, and the guards that read the
//! first words of a statement. It never rewrites a statement, and on SQLite it does not split scripts.

#![cfg_attr(
    not(feature = "sqlite"),
    allow(dead_code, reason = "mainly the guards of the SQLite backend use it")
)]

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) mod act;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) mod column_type;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) mod pieces;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod texts;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) mod transactions;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::slice::SliceIndex;

/// A position in a text: line and column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The position of a byte offset. An offset past the end is the position after the last character.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: part(before, line_start..).chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A part of a text, empty where there is no such part: an offset that is behind the end or inside a character is never a panic. All code that
/// slices texts by offsets does it here, which a lint checks (`clippy::string_slice` in `lib.rs`).
#[inline]
pub(crate) fn part(text: &str, range: impl SliceIndex<str, Output = str>) -> &str {
    text.get(range).unwrap_or_default()
}

/// The line that contains a byte offset, without its line end.
pub(crate) fn line_at(text: &str, offset: usize) -> &str {
    let offset = offset.min(text.len());
    let start = text.as_bytes()[..offset].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    part(text, start..).lines().next().unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword, a bare identifier or a number.
    Word(&'a str),
    /// A string or quoted identifier, without its outer quotes.
    Quoted(&'a str),
    /// Any other byte.
    Mark(u8),
}

impl<'a> Token<'a> {
    pub(crate) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if same_name(word, keyword))
    }

    /// Whether it is one of these keywords.
    #[inline(never)]
    pub(crate) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// The name or value of the token, quoted or not.
    pub(crate) fn spelling(self) -> Option<&'a str> {
        match self {
            Self::Word(text) | Self::Quoted(text) => Some(text),
            Self::Mark(_) => None,
        }
    }
}

/// The tokens of a text, without comments and white space. After each token, `offset` returns its end.
#[derive(Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte offset up to which the text has been read.
    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    /// The next token, and where it is in the text, with its quotes.
    pub(crate) fn next_placed(&mut self) -> Option<(Token<'a>, Range<usize>)> {
        self.at += blank_len(part(self.text, self.at..));
        let start = self.at;
        self.next().map(|token| (token, start..self.at))
    }

    /// The next token as a name, as SQLite reads it; a mark is not read.
    pub(crate) fn next_name(&mut self) -> Option<String> {
        let mut ahead = self.clone();
        let name = match ahead.next()? {
            Token::Word(name) => name.to_owned(),
            // A quote in a quoted name is doubled.
            Token::Quoted(name) => {
                let quote = part(self.text, ..ahead.at).chars().next_back()?;
                name.replace(&format!("{quote}{quote}"), &quote.to_string())
            }
            Token::Mark(_) => return None,
        };
        *self = ahead;
        Some(name)
    }

    /// Skips everything up to a mark, and the mark.
    fn skip_past(&mut self, mark: u8) {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'\'' | b'"' | b'`' => _ = self.quoted(byte),
                b'[' => _ = self.quoted(b']'),
                // It may begin a comment.
                b'-' | b'/' => self.at += blank_len(part(self.text, self.at..)).max(1),
                _ => self.at += 1,
            }
            if byte == mark {
                break;
            }
        }
    }

    fn quoted(&mut self, close: u8) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        while end < bytes.len() {
            if bytes[end] != close {
                end += 1;
            } else if close != b']' && bytes.get(end + 1) == Some(&close) {
                end += 2;
            } else {
                break;
            }
        }
        let end = end.min(bytes.len());
        self.at = (end + 1).min(bytes.len());
        Token::Quoted(part(self.text, start..end))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.at += blank_len(part(self.text, self.at..));
        let bytes = self.text.as_bytes();
        match *bytes.get(self.at)? {
            quote @ (b'\'' | b'"' | b'`') => Some(self.quoted(quote)),
            b'[' => Some(self.quoted(b']')),
            byte if is_in_word(byte) => {
                let start = self.at;
                self.at += bytes[start..].iter().take_while(|byte| is_in_word(**byte)).count();
                Some(Token::Word(part(self.text, start..self.at)))
            }
            mark => {
                self.at += 1;
                Some(Token::Mark(mark))
            }
        }
    }
}

/// The bytes that are part of a word. It is a table because the scanner asks for nearly every byte of a script.
static WORD: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], u8::MAX);
    loop {
        table[byte as usize] = matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | 0x80..);
        if byte == 0 {
            break table;
        }
        byte -= 1;
    }
};

fn is_in_word(byte: u8) -> bool {
    WORD[usize::from(byte)]
}

/// The length in bytes of the white space and comments at the start of a text. An unclosed `/*` extends to the end, as
/// in SQLite.
pub(crate) fn blank_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => 1,
            // SQLite treats a byte order mark as white space wherever a token can begin.
            0xef if part(text, at..).starts_with('\u{feff}') => 3,
            b'-' if bytes[at..].starts_with(b"--") => part(text, at..).find('\n').unwrap_or(text.len() - at),
            b'/' if bytes[at..].starts_with(b"/*") => {
                part(text, at + 2..).find("*/").map_or(text.len() - at, |end| end + 4)
            }
            _ => break,
        };
    }
    at
}

// Functions with dozens of callers are not inlined: see `DESIGN.md`.

/// Whether two names are the same, ignoring ASCII case.
#[inline(never)]
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// A name in lower case, as the key of a map or a set.
#[inline(never)]
pub(crate) fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Names in lower case, as a set. They are few, so they are added one by one, which needs no code to sort them.
pub(crate) fn folded_set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for name in names {
        set.insert(folded(name));
    }
    set
}

/// Whether a text contains another one, ignoring ASCII case.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let Some(&last) = part.last() else { return true };
    // The bit in which the two cases of a letter differ. Comparing one byte of each place first takes half the time.
    let case = if last.is_ascii_alphabetic() { 0x20 } else { 0 };
    let is_part =
        |found: &[u8]| (found[part.len() - 1] | case) == (last | case) && found.eq_ignore_ascii_case(part);
    text.windows(part.len()).any(is_part)
}

/// Whether one of these keywords occurs in a text, outside of quotes and comments. Most texts do not contain it at all.
#[inline(never)]
pub(crate) fn has_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| contains(text, word)) && Tokens::new(text).any(|token| token.is_any(words))
}

/// Whether a name occurs in a text, quoted or not, ignoring ASCII case.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    // A quote inside a quoted name is doubled. Quotes are ignored here, so a false match is possible, but a missed one
    // is not.
    let plain = |text: &str| text.replace(['"', '\'', '`', ']', '['], "");
    let has_quotes = name.contains(['"', '\'', '`', ']', '[']);
    if !has_quotes && !contains(text, name) {
        return false;
    }
    let name = plain(name);
    Tokens::new(text)
        .filter_map(Token::spelling)
        .any(|spelling| spelling.len() >= name.len() && same_name(&plain(spelling), &name))
}

/// The offset where the first statement at or after `from` begins, after white space and empty statements.
pub(crate) fn statement_start(text: &str, from: usize) -> usize {
    let mut at = from.min(text.len());
    loop {
        at += blank_len(part(text, at..));
        if text.as_bytes().get(at) != Some(&b';') {
            return at;
        }
        at += 1;
    }
}

/// Whether a script has a statement, and not only comments and white space. MySQL runs what is in a comment that begins with `/*!`,
/// and MariaDB also with `/*M!`.
pub(crate) fn has_statement(script: &str) -> bool {
    let script = script.trim_start_matches('\u{feff}');
    statement_start(script, 0) < script.len()
        || ["/*!", "/*M!"].iter().any(|comment| script.contains(comment))
}

/// The offset where the statement that begins at `start` ends, after its semicolon. The body of a trigger is part of
/// its statement.
pub(crate) fn statement_end(text: &str, start: usize) -> usize {
    let start = start.min(text.len());
    let mut tokens = Tokens::new(part(text, start..));
    if !creates_trigger(tokens.clone()) {
        tokens.skip_past(b';');
        return start + tokens.offset();
    }
    let semicolon = Token::Mark(b';');
    // The `END` of a trigger follows a semicolon, the `END` of a `CASE` does not.
    let (mut previous, mut after_end) = (semicolon, false);
    for token in tokens.by_ref() {
        if token == semicolon && after_end {
            break;
        }
        after_end = token.is("end") && previous == semicolon;
        previous = token;
    }
    start + tokens.offset()
}

fn creates_trigger(tokens: Tokens<'_>) -> bool {
    let before = ["explain", "query", "plan", "create", "temp", "temporary"];
    let mut rest = tokens.skip_while(|token| token.is_any(&before));
    rest.next().is_some_and(|token| token.is("trigger"))
}

/// The offset where a statement begins, by its number from 1. The number after the last statement is the end of the
/// text.
pub(crate) fn statement_at(text: &str, number: u32) -> Option<usize> {
    let mut start = statement_start(text, 0);
    for _ in 1..number {
        if start == text.len() {
            return None;
        }
        start = statement_start(text, statement_end(text, start));
    }
    Some(start)
}

/// The number of statements in a text.
pub(crate) fn statement_count(text: &str) -> u32 {
    u32::try_from(statements(text).count()).unwrap_or(u32::MAX)
}

/// The statements of a text, each with its offset.
pub(crate) fn statements(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = 0;
    std::iter::from_fn(move || {
        let start = statement_start(text, end);
        end = statement_end(text, start);
        (start < text.len()).then(|| (start, part(text, start..end)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        let found = ["DROP TABLE t_x", "drop table \"T_X\"", "select * from [t_x]", "x(`t_x`)", "main.t_x"];
        for text in found {
            assert!(mentions(text, "t_x"), "{text}");
        }
        for text in ["-- t_x", "t_xy", "/* t_x */ 1", "at_x"] {
            assert!(!mentions(text, "t_x"), "{text}");
        }
        assert!(mentions("DELETE FROM \"a\"\"b\"", "a\"b"));
    }

    #[test]
    fn statements_end_where_sqlite_ends_them() {
        let trigger = "CREATE TEMP TRIGGER a AFTER INSERT ON b BEGIN SELECT ';'; SELECT 2; END;";
        let by_case =
            "CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM c; END;";
        let rows = [
            ("SELECT 1; SELECT 2", "SELECT 1;"),
            ("SELECT ';' -- ;\n; x", "SELECT ';' -- ;\n;"),
            ("SELECT \"a;\"\"b\", [;], `;`; x", "SELECT \"a;\"\"b\", [;], `;`;"),
            (trigger, trigger),
            (by_case, by_case),
            ("SELECT 'open; x", "SELECT 'open; x"),
            ("SELECT 1 - 2 / 3 /* ; */, 'ä', ü; x", "SELECT 1 - 2 / 3 /* ; */, 'ä', ü;"),
            ("SELECT 1 -- ;", "SELECT 1 -- ;"),
            ("SELECT 1 /* ;", "SELECT 1 /* ;"),
        ];
        for (text, statement) in rows {
            assert_eq!(&text[..statement_end(text, 0)], statement);
        }
        assert_eq!(statement_start(" ;; -- c;\n ; SELECT 1", 0), 13);
    }

    #[test]
    fn places_count_characters() {
        let text = "a\näö x\n";
        assert_eq!(Position::of(text, text.find('x').unwrap()), Position { line: 2, column: 4 });
        assert_eq!(Position::of(text, 99), Position { line: 3, column: 1 });
        assert_eq!(line_at(text, text.find('x').unwrap()), "äö x");
    }
}
