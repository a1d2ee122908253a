//! [`Interrupt`]: requests to end the process, by Ctrl-C or another signal.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use switchy_schema::{CancelToken, Event};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Interrupter;

/// A request to end. Before the first step it ends the process. During a step it cancels the run: the engine interrupts the running
/// statement, rolls the step back and starts no other. While the database is copied, it cancels the copy. A second request ends the process.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Default)]
struct State {
    token: CancelToken,
    /// A step has begun.
    running: AtomicBool,
    /// The database is copied, or was.
    copying: AtomicBool,
    requested: AtomicBool,
    /// The step has failed, or the run has ended; the remaining work must not be interrupted.
    over: AtomicBool,
}

impl State {
    /// Interrupts the running statement until the step has failed.
    fn interrupt(&self, interrupter: &Interrupter) {
        for _ in 0..TRIES {
            if self.over.load(Ordering::SeqCst) {
                break;
            }
            interrupter();
            thread::sleep(PAUSE);
        }
    }
}

/// How often to interrupt: an interrupt that arrives between two statements stops neither of them.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What is done at the next signal.
static HANDLER: Mutex<Option<Box<dyn FnMut() + Send>>> = Mutex::new(None);

/// Sets what is done at a signal. Only one handler can be installed in a process, so it calls the last function that was set.
fn handle(on_signal: impl FnMut() + Send + 'static) {
    let current = || HANDLER.lock().unwrap_or_else(PoisonError::into_inner);
    let is_first = current().replace(Box::new(on_signal)).is_none();
    if is_first {
        // If the application has its own handler, that one stays.
        let _ = ctrlc::try_set_handler(move || current().iter_mut().for_each(|on_signal| on_signal()));
    }
}

/// Ends the process at a signal, with this message. In a container, a process without a handler ignores most signals.
pub(crate) fn end_at_signal(output: &Output, message: &'static str) {
    let output = output.clone();
    handle(move || {
        output.finish(Err(Failure::interrupted(message)));
        process::exit(Exit::Failed as i32);
    });
}

impl Interrupt {
    /// Starts to listen for signals. The engine cannot interrupt every session, and the interrupter is for those.
    pub(crate) fn listen(interrupter: Option<Interrupter>, output: &Output) -> Self {
        let interrupt = Self::default();
        let (state, output) = (Arc::clone(&interrupt.0), output.clone());
        let interrupter = Mutex::new(interrupter);
        let on_signal = move || {
            let is_first = !state.requested.swap(true, Ordering::SeqCst);
            let step = state.running.load(Ordering::SeqCst).then_some("the current step");
            let copy = state.copying.load(Ordering::SeqCst).then_some("the current copy");
            let in_hand = step.or(copy);
            let Some(in_hand) = in_hand.filter(|_| is_first) else {
                let done = match in_hand {
                    Some(in_hand) => format!("{in_hand} was cut off"),
                    None => "nothing was done".to_owned(),
                };
                output.finish(Err(Failure::interrupted(format!("interrupted: {done}"))));
                process::exit(Exit::Failed as i32);
            };
            output.say(&format!("cancelling {in_hand}; press Ctrl-C again to end the process at once"));
            state.token.cancel();
            let interrupter = interrupter.lock().unwrap_or_else(PoisonError::into_inner).take();
            let state = Arc::clone(&state);
            // In another thread, so that the handler receives the next signal.
            thread::spawn(move || interrupter.iter().for_each(|interrupter| state.interrupt(interrupter)));
        };
        handle(on_signal);
        interrupt
    }

    /// The token that cancels the run.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.0.token
    }

    /// Whether the process received a request to end.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Handles an event of a run.
    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Started { .. } => self.0.running.store(true, Ordering::SeqCst),
            Event::Copying { .. } => self.0.copying.store(true, Ordering::SeqCst),
            Event::Failed { .. } => self.0.over.store(true, Ordering::SeqCst),
            _ => {}
        }
    }

    /// Marks the run as ended.
    pub(crate) fn end(&self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}
