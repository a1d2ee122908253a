//! What another session runs, for a message: without the texts and comments in it. A text can be a password, or what a customer has written.

use std::ops::Range;

use super::part;

/// What a part of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A keyword, a name, a number or a sign.
    AsItIs,
    /// A text, which is not shown.
    Text,
}

/// A statement that consists of these parts, with `'***'` in place of each text, and a blank in place of what is between two parts.
pub(super) fn without_texts(statement: &str, parts: impl Iterator<Item = (Range<usize>, Shown)>) -> String {
    let (mut shown, mut end) = (String::new(), 0);
    for (place, what) in parts {
        let text = part(statement, place.clone());
        if place.start > end && !shown.is_empty() {
            shown.push(' ');
        }
        end = place.end;
        match what {
            Shown::AsItIs => shown.push_str(text),
            Shown::Text => shown.push_str("'***'"),
        }
        // Whether a backslash escapes a quote is a setting of that session. So it is not known where this text ends.
        if what == Shown::Text && (text.contains("\\'") || text.contains("\\\"")) {
            shown.push_str(" ...");
            break;
        }
    }
    shown
}

#[cfg(all(test, feature = "postgres", feature = "mysql"))]
mod tests;
