//! What cutting a script gives: its statements, or why it cannot be cut.

/// One statement of a script, from its first token to its last: no semicolon and no comment around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Where its first token stands, in bytes.
    pub(crate) offset: usize,
    /// The slice of the script.
    pub(crate) text: &'a str,
}

/// Where a statement begins, its number counted from 1; one behind the last is where the script ends.
pub(crate) fn offset_of(pieces: &[Piece<'_>], script: &str, statement: u32) -> Option<usize> {
    let place = usize::try_from(statement.checked_sub(1)?).ok()?;
    if place == pieces.len() { Some(script.len()) } else { pieces.get(place).map(|piece| piece.offset) }
}

/// Something in a script that no server understands, because it is meant for a command line client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Where it stands, in bytes.
    pub(crate) offset: usize,
    /// What it is, to go behind the place.
    pub(crate) what: String,
    /// What the author can do.
    pub(crate) remedy: &'static str,
}

/// The statement that is being read, as far as its place goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    first: Option<usize>,
    end: usize,
}

impl Extent {
    /// Where the first token stands, if there was one.
    pub(super) const fn start(self) -> Option<usize> {
        self.first
    }

    /// Takes what stands between two offsets into the statement.
    pub(super) fn reach(&mut self, start: usize, end: usize) {
        self.first.get_or_insert(start);
        self.end = end;
    }

    /// The statement, unless it is empty.
    pub(super) fn piece(self, text: &str) -> Option<Piece<'_>> {
        self.first.map(|offset| Piece { offset, text: &text[offset..self.end] })
    }
}

/// White space of both servers, and at the start of a statement the byte order mark: editors put it before a file, and files
/// are joined. Also the vertical tab, which is a blank to PostgreSQL from 16 on and an error before.
pub(super) fn trim_blanks(text: &str, is_at_start: bool) -> &str {
    let is_blank =
        |c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') || (is_at_start && c == '\u{feff}');
    text.trim_start_matches(is_blank)
}
