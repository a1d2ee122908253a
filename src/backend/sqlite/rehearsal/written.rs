//! [`Written`]: the rows that are written on a connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{Action, AuthAction};

use crate::backend::sqlite::scratch;
use crate::sql::folded;

/// The numbers of rows that were inserted and updated since the last look, by the name of their table in lower case. SQLite reports neither
/// each deleted row nor the rows of tables `WITHOUT ROWID`.
#[derive(Debug, Default)]
pub(super) struct Written {
    rows: BTreeMap<String, Counts>,
    /// Whether a statement renamed a column.
    pub(super) renames_columns: bool,
    /// Whether a statement dropped a column.
    pub(super) drops_columns: bool,
    /// Whether a statement dropped a table.
    pub(super) drops_tables: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) inserted: u64,
    pub(super) updated: u64,
}

impl Written {
    /// Counts what is written on a connection from now on. A rollback undoes it.
    #[allow(clippy::let_underscore_untyped, reason = "the type differs between versions of rusqlite")]
    pub(super) fn by(conn: &mut Connection) -> Arc<Mutex<Self>> {
        let written = Arc::new(Mutex::new(Self::default()));
        let counts = Arc::clone(&written);
        let count = move |action: Action, database: &str, table: &str, _row: i64| {
            if database == "main" {
                locked(&counts).count(action, table);
            }
        };
        let undone = Arc::clone(&written);
        let altered = Arc::clone(&written);
        scratch::forbid_files(conn, move |action| locked(&altered).watch(action));
        // They fail only on a connection that is not the engine's own.
        let _ = conn.update_hook(Some(count));
        let _ = conn.rollback_hook(Some(move || *locked(&undone) = Self::default()));
        written
    }

    fn count(&mut self, action: Action, table: &str) {
        if !self.rows.contains_key(table) {
            self.rows.insert(table.to_owned(), Counts::default());
        }
        let Some(counts) = self.rows.get_mut(table) else { return };
        match action {
            Action::SQLITE_INSERT => counts.inserted += 1,
            Action::SQLITE_UPDATE => counts.updated += 1,
            _ => {}
        }
    }

    /// `ALTER TABLE` calls a function of SQLite's own to change the text of the schema.
    fn watch(&mut self, action: &AuthAction<'_>) {
        match action {
            AuthAction::Function { function_name: "sqlite_rename_column" } => self.renames_columns = true,
            AuthAction::Function { function_name: "sqlite_drop_column" } => self.drops_columns = true,
            AuthAction::DropTable { .. } => self.drops_tables = true,
            _ => {}
        }
    }

    /// What was written since the last look.
    pub(super) fn take(written: &Mutex<Self>) -> Self {
        let mut taken = std::mem::take(&mut *locked(written));
        for (table, counts) in std::mem::take(&mut taken.rows) {
            let sum = taken.rows.entry(folded(&table)).or_default();
            sum.inserted += counts.inserted;
            sum.updated += counts.updated;
        }
        taken
    }

    /// The tables whose rows were written, in lower case.
    pub(super) fn tables(&self) -> impl Iterator<Item = &String> {
        self.rows.keys()
    }

    /// The rows of a table that were written.
    pub(super) fn of(&self, table: &str) -> Counts {
        self.rows.get(&folded(table)).copied().unwrap_or_default()
    }
}

fn locked(written: &Mutex<Written>) -> MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}
