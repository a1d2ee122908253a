//! [`Session`]: what a backend knows of the session between the scripts of a run.

use std::any::Any;
use std::cell::RefCell;

/// What a backend knows of the session between the scripts of a run, so that it does not query the database again for each script. A run
/// has a session as long as only scripts run on the connection, and clears it when anything else runs.
#[derive(Default)]
pub struct Session(RefCell<Vec<Box<dyn Any>>>);

impl Session {
    /// Removes the kept value of this type, and returns it. A script that changes the session does not keep it again.
    pub fn take<T: 'static>(&self) -> Option<T> {
        let mut kept = self.0.borrow_mut();
        let place = kept.iter().position(|value| value.is::<T>())?;
        kept.swap_remove(place).downcast().ok().map(|value| *value)
    }

    /// Keeps this value for the next script. It replaces the previous one of this type.
    pub fn keep<T: 'static>(&self, known: T) {
        self.take::<T>();
        self.0.borrow_mut().push(Box::new(known));
    }

    /// Drops what is kept.
    pub(crate) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
