//! [`Interrupt`]: being told to end, by Ctrl-C or otherwise.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How often the statement in hand is interrupted: what comes between two of them reaches neither.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen(interrupter: Interrupter, output: &Output) -> Self {
        let interrupt = Self::default();
        let (state, output) = (Arc::clone(&interrupt.0), output.clone());
        let heard = move || {
            let is_first = !state.asked.swap(true, Ordering::SeqCst);
            if !is_first || !state.running.load(Ordering::SeqCst) {
                let done = if is_first { "nothing was done" } else { "the step in hand was broken off" };
                let failure = Failure::interrupted(format!("interrupted: {done}"));
                output.finish(Err(failure));
                process::exit(Exit::Failed as i32);
            }
            output.say("interrupting the step in hand; once more ends at once");
            let state = Arc::clone(&state);
            let is_over = move || state.over.load(Ordering::SeqCst);
            for _ in 0..TRIES {
                if is_over() {
                    break;
                }
                interrupter();
                thread::sleep(PAUSE);
            }
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
