//! Settings of the connection that a script from the database may change while it runs.

use rusqlite::Connection;

/// Restores what a script changed, on every path. Rolling back a transaction does not restore pragmas.
pub(super) struct Restored<'c> {
    conn: &'c Connection,
    before: Vec<(&'static str, i64)>,
}

impl<'c> Restored<'c> {
    /// The current settings.
    pub(super) fn of(conn: &'c Connection) -> rusqlite::Result<Self> {
        let read = |name: &'static str| -> rusqlite::Result<(&'static str, i64)> {
            Ok((name, conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?))
        };
        let before = ["recursive_triggers", "legacy_alter_table"]
            .into_iter()
            .map(read)
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { conn, before })
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        for (name, was) in &self.before {
            let _ = self.conn.execute_batch(&format!("PRAGMA {name} = {was}"));
        }
    }
}
