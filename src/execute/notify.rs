//! What others are told of a run, and what they say.

use super::Executor;
use super::stop::Stop;
use super::work::Work;
use crate::backend::Backend;
use crate::error::{Failure, MigrationError};
use crate::event::Event;
use crate::step::Atomicity;

impl<B: Backend> Executor<'_, B> {
    /// # Errors
    /// Somebody said that no other step is to begin.
    pub(super) fn go_on(&self) -> Result<(), MigrationError> {
        if self.is_stopped.is_some_and(|is_stopped| is_stopped()) {
            Err(Failure::Stopped(0).into())
        } else {
            Ok(())
        }
    }

    /// Tells hooks and observers that a step failed.
    pub(super) fn failed(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        error: MigrationError,
    ) -> MigrationError {
        for hook in &self.hooks.on_error {
            hook(work.step, &error, B::lend(conn));
        }
        self.notify(&Event::Failed { step: work.step, error: &error });
        error
    }

    /// A fault as the failure of a step, of which everybody is told.
    pub(super) fn told(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        stop: Stop,
        atomicity: Atomicity,
    ) -> Stop {
        match stop {
            Stop::Fault(fault) => Stop::Failed(self.failed(conn, work, work.failed(fault, atomicity))),
            stop => stop,
        }
    }

    pub(super) fn notify(&self, event: &Event<'_>) {
        if let Some(observer) = self.observer {
            observer(event);
        }
    }
}
