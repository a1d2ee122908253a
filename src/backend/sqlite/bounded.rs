//! Runs a script that is stored in the database within limits. On the copy of the schema it had no rows to run over.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode};

use super::query::value;
use super::{Sqlite, fault, script};
use crate::account::Execution;
use crate::backend::driver::Progress;
use crate::backend::script::Script;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;
use crate::stored_limits::StoredLimits;

pub(super) fn run(
    conn: &mut &Connection,
    script: &Script<'_>,
    progress: &mut Progress<'_, Sqlite>,
    limits: StoredLimits,
) -> Result<Execution, Fault> {
    let owner = *conn;
    let before = owner.total_changes();
    let size = Size::limit(owner, limits.bytes, script.text.len())?;
    let watchdog = Watchdog::start(owner, limits)?;
    let outcome = script::run(conn, script, progress);
    let stopped = watchdog.end();
    drop(size);
    let bytes = limits.bytes;
    match outcome {
        outcome if stopped.is_some() => match (outcome, stopped) {
            (Err(fault), _) if fault.kind() != FaultKind::Interrupted => Err(fault),
            (outcome, Some(what)) => Err(exceeded(outcome.err(), what)),
            (outcome, None) => outcome,
        },
        Err(fault) if fault.kind() == FaultKind::Full => {
            let what = format!(
                "it makes the database more than {bytes} bytes larger, the limit of a stored script, or the disk is full"
            );
            Err(exceeded(Some(fault), what))
        }
        Err(fault) if is_too_big(&fault) => Err(exceeded(
            Some(fault),
            format!("it makes a value of more than {bytes} bytes, the limit of a stored script"),
        )),
        Ok(_) if owner.total_changes().saturating_sub(before) > limits.rows => Err(exceeded(
            None,
            format!("it changes more than {} rows, the limit of a stored script", limits.rows),
        )),
        outcome => outcome,
    }
}

/// The fault of a script that exceeded a limit, at the place where SQLite stopped it.
pub(super) fn exceeded(stopped: Option<Fault>, what: String) -> Fault {
    let mut fault = stopped.unwrap_or_else(|| Fault::new(FaultKind::Interrupted, ""));
    fault.details.message = what.into();
    fault.remedy(Remedy::RaiseStoredLimits.only_if("the script can be trusted"))
}

fn is_too_big(fault: &Fault) -> bool {
    let cause = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    cause.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::TooBig)
}

/// Interrupts a connection when its time is over, or when the disk becomes full of what SQLite sorts and keeps aside: nothing of SQLite limits
/// these files.
pub(super) struct Watchdog {
    /// Dropped to end the thread.
    running: Sender<()>,
    /// Returns why it interrupted the connection, if it did.
    thread: JoinHandle<Option<String>>,
}

impl Watchdog {
    pub(super) fn start(conn: &Connection, limits: StoredLimits) -> Result<Self, Fault> {
        /// Between two looks at the disk. An interrupt between two statements stops neither of them, so it is repeated too.
        const AGAIN: Duration = Duration::from_millis(20);
        let (running, ended) = mpsc::channel();
        let handle = conn.get_interrupt_handle();
        let began = Instant::now();
        let space = Space::of(conn, limits.bytes);
        let watch = move || {
            let mut why = None;
            loop {
                let left = limits.time.saturating_sub(began.elapsed());
                let wait = if why.is_some() { AGAIN } else { left.min(AGAIN) };
                if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return why;
                }
                if why.is_none() && began.elapsed() >= limits.time {
                    why = Some(format!(
                        "it runs for more than {:?}, the limit of a stored script",
                        limits.time
                    ));
                }
                why = why.or_else(|| space.taken());
                if why.is_some() {
                    handle.interrupt();
                }
            }
        };
        let thread = thread::Builder::new().spawn(watch).map_err(|error| {
            let what = format!("no thread can be started to watch the script: {error}");
            Fault::new(FaultKind::Other, what).remedy("end other programs and run again")
        })?;
        Ok(Self { running, thread })
    }

    /// Ends the watch, and returns why it interrupted the connection, if it did. After that nothing is interrupted any more.
    pub(super) fn end(self) -> Option<String> {
        drop(self.running);
        self.thread.join().unwrap_or_default()
    }
}

