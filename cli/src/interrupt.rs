//! [`Interrupt`]: being told to end, by Ctrl-C or otherwise.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use switchy_schema::Event;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Interrupter;

/// Being told to end. Before the first step that is the end of the process. Then the statement in hand is interrupted, the engine takes
/// back the step, and no other begins. Who insists ends the process.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Default)]
struct State {
    running: AtomicBool,
    asked: AtomicBool,
    /// The step has failed, and what is still done must not be interrupted.
    over: AtomicBool,
}

impl State {
    /// Interrupts the statement in hand until the step has failed.
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

/// How often the statement in hand is interrupted: what comes between two of them reaches neither.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen(interrupter: Interrupter, output: &Output) -> Self {
        let interrupt = Self::default();
        let (state, output) = (Arc::clone(&interrupt.0), output.clone());
        let interrupter = Mutex::new(Some(interrupter));
        let heard = move || {
            let is_first = !state.asked.swap(true, Ordering::SeqCst);
            if !is_first || !state.running.load(Ordering::SeqCst) {
                let done = if is_first { "nothing was done" } else { "the step in hand was broken off" };
                output.finish(Err(Failure::interrupted(format!("interrupted: {done}"))));
                process::exit(Exit::Failed as i32);
            }
            output.say("interrupting the step in hand; once more ends at once");
            let interrupter = interrupter.lock().unwrap_or_else(PoisonError::into_inner).take();
            let state = Arc::clone(&state);
            // Elsewhere, so that the next one is heard.
            thread::spawn(move || interrupter.iter().for_each(|interrupter| state.interrupt(interrupter)));
        };
        // Where the application listens already, it keeps doing so.
        let _ = ctrlc::try_set_handler(heard);
        interrupt
    }

    /// Whether somebody told us to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// What an observer of a run does.
    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Started { .. } => self.0.running.store(true, Ordering::SeqCst),
            Event::Failed { .. } => self.0.over.store(true, Ordering::SeqCst),
            _ => {}
        }
    }

    /// The run has ended.
    pub(crate) fn end(&self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}
