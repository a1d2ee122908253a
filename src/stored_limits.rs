//! [`StoredLimits`]: how much a script that is stored in a database may do.

use std::time::Duration;

/// How much each script that is stored in the database may do when [`downgrade`](crate::MigrationRunner::downgrade) runs it.
///
/// A database file can come from anywhere, and its scripts with it. A script that exceeds a limit is undone, and the error names the limit. The
/// limits are for SQLite, the only database whose stored scripts run.
///
/// ```
/// use std::time::Duration;
///
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, StoredLimits};
///
/// let conn = Connection::open_in_memory()?;
/// let endless = "WITH n (i) AS (SELECT x FROM a UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
/// let newer = Migration::reversible("1_a", "CREATE TABLE a (x); INSERT INTO a VALUES (1)", endless);
/// MigrationRunner::new([newer])?.run(&conn)?;
///
/// let limits = StoredLimits::default().time(Duration::from_millis(50));
/// let older = MigrationRunner::new([])?.stored_limits(limits);
/// let error = older.downgrade(&conn).unwrap_err();
/// assert!(error.to_string().contains("it runs for more than 50ms, the limit"));
/// assert!(error.outcome().unwrap().contains("nothing of it was kept"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLimits {
    /// How long it may run. The default is 5 minutes.
    pub time: Duration,
    /// How many rows it may add, change and delete, those of triggers included. They are counted at its end. The default is 10 million.
    pub rows: u64,
    /// By how many bytes it may make the database larger, and how long a single value may be. The default is 1 GiB.
    pub bytes: u64,
}

impl StoredLimits {
    /// Sets how long a script may run.
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Sets how many rows a script may add, change and delete.
    pub const fn rows(mut self, rows: u64) -> Self {
        self.rows = rows;
        self
    }

    /// Sets by how many bytes a script may make the database larger.
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for StoredLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(300), rows: 10_000_000, bytes: 1 << 30 }
    }
}
