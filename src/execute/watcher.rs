//! [`Watcher`]: looks on another connection for who is in the way of a step.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{Backend, Blocker, Driver};
use crate::event::{Event, Observer};
use crate::fault::BoxError;
use crate::lock::Lock;
use crate::placeholder::Secrets;
use crate::step::Step;

/// Opens a connection and passes it to a function.
pub(crate) type Connect<B> =
    dyn Fn(&mut dyn for<'c> FnMut(<B as Driver>::Conn<'c>)) -> Result<(), BoxError> + Send + Sync;

/// How often the other connection looks. A step with a short limit is looked at more often, so that its error can say who was in the way.
const OFTEN: Duration = Duration::from_secs(1);
/// How long a statement has been seen waiting when the observer is told: with the time before the first look, some five seconds.
const LONG: Duration = Duration::from_secs(4);

/// Looks on another connection for who is in the way of the steps of a run. The connection is opened when a step has run for a while. It ends
/// when this is dropped.
pub(crate) struct Watcher<B: Backend> {
    connect: Arc<Connect<B>>,
    observer: Option<Observer>,
    shared: OnceLock<Arc<Shared>>,
    /// The session of the run, if the whole run uses one.
    session: OnceLock<Option<String>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when the state has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_over: bool,
    /// The number of steps that were watched, with the present one.
    count: u64,
    watched: Option<Watched>,
}

/// A step that is watched.
struct Watched {
    step: Step,
    session: String,
    /// What the other session runs may have them too.
    secrets: Secrets,
    every: Duration,
    next: Instant,
    /// When the session was first seen waiting, if it is waiting.
    since: Option<Instant>,
    /// Who was in the way at the last look.
    blocker: Option<Blocker>,
    /// The sessions that the observer was told of.
    told: Vec<String>,
}

impl<B: Backend> Watcher<B> {
    pub(crate) fn new(connect: &Arc<Connect<B>>, observer: Option<&Observer>) -> Self {
        Self {
            connect: Arc::clone(connect),
            observer: observer.cloned(),
            shared: OnceLock::new(),
            session: OnceLock::new(),
        }
    }

    /// The session of a connection. The server is asked once if the whole run uses one session. A connection that is lost has none, and the step
    /// finds that out.
    pub(super) fn session(&self, conn: &mut B::Conn<'_>, lock: &Lock) -> Option<String> {
        let mut ask = || B::session(conn).ok().flatten();
        if lock.has_one_session() { self.session.get_or_init(ask).clone() } else { ask() }
    }

    /// Watches a step in this session until [`Watching::end`], or until the run is over.
    pub(super) fn watch(
        &self,
        step: &Step,
        session: String,
        limit: Option<Duration>,
        secrets: &Secrets,
    ) -> Watching {
        // A server that is asked more often may not renew what it tells.
        const SHORTEST: Duration = Duration::from_millis(150);

        let shared = self.shared.get_or_init(|| self.start());
        let every = limit.map_or(OFTEN, |limit| (limit / 3).clamp(SHORTEST, OFTEN));
        let mut state = shared.lock();
        state.count += 1;
        state.watched = Some(Watched {
            step: step.clone(),
            session,
            secrets: secrets.clone(),
            every,
            next: Instant::now() + every,
            since: None,
            blocker: None,
            told: Vec::new(),
        });
        shared.changed.notify_all();
        Watching(Arc::clone(shared))
    }

    /// Starts the thread that looks. Nobody waits for it at the end, since it may be connecting to a server that does not answer.
    fn start(&self) -> Arc<Shared> {
        let shared = Arc::<Shared>::default();
        let (looking, connect, observer) =
            (Arc::clone(&shared), Arc::clone(&self.connect), self.observer.clone());
        let named = thread::Builder::new().name("switchy_schema watch".to_owned());
        // Without the thread, nobody is told who is in the way.
        let _ = named.spawn(move || {
            if looking.wait_for_look().is_some() {
                let _ = connect(&mut |mut conn| looking.look::<B>(&mut conn, observer.as_ref()));
            }
        });
        shared
    }
}

impl<B: Backend> Drop for Watcher<B> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.get() {
            shared.lock().is_over = true;
            shared.changed.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until the run is over.
    fn look<B: Backend>(&self, conn: &mut B::Conn<'_>, observer: Option<&Observer>) {
        while let Some((count, session)) = self.wait_for_look() {
            let Ok(blocker) = B::blocker(conn, &session) else { return };
            self.saw(count, blocker, observer);
        }
    }

    /// Waits until it is time to look, and returns the number of the step and its session; `None` if the run is over.
    fn wait_for_look(&self) -> Option<(u64, String)> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            let count = state.count;
            let Some(watched) = &state.watched else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = watched.next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some((count, watched.session.clone()));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes who is in the way of a step, and tells the observer if it has been waiting for long: once for each session. It tells under the
    /// lock, so that nothing is told of a step that has ended.
    fn saw(&self, count: u64, blocker: Option<Blocker>, observer: Option<&Observer>) {
        let mut state = self.lock();
        if state.count != count {
            return;
        }
        let Some(watched) = &mut state.watched else { return };
        watched.next = Instant::now() + watched.every;
        let since = *watched.since.get_or_insert_with(Instant::now);
        watched.blocker = blocker.map(|mut blocker| {
            watched.secrets.mask(&mut blocker.lock);
            watched.secrets.mask(&mut blocker.holder);
            blocker
        });
        let Some(Blocker { lock, session, holder }) = &watched.blocker else {
            watched.since = None;
            return;
        };
        if since.elapsed() >= LONG && !watched.told.contains(session) {
            watched.told.push(session.clone());
            if let Some(observer) = observer {
                observer(&Event::Blocked { step: &watched.step, lock, holder });
            }
        }
    }
}

/// The time during which a step is watched.
pub(super) struct Watching(Arc<Shared>);

impl Watching {
    /// Ends it, and returns who was in the way at the last look.
    pub(super) fn end(self) -> Option<Blocker> {
        self.0.lock().watched.take().and_then(|watched| watched.blocker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Sqlite;

    /// A watcher whose thread ends at once, so that the tests look themselves.
    fn blind<B: Backend>() -> Watcher<B> {
        let connect: Arc<Connect<B>> = Arc::new(|_| Err("no connection".into()));
        Watcher::new(&connect, None)
    }

    fn watch(watcher: &Watcher<impl Backend>) -> Watching {
        watcher.watch(&Step::up("1_it"), "7".to_owned(), None, &Secrets::default())
    }

    fn blocker() -> Blocker {
        Blocker::new("a lock on `accounts`", "8", "session 8")
    }

    #[test]
    fn what_was_seen_of_a_step_that_has_ended_is_not_said_of_the_next() {
        let watcher = blind::<Sqlite>();
        let first = watch(&watcher);
        let shared = Arc::clone(&first.0);
        let looked_at = shared.lock().count;
        shared.saw(looked_at, Some(blocker()), None);
        assert_eq!(first.end(), Some(blocker()));

        let second = watch(&watcher);
        shared.saw(looked_at, Some(blocker()), None);
        assert_eq!(second.end(), None);
    }

    #[test]
    fn the_next_look_is_later() {
        let watcher = blind::<Sqlite>();
        let watching = watch(&watcher);
        let (count, began) = (watching.0.lock().count, Instant::now());
        watching.0.saw(count, Some(blocker()), None);
        let next = watching.0.lock().watched.as_ref().map(|watched| watched.next);
        assert!(next >= Some(began + OFTEN), "{next:?}");
    }
}
