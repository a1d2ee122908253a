//! [`Location`]: where a script or a metadata file is wrong.

use std::fmt::{self, Write};

use crate::printable::{Escaped, Printable};
use crate::sql::Position;

/// Where a script or a metadata file is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The file, with the name that its source uses; for a migration in code, the place of its definition.
    pub origin: String,
    /// The line and column in it.
    pub position: Option<Position>,
    /// The text of that line.
    pub line: Option<String>,
    /// Whether the script is in code. The position is then in the script and not in the file.
    pub is_inline: bool,
}

/// The part of a line around a position, for a person: see [`Location::excerpt`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excerpt {
    /// The text, on one line and as [`Printable`] prints it.
    pub text: String,
    /// The number of characters in it before the position.
    pub mark: usize,
}

impl Location {
    /// The part of its line around its position. A line can be a statement of megabytes with the rows of a table, so at most some 160 characters
    /// are shown, and `...` stands for the others.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// let script = format!("CREATE TABLE a (b); INSERT INTO a SELECT '{}', oops", "y".repeat(1_000_000));
    /// let runner = MigrationRunner::new([Migration::from_scripts("1_a", script, None)])?;
    /// let error = runner.run(&Connection::open_in_memory()?).unwrap_err();
    ///
    /// let excerpt = error.location().unwrap().excerpt().unwrap();
    /// assert!(excerpt.text.len() < 200 && excerpt.text.starts_with("...yyy"));
    /// assert_eq!(&excerpt.text[excerpt.mark..], "oops");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn excerpt(&self) -> Option<Excerpt> {
        /// The characters of a long line that are shown before the position and behind it.
        const ROOM: (usize, usize) = (60, 100);

        let (position, line) = (self.position?, self.line.as_deref()?);
        let place =
            line.char_indices().nth(position.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let (before, behind) = line.split_at(place);
        let shown = |c: char| Printable(c.encode_utf8(&mut [0; 4])).to_string();
        let most = ROOM.0 + ROOM.1;
        let is_short = line.chars().take(most + 1).map(|c| shown(c).chars().count()).sum::<usize>() <= most;
        let (for_before, for_behind) = if is_short { (most, most) } else { ROOM };
        let within = |characters: &mut dyn Iterator<Item = char>, room: usize| {
            let mut left = room;
            let mut taken = Vec::new();
            for c in characters {
                let text = shown(c);
                let Some(rest) = left.checked_sub(text.chars().count()) else { return (taken, "...") };
                left = rest;
                taken.push(text);
            }
            (taken, "")
        };
        let (mut start, cut) = within(&mut before.chars().rev(), for_before);
        start.push(cut.to_owned());
        start.reverse();
        let start = start.concat();
        let (end, cut) = within(&mut behind.chars(), for_behind);
        Some(Excerpt { mark: start.chars().count(), text: start + &end.concat() + cut })
    }

    /// A position in a text that came from `origin`.
    pub(crate) fn in_text(origin: &str, text: &str, offset: usize) -> Self {
        Self {
            origin: origin.to_owned(),
            position: Some(Position::of(text, offset)),
            line: Some(crate::sql::line_at(text, offset).to_owned()),
            is_inline: false,
        }
    }

    /// A file, without a position.
    pub(crate) fn file(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), position: None, line: None, is_inline: false }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        match self.position {
            None => f.write_str(&self.origin),
            Some(position) if self.is_inline => write!(f, "{}, in its script at {position}", self.origin),
            Some(position) => write!(f, "{}:{position}", self.origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The excerpt at a column, with a mark under the position.
    fn excerpt(line: &str, column: usize) -> (String, Option<char>) {
        let mut at = Location::file("a.sql");
        at.position = Some(Position { line: 1, column });
        at.line = Some(line.to_owned());
        let Some(Excerpt { text, mark }) = at.excerpt() else { return (String::new(), None) };
        let marked = text.chars().nth(mark);
        (text, marked)
    }

    #[test]
    fn a_short_line_is_shown_whole() {
        for line in ["", "SELECT x", "\tSELECT 名前", &"a".repeat(160)] {
            for column in 1..=line.chars().count() + 1 {
                assert_eq!(excerpt(line, column), (line.to_owned(), line.chars().nth(column - 1)));
            }
        }
    }

    #[test]
    fn of_a_long_line_the_part_around_the_position_is_shown() {
        let side = |c: &str| c.repeat(5000);
        for (before, behind) in [
            (side("y"), side("z")),
            (side("y"), String::new()),
            (String::new(), side("z")),
            (side("名"), side("🙂")),
            (side("\u{1b}"), side("\u{202e}")),
            ("y".repeat(10), side("z")),
            (side("y"), "z".repeat(10)),
        ] {
            let line = format!("{before}!{behind}");
            let (text, marked) = excerpt(&line, before.chars().count() + 1);
            assert_eq!(marked, Some('!'), "{text}");
            assert!((60..=166).contains(&text.chars().count()), "{} of {text}", text.chars().count());
            assert_eq!(text.starts_with("..."), before.len() > 60, "{text}");
            assert_eq!(text.ends_with("..."), behind.len() > 100, "{text}");
        }
    }
}
