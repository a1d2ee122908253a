//! The words of a failed assertion.

use std::borrow::Borrow;

use crate::diff;
use crate::id::likeness;
use crate::printable::Printable;
use crate::sql::{Token, Tokens, part};

/// What differs, line by line: `-` marks what is expected, `+` what was found.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let ended = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
    printable(&diff::lines(&ended(expected), &ended(found)).unwrap_or_default())
}

/// The same for rows. Each is one line, whatever its values are.
pub(crate) fn difference_of_rows(expected: &[impl Borrow<str>], found: &[impl Borrow<str>]) -> String {
    fn lines(rows: &[impl Borrow<str>], shown: impl Fn(&str) -> String) -> Vec<String> {
        rows.iter().map(|row| shown(row.borrow())).collect()
    }
    let shown = |row: &str| Printable(row).to_string();
    let (mut wanted, mut seen) = (lines(expected, shown), lines(found, shown));
    if wanted == seen {
        // A row that has a control character, and one that has the text of its escape.
        let quoted = |row: &str| format!("{row:?}");
        (wanted, seen) = (lines(expected, quoted), lines(found, quoted));
    }
    difference(&wanted.join("\n"), &seen.join("\n"))
}

/// `assert!` with a message that is [`printable`].
macro_rules! require {
    ($that:expr, $($message:tt)+) => {
        assert!($that, "{}", $crate::test_utils::assertions::printable(&format!($($message)+)))
    };
}
pub(crate) use require;

/// A message of several lines with names and values from a database, each line [`Printable`].
pub(crate) fn printable(message: &str) -> String {
    message.split('\n').map(|line| Printable(line).to_string()).collect::<Vec<_>>().join("\n")
}

/// That something does not exist, with the nearest name and all names.
pub(super) fn missing(kind: &str, plural: &str, name: &str, names: &[String]) -> String {
    let nearest = names
        .iter()
        .map(|known| (likeness(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let nearest = nearest.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"));
    let message = match names {
        [] => format!("there is no {kind} `{name}`; there are no {plural}"),
        _ => format!("there is no {kind} `{name}`{nearest}\nthe {plural}: {}", quoted(names)),
    };
    printable(&message)
}

pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", Printable(name))).collect::<Vec<_>>().join(", ")
}

/// The tokens of a definition in a form in which equal ones are equal, however they are written.
pub(super) fn tokens(sql: &str) -> Vec<String> {
    tokens_with(sql, str::to_lowercase)
}

/// The same for a definition without names, where double quotes are around a text.
pub(super) fn tokens_of_column(sql: &str) -> Vec<String> {
    tokens_with(sql, |text| format!("\"{text}\""))
}

fn tokens_with(sql: &str, quoted: impl Fn(&str) -> String) -> Vec<String> {
    let (mut tokens, mut found) = (Tokens::new(sql), Vec::new());
    while let Some((token, place)) = tokens.next_placed() {
        let written = part(sql, place);
        found.push(match token {
            Token::Quoted(name) if !written.starts_with('\'') => quoted(name),
            Token::Word(word) => word.to_lowercase(),
            _ => written.to_owned(),
        });
    }
    found
}
