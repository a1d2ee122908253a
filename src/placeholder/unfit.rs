//! Which values a placeholder may have where it stands.

use super::marks::Within;
use super::{Secrecy, ValueForm};

/// Why a value cannot stand in a place, worded to follow "the value of `${name}`". The reason does not repeat the value.
pub(super) fn unfit(
    value: &str,
    within: Within,
    secrecy: Secrecy,
    form: ValueForm,
) -> Option<(&'static str, &'static str)> {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Some(("has a line break or another control character", "give it a value of one line"));
    }
    if secrecy == Secrecy::Secret && value.is_empty() {
        return Some(("is secret and empty", "give it a value"));
    }
    if secrecy == Secrecy::Secret && !matches!(within, Within::String(_) | Within::DollarQuotes) {
        // As a name, it would be in the plan and in messages of the database.
        return Some(("is secret, and here it is not within a string", "write it between single quotes"));
    }
    let raw = "give it another value, or declare it with `raw = true` if it is SQL from a trusted place";
    let ends = match (form, within) {
        (ValueForm::Raw, _) => false,
        (ValueForm::Guarded, Within::String(quote)) => value.contains([quote, '\\']),
        (ValueForm::Guarded, _) => {
            value.contains(['\'', '"', '`', '\\', ';', '$', '#'])
                || ["--", "/*", "*/"].iter().any(|mark| value.contains(mark))
                || (within == Within::Name && value.contains(']'))
        }
    };
    let why = match within {
        Within::String(_) => "has a quote or a backslash, which could end the string",
        _ => "has a character that could end the string, name or statement around it",
    };
    ends.then_some((why, raw))
}
