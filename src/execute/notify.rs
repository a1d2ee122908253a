//! Events and errors that a run reports, and the request to stop it.

use super::Executor;
use super::stop::Stop;
use super::work::Work;
use crate::backend::Backend;
use crate::cancel;
use crate::error::{Failure, MigrationError};
use crate::event::Event;
use crate::step::Atomicity;

impl<B: Backend> Executor<'_, B> {
    /// # Errors
    /// The run was asked to stop before the next step, or was cancelled.
    pub(super) fn check_stopped(&self) -> Result<(), MigrationError> {
        if cancel::is_cancelled() || self.is_stopped.is_some_and(|is_stopped| is_stopped()) {
            Err(Failure::Stopped(0).into())
        } else {
            Ok(())
        }
    }

    /// Reports to hooks and observers that a step failed.
    pub(super) fn failed(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        error: MigrationError,
    ) -> MigrationError {
        // A hook may run migrations of its own.
        cancel::shielded(|| {
            for hook in &self.hooks.on_error {
                hook(work.step, &error, B::lend(conn));
            }
        });
        self.notify(&Event::Failed { step: work.step, error: &error });
        error
    }

    /// Converts a fault into the failure of a step and reports it to hooks and observers. A statement of the engine that failed is no fault of
    /// the script.
    pub(super) fn as_failure(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        stop: Stop,
        atomicity: Atomicity,
    ) -> Stop {
        match stop {
            Stop::Fault(fault) => {
                let fault = self.secrets.mask_fault(cancel::explained(fault));
                let details = &fault.details;
                let error = match details.doing {
                    Some(doing) if !details.is_cancel && !details.is_in_doubt => {
                        let fault = B::explained(conn, self.table, fault);
                        Failure::Database { doing, table: Some(self.table.clone()), done: Some(0), fault }
                            .into()
                    }
                    _ => work.failed(fault, atomicity),
                };
                Stop::Failed(self.failed(conn, work, error))
            }
            stop => stop,
        }
    }

    pub(super) fn notify(&self, event: &Event<'_>) {
        if let Some(observer) = self.observer {
            observer(event);
        }
    }
}
