//! [`TransactionRules`]: how the transactions of databases differ.

use super::driver::Driver;

/// How a database handles transactions in a script, for the points on which databases differ.
pub(super) trait TransactionRules: Driver {
    /// Whether a statement that begins a transaction commits the open one. If not, it fails, does nothing or sets a savepoint.
    const BEGIN_COMMITS: bool = false;

    /// Whether a statement other than `COMMIT` can commit a transaction, such as one that changes the schema.
    const HAS_IMPLICIT_COMMITS: bool = false;

    /// Whether `COMMIT` without a transaction, and `BEGIN` inside one, are errors.
    const REFUSES_UNMATCHED: bool = false;

    /// Whether a read-only transaction continues after it refuses a write. If not, the error ends it.
    const SURVIVES_REFUSED_WRITE: bool = false;
}
