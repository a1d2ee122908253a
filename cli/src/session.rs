//! [`Database`]: a kind of database that the command line can open.

use std::time::Duration;

use switchy_schema::{
    Backend, DirectoryMigrations, Links, MigrationRunner, Restored, SnapshotInfo, SnapshotSettings,
};

use crate::address::Address;
use crate::failure::Result;

mod deadline;
mod dump;
mod hint;
mod mysql;
mod not_up;
mod postgres;
mod sqlite;
mod tls;

/// How a command accesses a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read only. A file that does not exist is treated as an empty database.
    Read,
    /// Read and write. A file that does not exist is treated as an empty database, and is not created.
    Change,
    /// Read and write, and create the file if it does not exist.
    Make,
}

/// Whether a database existed before it was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existed {
    Before,
    No,
}

/// What happens to the sessions of others in a database that is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// While there are some, the database is not dropped.
    Respect,
    End,
}

/// Interrupts the running statement of a session, from another thread.
pub(crate) type Interrupter = Box<dyn Fn() + Send>;

/// An open database, and a note for the user.
pub(crate) struct Opened<S> {
    pub(crate) session: S,
    pub(crate) note: Option<String>,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for switchy_schema::Sqlite {}
    impl Sealed for switchy_schema::Postgres {}
    impl Sealed for switchy_schema::Mysql {}
}

/// A kind of database that the command line can open by its address: [`Sqlite`](switchy_schema::Sqlite),
/// [`Postgres`](switchy_schema::Postgres) and [`Mysql`](switchy_schema::Mysql).
#[allow(private_interfaces, reason = "the trait is sealed and its methods are not called elsewhere")]
pub trait Database: Backend + sealed::Sealed {
    /// An open connection.
    #[doc(hidden)]
    type Session;

    /// Opens a database of this kind.
    #[doc(hidden)]
    fn open(address: &Address, access: Access, patience: Duration) -> Result<Opened<Self::Session>>;

    /// Whether the database exists.
    #[doc(hidden)]
    fn exists(address: &Address) -> Result<bool>;

    /// Creates the database if it does not exist.
    #[doc(hidden)]
    fn create(address: &Address) -> Result<Existed>;

    /// Drops the database.
    #[doc(hidden)]
    fn drop(address: &Address, others: Others, patience: Duration) -> Result<()>;

    /// The connection as the engine expects it.
    #[doc(hidden)]
    fn conn(session: &mut Self::Session) -> Self::Conn<'_>;

    /// Returns a function that interrupts the running statement of the session, if the engine cannot do that.
    #[doc(hidden)]
    fn own_interrupter(session: &mut Self::Session) -> Option<Interrupter>;

    /// The schema of the database as a script, without the engine's tables.
    #[doc(hidden)]
    fn schema_script(
        runner: &MigrationRunner<Self>,
        session: &mut Self::Session,
        _address: &Address,
    ) -> Result<String> {
        Ok(runner.dump_schema(Self::conn(session))?.to_string())
    }

    /// The runner with its tracking table in this schema; `None` if this kind of database has no schemas.
    #[doc(hidden)]
    fn in_schema(
        runner: MigrationRunner<Self>,
        schema: &str,
    ) -> Option<switchy_schema::Result<MigrationRunner<Self>>>;

    /// Whether this kind of database has snapshots.
    #[doc(hidden)]
    const HAS_SNAPSHOTS: bool = false;

    /// The runner with these settings, if this kind of database has snapshots.
    #[doc(hidden)]
    fn with_snapshots(runner: MigrationRunner<Self>, _settings: SnapshotSettings) -> MigrationRunner<Self> {
        runner
    }

    /// The snapshots of the database.
    #[doc(hidden)]
    fn snapshots(
        _runner: &MigrationRunner<Self>,
        _session: &mut Self::Session,
    ) -> switchy_schema::Result<Vec<SnapshotInfo>> {
        Ok(Vec::new())
    }

    /// Restores a snapshot; `None` if this kind of database has none.
    #[doc(hidden)]
    fn restore(
        _runner: &MigrationRunner<Self>,
        _session: &mut Self::Session,
        _snapshot: &std::path::Path,
    ) -> switchy_schema::Result<Option<Restored>> {
        Ok(None)
    }

    /// The migrations in a folder, for this kind of database.
    #[doc(hidden)]
    fn folder(dir: &std::path::Path, links: Links) -> switchy_schema::Result<MigrationRunner<Self>> {
        MigrationRunner::for_backend(DirectoryMigrations::from_path(dir).links(links))
    }
}
