//! [`Progress`]: shows the progress of a run.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use switchy_schema::{Direction, Event, Severity, Step};

use crate::output::Output;
use crate::text;

/// Shows the progress of a run: a bar on a terminal, lines elsewhere.
pub(crate) struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    /// The last message about the lock, which is printed once.
    holder: Mutex<String>,
}

impl Progress {
    pub(crate) fn new(output: &Output) -> Self {
        let bar = (io::stderr().is_terminal() && !output.is_quiet()).then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { output: output.clone(), bar, holder: Mutex::default() }
    }

    /// Handles an event of a run.
    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Waiting { lock, holder } => self.wait(lock, holder),
            Event::Warning { problem } => self.above_bar(|| self.output.warn(problem)),
            Event::Started { step, number, of } => {
                let verb = verb(step);
                match &self.bar {
                    Some(bar) => {
                        bar.set_length(*of as u64);
                        bar.set_position(*number as u64 - 1);
                        bar.set_message(format!("{verb} {}", step.id));
                        bar.enable_steady_tick(Duration::from_millis(100));
                    }
                    None => self.output.say(&format!("{number}/{of} {verb} {}", step.id)),
                }
            }
            // Lines would be too many for a log, here and for statements.
            Event::Copying { done, of } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(*of);
                    bar.set_position(*done);
                    bar.set_message("pages of the database copied");
                }
            }
            Event::Statement { step, number, of: Some(of) } if *of > 1 => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{} {}, statement {number}/{of}", verb(step), step.id));
                }
            }
            Event::Notice { notice, .. } => self.above_bar(|| {
                let said = text::printable(&notice.to_string());
                match notice.severity {
                    Severity::Warning => self.output.note(&said),
                    _ => self.output.detail(&said),
                }
            }),
            Event::Finished { .. } => self.bar.iter().for_each(|bar| bar.inc(1)),
            _ => {}
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn wait(&self, lock: &str, holder: &str) {
        // The time for which the lock has been held is removed, because it changes with each event.
        let who = holder.split(", for ").next().unwrap_or_default().to_owned();
        let mut last = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let said = if who.is_empty() { "who does not say who it is" } else { &who };
        let said = text::printable(&format!("waiting for the lock {lock}, which another run holds ({said})"));
        if *last != said {
            self.above_bar(|| self.output.say(&said));
            *last = said;
        }
    }

    fn above_bar(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

fn verb(step: &Step) -> &'static str {
    match step.direction {
        Direction::Up => "applying",
        Direction::Down => "undoing",
    }
}
