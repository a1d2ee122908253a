//! The splitting of scripts for MySQL and MariaDB.

use switchy_schema::Mysql;

use super::scripts::{self, blanks};

/// Decodes the bytes as a script and checks how it is split.
///
/// # Panics
/// If the result violates a guarantee.
pub fn check(data: &[u8]) {
    scripts::check::<Mysql>(data, "delimiter", blank);
}

/// The number of bytes of white space, comments and semicolons at the start of a text.
fn blank(text: &str) -> usize {
    let mut rest = blanks(text);
    loop {
        // No server has the version 999999.
        let version = rest.strip_prefix("/*!").or_else(|| rest.strip_prefix("/*M!"));
        let is_read = version.is_some_and(|rest| {
            rest.strip_prefix("999999").is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        rest = if rest.starts_with("--") || rest.starts_with('#') {
            rest.find('\n').map_or("", |end| blanks(&rest[end..]))
        } else if rest.starts_with("/*") && !is_read {
            let Some(len) = rest[2..].find("*/") else { break };
            blanks(&rest[len + 4..])
        } else {
            break;
        }
    }
    text.len() - rest.len()
}
