//! [`Written`]: the rows that are written on a connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::Action;

use crate::sql::folded;

/// The numbers of rows that were inserted and updated since the last look, by the name of their table in lower case. SQLite reports neither
/// each deleted row nor the rows of tables `WITHOUT ROWID`.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) rows: BTreeMap<String, Counts>,
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

    /// What was written since the last look, with folded names.
    pub(super) fn take(written: &Mutex<Self>) -> BTreeMap<String, Counts> {
        let mut all: BTreeMap<String, Counts> = BTreeMap::new();
        for (table, counts) in std::mem::take(&mut *locked(written)).rows {
            let sum = all.entry(folded(&table)).or_default();
            sum.inserted += counts.inserted;
            sum.updated += counts.updated;
        }
        all
    }
}

fn locked(written: &Mutex<Written>) -> MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}
