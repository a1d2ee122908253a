//! [`TransactionRules`]: how the transactions of databases differ.

use super::driver::Driver;

/// What a database does with the transactions of a script, where others do something else.
pub(super) trait TransactionRules: Driver {
    /// Whether a statement that begins a transaction commits the one that is open. If not, it fails, does nothing or sets a savepoint.
    const BEGIN_COMMITS: bool = false;

    /// Whether a statement can commit a transaction without being `COMMIT`: one that changes the schema.
    const HAS_IMPLICIT_COMMITS: bool = false;

    /// Whether `COMMIT` without a transaction, and `BEGIN` inside one, are errors.
    const REFUSES_UNMATCHED: bool = false;

    /// Whether a read-only transaction goes on when it refuses a write. If not, the error ends it.
    const SURVIVES_REFUSED_WRITE: bool = false;
}
