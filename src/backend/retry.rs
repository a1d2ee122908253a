//! [`patiently`]: trying again while others are in the way.

use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};

/// Tries again while the database is busy, for so long.
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
