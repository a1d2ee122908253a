//! [`TokenCursor`]: reads a statement word by word; and [`Pragma`], which it reads.

use crate::sql::{Token, Tokens, statement_start};

/// The tokens of a statement, with methods that skip the next one.
pub(super) struct TokenCursor<'a>(Tokens<'a>);

impl<'a> TokenCursor<'a> {
    pub(super) fn new(statement: &'a str) -> Self {
        Self(Tokens::new(statement))
    }

    /// Where the last token ends, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.0.offset()
    }

    /// Skips a word if it is the next token, and returns whether it was.
    pub(super) fn skip_if(&mut self, word: &str) -> bool {
        self.skip(|token| token.is(word))
    }

    /// Skips a dot in the same way.
    pub(super) fn skip_dot(&mut self) -> bool {
        self.skip(|token| token == Token::Mark(b'.'))
    }

    fn skip(&mut self, is_meant: impl FnOnce(Token<'a>) -> bool) -> bool {
        let is_next = self.0.clone().next().is_some_and(is_meant);
        if is_next {
            self.0.next();
        }
        is_next
    }

    /// Skips `IF EXISTS` or `IF NOT EXISTS` if it is next, and returns whether it was.
    pub(super) fn skip_exists(&mut self) -> bool {
        let is_next = self.skip_if("if");
        if is_next {
            self.skip_if("not");
            self.skip_if("exists");
        }
        is_next
    }

    /// A name, without its schema.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.qualified().map(|(name, _)| name)
    }

    /// A name, and whether a schema is written before it.
    pub(super) fn qualified(&mut self) -> Option<(&'a str, bool)> {
        let name = self.0.next()?.spelling().filter(|name| is_plain(name))?;
        if !self.skip_dot() {
            return Some((name, false));
        }
        Some((self.0.next()?.spelling().filter(|name| is_plain(name))?, true))
    }
}

impl<'a> Iterator for TokenCursor<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.0.next()
    }
}

/// Whether a name contains no quotes, so that its spelling is the name. A quote in a quoted name is doubled.
pub(super) fn is_plain(name: &str) -> bool {
    !name.contains(['"', '\'', '`'])
}

/// `PRAGMA schema.name = value` or `PRAGMA schema.name(value)`
pub(super) struct Pragma<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a str>,
}

impl<'a> Pragma<'a> {
    pub(super) fn of(own: &'a str) -> Option<Self> {
        let mut tokens = Tokens::new(&own[statement_start(own, 0)..]).peekable();
        tokens.next().filter(|first| first.is("pragma"))?;
        let mut name = tokens.next()?.spelling()?;
        if tokens.next_if_eq(&Token::Mark(b'.')).is_some() {
            name = tokens.next()?.spelling()?;
        }
        let value =
            tokens.next_if(|token| matches!(token, Token::Mark(b'=' | b'('))).and_then(|_| tokens.next());
        Some(Self { name, value: value.and_then(Token::spelling) })
    }
}
