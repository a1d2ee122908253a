//! [`Pragmas`]: what a script does to the settings of its connection and of its file.

use std::time::Duration;

use rusqlite::Connection;

use super::cursor::Pragma;
use super::file_settings::FileSettings;
use super::settings::Changed;
use super::{afterwards, fault, settings};
use crate::fault::Fault;
use crate::sql::Tokens;
use crate::step::Atomicity;

/// Watches the statements of a script, and sets back what they changed on the connection, on every path. A script without a `PRAGMA`
/// costs no statement.
pub(super) struct Pragmas<'c> {
    conn: &'c Connection,
    atomicity: Atomicity,
    patience: Duration,
    changed: Changed,
    file: FileSettings,
}

impl<'c> Pragmas<'c> {
    pub(super) fn of(conn: &'c Connection, atomicity: Atomicity, patience: Duration) -> Self {
        Self { conn, atomicity, patience, changed: Changed::default(), file: FileSettings::default() }
    }

    /// Looks at the statement that a text begins with, before it is prepared.
    pub(super) fn before(&mut self, text: &str) -> Result<(), Fault> {
        let pragma = Pragma::that_sets(text);
        if let Some(pragma) = &pragma {
            settings::refuse(self.conn, pragma)?;
            self.changed.note(self.conn, pragma, self.patience)?;
        }
        if Tokens::new(text).next().is_some_and(|first| first.is("attach")) {
            afterwards::detach(self.conn).map_err(fault)?;
        }
        self.file.before(self.conn, text, pragma.as_ref())
    }

    /// Looks at a statement that has run, of a script with this rest.
    pub(super) fn after(&mut self, own: &str, rest: &str) -> Result<(), Fault> {
        self.file.after(self.conn, own, rest, self.atomicity)
    }

    /// Looks at a statement that an interrupted run has finished, after it ran again if it changes the session.
    pub(super) fn repeated(&mut self, own: &str) {
        self.file.repeated(own);
    }

    /// Sets everything back after a script that succeeded.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        self.set_back()
    }

    fn set_back(&mut self) -> Result<(), Fault> {
        self.file.forget(self.conn);
        let (later, outcome) = self.changed.set_back(self.conn);
        afterwards::set_back(self.conn, later);
        outcome
    }
}

impl Drop for Pragmas<'_> {
    fn drop(&mut self) {
        // The error of the script says more.
        let _ = self.set_back();
    }
}
