//! [`ClientPart`]: a part of a script that the database's own client runs.

use crate::history::{Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;
use crate::script_options::{Atomicity, ForeignKeys};

/// A part of a script with which the database's own client (`sqlite3`, `psql`, `mariadb`) carries out a plan.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ClientPart<'a> {
    /// What comes first: the client must stop at the first error.
    Opening,
    /// Creates the tracking table if it is missing. It is inside the first transaction, if creating a table does not commit.
    Table,
    /// Creates the log if it is missing.
    Log,
    /// Ends the script with an error unless the tracking table has this head.
    Expects(Head),
    /// Begins the transaction of a step.
    Begin(ForeignKeys),
    /// Sets how foreign keys are enforced in a step outside a transaction.
    Outside(ForeignKeys),
    /// The statements of a script. Those with which it begins and ends its own only transaction are left out.
    Script(&'a str, Atomicity),
    /// Remembers the settings of the session that this script may change.
    Remember(&'a str),
    /// Sets back the settings of the session that this script may have changed. With the statements with which the session begins.
    SetBack(&'a str, &'a [String]),
    /// Ends the transaction of a step, if no row has lost its parent.
    Commit(ForeignKeys),
    /// Adds a record with the digest of the whole history on it.
    Append(&'a Record, HistoryDigest),
    /// Rewrites a record.
    Update(&'a Record),
    /// Removes a record.
    Delete(&'a MigrationId),
    /// Writes the digest of the whole history on the newest record.
    Stamp(HistoryDigest),
    /// Adds an entry to the log.
    LogEntry(&'a LogEntry),
}
