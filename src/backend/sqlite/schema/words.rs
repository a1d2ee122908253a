//! The words of a definition, in a form in which equal definitions are equal.

use std::ops::Range;

use crate::sql::{Token, Tokens, folded};

/// A statement without insignificant differences. Texts in single quotes are unchanged; names lose their quotes and their case.
pub(super) fn essence(sql: &str) -> String {
    let words: Vec<String> = words(sql).into_iter().map(|(word, _)| word).collect();
    words.join(" ")
}

/// The words, names, texts and marks of a statement without insignificant differences, and where each is in it.
pub(super) fn words(sql: &str) -> Vec<(String, Range<usize>)> {
    let is_word = |name: &str| Tokens::new(name).eq([Token::Word(name)]);
    let mut tokens = Tokens::new(sql);
    let mut words = Vec::new();
    while let Some((token, place)) = tokens.next_placed() {
        let word = match token {
            Token::Word(word) => folded(word),
            // SQLite would not store a statement with an unclosed quote.
            Token::Quoted(text) if sql.as_bytes().get(place.start) == Some(&b'\'') => format!("'{text}'"),
            Token::Quoted(name) if !is_word(name) => format!("\"{}\"", folded(name)),
            Token::Quoted(name) => folded(name),
            Token::Mark(mark) => char::from(mark).to_string(),
        };
        words.push((word, place));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_tells_two_definitions_apart() {
        let same = [
            ("CREATE TABLE a (b TEXT)", "create table \"a\"(\n  b text -- the b\n)"),
            ("CREATE INDEX i ON a([b])", "CREATE INDEX `i` ON a (b)"),
        ];
        for (one, other) in same {
            assert_eq!(essence(one), essence(other));
        }
        let different = [
            ("CREATE TABLE a (b TEXT)", "CREATE TABLE a (b TEXT NOT NULL)"),
            ("CREATE TABLE a (b c)", "CREATE TABLE a (\"b c\")"),
            ("CREATE TABLE a (b DEFAULT 'X')", "CREATE TABLE a (b DEFAULT 'x')"),
            ("CREATE TABLE a (b CHECK (b > 1))", "CREATE TABLE a (b CHECK (b > 11))"),
        ];
        for (one, other) in different {
            assert_ne!(essence(one), essence(other));
        }
    }
}
