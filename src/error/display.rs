//! Parts of sentences.

use std::fmt;

use crate::id::MigrationId;
use crate::printable::Printable;
use crate::remedy::{Render, Worded, Wording};

/// The number of steps that remain done.
pub(super) struct Done(pub(super) usize);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("nothing was done"),
            1 => f.write_str("1 step was done and kept"),
            steps => write!(f, "{steps} steps were done and kept"),
        }
    }
}

/// A statement on one line, shortened if it is long.
pub(crate) struct Abridged<'a>(pub(crate) &'a str);

impl fmt::Display for Abridged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 72;
        let mut room = LONGEST;
        for (place, word) in self.0.split_whitespace().enumerate() {
            let length = word.chars().count() + 1;
            if length > room {
                let start: String = word.chars().take(if place == 0 { LONGEST } else { 0 }).collect();
                return write!(f, "{} ...", Printable(&start));
            }
            room -= length;
            f.write_str(if place == 0 { "" } else { " " })?;
            // A script can come from a database, and a message is shown on a terminal.
            write!(f, "{}", Printable(word))?;
        }
        Ok(())
    }
}

/// A single item, or the number of items and the first ones with their numbers.
pub(super) struct Listed<'a, T>(pub(super) &'a [T]);

impl<T: Render> Render for Listed<'_, T> {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        /// In bytes. Nobody reads more, and [`MigrationError`](super::MigrationError) has the others.
        const ENOUGH: usize = 2048;

        let mut written = 0;
        for (place, it) in self.0.iter().enumerate() {
            let text = Worded(it, wording).to_string();
            match (place, self.0.len()) {
                (0, 1) => {}
                (0, count) => write!(f, "{count} problems: (1) ")?,
                (place, count) if written + text.len() > ENOUGH => {
                    return write!(f, "; and {} more", count - place);
                }
                (place, _) => write!(f, "; ({}) ", place + 1)?,
            }
            written += text.len();
            f.write_str(&text)?;
        }
        Ok(())
    }
}

pub(super) struct Nearest<'a>(pub(super) &'a Option<MigrationId>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|id| write!(f, ", the nearest is `{id}`"))
    }
}

/// The migration, if the error is about one.
pub(super) struct Named<'a>(pub(super) &'a Option<MigrationId>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|id| write!(f, " `{id}`"))
    }
}

pub(super) struct Holder<'a>(pub(super) &'a str);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("(the holder is unknown)") } else { write!(f, "({})", self.0) }
    }
}
