//! The result of splitting a script: its statements, or why it cannot be split.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::sql::part;

/// One statement of a script, from its first token to its last, without its semicolon and without comments around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// The offset of its first token in bytes.
    pub(crate) offset: usize,
    /// Its text, a slice of the script.
    pub(crate) text: &'a str,
}

/// The offset where a statement begins, by its number from 1. The number after the last statement is the end of the
/// script.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn offset_of(pieces: &[Piece<'_>], script: &str, statement: u32) -> Option<usize> {
    let place = usize::try_from(statement.checked_sub(1)?).ok()?;
    if place == pieces.len() { Some(script.len()) } else { pieces.get(place).map(|piece| piece.offset) }
}

/// A command in a script that no server understands, because it is for a command line client.
#[allow(dead_code, reason = "only the scripts of servers are refused")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its offset in bytes.
    pub(crate) offset: usize,
    /// What it is, to be written after the place in a message.
    pub(crate) what: String,
    /// What the author can do.
    pub(crate) remedy: &'static str,
}

/// The start and end of the statement that is being read.
#[cfg(any(feature = "postgres", feature = "mysql"))]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    first: Option<usize>,
    end: usize,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Extent {
    /// The offset of the first token, if there was one.
    pub(super) const fn start(self) -> Option<usize> {
        self.first
    }

    /// Extends the statement by the text between two offsets.
    pub(super) fn reach(&mut self, start: usize, end: usize) {
        self.first.get_or_insert(start);
        self.end = end;
    }

    /// The statement, unless it is empty.
    pub(super) fn piece(self, text: &str) -> Option<Piece<'_>> {
        self.first.map(|offset| Piece { offset, text: part(text, offset..self.end) })
    }
}

/// Removes leading white space of both servers, and at the start of a statement the byte order mark: editors write it
/// at the start of a file, and a script may consist of joined files. The vertical tab is included, which is white space
/// in PostgreSQL since 16 and an error before.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn trim_blanks(text: &str, is_at_start: bool) -> &str {
    let is_blank =
        |c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') || (is_at_start && c == '\u{feff}');
    text.trim_start_matches(is_blank)
}
