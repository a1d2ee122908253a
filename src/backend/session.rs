//! [`Session`]: what a backend knows of the session between the scripts of a run.

use std::any::Any;
use std::cell::RefCell;

/// What a backend knows of the session between the scripts of a run, so that it does not query the database again for each script. A run
/// has a session as long as only scripts run on the connection, and clears it when anything else runs.
#[derive(Default)]
pub struct Session(RefCell<Option<Box<dyn Any>>>);

impl Session {
    /// Removes the kept value, and returns it if it has this type. A script that changes the session does not keep it again.
    pub fn take<T: 'static>(&self) -> Option<T> {
        self.0.take().and_then(|kept| kept.downcast().ok()).map(|kept| *kept)
    }

    /// Keeps this value for the next script. It replaces the previous one.
    pub fn keep<T: 'static>(&self, known: T) {
        self.0.replace(Some(Box::new(known)));
    }

    /// Drops the kept value.
    pub(crate) fn forget(&self) {
        self.0.replace(None);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
