//! White space and comments, and comments whose content a server executes.

use crate::sql::part;
use crate::sql::pieces::trim_blanks;

/// The length in bytes of the white space and comments at the start of a text.
pub(super) fn blank_len(text: &str, is_at_start: bool) -> usize {
    let mut rest = text;
    loop {
        rest = trim_blanks(rest, is_at_start);
        match comment_len(rest, is_at_start) {
            0 => return text.len() - rest.len(),
            len => rest = part(rest, len..),
        }
    }
}

/// The length of the comment at the start of a text. An unclosed comment has no length, so that the server reports it.
pub(super) fn comment_len(text: &str, is_at_start: bool) -> usize {
    let is_line =
        text.starts_with('#') || text.strip_prefix("--").is_some_and(|rest| is_at_start || is_apart(rest));
    if is_line {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") && version_len(text).is_none() {
        part(text, 2..).find("*/").map_or(0, |end| end + 4)
    } else {
        0
    }
}

/// Whether two dashes before this text begin a comment. In `5--1`, which is 6, they do not.
fn is_apart(text: &str) -> bool {
    text.bytes().next().is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
}

/// The length of the start of a comment whose content a server executes. No server has the version 999999: mariadb-dump
/// uses it for text that is for the client, as in `/*!999999\- enable the sandbox mode */`.
pub(super) fn version_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!"))?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (part(rest, ..digits) != "999999").then_some(text.len() - rest.len() + digits)
}
