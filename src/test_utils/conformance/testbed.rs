//! [`Testbed`]: the databases for the suite; and their [`Abilities`].

use crate::backend::Backend;
use crate::dialect::TableName;
use crate::migration::Migration;

/// The databases for the suite, and the statements that it needs.
///
/// The suite contains no SQL. It works with *things*, which one statement creates and another removes: the tables of a database, or the
/// keys of a store. The names of things begin with `thing` and contain quotes, spaces and other special characters; the names of tracking
/// tables do not begin with `thing`.
pub trait Testbed<B: Backend>: Sync {
    /// A database. It is dropped after the check of a behaviour.
    type Database: Sync;

    /// Creates an empty database that nothing else uses.
    fn create(&self) -> Self::Database;

    /// Calls a function with a connection: a new one each time, as after the start of a program, unless only one is possible. Several
    /// threads call this at once; if only one connection is possible, they wait for each other here.
    fn connect<R>(&self, database: &Self::Database, body: impl FnOnce(B::Conn<'_>) -> R) -> R;

    /// The statement that creates the thing with this name.
    fn make(&self, name: &str) -> String;

    /// The statement that removes the thing with this name.
    fn unmake(&self, name: &str) -> String;

    /// A statement on one line that fails when it runs, and changes nothing.
    fn fails(&self) -> String;

    /// The names of the existing things, in any order.
    fn things(&self, conn: B::Conn<'_>) -> Vec<String>;

    /// A script of these statements. By default they are separated by `;` and a new line.
    fn script(&self, statements: &[String]) -> String {
        statements.join(";\n")
    }

    /// A comment with this text, on a line of its own. By default `-- text`.
    fn comment(&self, text: &str) -> String {
        format!("-- {text}\n")
    }

    /// The statement that deletes all records from a tracking table; `None` if no script can do this. By default it is SQL.
    fn tampers(&self, table: &TableName) -> Option<String> {
        Some(format!("DELETE FROM {}", table.quoted()))
    }

    /// The statement that commits a transaction; `None` if no script can do this. By default `COMMIT`.
    fn commits(&self) -> Option<String> {
        Some("COMMIT".to_owned())
    }

    /// What the database can do. By default everything.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    /// Adapts a migration of the suite to this database. By default it is unchanged.
    fn adapt(&self, migration: Migration<B>) -> Migration<B> {
        migration
    }
}

/// What a database can do. For what it cannot do, the suite checks the behaviour that is required instead.
///
/// ```
/// use switchy_schema::test_utils::conformance::Abilities;
///
/// let abilities = Abilities { forecast: false, ..Abilities::default() };
/// assert!(abilities.rollback);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an independent yes or no")]
pub struct Abilities {
    /// Rolling back a transaction removes the things that its statements created. If not, a step that fails stays dirty with the things
    /// that it created, and a batch of several steps is refused.
    pub rollback: bool,
    /// Several connections can be open at once. If not, a run inside another run is refused.
    pub connections: bool,
    /// Runs wait for each other with a lock of the database, or a lock file next to it. If not, they use a
    /// [`Lock::File`](crate::Lock::File).
    pub lock: bool,
    /// A script stored in the database can be tried in advance, so that an older program can downgrade. If not, a downgrade is refused.
    pub forecast: bool,
}

impl Default for Abilities {
    /// All abilities.
    fn default() -> Self {
        Self { rollback: true, connections: true, lock: true, forecast: true }
    }
}
