//! What people test their migrations with: it accepts what is right, and refuses what is wrong with a message that says what to do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

mod assertions;
mod databases;
mod empty_proofs;
mod generated;
mod golden;
mod property;
mod sets;

/// The message with which something panics.
fn message(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it should panic");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}

/// A database in memory that a script has made.
fn made(sql: &str) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(sql).unwrap();
    conn
}
