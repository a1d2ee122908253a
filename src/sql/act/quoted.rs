//! What is inside quotes.

/// A name with its escapes replaced by the characters that they stand for: `\0062`, `\+000062`.
pub(super) fn unescaped(name: &str, escape: char) -> Option<String> {
    let mut parts = name.split(escape);
    let mut found = parts.next()?.to_owned();
    while let Some(part) = parts.next() {
        // `\\` stands for `\`.
        if part.is_empty() {
            found.push(escape);
            found.push_str(parts.next()?);
            continue;
        }
        let (digits, len) = part.strip_prefix('+').map_or((part, 4), |digits| (digits, 6));
        found.push(char::from_u32(u32::from_str_radix(digits.get(..len)?, 16).ok()?)?);
        found.push_str(digits.get(len..)?);
    }
    Some(found)
}

/// The text between quotes, or between dollar quotes: `$tag$ ... $tag$`.
pub(super) fn text_inside(quoted: &str) -> Option<&str> {
    let quoted = quoted.trim_start_matches(|c| c != '\'' && c != '$');
    match quoted.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
        Some((_, body)) => body.rsplit_once('$')?.0.rsplit_once('$').map(|(body, _)| body),
        None => quoted.strip_prefix('\'')?.strip_suffix('\''),
    }
}
