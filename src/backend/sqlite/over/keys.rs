//! Foreign keys while a step runs: enforcement is set outside its transaction, for the reasons that `sqlite/keys.rs` gives.

use crate::backend::driver::Driver;
use crate::backend::sqlite::over::SqliteOver;
use crate::backend::statements::{Statements, value};
use crate::fault::{Fault, FaultKind};
use crate::step::ForeignKeys;

/// Runs `body` with the enforcement that the step requests, and restores the session's setting on every path.
pub(super) fn with_enforcement<S: Statements, R, E: From<Fault>>(
    conn: &mut &mut S,
    wanted: ForeignKeys,
    body: impl FnOnce(&mut &mut S) -> Result<R, E>,
) -> Result<R, E> {
    let was = is_enforced(*conn)?;
    let wanted = wanted == ForeignKeys::Enforced;
    let restored = Restored { conn: &mut **conn, was };
    if was != wanted {
        restored.conn.run(pragma(wanted))?;
        if is_enforced(restored.conn)? != wanted {
            let what = "SQLite does not let the enforcement of foreign keys be changed in this session";
            let remedy = "give the migrations a session without an open transaction or statement";
            return Err(Fault::new(FaultKind::Other, what).remedy(remedy).into());
        }
    }
    body(&mut &mut *restored.conn)
}

/// The session's setting, which is restored when this is dropped.
struct Restored<'c, S: Statements> {
    conn: &'c mut S,
    was: bool,
}

impl<S: Statements> Drop for Restored<'_, S> {
    fn drop(&mut self) {
        // A script outside a transaction may have set it too. A session whose run was cancelled does not say what it is.
        let now = is_enforced(self.conn);
        // A panic or a cancelled run may leave a transaction open, in which the pragma does nothing.
        if std::thread::panicking() || now.is_err() {
            let _ = SqliteOver::<S>::rollback(&mut &mut *self.conn);
        }
        if now.ok() != Some(self.was) {
            let _ = self.conn.restore(pragma(self.was));
        }
    }
}

/// Sets what a step runs under, after a pragma of its script outside a transaction.
pub(super) fn reset<S: Statements>(conn: &mut S, wanted: ForeignKeys) -> Result<(), Fault> {
    conn.restore(pragma(wanted == ForeignKeys::Enforced))
}

fn is_enforced(conn: &mut impl Statements) -> Result<bool, Fault> {
    Ok(value(conn, "SELECT foreign_keys AS c0 FROM pragma_foreign_keys")?.as_deref() == Some("1"))
}

const fn pragma(on: bool) -> &'static str {
    if on { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" }
}
