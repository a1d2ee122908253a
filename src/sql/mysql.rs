//! Splits a MySQL or MariaDB script into statements as the client does (`add_line` in `client/mysql.cc`), with two
//! differences: the body of a routine and the inside of `/*! ... */` are not split, with or without `DELIMITER`; and
//! after a `DELIMITER` line, a semicolon still ends a statement that has no body, because a server accepts one
//! statement at a time.
//!
//! Strings have backslash escapes, as in every `sql_mode` except `NO_BACKSLASH_ESCAPES`. Every command of the client
//! except `DELIMITER` is refused, including `\G` and `\g`, because a migration displays no rows.

mod body;
mod client;
mod comments;
mod kind;
mod lexer;
mod session;
#[cfg(test)]
mod tests;
mod versions;

use self::body::Body;
pub(crate) use self::kind::{
    Kind, Subject, asks_for_counts, autocommit_variable, computes_variable, creates, is_about_next, kind,
    runs_unread,
};
use self::lexer::{Lexeme, Lexer};
pub(crate) use self::session::only_sets_session;
use super::Token;
use super::act::Grammar;
use super::pieces::{Extent, Piece, Refused};
use super::texts::{self, Shown};

/// How the server reads a statement. Double quotes are those of a name under `ANSI_QUOTES`; elsewhere no text stands where a name does.
pub(crate) const GRAMMAR: Grammar = Grammar {
    tokens: kind::tokens,
    readings: versions::readings,
    quotes: &['`', '"'],
    folds: false,
    rename_keeps_schema: false,
};

/// The statements of a script in order, or the part of it that is only for the client.
pub(crate) fn statements(text: &str) -> Result<Vec<Piece<'_>>, Refused> {
    let mut reader = Reader {
        lexer: Lexer::new(text),
        extent: Extent::default(),
        body: Body::default(),
        pieces: Vec::new(),
    };
    while let Some((start, lexeme)) = reader.lexer.next(reader.extent.start().is_none()) {
        reader.read(start, lexeme)?;
    }
    reader.finish();
    Ok(reader.pieces)
}

/// What another session runs, without its texts.
pub(crate) fn without_texts(statement: &str) -> String {
    let mut lexer = Lexer::new(statement);
    let parts = std::iter::from_fn(|| {
        let (start, lexeme) = lexer.next(false)?;
        let is_text = match lexeme {
            // Double quotes are those of a name only under `ANSI_QUOTES`.
            Lexeme::Token(Token::Quoted(text)) => text.starts_with(['\'', '"', '/']),
            Lexeme::Token(Token::Word(word)) => word.starts_with("0x"),
            _ => false,
        };
        Some((start..lexer.offset(), if is_text { Shown::Text } else { Shown::AsItIs }))
    });
    texts::without_texts(statement, parts)
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    extent: Extent,
    body: Body<'a>,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, start: usize, lexeme: Lexeme<'a>) -> Result<(), Refused> {
        match lexeme {
            Lexeme::Delimiter => self.finish(),
            Lexeme::Version => self.extent.reach(start, self.lexer.offset()),
            Lexeme::Token(Token::Mark(b'\\')) => return Err(client::short_command(self.lexer.text(), start)),
            Lexeme::Token(Token::Mark(b';')) if self.semicolon_ends() => self.finish(),
            // A semicolon before the delimiter, as in `END; //`, need not be part of the text.
            Lexeme::Token(token @ Token::Mark(b';')) => self.body.push(token),
            Lexeme::Token(Token::Word(word)) if self.extent.start().is_none() => self.begin(start, word)?,
            Lexeme::Token(token) => {
                self.extent.reach(start, self.lexer.offset());
                self.body.push(token);
            }
        }
        Ok(())
    }

    /// Whether a semicolon ends the statement. After a `DELIMITER` line, only the delimiter ends a statement that has a
    /// body, because its author specified the end.
    fn semicolon_ends(&self) -> bool {
        let is_trusted = self.lexer.has_own_delimiter() && self.body.is_compound() && !self.body.has_closed();
        !(is_trusted || self.body.is_open() || self.lexer.is_in_version())
    }

    /// Reads the first word of a statement, which may be a command of the client.
    fn begin(&mut self, start: usize, word: &'a str) -> Result<(), Refused> {
        if word.eq_ignore_ascii_case("delimiter") {
            return self.lexer.read_delimiter(start);
        }
        if let Some(refused) = client::command(word, start) {
            return Err(refused);
        }
        self.extent.reach(start, self.lexer.offset());
        self.body.push(Token::Word(word));
        Ok(())
    }

    fn finish(&mut self) {
        self.body = Body::default();
        self.pieces.extend(std::mem::take(&mut self.extent).piece(self.lexer.text()));
    }
}
