//! Runs a script that is stored in the database within limits. On the copy of the schema it had no rows to run over.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
    let watchdog = Watchdog::start(owner, limits.time)?;
    let outcome = script::run(conn, script, progress);
    let is_late = watchdog.end();
    drop(size);
    let bytes = limits.bytes;
    match outcome {
        Ok(_) if is_late => Err(exceeded(None, late(limits.time))),
        Err(fault) if is_late && fault.kind() == FaultKind::Interrupted => {
            Err(exceeded(Some(fault), late(limits.time)))
        }
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

fn late(time: Duration) -> String {
    format!("it runs for more than {time:?}, the limit of a stored script")
}

/// The fault of a script that exceeded a limit, at the place where SQLite stopped it.
fn exceeded(stopped: Option<Fault>, what: String) -> Fault {
    let mut fault = stopped.unwrap_or_else(|| Fault::new(FaultKind::Interrupted, ""));
    fault.details.message = what.into();
    fault.remedy(Remedy::RaiseStoredLimits.only_if("the script can be trusted"))
}

fn is_too_big(fault: &Fault) -> bool {
    let cause = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    cause.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::TooBig)
}

/// Interrupts a connection when its time is over.
struct Watchdog {
    /// Dropped to end the thread.
    running: Sender<()>,
    /// Returns whether it interrupted the connection.
    thread: JoinHandle<bool>,
}

impl Watchdog {
    fn start(conn: &Connection, time: Duration) -> Result<Self, Fault> {
        /// An interrupt between two statements stops neither of them, so it is repeated.
        const AGAIN: Duration = Duration::from_millis(20);
        let (running, ended) = mpsc::channel();
        let handle = conn.get_interrupt_handle();
        let watch = move || {
            let mut wait = time;
            let mut is_late = false;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
                (wait, is_late) = (AGAIN, true);
            }
            is_late
        };
        let thread = thread::Builder::new().spawn(watch).map_err(|error| {
            let what = format!("no thread can be started to watch the script: {error}");
            Fault::new(FaultKind::Other, what).remedy("end other programs and run again")
        })?;
        Ok(Self { running, thread })
    }

    /// Ends the watch, and returns whether the time was over. After that nothing is interrupted any more.
    fn end(self) -> bool {
        drop(self.running);
        self.thread.join().unwrap_or(true)
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
