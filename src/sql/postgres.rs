//! The statements of a PostgreSQL script, cut as `psql` cuts it: by the rules of the server's lexer
//! (`src/backend/parser/scan.l`) with parentheses and routine bodies counted (`src/fe_utils/psqlscan.l`).
//!
//! What the server would not understand either stays in one piece, so that the server says what is wrong. Where `psql`
//! guesses a body's end from the number of words `BEGIN`, `CASE` and `END`, the grammar is asked instead: the `END` of a
//! body stands behind a semicolon or `ATOMIC`, and that of a `CASE` never does.

mod lexer;
mod settings;
#[cfg(test)]
mod tests;

use self::lexer::Lexer;
use super::Token;
use super::pieces::{Extent, Piece, Refused};

/// The statements of a script, in its order; or what in it is meant for `psql` alone.
pub(crate) fn statements(text: &str) -> Result<Vec<Piece<'_>>, Refused> {
    let mut reader = Reader {
        lexer: Lexer::new(text),
        strings: settings::Strings::default(),
        statement: Statement::default(),
        pieces: Vec::new(),
    };
    while let Some((start, token)) = reader.lexer.next(reader.statement.extent.start().is_none()) {
        reader.take(start, token)?;
    }
    reader.finish();
    Ok(reader.pieces)
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    strings: settings::Strings,
    statement: Statement<'a>,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, start: usize, token: Token<'a>) -> Result<(), Refused> {
        if token == Token::Mark(b'\\') {
            return Err(meta_command(self.lexer.text(), start));
        }
        if token == Token::Mark(b';') && self.statement.ends_here() {
            self.finish();
            return Ok(());
        }
        // The semicolons of what is never closed need not belong to its text.
        if token != Token::Mark(b';') {
            self.statement.extent.reach(start, self.lexer.offset());
        }
        self.statement.take(token);
        match self.statement.extent.start() {
            Some(offset) if self.statement.copies_from_client => Err(copy(offset)),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) {
        let statement = std::mem::take(&mut self.statement);
        if let Some(piece) = statement.extent.piece(self.lexer.text()) {
            self.strings.follow(piece.text);
            self.lexer.set_backslashes(self.strings.have_backslashes());
            self.pieces.push(piece);
        }
    }
}

/// What must be known of a statement to find its end.
#[derive(Default)]
struct Statement<'a> {
    extent: Extent,
    first: Option<Token<'a>>,
    /// How many tokens it has.
    len: usize,
    /// Whether it began with `CREATE [OR REPLACE] {FUNCTION | PROCEDURE}`: nothing else has such a body.
    makes_routine: bool,
    previous: Option<Token<'a>>,
    /// How many parentheses are open: `CREATE RULE ... DO (a; b)`.
    depth: usize,
    /// Whether the last token stands between `BEGIN ATOMIC` and its `END`.
    is_in_body: bool,
    copies_from_client: bool,
}

impl<'a> Statement<'a> {
    const fn ends_here(&self) -> bool {
        self.depth == 0 && !self.is_in_body
    }

    fn take(&mut self, token: Token<'a>) {
        match token {
            Token::Mark(b'(') => self.depth += 1,
            Token::Mark(b')') => self.depth = self.depth.saturating_sub(1),
            Token::Word(_) if token.is("atomic") && self.was("begin") && self.makes_routine => {
                self.is_in_body = true;
            }
            Token::Word(_) if token.is("end") && self.is_in_body => {
                self.is_in_body = !(self.previous == Some(Token::Mark(b';')) || self.was("atomic"));
            }
            // The grammar allows both words, and both mean the client.
            Token::Word(_) if (token.is("stdin") || token.is("stdout")) && self.was("from") => {
                self.copies_from_client = self.depth == 0 && self.first.is_some_and(|first| first.is("copy"));
            }
            Token::Word(_) if (token.is("function") || token.is("procedure")) && self.len < 4 => {
                self.makes_routine = self.first.is_some_and(|first| first.is("create"));
            }
            _ => {}
        }
        self.first.get_or_insert(token);
        self.len += 1;
        self.previous = Some(token);
    }

    fn was(&self, word: &str) -> bool {
        self.previous.is_some_and(|token| token.is(word))
    }
}

/// The server has no use for a backslash outside quotes, so each is a command of `psql`, `\;` and `\gset` too.
fn meta_command(text: &str, offset: usize) -> Refused {
    let command: String = text[offset..].chars().take_while(|c| !c.is_whitespace()).take(20).collect();
    Refused {
        offset,
        what: format!("`{command}` is a command of psql and not SQL"),
        remedy: "leave it out, or write what it does as SQL",
    }
}

fn copy(offset: usize) -> Refused {
    Refused {
        offset,
        what: "COPY ... FROM STDIN reads its rows from behind the statement, which only psql does".to_owned(),
        remedy: "write the rows as INSERT statements (pg_dump --inserts), or load them in code",
    }
}
