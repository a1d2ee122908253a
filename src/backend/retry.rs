//! [`patiently`]: retries while the database is busy.

use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};

/// Retries `attempt` while the database is busy, for at most this long.
pub(crate) fn patiently<R>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<R, Fault>,
) -> Result<R, Fault> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(fault) if fault.kind() == FaultKind::Busy && began.elapsed() < patience => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}
