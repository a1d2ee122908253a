//! The cutting of scripts for PostgreSQL.

use switchy_schema::Postgres;

use super::scripts::{self, blanks};

/// Reads the bytes as a script and checks how it is cut.
///
/// # Panics
/// If that breaks a promise.
pub fn check(data: &[u8]) {
    scripts::check::<Postgres>(data, "standard_conforming_strings", blank);
}

/// How many bytes of white space, comments and semicolons a text begins with.
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

/// How far it is to the end of a comment that can have others inside.
fn nested(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (1, 0);
    while depth > 0 {
        let (end, begin) = (at + text[at..].find("*/")?, text[at..].find("/*").map(|begin| at + begin));
        at = begin.filter(|&begin| begin < end).inspect(|_| depth += 2).unwrap_or(end) + 2;
        depth -= 1;
    }
    Some(at)
}
