//! [`Waits`]: how long the statements of the steps wait for the locks of other sessions.

use std::time::Duration;

/// How long the statements of the steps wait for the locks of other sessions.
#[derive(Debug, Clone)]
pub(crate) struct Waits {
    /// The limit for a statement; `None` leaves that of the session.
    pub(crate) limit: Option<Duration>,
    /// How often a transaction is tried again.
    pub(crate) retries: u32,
}

impl Default for Waits {
    fn default() -> Self {
        Self { limit: None, retries: 3 }
    }
}
