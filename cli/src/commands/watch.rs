//! [`Watch`]: the progress of a command and the requests to end it

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use switchy_schema::{MigrationError, MigrationRunner};

use super::work::Work;
use crate::address::Address;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json;
use crate::output::Output;
use crate::progress::Progress;
use crate::session::{Access, Database};

/// Shows the progress of a command, and cancels it on request.
pub(super) struct Watch {
    interrupt: Interrupt,
    progress: Arc<Progress>,
    /// What the run waited for, as JSON.
    waits: Arc<Mutex<Vec<Value>>>,
}

/// The command with an observer and a token.
pub(super) fn watched<'a, B: Database>(work: Work<'a, B>, session: &mut B::Session) -> (Work<'a, B>, Watch) {
    let interrupt = Interrupt::listen(B::own_interrupter(session), work.output());
    let progress = Arc::new(Progress::new(work.output()));
    let waits = Arc::<Mutex<Vec<Value>>>::default();
    let (listening, showing, noting) = (interrupt.clone(), Arc::clone(&progress), Arc::clone(&waits));
    let runner = work.runner.observe(move |event| {
        listening.observe(event);
        showing.observe(event);
        noting.lock().unwrap_or_else(PoisonError::into_inner).extend(json::wait(event));
    });
    let runner = runner.cancel_with(interrupt.token());
    let runner = match work.context.settings.address() {
        Ok(address) => on_other_session(runner, address.clone(), work.context.output.clone()),
        Err(_) => runner,
    };
    (Work { runner, ..work }, Watch { interrupt, progress, waits })
}

/// The runner with a way to open another connection, on which it finds out who holds a lock that it waits for.
fn on_other_session<B: Database>(
    runner: MigrationRunner<B>,
    address: Address,
    output: Output,
) -> MigrationRunner<B> {
    runner.watch_locks(move |look| {
        let mut opened = B::open(&address, Access::Read, Duration::ZERO).map_err(|failure| {
            output.detail(&format!("cannot find out who holds a lock: {failure}"));
            failure.to_string()
        })?;
        look(B::conn(&mut opened.session));
        Ok(())
    })
}

impl Watch {
    /// Marks the command as ended.
    pub(super) fn end(&self) {
        self.interrupt.end();
        self.progress.end();
    }

    /// The key `waits` of the JSON, if the run waited for anything.
    pub(super) fn waits(&self) -> Map<String, Value> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let waits = (!waits.is_empty()).then(|| ("waits".to_owned(), Value::Array(waits)));
        waits.into_iter().collect()
    }

    /// The failure that an error is, after a request if there was one.
    pub(super) fn explain(&self, error: MigrationError) -> Failure {
        let failure = Failure::from(error).with(self.waits());
        if self.interrupt.is_requested() { failure.after_interrupt() } else { failure }
    }
}
