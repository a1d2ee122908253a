//! The arguments of `database`.

use clap::{Args, Subcommand};

/// What to do with the database as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Create the database if it does not exist
    Create,
    /// Drop the database, with everything in it
    Drop(Dropping),
    /// Drop the database, create it again and apply all migrations
    Reset(Dropping),
    /// Exit with 0 if the database exists, and with 3 if it does not
    Exists,
}

/// How a database is dropped.
#[derive(Debug, Args)]
pub(crate) struct Dropping {
    /// The name of the database: for SQLite, the name of its file. In a protected environment, such as production, --yes alone is not enough
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
    /// End the sessions of others in the database (PostgreSQL)
    #[arg(long)]
    pub(crate) force: bool,
}
