//! [`Mark`]: `${...}` in a script.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::sql::part;

/// A `${...}` in a script, outside of comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark<'a> {
    /// Its bytes, from `$` to `}`.
    pub(crate) range: Range<usize>,
    /// What is between the braces.
    pub(crate) content: &'a str,
    pub(crate) within: Within,
}

/// What a mark is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// A string between these quotes.
    String(char),
    /// A text in dollar quotes, which is often the body of a routine.
    DollarQuotes,
    /// A name in quotes.
    Name,
    /// No quotes at all.
    Nothing,
}

impl Mark<'_> {
    /// Whether a backslash before it says that it is text.
    pub(crate) fn is_escaped(&self, script: &str) -> bool {
        part(script, ..self.range.start).ends_with('\\')
    }
}

/// Each `${...}` of a script in order, outside of comments, whose content could be a name for some tool. Everything else, such as `${a + b}` in a
/// body in JavaScript, is text.
pub(crate) fn marks(script: &str, dialect: Dialect) -> Vec<Mark<'_>> {
    let mut found = Vec::new();
    let Some(last) = script.rfind(OPEN) else { return found };
    let mut at = 0;
    while at <= last {
        let (end, within) = next(script, at, dialect);
        match within {
            Some(Within::Nothing) => {
                let mark = mark_at(script, at, Within::Nothing);
                at = mark.as_ref().map_or(end, |mark| mark.range.end);
                found.extend(mark);
            }
            Some(within) => {
                let starts = part(script, at..end).match_indices(OPEN).map(|(start, _)| at + start);
                let inside = starts.filter_map(|start| mark_at(script, start, within));
                found.extend(inside.filter(|mark| mark.range.end < end));
                at = end;
            }
            None => at = end,
        }
    }
    found
}

const OPEN: &str = "${";

/// The mark at an offset.
fn mark_at(script: &str, start: usize, within: Within) -> Option<Mark<'_>> {
    let rest = part(script, start..).strip_prefix(OPEN)?;
    let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.:-".contains(c)))?;
    let is_mark = len > 0 && part(rest, len..).starts_with('}');
    is_mark.then(|| Mark { range: start..start + len + 3, content: part(rest, ..len), within })
}

/// Where the first piece at or behind an offset begins, which is never inside of quotes or a comment. `from` is the start of a piece before it.
pub(crate) fn next_piece(script: &str, from: usize, offset: usize, dialect: Dialect) -> usize {
    let mut at = from;
    while at < offset {
        at = next(script, at, dialect).0;
    }
    at
}

/// The end of the piece that begins at an offset, and what it is; `None` for a comment.
fn next(script: &str, at: usize, dialect: Dialect) -> (usize, Option<Within>) {
    let rest = part(script, at..);
    let before = part(script, ..at);
    let (is_mysql, is_postgres) = (dialect == Dialect::Mysql, dialect == Dialect::Postgres);
    let closed = |len: Option<usize>| len.map_or(script.len(), |len| at + len);
    let is_line = rest.starts_with("--") && (!is_mysql || is_apart(part(rest, 2..)));
    if is_line || (is_mysql && rest.starts_with('#')) {
        let ends = |c| c == '\n' || (is_postgres && c == '\r');
        return (closed(rest.find(ends)), None);
    }
    if rest.starts_with("/*") && !(is_mysql && is_run(rest)) {
        return (closed(comment_len(rest, is_postgres)), None);
    }
    let in_quotes = |quote, has_escapes, within| (closed(quoted_len(rest, quote, has_escapes)), Some(within));
    match rest.chars().next() {
        Some('\'') => {
            let has_prefix = is_postgres && is_escape_prefix(before);
            in_quotes('\'', is_mysql || has_prefix, Within::String('\''))
        }
        Some('"') if is_mysql => in_quotes('"', true, Within::String('"')),
        Some('"') => in_quotes('"', false, Within::Name),
        Some('`') if !is_postgres => in_quotes('`', false, Within::Name),
        Some('[') if dialect == Dialect::Sqlite => in_quotes(']', false, Within::Name),
        Some('$') if is_postgres && !before.ends_with(is_in_word) => match tag(rest) {
            Some(tag) => {
                let end = part(rest, tag.len()..).find(tag).map(|len| tag.len() + len + tag.len());
                (closed(end), Some(Within::DollarQuotes))
            }
            None => (at + 1, Some(Within::Nothing)),
        },
        first => (at + first.map_or(1, char::len_utf8), Some(Within::Nothing)),
    }
}

/// Whether two dashes before this text begin a comment of MySQL. In `5--1` they do not.
fn is_apart(text: &str) -> bool {
    text.chars().next().is_none_or(|c| c.is_ascii_whitespace() || c.is_ascii_control())
}

