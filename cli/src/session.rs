//! [`Database`]: a kind of database that can be opened by its address.

use std::time::Duration;

use switchy_schema::{Backend, DirectoryMigrations, MigrationRunner};

use crate::address::Address;
use crate::failure::Result;

mod mysql;
mod postgres;
mod sqlite;
mod tls;

/// What a command is going to do with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Look, and change nothing. A file that does not exist is an empty database.
    Read,
    /// Change what is there. A file that does not exist is an empty database, and is not made.
    Change,
    /// Change it, or make it.
    Make,
}

/// How to interrupt the statement that a session runs, from another thread.
pub(crate) type Interrupter = Box<dyn Fn() + Send>;

/// A database that was opened, and what a person should know about that.
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
#[allow(private_interfaces, reason = "it cannot be implemented or called elsewhere")]
pub trait Database: Backend + sealed::Sealed {
    /// An open connection.
    #[doc(hidden)]
    type Session;

    /// Opens a database of this kind.
    #[doc(hidden)]
    fn open(address: &Address, access: Access, patience: Duration) -> Result<Opened<Self::Session>>;

    /// The connection as the engine wants it.
    #[doc(hidden)]
    fn conn(session: &mut Self::Session) -> Self::Conn<'_>;

    /// How to interrupt what the session does.
    #[doc(hidden)]
    fn interrupter(session: &mut Self::Session) -> Interrupter;

    /// The migrations in a folder, for this kind of database.
    #[doc(hidden)]
    fn folder(dir: &std::path::Path) -> switchy_schema::Result<MigrationRunner<Self>> {
        MigrationRunner::for_backend(DirectoryMigrations::from_path(dir))
    }
}
