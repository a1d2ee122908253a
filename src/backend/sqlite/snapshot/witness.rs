//! [`SecondConnection`]: whether other connections have committed since the snapshot of a run.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::super::fault::known;
use super::super::query::value;
use super::super::{Sqlite, fault};
use super::restore::refuse_unfinished_statement;
use super::{Copier, data_version, open};
use crate::backend::catalog::Prepare;
use crate::backend::records::Witness;
use crate::backend::retry::patiently;
use crate::fault::Fault;

/// A witness of the commits. The data version of the run's own connection does not change when it commits, but also does when an error of the
/// disk or the memory makes SQLite discard what it has read. That of a second connection changes with each commit of any other one, and not
/// when a transaction of another one is rolled back. So it is noted when a transaction of the run begins: if it is still the same
/// later, nobody has committed since, and the version of the run's connection has changed by an error.
///
/// In WAL mode a transaction that begins the WAL anew changes it too, even if it is rolled back. SQLite does so with the first frame of a
/// transaction, and with no later one (`walRestartLog` in wal.c), so [`write_a_frame`] comes before the number is noted.
pub(crate) struct SecondConnection {
    live: PathBuf,
    prepare: Option<Arc<Prepare<Sqlite>>>,
    /// The data version of the run's connection when nobody else had committed; `None` if somebody may have.
    known: Cell<Option<i64>>,
    second: RefCell<Option<Second>>,
}

/// The connection, and its data version at the last look.
struct Second {
    conn: Connection,
    version: i64,
}

impl SecondConnection {
    /// With the data version of the run's connection at the moment of the snapshot.
    pub(crate) fn new(live: &Path, prepare: Option<Arc<Prepare<Sqlite>>>, version: i64) -> Self {
        Self { live: live.to_owned(), prepare, known: Cell::new(Some(version)), second: RefCell::new(None) }
    }

    /// What the second connection sees now. It is opened if it is not open. Without it, only the run's connection can tell.
    fn now(&self, before: Option<Second>) -> Option<Second> {
        let conn = match before {
            Some(second) => second.conn,
            // It only reads, so it leaves nothing behind and waits for nobody.
            None => open(&self.live, OpenFlags::SQLITE_OPEN_READ_ONLY, self.prepare.as_deref()).ok()?,
        };
        let version = current_version(&conn).ok()?;
        Some(Second { conn, version })
    }
}

/// Writes a frame into the WAL in a transaction that has written nothing, and takes it back. Nobody sees more of it than that the WAL may
/// have begun anew. Without a WAL it does nothing.
///
/// # Errors
/// The system prevents it. If anything else does, no frame is written.
pub(crate) fn write_a_frame(conn: &Connection) -> rusqlite::Result<()> {
    let mode: String = value(conn, "PRAGMA main.journal_mode", &[])?;
    // What is undone would end a statement that the application has not finished.
    if !mode.eq_ignore_ascii_case("wal") || conn.is_busy() {
        return Ok(());
    }
    conn.execute_batch("SAVEPOINT __switchy_frame")?;
    // The page of the new table is in no use, so SQLite can write it before the commit.
    let make = "CREATE TABLE main.__switchy_frame (a)";
    let written = conn.execute_batch(make).and_then(|()| conn.cache_flush());
    if conn.is_autocommit() {
        // SQLite has rolled the transaction back, so whatever the reason, nothing may follow in it.
        return written;
    }
    conn.execute_batch("ROLLBACK TO __switchy_frame; RELEASE __switchy_frame")?;
    known(written).map(drop)
}

/// The data version after a look at the file.
fn current_version(conn: &Connection) -> rusqlite::Result<i64> {
    let _: i64 = value(conn, "SELECT count(*) FROM main.sqlite_master", &[])?;
    data_version(conn)
}

impl Witness for SecondConnection {
    fn look(&self, version: i64) -> bool {
        let Some(known) = self.known.get() else { return false };
        let before = self.second.take();
        let seen = before.as_ref().map(|second| second.version);
        let now = self.now(before);
        let is_same = seen.is_some() && seen == now.as_ref().map(|second| second.version);
        let is_alone = version == known || is_same;
        self.known.set(is_alone.then_some(version));
        self.second.replace(now.filter(|_| is_alone));
        is_alone
    }

    /// An open connection keeps others, and the run itself, from changing the journal mode.
    fn rest(&self) {
        self.second.take();
    }
}

impl Copier<'_> {
    /// The data version of the run's connection if nobody else has committed since the snapshot.
    pub(crate) fn version_if_alone(
        &self,
        conn: &Connection,
        witness: &dyn Witness,
    ) -> Result<Option<i64>, Fault> {
        refuse_unfinished_statement(conn)?;
        // Nobody else can write until it ends. If a rollback is not complete, SQLite completes it here.
        patiently(self.patience, || conn.execute_batch("BEGIN IMMEDIATE").map_err(fault))?;
        let version = data_version(conn).map_err(fault);
        let version = version.map(|version| witness.look(version).then_some(version));
        // A restore needs the file for itself, and takes care of what is written from now on.
        witness.rest();
        conn.execute_batch("ROLLBACK").map_err(fault)?;
        version
    }
}
