//! [`patiently`]: waits until a database server is up.

use std::thread;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::exit::Exit;
use crate::failure::Result;
use crate::interrupt;
use crate::output::Output;

/// How long `--wait` waits if it has no number.
pub(crate) const DEFAULT: Duration = Duration::from_secs(60);

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Opens a database. While its server is not up, tries again for this time, and says so once.
///
/// # Errors
/// The server is not up in time, or the attempt fails for a reason that does not pass by itself.
pub(crate) fn patiently<T>(
    wait: Option<Duration>,
    address: &Address,
    output: &Output,
    attempt: impl Fn(&Address) -> Result<T>,
) -> Result<T> {
    let Some(wait) = wait else {
        return attempt(address).map_err(|failure| {
            if failure.is_not_up() { failure.hinting("to wait for it, use --wait") } else { failure }
        });
    };
    let (began, mut pause) = (Instant::now(), PAUSES.0);
    let mut has_said = false;
    loop {
        let left = wait.saturating_sub(began.elapsed());
        // An attempt must not last longer than the wait.
        let limited = address.at(|server| server.limit_connect_timeout(left.as_secs().saturating_add(1)));
        let failure = match attempt(&limited) {
            Err(failure) if failure.is_not_up() => failure,
            done => {
                if has_said {
                    interrupt::end_at_signal(output, "interrupted");
                }
                return done;
            }
        };
        let left = wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            let why = format!("after {} of waiting", seconds(wait));
            return Err(failure.hinting(&why).exiting(Exit::Locked));
        }
        if !has_said {
            has_said = true;
            interrupt::end_at_signal(output, "interrupted: nothing was done");
            output.say(&format!("waiting up to {} for the database: {}", seconds(wait), failure.reason()));
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
