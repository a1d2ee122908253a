//! What every backend promises, as one suite: [`conformance`] runs it on a backend of your own.
//!
//! A [`Testbed`] says how to come by databases, and a few words of their language; the suite does the rest. It calls the methods of
//! the [`Backend`] one by one, and then has the engine apply, undo and correct migrations with it. What a database cannot do, its
//! [`Abilities`] say, and the suite looks for what must hold instead.
//!
//! # SQLite
//!
//! ```
//! use switchy_schema::rusqlite::Connection;
//! use switchy_schema::test_utils::conformance::{Testbed, conformance};
//! use switchy_schema::test_utils::{TestDatabase, rows};
//! use switchy_schema::Sqlite;
//!
//! struct Files;
//!
//! impl Testbed<Sqlite> for Files {
//!     type Database = TestDatabase;
//!
//!     fn create(&self) -> TestDatabase {
//!         TestDatabase::new()
//!     }
//!
//!     fn connect<R>(&self, database: &TestDatabase, body: impl FnOnce(&Connection) -> R) -> R {
//!         body(&database.connect())
//!     }
//!
//!     fn make(&self, name: &str) -> String {
//!         format!("CREATE TABLE \"{}\" (x)", name.replace('"', "\"\""))
//!     }
//!
//!     fn unmake(&self, name: &str) -> String {
//!         format!("DROP TABLE \"{}\"", name.replace('"', "\"\""))
//!     }
//!
//!     fn fails(&self) -> String {
//!         "INSERT INTO missing VALUES (1)".to_owned()
//!     }
//!
//!     fn things(&self, conn: &Connection) -> Vec<String> {
//!         rows(conn, "SELECT name FROM sqlite_master WHERE name LIKE 'thing%'")
//!     }
//! }
//!
//! conformance::<Sqlite>(&Files);
//! ```

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::backend::Backend;
use crate::dialect::TableName;
use crate::migration::Migration;

use check::Outcome;
use ground::Ground;

mod back;
mod check;
mod forward;
mod ground;
mod port;
mod records;
mod texts;
mod together;
mod unfinished;

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

/// Something that a backend must do, with its name.
type Behaviour<B, T> = (&'static str, fn(&Ground<'_, B, T>) -> Outcome);

/// Looks at everything that a backend must do, each on a database of its own.
///
/// # Panics
/// If the backend does something else: the message names each behaviour that failed, with what was expected and what was found.
#[track_caller]
pub fn conformance<B: Backend>(bed: &impl Testbed<B>) {
    let behaviours = behaviours();
    let found: Vec<String> = behaviours.iter().filter_map(|behaviour| unmet(bed, *behaviour)).collect();
    assert!(
        found.is_empty(),
        "of {} behaviours that a backend must have, {} lacks {}:\n\n{}\n",
        behaviours.len(),
        B::DIALECT,
        found.len(),
        found.join("\n\n")
    );
}

fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    [
        port::behaviours(),
        records::behaviours(),
        forward::behaviours(),
        texts::behaviours(),
        back::behaviours(),
        unfinished::behaviours(),
        together::behaviours(),
    ]
    .concat()
}

/// What is said of a behaviour that failed.
fn unmet<B: Backend, T: Testbed<B>>(bed: &T, (name, behaviour): Behaviour<B, T>) -> Option<String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| behaviour(&Ground::new(bed))));
    let what = match outcome {
        Ok(Ok(())) => return None,
        Ok(Err(unmet)) => unmet.to_string(),
        Err(panic) => format!("it panicked: {}", told(&*panic)),
    };
    Some(format!("`{name}`: {what}"))
}

fn told(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
