//! A lock file. Only the operating system knows whether it is locked; its text is for messages.

use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Seek, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fs2::FileExt;

use super::opened::{self, Access};
use crate::cancel;
use crate::error::{Failure, Result};

/// A locked file, unlocked when dropped.
#[derive(Debug)]
pub(super) struct Locked {
    file: File,
    /// Whether its text may be replaced. A file with another content is locked like any other, and is not written.
    is_ours: bool,
    since: u64,
    /// When the holder was last written to the file.
    announced: Cell<Option<Instant>>,
}

impl Locked {
    pub(super) fn acquire(
        path: &Path,
        timeout: Duration,
        waiting: &mut dyn FnMut(&str, &str),
    ) -> Result<Self> {
        let unusable = |cause| unusable(path, cause);
        let file = opened::or_created(path).map_err(unusable)?;
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match file.try_lock_exclusive() {
                Ok(()) => {
                    let is_ours = opened::is_ours(&file);
                    return Ok(Self { file, is_ours, since: unix_now(), announced: Cell::new(None) });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() != fs2::lock_contended_error().raw_os_error() => {
                    return Err(unusable(error).into());
                }
                Err(_) => {}
            }
            if cancel::is_cancelled() {
                return Err(Failure::Stopped(0).into());
            }
            let (waited, holder) = (began.elapsed(), holder(&file));
            if waited >= timeout {
                let lock = path.display().to_string();
                return Err(Failure::LockTimeout { lock, holder, waited: timeout }.into());
            }
            waiting(&path.to_string_lossy(), &holder);
            thread::sleep(pause.min(timeout.saturating_sub(waited)));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Writes the holder of the lock to the file. If that fails, messages have fewer details and nothing else is lost. Short steps
    /// are not all written.
    pub(super) fn announce(&self, migration: impl std::fmt::Display) {
        const OFTEN: Duration = Duration::from_millis(100);
        if !self.is_ours || self.announced.get().is_some_and(|last| last.elapsed() < OFTEN) {
            return;
        }
        self.announced.set(Some(Instant::now()));
        let host = hostname().map_or_else(String::new, |host| format!(" on {host}"));
        let text = format!("{}\npid {}{host}\napplying `{migration}`\n", self.since, std::process::id());
        // A reader sees the old text or the new one, and for a moment leftovers after it.
        let mut file = &self.file;
        let written = file.rewind().and_then(|()| file.write_all(text.as_bytes()));
        let _ = written.and_then(|()| self.file.set_len(text.len() as u64));
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = self.file.set_len(0);
        }
        // Closing the file would release it too.
        let _ = FileExt::unlock(&self.file);
    }
}

/// Returns the holder of a lock file, if the file is locked. It does not create the file.
pub(super) fn current_holder(path: &Path) -> Result<Option<String>> {
    let unusable = |cause| unusable(path, cause);
    let file = match opened::existing(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error).into()),
    };
    // Shared, so that two concurrent checks do not see each other.
    match FileExt::try_lock_shared(&file) {
        Ok(()) => Ok(None),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            Ok(Some(holder(&file)))
        }
        Err(error) => Err(unusable(error).into()),
    }
}

fn unusable(path: &Path, cause: std::io::Error) -> Failure {
    Failure::LockFile { path: path.to_owned(), remedy: opened::remedy(&cause), cause }
}

/// The holder of the lock according to the file: "pid 4711 on desk, for 12 s, applying `x`".
fn holder(file: &File) -> String {
    let text = opened::text(file).unwrap_or_default();
    let mut lines = text.lines();
    let (Some(since), Some(who), Some(what)) = (lines.next(), lines.next(), lines.next()) else {
        return String::new();
    };
    match since.parse::<u64>() {
        Ok(since) => format!("{who}, for {} s, {what}", unix_now().saturating_sub(since)),
        Err(_) => String::new(),
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The name of the machine, which is read once.
fn hostname() -> Option<&'static str> {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .or_else(|| std::env::var("COMPUTERNAME").ok())
            .or_else(|| std::env::var("HOSTNAME").ok())
    };
    NAME.get_or_init(read).as_deref().map(str::trim).filter(|name| !name.is_empty())
}