/// The free space of the disks with the database and with SQLite's temporary files.
struct Space {
    free: Vec<(PathBuf, u64)>,
    most: u64,
}

impl Space {
    fn of(conn: &Connection, bytes: u64) -> Self {
        /// Other programs take space too, so a small limit is not a sign of anything.
        const LEAST: u64 = 1 << 30;
        let beside = conn.path().and_then(|path| Path::new(path).parent()).map(Path::to_owned);
        let folders = [beside, Some(std::env::temp_dir()), Some(PathBuf::from("/var/tmp"))];
        let free = |folder: PathBuf| fs2::available_space(&folder).ok().map(|free| (folder, free));
        Self { free: folders.into_iter().flatten().filter_map(free).collect(), most: bytes.max(LEAST) }
    }

    /// Says that space was taken, if it was too much.
    fn taken(&self) -> Option<String> {
        let is_taken = |(folder, before): &&(PathBuf, u64)| {
            fs2::available_space(folder).is_ok_and(|now| now.saturating_add(self.most) < *before)
        };
        let (folder, _) = self.free.iter().find(is_taken)?;
        let (most, folder) = (self.most, folder.display());
        Some(format!(
            "while it ran, more than {most} bytes were taken of the disk of {folder}, the limit of a stored script"
        ))
    }
}

/// Limits of the connection, which are set back when this is dropped.
struct Size<'c> {
    conn: &'c Connection,
    pages: [(&'static str, i64); 2],
    longest: Option<i32>,
}

impl<'c> Size<'c> {
    fn limit(conn: &'c Connection, bytes: u64, script: usize) -> Result<Self, Fault> {
        let mut size = Self { conn, pages: [("main", 0), ("temp", 0)], longest: None };
        for (database, before) in &mut size.pages {
            let ask =
                |pragma: &str| value::<i64>(conn, &format!("PRAGMA {database}.{pragma}"), &[]).map_err(fault);
            *before = ask("max_page_count")?;
            let more = i64::try_from(bytes).unwrap_or(i64::MAX) / ask("page_size")?.max(1);
            let most = ask("page_count")?.saturating_add(more).saturating_add(1);
            if most < *before {
                ask(&format!("max_page_count = {most}"))?;
            }
        }
        size.longest = conn.limit(Limit::SQLITE_LIMIT_LENGTH).known();
        // A statement is also a value if SQLite returns its text.
        let most = bytes.max(script as u64 * 2).try_into().unwrap_or(i32::MAX);
        if size.longest.is_some_and(|longest| longest > most) {
            set_longest(conn, most);
        }
        Ok(size)
    }
}

#[allow(clippy::let_underscore_untyped, reason = "its type differs between versions of rusqlite")]
fn set_longest(conn: &Connection, bytes: i32) {
    let _ = conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes);
}

/// A limit as the versions of rusqlite return it.
trait Known {
    fn known(self) -> Option<i32>;
}

impl Known for i32 {
    fn known(self) -> Option<i32> {
        Some(self)
    }
}

impl Known for rusqlite::Result<i32> {
    fn known(self) -> Option<i32> {
        self.ok()
    }
}

impl Drop for Size<'_> {
    fn drop(&mut self) {
        for (database, before) in self.pages.into_iter().filter(|(_, before)| *before > 0) {
            let _ = value::<i64>(self.conn, &format!("PRAGMA {database}.max_page_count = {before}"), &[]);
        }
        self.longest.into_iter().for_each(|longest| set_longest(self.conn, longest));
    }
}
