//! [`Session`]: what a backend knows of the session between the scripts of a run.

use std::any::Any;
use std::cell::RefCell;

/// What a backend knows of the session between the scripts of a run, so that it does not ask the database again for each of them. A run
/// has one as long as only scripts run on its session, and forgets what is in it when anything else runs.
#[derive(Default)]
pub struct Session(RefCell<Option<Box<dyn Any>>>);

impl Session {
    /// Takes out what was kept, if it is of this type. A script that changes the session does not keep it again.
    pub fn take<T: 'static>(&self) -> Option<T> {
        self.0.take().and_then(|kept| kept.downcast().ok()).map(|kept| *kept)
    }

    /// Keeps this for the next script, in place of what was kept.
    pub fn keep<T: 'static>(&self, known: T) {
        self.0.replace(Some(Box::new(known)));
    }

    /// Drops what was kept.
    pub(crate) fn forget(&self) {
        self.0.replace(None);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
