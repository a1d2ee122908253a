//! Transactions, and trying again while others are in the way.

use std::time::{Duration, Instant};

use super::{Backend, Scope};
use crate::fault::{Fault, FaultKind};

/// What [`Backend::transaction`] does by default: begins, runs `body`, and commits if it succeeds or
/// rolls back if it fails or unwinds. Beginning and committing are tried again while another writer is in the way,
/// as long as the scope says.
///
/// # Errors
/// What `body` returns, or the fault of beginning or committing.
pub fn atomically<B: Backend, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    scope: &Scope,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    struct Open<'a, 'c, B: Backend> {
        conn: &'a mut B::Conn<'c>,
        committed: bool,
    }
    impl<B: Backend> Drop for Open<'_, '_, B> {
        fn drop(&mut self) {
            if !self.committed {
                // The error in flight says more than a failed rollback could, and closing the connection undoes
                // the transaction in any case.
                let _ = B::rollback(self.conn);
            }
        }
    }

    patiently(scope.patience, || B::begin(conn))?;
    let mut open = Open::<B> { conn, committed: false };
    let done = body(open.conn)?;
    let mut is_open = true;
    patiently(scope.patience, || match B::commit(open.conn) {
        Err(fault) => match B::in_transaction(open.conn) {
            // The database has rolled back, so there is nothing to commit again.
            Ok(false) if fault.kind() == FaultKind::Busy => {
                is_open = false;
                Ok(Err(fault))
            }
            Ok(_) => Err(fault),
            Err(_) => Err(fault.in_doubt()),
        },
        Ok(()) => Ok(Ok(())),
    })??;
    open.committed = is_open;
    Ok(done)
}

/// Runs `body`. If it leaves a transaction open, that is rolled back and is an error.
pub(crate) fn closed<B: Backend, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    closed_unless_known::<B, R, E>(conn, false, body)
}

/// The same, without asking the database if `body` is known to leave no transaction open when it succeeds.
pub(super) fn closed_unless_known<B: Backend, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    is_known: bool,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    struct Unwinding<'a, 'c, B: Backend>(&'a mut B::Conn<'c>);
    impl<B: Backend> Drop for Unwinding<'_, '_, B> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = B::rollback(self.0);
            }
        }
    }

    let open = Unwinding::<B>(conn);
    let done = body(open.0);
    if is_known && done.is_ok() {
        return done;
    }
    // If the connection is gone, the first fault says why.
    if !B::in_transaction(open.0).unwrap_or(false) {
        return done;
    }
    B::rollback(open.0)?;
    done?;
    Err(Fault::new(FaultKind::Other, "it left a transaction open, which was rolled back")
        .remedy("end it with COMMIT")
        .into())
}

/// Tries again while the database is busy, for so long.
pub(crate) fn patiently<R>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<R, Fault>,
) -> Result<R, Fault> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(fault) if fault.kind() == FaultKind::Busy && began.elapsed() < patience => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}
