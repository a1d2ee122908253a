//! [`Session`]: what a backend knows of the session between the scripts of a run.

use std::any::Any;
use std::cell::RefCell;

/// What a backend knows of the session between the scripts of a run, so that it need not ask for each of them. It is of use as long as
/// nothing but scripts runs, and all of it on one session.
#[derive(Default)]
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "only servers have to be asked")
)]
pub(crate) struct Session(RefCell<Option<Box<dyn Any>>>);

#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "only servers have to be asked")
)]
impl Session {
    /// Takes out what was kept: who does not keep it again has forgotten it.
    pub(crate) fn take<T: 'static>(&self) -> Option<T> {
        self.0.take().and_then(|kept| kept.downcast().ok()).map(|kept| *kept)
    }

    pub(crate) fn keep<T: 'static>(&self, known: T) {
        self.0.replace(Some(Box::new(known)));
    }

    /// Nothing is known any more.
    pub(crate) fn forget(&self) {
        self.0.replace(None);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
