//! The difference between two texts, line by line.

/// Returns `None` without the feature `diff`.
#[cfg(not(feature = "diff"))]
pub(crate) fn lines(_: &str, _: &str) -> Option<String> {
    None
}

/// The changed lines with a few lines around them: `-` marks a removed line, `+` an added one.
#[cfg(feature = "diff")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature `diff` it returns `None`")]
pub(crate) fn lines(before: &str, after: &str) -> Option<String> {
    const AROUND: usize = 2;
    // Line ends are not hashed, so a different line end is not a change.
    let (before, after) = (before.replace("\r\n", "\n"), after.replace("\r\n", "\n"));
    let diff = similar::TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(AROUND).iter_hunks() {
        lines.push(hunk.header().to_string());
        let line = |change: &str| change.trim_end_matches('\n').to_owned();
        lines.extend(hunk.iter_changes().map(|change| format!("{}{}", change.tag(), line(change.value()))));
    }
    Some(lines.join("\n"))
}

/// Whether two texts differ only in white space at the end of lines, or at their end.
pub(crate) fn is_only_at_ends(before: &str, after: &str) -> bool {
    let ends = |text: &str| text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    before != after && ends(before) == ends(after)
}

#[cfg(all(test, feature = "diff"))]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_an_end_is_distinguished() {
        for (before, after, expected) in [
            ("END;\n", "END;", true),
            ("a  \nb", "a\nb\n\n", true),
            ("a\r\nb ", "a\nb", true),
            ("a b", "a  b", false),
            ("a\n b", "a\nb", false),
            ("a\n\nb", "a\nb", false),
            ("a", "a", false),
        ] {
            assert_eq!(is_only_at_ends(before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn only_changed_lines_are_shown() {
        let before = "CREATE TABLE a (\n    b TEXT,\n    c TEXT\n);\n";
        let after = "CREATE TABLE a (\r\n    b TEXT NOT NULL,\r\n    c TEXT\r\n);";
        let shown = lines(before, after).unwrap_or_default();
        assert!(shown.contains("\n-    b TEXT,\n+    b TEXT NOT NULL,\n     c TEXT"), "{shown}");
        assert_eq!(lines("a\n", "a\r\n").as_deref(), Some(""));
    }
}
