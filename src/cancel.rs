//! [`CancelToken`]: ends a run from another thread, also in the middle of a statement.
//!
//! A run is one thread from its first statement to its last, so the token of the run is kept per thread. Everything that may take long asks
//! it: a script before each of its statements, and each wait for a lock. What may be interrupted in the middle is a [`Window`], and the
//! token interrupts only while one is open. The engine's own work (the commit, the record of a step outside a transaction, the settings
//! of the connection) is never inside a window, and neither is anything after the run.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};

/// Ends a run from another thread: see [`MigrationRunner::cancel_with`](crate::MigrationRunner::cancel_with). All clones are the same
/// token.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_cancelled: AtomicBool,
    windows: Mutex<Vec<Window>>,
    /// Notified when a window closes.
    closed: Condvar,
}

/// Work that may be interrupted.
struct Window {
    number: u64,
    interrupter: Interrupter,
    interrupted: Option<Interrupted>,
}

/// How work was interrupted, until it ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Interrupted {
    /// How often the function of its [`Interrupter`] was called.
    pub times: u32,
    /// When it was called for the first time.
    pub first: Instant,
    /// When it was called last.
    pub last: Instant,
}

impl CancelToken {
    /// Creates a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the runs that have this token, now and later. It returns at once, and a second call does nothing.
    pub fn cancel(&self) {
        let windows = self.0.windows();
        // Under the lock, so that a window is either opened before this and interrupted, or not opened.
        let was_cancelled = self.0.is_cancelled.swap(true, Ordering::SeqCst);
        if was_cancelled || windows.is_empty() {
            return;
        }
        drop(windows);
        let shared = Arc::clone(&self.0);
        let interrupting = thread::Builder::new().name("switchy_schema cancel".to_owned());
        if interrupting.spawn(move || shared.interrupt_until_closed()).is_err() {
            self.0.interrupt();
        }
    }

    /// Whether it is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

impl Shared {
    fn windows(&self) -> MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Interrupts again and again: the statement of a window may begin only after the first time.
    fn interrupt_until_closed(&self) {
        loop {
            let pause = self.interrupt();
            let windows = self.windows();
            if windows.is_empty() {
                return;
            }
            drop(self.closed.wait_timeout(windows, pause));
        }
    }

    /// Interrupts the open windows that it is time for, and returns how long to wait before the next time. A window closes only when
    /// this has ended, so no interrupt reaches what comes after it.
    fn interrupt(&self) -> Duration {
        let mut pause = Duration::from_secs(1);
        for window in &mut *self.windows() {
            let Interrupter { interrupt, every } = &window.interrupter;
            let waited = window.interrupted.map(|interrupted| interrupted.last.elapsed());
            if waited.is_none_or(|waited| waited >= *every) {
                let began = Instant::now();
                interrupt();
                let (times, first) = window.interrupted.map_or((0, began), |it| (it.times, it.first));
                window.interrupted = Some(Interrupted { times: times + 1, first, last: Instant::now() });
            }
            pause = pause.min(*every);
        }
        pause
    }
}

/// Interrupts the statement that runs on a connection, from another thread.
pub struct Interrupter {
    interrupt: Box<dyn Fn() + Send>,
    every: Duration,
}

impl Interrupter {
    /// Creates it from a function that interrupts the statement that is running, and does nothing if none is. It is called once every
    /// this long until the statement has ended, since the statement may begin after a call.
    pub fn new(every: Duration, interrupt: impl Fn() + Send + 'static) -> Self {
        Self { interrupt: Box::new(interrupt), every }
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter").field("every", &self.every).finish_non_exhaustive()
    }
}

/// What a run needs of its token. It is a trait so that a program that sets no token does not link what interrupts.
pub(crate) trait Cancel: Send + Sync {
    fn is_cancelled(&self) -> bool;

    /// Opens a window, unless the token is cancelled. Returns its number.
    fn open(&self, interrupter: Interrupter) -> Option<u64>;

    /// Closes a window, and returns how it was interrupted.
    fn close(&self, number: u64) -> Option<Interrupted>;
}

impl Cancel for CancelToken {
    fn is_cancelled(&self) -> bool {
        Self::is_cancelled(self)
    }

    fn open(&self, interrupter: Interrupter) -> Option<u64> {
        let mut windows = self.0.windows();
        if self.is_cancelled() {
            return None;
        }
        let number = windows.iter().map(|window| window.number + 1).max().unwrap_or_default();
        windows.push(Window { number, interrupter, interrupted: None });
        Some(number)
    }

