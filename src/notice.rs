//! [`Notice`]: what a server said about a statement that it carried out.

use std::cell::RefCell;
use std::fmt::{self, Write};

use crate::location::Location;
use crate::printable::Escaped;

/// What a server said about a statement that it carried out: PostgreSQL's notices and warnings (`RAISE NOTICE`, `relation "t" already
/// exists, skipping`), the warnings of MySQL and MariaDB (`Data truncated for column 's' at row 1`).
///
/// Its Display is one line: the place, then the message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Whether it is a warning.
    pub severity: Severity,
    /// The code that the server gives it: an SQLSTATE of PostgreSQL, an error number of MySQL.
    pub code: String,
    /// The message, on one line.
    pub message: String,
    /// Where the statement is. `None` for the last notice of a step that got more than fifty: it says how many others there were.
    pub at: Option<Location>,
    /// The offset of the statement in the script, in bytes.
    pub(crate) offset: Option<usize>,
}

/// How serious the server says that a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Something that may be of interest.
    Notice,
    /// Something that may be wrong: a value that was changed to fit its column.
    Warning,
}

impl Notice {
    /// A notice about the statement at this offset of the script, in bytes.
    pub fn new(severity: Severity, code: impl Into<String>, message: &str, offset: usize) -> Self {
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { severity, code: code.into(), message, at: None, offset: Some(offset) }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Collects the notices of a script.
#[derive(Debug, Default)]
pub struct Notices(RefCell<Collected>);

#[derive(Debug, Default)]
struct Collected {
    notices: Vec<Notice>,
    /// The number of notices that are not kept.
    others: u64,
}

impl Notices {
    /// The number of notices of a script that are kept. A script of many statements may get one for each.
    const KEPT: usize = 50;

    /// Adds a notice.
    pub fn add(&self, notice: Notice) {
        let mut collected = self.0.borrow_mut();
        if collected.notices.len() < Self::KEPT {
            collected.notices.push(notice);
        } else {
            collected.others += 1;
        }
    }

    /// Adds a number of notices whose messages are not read.
    pub fn add_unread(&self, count: u64) {
        self.0.borrow_mut().others += count;
    }

    /// Adds those of another collection.
    #[allow(dead_code, reason = "not every database collects them apart")]
    pub(crate) fn append(&self, other: Self) {
        let Collected { notices, others } = other.0.into_inner();
        for notice in notices {
            self.add(notice);
        }
        self.add_unread(others);
    }

    /// Whether no more messages are kept, so that they need not be read.
    pub fn is_full(&self) -> bool {
        self.0.borrow().notices.len() >= Self::KEPT
    }

    /// The notices, and at their end how many others there were.
    pub(crate) fn take(&self) -> Vec<Notice> {
        let Collected { mut notices, others } = self.0.take();
        if others > 0 {
            let message = match others {
                1 => "1 other message of the server is left out".to_owned(),
                others => format!("{others} other messages of the server are left out"),
            };
            notices.push(Notice { offset: None, ..Notice::new(Severity::Warning, "", &message, 0) });
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_notices_are_counted_and_not_kept() {
        for (count, kept, last) in [
            (0, 0, None),
            (50, 50, Some("number 49")),
            (51, 51, Some("1 other message of the server is left out")),
            (60, 51, Some("10 other messages of the server are left out")),
        ] {
            let notices = Notices::default();
            for number in 0..count {
                notices.add(Notice::new(Severity::Notice, "", &format!("number\n {number}"), 0));
            }
            let taken = notices.take();
            assert_eq!(taken.len(), kept);
            assert_eq!(taken.last().map(ToString::to_string).as_deref(), last);
        }
    }
}
