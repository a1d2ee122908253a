//! [`Watch`]: the progress of a command and the requests to end it

use std::sync::Arc;

use switchy_schema::MigrationError;

use super::Work;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::session::Database;

/// Shows the progress of a command, and cancels it on request.
pub(super) struct Watch {
    interrupt: Interrupt,
    progress: Arc<Progress>,
}

/// The command with an observer and a token.
pub(super) fn watched<'a, B: Database>(work: Work<'a, B>, session: &mut B::Session) -> (Work<'a, B>, Watch) {
    let interrupt = Interrupt::listen(B::own_interrupter(session), work.output());
    let progress = Arc::new(Progress::new(work.output()));
    let (listening, showing) = (interrupt.clone(), Arc::clone(&progress));
    let runner = work.runner.observe(move |event| {
        listening.observe(event);
        showing.observe(event);
    });
    let runner = runner.cancel_with(interrupt.token());
    (Work { runner, ..work }, Watch { interrupt, progress })
}

impl Watch {
    /// Marks the command as ended.
    pub(super) fn end(&self) {
        self.interrupt.end();
        self.progress.end();
    }

    /// The failure that an error is, after a request if there was one.
    pub(super) fn explain(&self, error: MigrationError) -> Failure {
        let failure = Failure::from(error);
        if self.interrupt.is_requested() { failure.after_interrupt() } else { failure }
    }
}
