//! White space and comments, and the comments that are none.

use crate::sql::pieces::trim_blanks;

/// How many bytes of white space and comments a text begins with.
pub(super) fn blank_len(text: &str, is_at_start: bool) -> usize {
    let mut rest = text;
    loop {
        rest = trim_blanks(rest, is_at_start);
        match comment_len(rest, is_at_start) {
            0 => return text.len() - rest.len(),
            len => rest = &rest[len..],
        }
    }
}

/// How long the comment is that a text begins with. What is never closed is none: the server shall see it.
pub(super) fn comment_len(text: &str, is_at_start: bool) -> usize {
    let is_line =
        text.starts_with('#') || text.strip_prefix("--").is_some_and(|rest| is_at_start || is_apart(rest));
    if is_line {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") && version_len(text).is_none() {
        text[2..].find("*/").map_or(0, |end| end + 4)
    } else {
        0
    }
}

/// Whether two dashes before it would begin a comment: `5--1` is 6.
fn is_apart(text: &str) -> bool {
    text.bytes().next().is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
}

/// How long the beginning of a comment is whose inside a server reads. No server has the version 999999, with which
/// mariadb-dump writes what is for the client: `/*!999999\- enable the sandbox mode */`.
pub(super) fn version_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!"))?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (&rest[..digits] != "999999").then_some(text.len() - rest.len() + digits)
}
