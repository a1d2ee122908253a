//! The words of a source file, without comments, documentation and tests.

/// Splits a text into words: an identifier, `::`, a string in quotes, or one other character.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            _ if rest.starts_with("::") => 2,
            '"' => quoted(rest),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") || rest.starts_with("r##") => {
                raw(rest)
            }
            '\'' => character(rest),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (word, behind) = rest.split_at(len);
        if !first.is_whitespace() && !word.starts_with("//") && !word.starts_with("/*") {
            words.push(word.to_owned());
        }
        rest = behind;
    }
    without_tests(&words)
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw(text: &str) -> usize {
    let fence = format!("\"{}", "#".repeat(text[1..].find('"').unwrap_or(0)));
    let body = 1 + fence.len();
    text[body..].find(&fence).map_or(text.len(), |end| body + end + fence.len())
}

/// The length of a character literal such as `'a'`. Of a lifetime such as `'a`, only the quote is a word.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => chars.skip(1).find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        _ => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
    }
}

/// Removes the items with `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(words: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let attribute = words[at..].iter().map(String::as_str);
        let is_test = attribute.clone().take(5).eq(["#", "[", "cfg", "(", "test"])
            || attribute.take(7).eq(["#", "[", "cfg", "(", "all", "(", "test"]);
        if is_test {
            at = end_of_item(words, at);
        } else {
            kept.push(words[at].clone());
            at += 1;
        }
    }
    kept
}

/// The end of the item whose attribute begins at `at`: after its `;`, or after the `}` of its body.
fn end_of_item(words: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(at) {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    words.len()
}

#[test]
fn comments_and_tests_are_no_words() {
    let text = "/// `crate::doc`\nfn f<'a>(c: &'a str) { \"// { no comment\"; 'x'; '\\''; r#\"\"raw\"\"# } /* /* */ crate::no */\n\
        #[cfg(test)]\nmod tests { use super::*; }\n#[cfg(all(test, unix))]\nmod others;\nlast";
    let expected =
        "fn f < ' a > ( c : & ' a str ) { \"// { no comment\" ; 'x' ; '\\'' ; r#\"\"raw\"\"# } last";
    assert_eq!(words(text).join(" "), expected);
}
