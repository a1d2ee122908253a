//! A step that waits for locks: its limit, and who is in its way.

use std::time::Duration;

use super::Executor;
use super::work::Work;
use crate::backend::{Backend, Blocker};
use crate::fault::Fault;
use crate::step::Atomicity;

impl<B: Backend> Executor<'_, B> {
    /// How long a statement of a step may wait for a lock, if that is limited: by its metadata, or else by the runner.
    pub(super) fn lock_timeout(&self, work: &Work<'_, '_, B>) -> Option<Duration> {
        work.meta.lock_timeout.or(self.waits.limit)
    }

    /// How long a step waits for others before it begins. If its metadata or the runner limits its waits for locks, this limit counts.
    pub(super) fn patience_of(&self, work: &Work<'_, '_, B>) -> Duration {
        self.lock_timeout(work).unwrap_or(self.patience)
    }

    /// Runs `body`, a step or its part, under its limit on waits for locks.
    pub(super) fn limited<R, E: From<Fault>>(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
        body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        match self.lock_timeout(work) {
            // Otherwise the limit would stay in a session that others use.
            Some(limit) if !self.changes_sessions(atomicity) => B::limiting_lock_waits(conn, limit, body),
            _ => body(conn),
        }
    }

    /// Runs `body`, a step, and returns who was in its way at its end, as far as another connection could see it.
    pub(super) fn watched<R>(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
        body: impl FnOnce(&mut B::Conn<'_>) -> R,
    ) -> (R, Option<Blocker>) {
        let session = self.watcher.as_ref().filter(|_| !self.changes_sessions(atomicity));
        let session = session.and_then(|watcher| Some((watcher, watcher.session(conn, self.lock)?)));
        let Some((watcher, session)) = session else { return (body(conn), None) };
        let watching = watcher.watch(work.step, session, self.lock_timeout(work), self.secrets);
        let done = body(conn);
        (done, watching.end())
    }

    /// Whether a proxy may give each statement another session.
    fn changes_sessions(&self, atomicity: Atomicity) -> bool {
        atomicity == Atomicity::NonTransactional && self.lock.is_per_transaction()
    }
}
