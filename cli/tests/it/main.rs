//! The binary as its users have it. What it prints stands in `snapshots`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod shell;

mod commands;
mod errors;
mod help;
mod reading;
