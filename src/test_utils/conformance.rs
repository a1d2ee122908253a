//! A test suite for backends: [`conformance`] runs it on a backend of your own.
//!
//! A [`Testbed`] provides databases and a few statements in their language. The suite calls the methods of the [`Backend`] one by one, and
//! then lets the engine apply, undo and correct migrations with it. The [`Abilities`] state what a database cannot do; the suite then
//! checks the behaviour that is required instead.
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

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::backend::Backend;
use crate::test_utils::panics::message_of;

use ground::{Behaviour, Ground};

mod back;
mod check;
mod forward;
mod ground;
mod older;
mod port;
mod records;
mod testbed;
mod texts;
mod together;
mod unfinished;

pub use testbed::{Abilities, Testbed};

/// Checks every behaviour that a backend must have, each on a new database.
///
/// # Panics
/// If a check fails. The message lists each behaviour that failed, with what was expected and what was found.
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
        older::behaviours(),
    ]
    .concat()
}

/// The message about a behaviour, if it failed.
fn unmet<B: Backend, T: Testbed<B>>(bed: &T, (name, behaviour): Behaviour<B, T>) -> Option<String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| behaviour(&Ground::new(bed))));
    let what = match outcome {
        Ok(Ok(())) => return None,
        Ok(Err(unmet)) => unmet.to_string(),
        Err(panic) => format!("it panicked: {}", message_of(&*panic)),
    };
    Some(format!("`{name}`: {what}"))
}
