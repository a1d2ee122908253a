//! What the functions say in the log.

use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

struct Ear(Mutex<Vec<String>>);

static EAR: Ear = Ear(Mutex::new(Vec::new()));

impl Log for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("moosicbox_schema") {
            let line = format!("{} {}", record.level(), record.args());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}

/// The warnings so far that have this in them; other tests speak at the same time.
pub(crate) fn warnings(about: &str) -> Vec<String> {
    listen();
    let heard = EAR.0.lock().unwrap_or_else(PoisonError::into_inner);
    heard.iter().filter(|line| line.starts_with("WARN") && line.contains(about)).cloned().collect()
}

pub(crate) fn listen() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&EAR).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}
