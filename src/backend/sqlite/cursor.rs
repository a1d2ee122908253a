//! [`TokenCursor`]: reads a statement word by word; and [`Pragma`], which it reads.

use crate::sql::{Token, Tokens, part, same_name, statement_start};

/// The tokens of a statement, with methods that skip the next one.
#[derive(Clone)]
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

    /// Whether one of these words is the next token.
    pub(super) fn is_at(&self, words: &[&str]) -> bool {
        self.0.clone().next().is_some_and(|token| token.is_any(words))
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

    /// The next token as a name, as SQLite reads it; a mark is not read.
    pub(super) fn next_name(&mut self) -> Option<String> {
        self.0.next_name()
    }

    /// A name as SQLite reads it, and the database that is written before it.
    pub(super) fn full_name(&mut self) -> Option<(Option<String>, String)> {
        let name = self.next_name()?;
        if self.skip_dot() {
            return Some((Some(name), self.next_name()?));
        }
        Some((None, name))
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
    pub(super) schema: Option<&'a str>,
    pub(super) name: &'a str,
    /// The value, if it is one word or is quoted. A number with a sign is not.
    pub(super) value: Option<&'a str>,
    /// Whether it has a value.
    pub(super) sets: bool,
}

impl<'a> Pragma<'a> {
    pub(super) fn of(own: &'a str) -> Option<Self> {
        let mut tokens = Tokens::new(part(own, statement_start(own, 0)..));
        tokens.next().filter(|first| first.is("pragma"))?;
        Self::after_keyword(tokens)
    }

    /// A pragma with a value, also in an `EXPLAIN`: SQLite sets most settings when it prepares a statement, and prepares this one too.
    pub(super) fn that_sets(own: &'a str) -> Option<Self> {
        let mut tokens = Tokens::new(part(own, statement_start(own, 0)..));
        let mut first = tokens.next()?;
        if first.is("explain") {
            first = tokens.find(|token| !token.is("query") && !token.is("plan"))?;
        }
        if !first.is("pragma") {
            return None;
        }
        Self::after_keyword(tokens).filter(|pragma| pragma.sets)
    }

    fn after_keyword(tokens: Tokens<'a>) -> Option<Self> {
        let mut tokens = tokens.peekable();
        let (mut schema, mut name) = (None, tokens.next()?.spelling()?);
        if tokens.next_if_eq(&Token::Mark(b'.')).is_some() {
            (schema, name) = (Some(name), tokens.next()?.spelling()?);
        }
        let sets = tokens.next_if(|token| matches!(token, Token::Mark(b'=' | b'('))).is_some();
        let value = if sets { tokens.next().and_then(Token::spelling) } else { None };
        Some(Self { schema, name, value, sets })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        same_name(self.name, name)
    }
}
