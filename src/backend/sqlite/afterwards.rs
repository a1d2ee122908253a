//! What a step leaves to be done on its connection when its transaction has ended.
//!
//! A script finds this out while it runs, inside the transaction, and [`Driver`](crate::backend::Driver) passes nothing but the
//! connection from there to the end of the transaction. So it is kept per thread, for the connection. A step without such a script
//! keeps nothing and costs no statement.

use std::cell::RefCell;

use rusqlite::Connection;

use super::attached;
use super::settings::{Changed, Old};
use crate::fault::Fault;

struct Left {
    conn: *const Connection,
    settings: Changed,
    /// The databases that were attached before the step attached one.
    attached: Option<Vec<String>>,
}

thread_local! {
    /// The steps that run on this thread, the innermost last.
    static STEPS: RefCell<Vec<Left>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body`, which is a transaction or a step outside one, and then does what was left to do, on every path.
pub(super) fn around<R, E: From<Fault>>(
    conn: &mut &Connection,
    body: impl FnOnce(&mut &Connection) -> Result<R, E>,
) -> Result<R, E> {
    let mut step = Step::begin(conn);
    let outcome = body(conn);
    step.has_failed = outcome.is_err();
    outcome
}

/// A step that runs. What was left to do is done when it is dropped.
struct Step<'c> {
    conn: &'c Connection,
    has_failed: bool,
}

impl<'c> Step<'c> {
    fn begin(conn: &'c Connection) -> Self {
        let left = Left { conn, settings: Changed::default(), attached: None };
        STEPS.with_borrow_mut(|steps| steps.push(left));
        Self { conn, has_failed: true }
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        let Some(mut left) = STEPS.with_borrow_mut(Vec::pop) else { return };
        // The step is committed, or its own error says more.
        let _ = left.settings.set_back(self.conn);
        if let (true, Some(before)) = (self.has_failed, left.attached) {
            attached::detach_others(self.conn, &before);
        }
    }
}

/// Sets this back when the transaction has ended.
pub(super) fn set_back(conn: &Connection, settings: Vec<Old>) {
    with_step(conn, |left| left.settings.extend(settings));
}

/// If the step fails, detaches all databases but those that are attached now.
pub(super) fn detach(conn: &Connection) -> rusqlite::Result<()> {
    let now = attached::databases(conn)?;
    with_step(conn, |left| {
        left.attached.get_or_insert(now);
    });
    Ok(())
}

fn with_step(conn: &Connection, change: impl FnOnce(&mut Left)) {
    STEPS.with_borrow_mut(|steps| {
        if let Some(left) = steps.iter_mut().rev().find(|left| std::ptr::eq(left.conn, conn)) {
            change(left);
        }
    });
}