    fn close(&self, number: u64) -> Option<Interrupted> {
        let mut windows = self.0.windows();
        let place = windows.iter().position(|window| window.number == number)?;
        let window = windows.remove(place);
        self.0.closed.notify_all();
        window.interrupted
    }
}

thread_local! {
    /// The tokens of the runs on this thread, the innermost last. `None` hides those before it.
    static RUNS: RefCell<Vec<Option<Arc<dyn Cancel>>>> = const { RefCell::new(Vec::new()) };
}

#[inline(never)]
fn current() -> Option<Arc<dyn Cancel>> {
    RUNS.with_borrow(|runs| runs.last().cloned().flatten())
}

/// Runs `body` as a run with this token. A run inside a migration of another one has the token of that one, unless it has its own.
pub(crate) fn within<R>(token: Option<&Arc<dyn Cancel>>, body: impl FnOnce() -> R) -> R {
    match token {
        Some(token) => under(Some(Arc::clone(token)), body),
        None => body(),
    }
}

/// Runs `body`, which must come to its end even if the run is cancelled.
pub(crate) fn shielded<R>(body: impl FnOnce() -> R) -> R {
    under(None, body)
}

fn under<R>(token: Option<Arc<dyn Cancel>>, body: impl FnOnce() -> R) -> R {
    let _entered = Entered::new(token);
    body()
}

/// The time during which a token is that of the thread.
struct Entered;

impl Entered {
    #[inline(never)]
    fn new(token: Option<Arc<dyn Cancel>>) -> Self {
        RUNS.with_borrow_mut(|runs| runs.push(token));
        Self
    }
}

impl Drop for Entered {
    #[inline(never)]
    fn drop(&mut self) {
        RUNS.with_borrow_mut(Vec::pop);
    }
}

/// Whether the run on this thread is cancelled.
#[inline(never)]
pub(crate) fn is_cancelled() -> bool {
    RUNS.with_borrow(|runs| runs.last().is_some_and(|run| run.as_ref().is_some_and(|run| run.is_cancelled())))
}

/// Ends the run on this thread if it is cancelled.
///
/// # Errors
/// It is.
#[inline(never)]
pub(crate) fn check() -> Result<(), Fault> {
    if is_cancelled() { Err(Fault::cancelled()) } else { Ok(()) }
}

/// A fault of a cancelled run, marked as such if the cancel is its cause: an interrupted statement, or a wait that was given up.
#[inline(never)]
pub(crate) fn explained(fault: Fault) -> Fault {
    let is_cause = matches!(fault.kind(), FaultKind::Interrupted | FaultKind::Busy);
    if is_cause && is_cancelled() { fault.by_cancel() } else { fault }
}

/// A fault of code in a cancelled run. The code may have wrapped the error of its interrupted statement, or ended for another reason that
/// the next run will meet again.
pub(crate) fn explained_of_code(fault: Fault) -> Fault {
    if is_cancelled() { fault.by_cancel() } else { fault }
}

/// Opens a window for work with this interrupter. It is `None` if there is nothing to interrupt it with.
///
/// # Errors
/// The run is cancelled.
pub(crate) fn open(interrupter: impl FnOnce() -> Option<Interrupter>) -> Result<Option<OpenWindow>, Fault> {
    let Some(token) = current() else { return Ok(None) };
    open_with(token, interrupter())
}

#[inline(never)]
fn open_with(token: Arc<dyn Cancel>, interrupter: Option<Interrupter>) -> Result<Option<OpenWindow>, Fault> {
    let Some(interrupter) = interrupter else { return check().map(|()| None) };
    match token.open(interrupter) {
        Some(number) => Ok(Some(OpenWindow { token, number, is_closed: false })),
        None => Err(Fault::cancelled()),
    }
}

/// A window, which closes when this is dropped, also by a panic.
pub(crate) struct OpenWindow {
    token: Arc<dyn Cancel>,
    number: u64,
    is_closed: bool,
}

impl OpenWindow {
    /// Closes it, and returns how it was interrupted.
    pub(crate) fn close(mut self) -> Option<Interrupted> {
        self.is_closed = true;
        self.token.close(self.number)
    }
}

impl Drop for OpenWindow {
    #[inline(never)]
    fn drop(&mut self) {
        if !self.is_closed {
            self.token.close(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn counting(count: &Arc<AtomicU32>) -> Interrupter {
        let count = Arc::clone(count);
        Interrupter::new(Duration::from_millis(1), move || {
            count.fetch_add(1, Ordering::SeqCst);
        })
    }

    /// The loop in which a statement begins late would never end if there were one interrupt only.
    #[test]
    fn an_open_window_is_interrupted_until_it_closes_and_never_after() {
        let (token, count) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
        let run: Arc<dyn Cancel> = Arc::new(token.clone());
        within(Some(&run), || {
            let window = open(|| Some(counting(&count))).unwrap().unwrap();
            thread::spawn(move || token.cancel());
            while count.load(Ordering::SeqCst) < 3 {
                thread::yield_now();
            }
            assert!(window.close().is_some_and(|interrupted| interrupted.times >= 3));
            let after = count.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
            assert_eq!(count.load(Ordering::SeqCst), after);
            assert!(open(|| Some(counting(&count))).is_err());
            assert!(check().is_err());
            assert!(shielded(check).is_ok());
        });
        assert!(check().is_ok());
    }

    #[test]
    fn a_panic_closes_the_window_and_leaves_the_run() {
        let (token, count) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
        let run: Arc<dyn Cancel> = Arc::new(token.clone());
        let panicking = || {
            within(Some(&run), || {
                let _window = open(|| Some(counting(&count))).unwrap();
                panic!("on purpose")
            })
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panicking)).unwrap_err();
        token.cancel();
        thread::sleep(Duration::from_millis(10));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        assert!(!is_cancelled());
    }

    #[test]
    fn a_run_inside_another_has_its_token_unless_it_has_its_own() {
        let (outer, inner) = (CancelToken::new(), CancelToken::new());
        outer.cancel();
        let [outer, inner]: [Arc<dyn Cancel>; 2] = [Arc::new(outer), Arc::new(inner)];
        within(Some(&outer), || {
            assert!(within(None, is_cancelled));
            assert!(!within(Some(&inner), is_cancelled));
            assert!(is_cancelled());
        });
    }
}
