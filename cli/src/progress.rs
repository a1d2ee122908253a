//! [`Progress`]: shows the progress of a run.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use switchy_schema::{Direction, Event, Printable, Severity, Step};

use crate::output::Output;
use crate::text;

/// Shows the progress of a run: a bar on a terminal, lines elsewhere.
pub(crate) struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    /// The last holder of the lock that was named. Each is named once.
    holder: Mutex<Option<String>>,
    /// When the running script was last spoken of.
    spoken: Mutex<Instant>,
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
        Self { output: output.clone(), bar, holder: Mutex::default(), spoken: Mutex::new(Instant::now()) }
    }

    /// Handles an event of a run.
    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Waiting { lock, holder } => self.wait(lock, holder),
            Event::Warning { problem } => self.above_bar(|| self.output.warn(problem)),
            Event::Started { step, number, of } => {
                let verb = verb(step);
                if let Some(bar) = &self.bar {
                    bar.set_length(*of as u64);
                    bar.set_position(*number as u64 - 1);
                    bar.set_message(format!("{verb} {}", step.id));
                    bar.enable_steady_tick(Duration::from_millis(100));
                } else {
                    *self.spoken.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    self.output.say(&format!("{number}/{of} {verb} {}", step.id));
                }
            }
            // Lines would be too many for a log.
            Event::Copying { done, of } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(*of);
                    bar.set_position(*done);
                    bar.set_message("pages of the database copied");
                }
            }
            Event::Statement { step, number, of: Some(of) } if *of > 1 => {
                let where_it_is = || format!("{} {}, statement {number}/{of}", verb(step), step.id);
                match &self.bar {
                    Some(bar) => bar.set_message(where_it_is()),
                    None => self.speak_of(where_it_is),
                }
            }
            Event::Notice { notice, .. } => self.above_bar(|| {
                let said = Printable(&notice.to_string()).abridged();
                match notice.severity {
                    Severity::Warning => self.output.note(&said),
                    _ => self.output.detail(&said),
                }
            }),
            Event::Blocked { step, lock, holder } => {
                let holder =
                    if holder.is_empty() { "a session that the server does not name" } else { holder };
                let said = format!("{} is waiting for {lock}, held by {holder}", step.id);
                self.above_bar(|| self.output.say(&text::printable(&said)));
            }
            Event::Retrying { step, attempt, of, pause, error } => {
                let why = error.reason().unwrap_or_default();
                let pause = pause.as_secs_f64();
                let said = format!(
                    "another session was in the way of `{}` ({why}); trying again in {pause:.1} s, {attempt}/{of}",
                    step.id
                );
                self.above_bar(|| self.output.say(&text::printable(&said)));
            }
            Event::Finished { .. } => self.bar.iter().for_each(|bar| bar.inc(1)),
            _ => {}
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn wait(&self, lock: &str, holder: &str) {
        // What the holder does, and since when, may change with each event, so its name tells whether it is still the same.
        let name = holder.split([',', ';']).next().unwrap_or_default();
        let mut last = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        // Between two holders there is a moment without one.
        if last.as_deref().is_some_and(|last| last == name || name.is_empty()) {
            return;
        }
        *last = Some(name.to_owned());
        // The time for which the lock has been held is that of the first event.
        let who = holder.split(", for ").next().unwrap_or_default();
        let who = if who.is_empty() { "who does not say who it is" } else { who };
        let said = format!("waiting for the lock {lock}, which another run holds ({who})");
        self.above_bar(|| self.output.say(&text::printable(&said)));
    }

    /// Says with `--verbose` how far a long script is, now and then.
    fn speak_of(&self, where_it_is: impl FnOnce() -> String) {
        const OFTEN: Duration = Duration::from_secs(5);
        let mut spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
        if spoken.elapsed() >= OFTEN {
            *spoken = Instant::now();
            self.output.detail(&where_it_is());
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
