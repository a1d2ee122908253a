//! [`Tries`]: the attempts of a transaction that other sessions were in the way of.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::Executor;
use super::work::Work;
use crate::backend::Backend;
use crate::cancel;
use crate::error::MigrationError;
use crate::event::Event;
use crate::fault::Fault;

/// The attempts of a transaction.
pub(super) struct Tries {
    made: Cell<u32>,
    most: u32,
    began: Instant,
    /// After this time, no further attempt begins.
    patience: Duration,
}

impl Tries {
    /// At most so many further attempts after the first.
    fn with_retries(retries: u32, patience: Duration) -> Self {
        Self { made: Cell::new(1), most: retries.saturating_add(1), began: Instant::now(), patience }
    }

    /// How many attempts were made, with the present one.
    pub(super) fn made(&self) -> u32 {
        self.made.get()
    }

    /// Whether another attempt may follow one that failed with this fault.
    fn may_follow(&self, fault: &Fault) -> bool {
        let details = &fault.details;
        let left = self.patience.saturating_sub(self.began.elapsed());
        details.is_retryable
            && !details.is_in_doubt
            && !details.has_lost_transaction
            && self.made.get() < self.most
            && !left.is_zero()
            && !cancel::is_cancelled()
    }
}

/// The steps of an attempt that have begun, and the attempts of their transaction.
pub(super) struct Begun<'w, 'p, 'r, B: Backend> {
    pub(super) tries: &'w Tries,
    pub(super) works: &'w [Work<'p, 'r, B>],
}

impl<B: Backend> Executor<'_, B> {
    /// The attempts that a transaction has.
    pub(super) fn tries(&self) -> Tries {
        Tries::with_retries(self.waits.retries, self.patience)
    }

    /// Whether an attempt that failed with this fault may be followed by another one. What code and hooks do outside the database cannot be
    /// rolled back, nor can some statements, and a rehearsal measures each step once.
    pub(super) fn may_try_again(&self, begun: &Begun<'_, '_, '_, B>, fault: &Fault) -> bool {
        let is_undone = |work: &Work<'_, '_, B>| {
            self.is_script(work) && work.action.sql().and_then(B::outlasts_rollback).is_none()
        };
        begun.tries.may_follow(fault) && self.rehearsal.is_none() && begun.works.iter().all(is_undone)
    }

    /// Reports that a transaction is tried again because of this error, and waits before that.
    ///
    /// # Errors
    /// The run was asked to stop, or was cancelled.
    pub(super) fn wait_to_try_again(
        &self,
        tries: &Tries,
        work: &Work<'_, '_, B>,
        error: &MigrationError,
    ) -> Result<(), MigrationError> {
        const SLICE: Duration = Duration::from_millis(50);

        let pause = pause_after(tries.made());
        tries.made.set(tries.made() + 1);
        let (attempt, of) = (tries.made(), tries.most);
        self.notify(&Event::Retrying { step: work.step, attempt, of, pause, error });
        let began = Instant::now();
        loop {
            self.check_stopped()?;
            let left = pause.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// The pause after so many attempts. It doubles, and a random part of it is left out, so that two runs that were in each other's way do
/// not meet again.
fn pause_after(attempts: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(10);

    let full = FIRST.saturating_mul(1 << (attempts.saturating_sub(1)).min(8)).min(LONGEST);
    // Each state has keys of its own.
    let random = RandomState::new().hash_one(attempts) % 1000;
    full / 2 + full / 2 * u32::try_from(random).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    #[test]
    fn a_pause_grows_to_a_limit_and_is_at_least_half_of_it() {
        for (attempts, full) in [(1, 500), (2, 1000), (3, 2000), (6, 10_000), (u32::MAX, 10_000)] {
            let pauses: Vec<u128> = (0..20).map(|_| pause_after(attempts).as_millis()).collect();
            assert!(pauses.iter().all(|pause| (full / 2..=full).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        }
    }

    #[test]
    fn only_what_is_rolled_back_for_certain_is_tried_again() {
        let busy = || Fault::new(FaultKind::Busy, "deadlock detected");
        let tries = Tries::with_retries(1, Duration::from_secs(60));
        assert!(tries.may_follow(&busy().retryable()));
        assert!(!tries.may_follow(&busy()));
        assert!(!tries.may_follow(&busy().retryable().in_doubt()));
        assert!(!tries.may_follow(&busy().retryable().lost_transaction()));
        assert!(!Tries::with_retries(0, Duration::from_secs(60)).may_follow(&busy().retryable()));
        assert!(!Tries::with_retries(9, Duration::ZERO).may_follow(&busy().retryable()));
        tries.made.set(2);
        assert!(!tries.may_follow(&busy().retryable()));
    }
}
