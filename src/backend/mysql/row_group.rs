//! [`RowGroups`]: neighbouring statements outside a transaction that share one, because they only change rows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mysql::Conn;

use super::outcome::LookupState;
use super::query::{column, text};
use crate::fault::Fault;
use crate::sql::act::{ObjectName, rows_of};
use crate::sql::mysql::GRAMMAR;
use crate::sql::pieces::Piece;

/// The most statements of a group, and the most bytes of them. If one fails, those before it run again.
const MOST_STATEMENTS: usize = 500;
const MOST_BYTES: usize = 1024 * 1024;

/// The changed rows and the time after which a group ends. Until then it locks its rows, and the server keeps what it needs to undo it.
const MOST_ROWS: u64 = 10_000;
const MOST_TIME: Duration = Duration::from_secs(1);

/// Finds the statements that share a transaction.
///
/// After an interruption all of them run again. So everything that they change must be undone by a rollback, which takes tables of the engine
/// of the tracking table, without triggers: a trigger may write to any table.
#[derive(Default)]
pub(super) struct RowGroups {
    /// Whether a rollback undoes everything that a statement on a table changes, for each database and table.
    known: BTreeMap<(String, String), bool>,
}

impl RowGroups {
    /// How many of these statements, from the first on, share a transaction; 1 if the first one runs by itself.
    pub(super) fn size(
        &mut self,
        conn: &mut Conn,
        pieces: &[Piece<'_>],
        lookup: &mut LookupState,
    ) -> Result<usize, Fault> {
        let mut bytes = 0;
        let mut tables = pieces.iter().take(MOST_STATEMENTS).map_while(|piece| {
            bytes += piece.text.len();
            if bytes <= MOST_BYTES { rows_of(&(GRAMMAR.tokens)(piece.text), &GRAMMAR) } else { None }
        });
        let Some(first) = tables.next() else {
            // The statement may change a definition.
            self.known.clear();
            return Ok(1);
        };
        // The server is not asked for a statement that has no such neighbour.
        let Some(second) = tables.next() else { return Ok(1) };
        let mut size = 0;
        for table in [first, second].into_iter().chain(tables) {
            if !self.is_undone(conn, table, lookup)? {
                break;
            }
            size += 1;
        }
        Ok(size.max(1))
    }

    /// Whether a rollback undoes everything that a statement on this table changes.
    fn is_undone(
        &mut self,
        conn: &mut Conn,
        table: ObjectName,
        lookup: &mut LookupState,
    ) -> Result<bool, Fault> {
        let database = table.schema.map_or_else(|| lookup.database(conn), Ok)?;
        let place = (database, table.name);
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        let is_undone = is_undone(conn, &place.0, &place.1);
        self.known.insert(place, is_undone);
        Ok(is_undone)
    }
}

/// Asks the server for the engine and the triggers of a table. It shows triggers only to users with that privilege, so the answer is also
/// `false` if the user is not seen to have it, and if there is no answer. If the connection is lost, the next statement says so.
fn is_undone(conn: &mut Conn, database: &str, table: &str) -> bool {
    let [database, table] = [database, table].map(|name| text(Some(name)));
    let user = "CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')";
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {database} AND TABLE_NAME = {table}
                AND ENGINE = 'InnoDB' AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED'))
            AND NOT EXISTS (SELECT 1 FROM information_schema.TRIGGERS
                WHERE EVENT_OBJECT_SCHEMA = {database} AND EVENT_OBJECT_TABLE = {table})
            AND (EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES
                    WHERE GRANTEE = {user} AND PRIVILEGE_TYPE = 'TRIGGER')
                OR EXISTS (SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES
                    WHERE GRANTEE = {user} AND PRIVILEGE_TYPE = 'TRIGGER' AND {database} LIKE BINARY TABLE_SCHEMA))"
    );
    column(conn, &sql).is_ok_and(|answer| answer == Some(true))
}

/// What a group has changed so far.
pub(super) struct Extent {
    began: Instant,
    rows: u64,
}

impl Extent {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), rows: 0 }
    }

    /// Adds the rows that a statement changed, and returns whether the group ends after it.
    pub(super) fn is_full_with(&mut self, rows: u64) -> bool {
        self.rows = self.rows.saturating_add(rows);
        self.rows >= MOST_ROWS || self.began.elapsed() >= MOST_TIME
    }
}
