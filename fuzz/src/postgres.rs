//! The splitting of scripts for PostgreSQL.

use switchy_schema::Postgres;

use super::scripts::{self, blanks};

/// Decodes the bytes as a script and checks how it is split.
///
/// # Panics
/// If the result violates a guarantee.
pub fn check(data: &[u8]) {
    scripts::check::<Postgres>(data, "standard_conforming_strings", blank);
}

/// The number of bytes of white space, comments and semicolons at the start of a text.
fn blank(text: &str) -> usize {
    let mut rest = blanks(text);
    loop {
        rest = if rest.starts_with("--") {
            rest.find(['\n', '\r']).map_or("", |end| blanks(&rest[end..]))
        } else if let Some(inside) = rest.strip_prefix("/*") {
            let Some(len) = nested(inside) else { break };
            blanks(&inside[len..])
        } else {
            break;
        }
    }
    text.len() - rest.len()
}

/// The length of a comment, which may contain nested comments.
fn nested(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (1, 0);
    while depth > 0 {
        let (end, begin) = (at + text[at..].find("*/")?, text[at..].find("/*").map(|begin| at + begin));
        at = begin.filter(|&begin| begin < end).inspect(|_| depth += 2).unwrap_or(end) + 2;
        depth -= 1;
    }
    Some(at)
}
