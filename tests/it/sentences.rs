//! The format that every error message must have. The tests with servers check it too.

#[track_caller]
pub(crate) fn is_one_sentence(text: &str) {
    let first = text.chars().next().unwrap();
    assert!(first.is_lowercase() || first.is_ascii_digit() || "`/".contains(first), "{text}");
    assert!(!text.contains(['\n', '\r', '\t']), "{text}");
    assert!(!text.ends_with(['.', ' ', '!', ';', ',']), "{text}");
    assert!(
        !text.contains("  ") && !text.contains(" ;") && !text.contains(";;") && !text.contains(" ,"),
        "{text}"
    );
    assert!(text.contains("; "), "it says what to do: {text}");
    assert_eq!(text.matches('`').count() % 2, 0, "{text}");
    assert!(!text.contains("Error") && !text.contains("error: "), "{text}");
}
