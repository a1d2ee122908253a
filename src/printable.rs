//! [`Printable`]: text that others wrote, for a terminal.

use std::fmt::{self, Write};

/// A text from outside the program, safe to be printed on a terminal: on one line, and with escapes for what a terminal would obey or reorder.
///
/// A name in a database, an error message or a path may have any characters. Control characters move the cursor or change the terminal,
/// bidirectional ones show a text in another order than it has, and line separators make one entry look like two. The `Display` of this
/// crate's errors, plans and reports escapes them already; their fields are as they are stored.
///
/// ```
/// use switchy_schema::Printable;
///
/// assert_eq!(Printable("notes").to_string(), "notes");
/// assert_eq!(Printable("a\u{1b}[2Jb\nc").to_string(), "a\\u{1b}[2Jb\\nc");
/// assert_eq!(Printable("\u{202e}gnp.exe").to_string(), "\\u{202e}gnp.exe");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

/// Whether a terminal would do something else with a character than print it. A tab only leaves room.
pub(crate) fn is_obeyed(character: char) -> bool {
    let is_bidirectional = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let is_separator = matches!(character, '\u{2028}' | '\u{2029}');
    (character.is_control() && character != '\t') || is_bidirectional || is_separator
}

impl Printable<'_> {
    /// The text for a person who reads many: [`Printable`], and without its middle if it is long. An error message, a name in a database or a key in a
    /// file can have millions of characters.
    ///
    /// ```
    /// use switchy_schema::Printable;
    ///
    /// assert_eq!(Printable("no such table: a").abridged(), "no such table: a");
    /// let long = format!("first {} last", "a".repeat(1_000_000));
    /// let abridged = Printable(&long).abridged();
    /// assert!(abridged.len() < 700 && abridged.starts_with("first ") && abridged.contains(" ... ") && abridged.ends_with(" last"));
    /// ```
    pub fn abridged(&self) -> String {
        shortened(self.0)
    }

    /// The same for a text of several lines, such as a [difference](crate::Problem::detail): each is [`Printable`], a long one loses its middle, and
    /// after some 1 KB the rest is counted.
    ///
    /// ```
    /// use switchy_schema::Printable;
    ///
    /// let long = "a\n".repeat(100_000);
    /// assert!(Printable(&long).abridged_lines().ends_with("a\n... and 99488 more lines"));
    /// ```
    pub fn abridged_lines(&self) -> String {
        /// In bytes.
        const ENOUGH: usize = 1024;
        const LINE: usize = 200;

        let mut shown = String::new();
        let mut lines = self.0.lines();
        while shown.len() < ENOUGH {
            let Some(line) = lines.next() else { break };
            let _ = writeln!(shown, "{}", shortened_to(line, LINE));
        }
        match lines.count() {
            0 => shown.truncate(shown.trim_end_matches('\n').len()),
            1 => shown.push_str("... and 1 more line"),
            more => {
                let _ = write!(shown, "... and {more} more lines");
            }
        }
        shown
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(f).write_str(self.0)
    }
}

/// A formatter that escapes what is written to it, for the `Display` of one line that is made of several texts. Escaping twice is the same as
/// escaping once.
pub(crate) struct Escaped<'a, 'f>(pub(crate) &'a mut fmt::Formatter<'f>);

impl Write for Escaped<'_, '_> {
    #[inline(never)]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(is_obeyed) {
            self.0.write_str(before)?;
            let obeyed = rest.strip_prefix(before).and_then(|rest| rest.chars().next());
            obeyed.into_iter().try_for_each(|obeyed| write!(self.0, "{}", obeyed.escape_default()))?;
            rest = behind;
        }
        self.0.write_str(rest)
    }
}

/// The bytes of a part of a message that are shown. A message of five parts has less than 4 KB.
pub(crate) const LONGEST: usize = 640;

/// A part of a message for a person: [`Printable`], and without its middle if it is long. A name in a database or a key in a file can have
/// millions of characters.
pub(crate) fn shortened(text: &str) -> String {
    shortened_to(text, LONGEST)
}

/// The same for a part of at most this many bytes.
pub(crate) fn shortened_to(text: &str, longest: usize) -> String {
    let behind = longest / 4;
    let before = longest - behind;
    let shown = |c: char| Printable(c.encode_utf8(&mut [0; 4])).to_string();
    let mut rest = text.chars();
    let mut start = String::new();
    while start.len() < before {
        let Some(c) = rest.next() else { return start };
        start += &shown(c);
    }
    let (mut end, mut len) = (Vec::new(), 0);
    while let Some(c) = (len < behind).then(|| rest.next_back()).flatten() {
        end.push(shown(c));
        len += end.last().map_or(0, String::len);
    }
    end.extend(rest.next().map(|_| " ... ".to_owned()));
    end.reverse();
    start + &end.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("", ""),
            ("`a` näme 名前 🙂 \\ \"x\"\t.", "`a` näme 名前 🙂 \\ \"x\"\t."),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}31m\u{7f}\u{8}", "\\u{9b}31m\\u{7f}\\u{8}"),
            ("a\r\nb\u{2028}c\u{2029}d\u{85}", "a\\r\\nb\\u{2028}c\\u{2029}d\\u{85}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("\u{1b}", "\\u{1b}"),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
            assert_eq!(Printable(shown).to_string(), shown, "twice");
        }
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        for (text, length) in [("a", 1000), ("ä", 1000), ("\u{1b}", 500), ("\u{202e}", 1_000_000)] {
            let text = format!("first {} last", text.repeat(length));
            let shown = shortened(&text);
            assert!(
                shown.starts_with("first ") && shown.ends_with(" last") && shown.contains(" ... "),
                "{shown}"
            );
            assert!((600..700).contains(&shown.len()), "{}", shown.len());
        }
        for whole in ["", "a\tb", &"a".repeat(640)] {
            assert_eq!(shortened(whole), whole);
        }
        assert_eq!(shortened("\u{1b}"), "\\u{1b}");
    }
}
