//! SQLite.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use switchy_schema::{MigrationRunner, Restored, SnapshotInfo, SnapshotSettings, Sqlite};

use super::{Access, Database, Existed, Interrupter, Opened, Others};
use crate::address::{Address, SqliteFile};
use crate::failure::{Failure, Result};

mod beside;
mod whole;

use self::beside::beside;

#[allow(private_interfaces, reason = "the trait is sealed")]
impl Database for Sqlite {
    type Session = Connection;

    fn open(address: &Address, access: Access, patience: Duration) -> Result<Opened<Connection>> {
        let Address::Sqlite(file) = address else {
            return Err(Failure::usage(format!(
                "{address} is no SQLite database, and these migrations are for SQLite"
            )));
        };
        let opened = match file {
            SqliteFile::Memory => Opened { session: memory()?, note: None },
            SqliteFile::At(path) => at(path, access)?,
        };
        // The engine has its own waiting; this is for waiting inside SQLite.
        let wait = patience.min(Duration::from_secs(5));
        opened.session.busy_timeout(wait).map_err(|error| Failure::connection(error.to_string()))?;
        Ok(opened)
    }

    fn exists(address: &Address) -> Result<bool> {
        whole::exists(address)
    }

    fn create(address: &Address) -> Result<Existed> {
        whole::create(address)
    }

    fn drop(address: &Address, others: Others, patience: Duration) -> Result<()> {
        whole::drop(address, others, patience)
    }

    fn conn(session: &mut Connection) -> &Connection {
        session
    }

    fn own_interrupter(_session: &mut Connection) -> Option<Interrupter> {
        None
    }

    fn in_schema(_: MigrationRunner, _: &str) -> Option<switchy_schema::Result<MigrationRunner>> {
        None
    }

    const HAS_SNAPSHOTS: bool = true;

    fn with_snapshots(runner: MigrationRunner, settings: SnapshotSettings) -> MigrationRunner {
        runner.snapshot(settings)
    }

    fn snapshots(
        runner: &MigrationRunner,
        session: &mut Connection,
    ) -> switchy_schema::Result<Vec<SnapshotInfo>> {
        runner.snapshots(session)
    }

    fn restore(
        runner: &MigrationRunner,
        session: &mut Connection,
        snapshot: &Path,
    ) -> switchy_schema::Result<Option<Restored>> {
        runner.restore(session, snapshot).map(Some)
    }
}

fn memory() -> Result<Connection> {
    Connection::open_in_memory().map_err(|error| Failure::connection(error.to_string()))
}

fn at(path: &Path, access: Access) -> Result<Opened<Connection>> {
    if !path.exists() && access != Access::Make {
        let note = format!("there is no file {} yet, so nothing is applied", path.display());
        return Ok(Opened { session: memory()?, note: Some(note) });
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        let what = format!("there is no folder {} for the database", folder.display());
        return Err(Failure::connection(format!("{what}; make it, or check the path")));
    }
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // A read-only connection to a database in WAL mode leaves the `-wal` and `-shm` files; a writable one removes them. But a writable one
    // also moves what a crash left in the WAL into the database, so if a WAL exists, the connection is read-only.
    let is_read_only = access == Access::Read && beside(path, "-wal").exists();
    flags |= match access {
        Access::Read if is_read_only => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Read | Access::Change => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Make => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let session = Connection::open_with_flags(path, flags).map_err(|error| {
        let what = format!("cannot open the database {}: {error}", path.display());
        Failure::connection(format!("{what}; check that it is a file that this user may use"))
    })?;
    if access == Access::Read {
        session
            .pragma_update(None, "query_only", true)
            .map_err(|error| Failure::connection(error.to_string()))?;
    }
    Ok(Opened { session, note: None })
}
