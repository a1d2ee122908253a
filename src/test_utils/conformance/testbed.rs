//! [`Testbed`]: databases to run the suite on; and their [`Abilities`].

use crate::backend::Backend;
use crate::dialect::TableName;
use crate::migration::Migration;

/// Databases to run the suite on, and the words it needs to do anything with them.
///
/// The suite knows nothing of SQL. It has *things*, which a statement makes and another one removes: tables of a database, keys of
/// a store. The names of things begin with `thing` and hold quotes, spaces and whatever else makes trouble; those of tracking tables
/// do not begin so.
pub trait Testbed<B: Backend>: Sync {
    /// A database. It is dropped when a behaviour was looked at.
    type Database: Sync;

    /// A database with nothing in it, which nobody else uses.
    fn create(&self) -> Self::Database;

    /// Lends a connection: a new one each time, as a program that starts has it, unless there can be only one. Several threads call it
    /// at once; where there can be one connection only, they wait for each other here.
    fn connect<R>(&self, database: &Self::Database, body: impl FnOnce(B::Conn<'_>) -> R) -> R;

    /// The statement that makes a thing of this name.
    fn make(&self, name: &str) -> String;

    /// The statement that removes it.
    fn unmake(&self, name: &str) -> String;

    /// A statement of one line that fails when it runs, and that changes nothing.
    fn fails(&self) -> String;

    /// The names of the things that are there, in any order.
    fn things(&self, conn: B::Conn<'_>) -> Vec<String>;

    /// A script of these statements; with `;` and a new line between them if not said otherwise.
    fn script(&self, statements: &[String]) -> String {
        statements.join(";\n")
    }

    /// A text that is no statement, on a line of its own; `-- text` if not said otherwise.
    fn comment(&self, text: &str) -> String {
        format!("-- {text}\n")
    }

    /// The statement that removes all records from a tracking table; `None` if no script can do that. It is SQL if not said
    /// otherwise.
    fn tampers(&self, table: &TableName) -> Option<String> {
        Some(format!("DELETE FROM {}", table.quoted()))
    }

    /// The statement that commits a transaction; `None` if no script can do that. It is `COMMIT` if not said otherwise.
    fn commits(&self) -> Option<String> {
        Some("COMMIT".to_owned())
    }

    /// What the database can do; everything, if not said otherwise.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    /// A migration of the suite as this database takes it; as it is, if not said otherwise.
    fn adapt(&self, migration: Migration<B>) -> Migration<B> {
        migration
    }
}

/// What a database can do. What it cannot do is not left out: the suite looks for what must hold instead.
///
/// ```
/// use switchy_schema::test_utils::conformance::Abilities;
///
/// let abilities = Abilities { forecast: false, ..Abilities::default() };
/// assert!(abilities.rollback);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question that is answered by yes or no")]
pub struct Abilities {
    /// What a statement makes is gone when the transaction around it is rolled back. Where it is not, a step that fails is left dirty
    /// with what it made, and several steps are no batch.
    pub rollback: bool,
    /// Several connections can be open at once. Where they cannot, a run inside another one is refused.
    pub connections: bool,
    /// Runs wait for each other by a lock of the database, or by one beside its file. Where they do not, they do so by a
    /// [`Lock::File`](crate::Lock::File).
    pub lock: bool,
    /// A script out of the database can be tried out, so that an older program can go back. Where it cannot, that is refused.
    pub forecast: bool,
}

impl Default for Abilities {
    /// All of them.
    fn default() -> Self {
        Self { rollback: true, connections: true, lock: true, forecast: true }
    }
}
