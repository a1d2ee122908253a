//! The words of a failed assertion.

use crate::diff;
use crate::id::likeness;
use crate::sql::{Token, Tokens, part};

/// What differs, line by line: `-` marks what is expected, `+` what was found.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let ended = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
    diff::lines(&ended(expected), &ended(found)).unwrap_or_default()
}

/// That something does not exist, with the nearest name and all names.
pub(super) fn missing(kind: &str, plural: &str, name: &str, names: &[String]) -> String {
    let nearest = names
        .iter()
        .map(|known| (likeness(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let nearest = nearest.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"));
    match names {
        [] => format!("there is no {kind} `{name}`; there are no {plural}"),
        _ => format!("there is no {kind} `{name}`{nearest}\nthe {plural}: {}", quoted(names)),
    }
}

pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
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
