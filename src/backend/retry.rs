//! [`patiently`]: retries while the database is busy.

use std::time::{Duration, Instant};

use crate::cancel;
use crate::fault::{Fault, FaultKind};

/// Retries `attempt` while the database is busy, for at most this long, and until the run is cancelled.
pub(crate) fn patiently<R>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<R, Fault>,
) -> Result<R, Fault> {
    let mut wait = Wait { began: Instant::now(), patience, pause: Duration::from_millis(1) };
    loop {
        match attempt() {
            Err(fault) if wait.sleep(&fault) => {}
            outcome => return outcome,
        }
    }
}

/// The time that is left for retries.
struct Wait {
    began: Instant,
    patience: Duration,
    pause: Duration,
}

impl Wait {
    /// Sleeps before another attempt, and returns whether there should be one.
    #[inline(never)]
    fn sleep(&mut self, fault: &Fault) -> bool {
        let is_over = fault.kind() != FaultKind::Busy
            || self.began.elapsed() >= self.patience
            || cancel::is_cancelled();
        if !is_over {
            std::thread::sleep(self.pause);
            self.pause = (self.pause * 2).min(Duration::from_millis(50));
        }
        !is_over
    }
}
