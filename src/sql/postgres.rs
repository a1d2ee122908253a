//! Splits a PostgreSQL script into statements as `psql` does: by the rules of the server's lexer
//! (`src/backend/parser/scan.l`), counting parentheses and routine bodies (`src/fe_utils/psqlscan.l`).
//!
//! Text that the server would not understand either stays in one statement, so that the server reports the error.
//! `psql` guesses the end of a body from the number of words `BEGIN`, `CASE` and `END`; this module uses the grammar
//! instead: the `END` of a body follows a semicolon or `ATOMIC`, and the `END` of a `CASE` never does.

mod lexer;
mod settings;
#[cfg(test)]
mod tests;

use self::lexer::Lexer;
use super::Token;
use super::act::Grammar;
use super::pieces::{Extent, Piece, Refused};
use super::texts::{self, Shown};
use crate::sql::part;

/// How the server reads a statement.
pub(crate) const GRAMMAR: Grammar =
    Grammar { tokens, readings: |_| Vec::new(), quotes: &['"'], folds: true, rename_keeps_schema: true };

/// The tokens of a statement. Quoted tokens include their quotes.
fn tokens(statement: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer::new(statement);
    std::iter::from_fn(|| lexer.next(false)).map(|(_, token)| token).collect()
}

/// The statements of a script in order, or the part of it that is only for `psql`.
pub(crate) fn statements(text: &str) -> Result<Vec<Piece<'_>>, Refused> {
    let mut reader = Reader {
        lexer: Lexer::new(text),
        strings: settings::Strings::default(),
        statement: Statement::default(),
        pieces: Vec::new(),
    };
    while let Some((start, token)) = reader.lexer.next(reader.statement.extent.start().is_none()) {
        reader.read(start, token)?;
    }
    reader.finish();
    Ok(reader.pieces)
}

/// What another session runs, without its texts.
pub(crate) fn without_texts(statement: &str) -> String {
    let mut lexer = Lexer::new(statement);
    let parts = std::iter::from_fn(|| {
        let (start, token) = lexer.next(false)?;
        let is_text = matches!(token, Token::Quoted(text) if !text.starts_with('"'));
        Some((start..lexer.offset(), if is_text { Shown::Text } else { Shown::AsItIs }))
    });
    texts::without_texts(statement, parts)
}

/// What `psql` reads as a variable outside of quotes: the names behind `:`, without quotes, and `{` for a test whether one is set.
pub(crate) fn variables(text: &str) -> Vec<String> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    while let Some((start, token)) = lexer.next(false) {
        let is_cast = part(text, ..start).ends_with(':');
        if token != Token::Mark(b':') || is_cast {
            continue;
        }
        let behind = part(text, start + 1..);
        let name = behind.trim_start_matches(['\'', '"']);
        let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let len = name.find(|c| !is_in_name(c)).unwrap_or(name.len());
        if behind.starts_with("{?") {
            found.push("{".to_owned());
        } else if len > 0 {
            found.push(part(name, ..len).to_owned());
        }
    }
    found
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    strings: settings::Strings,
    statement: Statement<'a>,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, start: usize, token: Token<'a>) -> Result<(), Refused> {
        if token == Token::Mark(b'\\') {
            return Err(meta_command(self.lexer.text(), start));
        }
        if token == Token::Mark(b';') && self.statement.ends_here() {
            self.finish();
            return Ok(());
        }
        // A semicolon that does not end the statement is part of it only if another token follows.
        if token != Token::Mark(b';') {
            self.statement.extent.reach(start, self.lexer.offset());
        }
        self.statement.push(token);
        match (self.statement.extent.start(), self.statement.copies) {
            (Some(offset), Some(copies)) => Err(copy(offset, copies)),
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

/// What must be known about a statement to find its end.
#[derive(Default)]
struct Statement<'a> {
    extent: Extent,
    first: Option<Token<'a>>,
    /// The number of its tokens.
    len: usize,
    /// Whether it begins with `CREATE [OR REPLACE] {FUNCTION | PROCEDURE}`: only such a statement has a body.
    creates_routine: bool,
    previous: Option<Token<'a>>,
    /// The number of open parentheses: `CREATE RULE ... DO (a; b)`.
    depth: usize,
    /// Whether the last token is between `BEGIN ATOMIC` and its `END`.
    is_in_body: bool,
    copies: Option<Copies>,
}

/// Which way `COPY` moves rows between the server and its client.
#[derive(Debug, Clone, Copy)]
enum Copies {
    FromClient,
    ToClient,
}

impl<'a> Statement<'a> {
    const fn ends_here(&self) -> bool {
        self.depth == 0 && !self.is_in_body
    }

    fn push(&mut self, token: Token<'a>) {
        match token {
            Token::Mark(b'(') => self.depth += 1,
            Token::Mark(b')') => self.depth = self.depth.saturating_sub(1),
            Token::Word(_) if token.is("atomic") && self.was("begin") && self.creates_routine => {
                self.is_in_body = true;
            }
            Token::Word(_) if token.is("end") && self.is_in_body => {
                self.is_in_body = !(self.previous == Some(Token::Mark(b';')) || self.was("atomic"));
            }
            // The grammar allows both words after each of the two, and both refer to the client.
            Token::Word(_) if (token.is("stdin") || token.is("stdout")) && self.is_copied() => {
                self.copies = Some(if self.was("from") { Copies::FromClient } else { Copies::ToClient });
            }
            Token::Word(_) if (token.is("function") || token.is("procedure")) && self.len < 4 => {
                self.creates_routine = self.first.is_some_and(|first| first.is("create"));
            }
            _ => {}
        }
        self.first.get_or_insert(token);
        self.len += 1;
        self.previous = Some(token);
    }

    /// Whether the next word says where `COPY` takes its rows from, or puts them.
    fn is_copied(&self) -> bool {
        self.depth == 0
            && (self.was("from") || self.was("to"))
            && self.first.is_some_and(|first| first.is("copy"))
    }

    fn was(&self, word: &str) -> bool {
        self.previous.is_some_and(|token| token.is(word))
    }
}

/// The server accepts no backslash outside quotes, so each one is a command of `psql`, including `\;` and `\gset`.
fn meta_command(text: &str, offset: usize) -> Refused {
    let command: String = part(text, offset..).chars().take_while(|c| !c.is_whitespace()).take(20).collect();
    Refused {
        offset,
        what: format!("`{command}` is a command of psql and not SQL"),
        remedy: "leave it out, or write what it does as SQL",
    }
}

fn copy(offset: usize, copies: Copies) -> Refused {
    let (what, remedy) = match copies {
        Copies::FromClient => (
            "COPY ... FROM STDIN reads its rows from behind the statement, which only psql does",
            "write the rows as INSERT statements (pg_dump --inserts), or load them in code",
        ),
        Copies::ToClient => (
            "COPY ... TO STDOUT sends its rows to the client, and a migration shows none",
            "leave it out, or read the rows in code",
        ),
    };
    Refused { offset, what: what.to_owned(), remedy }
}
