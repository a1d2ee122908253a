//! [`Location`]: where a script or a metadata file is wrong.

use std::fmt::{self, Write};

use crate::printable::{Escaped, LONGEST};
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

impl Location {
    /// A position in a text that came from `origin`.
    pub(crate) fn in_text(origin: &str, text: &str, offset: usize) -> Self {
        Self {
            origin: origin.to_owned(),
            position: Some(Position::of(text, offset)),
            line: Some(crate::sql::line_at(text, offset).to_owned()),
            is_inline: false,
        }
    }

    /// Whether its line can be shown: it is not a statement of megabytes.
    pub(crate) fn is_short(&self) -> bool {
        self.line.as_ref().is_none_or(|line| line.len() <= LONGEST)
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
