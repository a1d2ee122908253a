//! An address in the other form of `libpq`: `host=db.example.org dbname=app`.

use std::iter::Peekable;
use std::str::Chars;

use super::server::Server;
use super::words::{self, Place};
use crate::failure::{Failure, Result};

/// The text before the first `=`, if it can be the name of a variable or of a keyword.
pub(super) fn variable(text: &str) -> Option<&str> {
    let name = text.split_once('=')?.0.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}

/// Whether a text begins with a keyword of `libpq`.
pub(super) fn are_in(text: &str) -> bool {
    variable(text).is_some_and(words::is_keyword)
}

/// Parses an address that consists of keywords and values.
///
/// # Errors
/// A keyword is not known, or has no value.
pub(super) fn parse(text: &str) -> Result<Server> {
    let mut server = Server::new("postgres");
    let (mut place, mut chars) = (Place::Address, text.chars().peekable());
    loop {
        skip_spaces(&mut chars);
        if chars.peek().is_none() {
            break;
        }
        let name = name(&mut chars);
        skip_spaces(&mut chars);
        if chars.next() != Some('=') {
            let hint = "quote a value with spaces with ', as in password='a b'";
            return Err(unclear(&format!("a word has no `=` behind it; {hint}")));
        }
        skip_spaces(&mut chars);
        let value = value(&mut chars)?;
        server.set(&name, &value, &place)?;
        if name == "password" {
            place = Place::BehindPassword;
        }
    }
    server.endpoints()?;
    Ok(server)
}

fn skip_spaces(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn name(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != '=') {
        name.push(c);
    }
    name
}

/// A value: up to the next space, or in single quotes. A backslash takes the next character as it is.
fn value(chars: &mut Peekable<Chars<'_>>) -> Result<String> {
    let mut value = String::new();
    let is_quoted = chars.next_if_eq(&'\'').is_some();
    loop {
        match chars.next() {
            None if is_quoted => return Err(unclear("the quote of a value does not end")),
            None => return Ok(value),
            Some('\'') if is_quoted => return Ok(value),
            Some(c) if c.is_whitespace() && !is_quoted => return Ok(value),
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
        }
    }
}

fn unclear(what: &str) -> Failure {
    Failure::usage(format!("the address of the postgres database cannot be understood: {what}"))
}
