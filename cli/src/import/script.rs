//! Scripts and paths of other tools.

use crate::text;

/// Whether a script does nothing.
pub(super) fn is_idle(script: &str) -> bool {
    text::is_blank(without_bom(script))
}

/// Whether a piece of a script ends its last statement. A semicolon in a comment after the statement does not count.
pub(super) fn is_ended(piece: &str) -> bool {
    let piece = piece.trim_end();
    let line = piece.lines().next_back().unwrap_or_default();
    let statement = line.split_once("--").map_or(line, |(statement, _)| statement.trim_end());
    piece.ends_with(';') && statement.ends_with(';')
}

pub(super) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The folders of a path, and the name of its file.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