/// Whether MySQL runs what is in a comment that begins here.
fn is_run(text: &str) -> bool {
    let rest = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!"));
    rest.is_some_and(|rest| !rest.starts_with("999999"))
}

/// The length of a comment, if it is closed. Those of PostgreSQL nest.
fn comment_len(text: &str, nests: bool) -> Option<usize> {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let rest = part(text, at..);
        let end = rest.find("*/")?;
        if let Some(start) = rest.find("/*").filter(|start| nests && *start < end) {
            (at, depth) = (at + start + 2, depth + 1);
        } else {
            (at, depth) = (at + end + 2, depth - 1);
        }
    }
    Some(at)
}

/// The length of a string or name with its quotes, if it is closed. A doubled quote ends one and begins another.
fn quoted_len(text: &str, close: char, has_escapes: bool) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == close {
            return Some(at + 1);
        }
        if has_escapes && c == '\\' {
            characters.next();
        }
    }
    None
}

/// Whether a string of PostgreSQL behind this text has backslash escapes: `E'...'`.
fn is_escape_prefix(before: &str) -> bool {
    before.strip_suffix(['e', 'E']).is_some_and(|before| !before.ends_with(is_in_word))
}

/// The `$tag$` at the start of a text.
fn tag(text: &str) -> Option<&str> {
    let name = part(text, 1..);
    let len = name.find(|c| !is_in_word(c) || c == '$')?;
    let is_tag = part(name, len..).starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| part(text, ..len + 2))
}

fn is_in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The marks of a script, each with a letter for what it is a part of: `s`tring, `d`ollar quotes, `n`ame or `-`.
    #[track_caller]
    fn check(dialect: Dialect, script: &str, expected: &str) {
        let found = marks(script, dialect).into_iter().map(|mark| {
            assert_eq!(&script[mark.range.clone()], format!("${{{}}}", mark.content));
            let within = match mark.within {
                Within::String(_) => 's',
                Within::DollarQuotes => 'd',
                Within::Name => 'n',
                Within::Nothing => '-',
            };
            format!("{within}{}", mark.content)
        });
        assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{script}");
    }

    #[test]
    fn a_mark_is_exact_and_outside_of_comments() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            for (script, expected) in [
                ("${a}${b_1} x${c}y '${d}'", "-a -b_1 -c sd"),
                ("${a.b} ${a-b} ${a:b} ${1}", "-a.b -a-b -a:b -1"),
                ("${} ${ a } ${a b} $a {a} ${a + b} ${a\n} ${'a'}", ""),
                ("${a", ""),
                ("'${a", ""),
                ("'${a}", ""),
                ("'${a' ${b}", "-b"),
                ("-- ${a}\n${b} /* ${c} ' */ ${d} /* ${e}", "-b -d"),
                ("'-- ${a}' '/* ' || '${b}' -- '${c}\n'${d}'", "sa sb sd"),
                ("'it''s ${a}' ${b}", "sa -b"),
                ("'ä${a}名' ü${b}名", "sa -b"),
            ] {
                check(dialect, script, expected);
            }
        }
    }

    #[test]
    fn each_database_has_its_own_quotes_and_comments() {
        let (sqlite, postgres, mysql) = (Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql);
        for (dialect, script, expected) in [
            (sqlite, "\"${a}\" `${b}` [${c}] # ${d}", "na nb nc -d"),
            (sqlite, "'\\' ${a} '${b}' $${c}", "-a sb -c"),
            (sqlite, "/* /* ${a} */ ${b} */", "-b"),
            (postgres, "\"${a}\" `${b}` [${c}]", "na -b -c"),
            (postgres, "$$${a} '${b}'$$ ${c} $x$ $$ ${d} $x$ a$b$${e}$b$", "da db -c dd -e"),
            (postgres, "E'\\'${a}' '\\' ${b} e'\\\\' ${c}", "sa -b -c"),
            (postgres, "name'\\' ${a}", "-a"),
            (postgres, "/* /* ${a} */ ${b} */ ${c} -- ${d}\r${e}", "-c -e"),
            (postgres, "/* abc /**/ ${a} */ ${b}", "-b"),
            (postgres, "ä$b$${a}$b$ a_$b$${b}$b$", "-a -b"),
            (postgres, "a_$b$${c} a$$${d}", "-c -d"),
            (postgres, "DO $$ -- ${a}\n$$", "da"),
            (mysql, "\"${a} '\" `${b}` # ${c}\n${d} 5--${e} -- ${f}", "sa nb -d -e"),
            (mysql, "'\\'${a}' \"\\\"${b}\" ${c}", "sa sb -c"),
            (mysql, "/*! ${a} */ /*M! ${b} */ /*!999999 ${c} */ ${d}", "-a -b -d"),
            (mysql, "DELIMITER $$\nSELECT '${a}'$$", "sa"),
        ] {
            check(dialect, script, expected);
        }
    }
}
