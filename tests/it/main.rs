//! Everything that is tested from outside, in one binary. Each module is about one promise.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod adoption;
mod broken_backends;
mod compiled;
mod conformance;
mod crashes;
mod downgrade;
mod errors;
mod execution;
mod foreign_keys;
mod fuzz;
mod hooks;
mod house;
mod layout;
mod locking;
mod mysql;
mod other_backends;
mod overlays;
mod postgres;
mod processes;
mod properties;
mod recovery;
mod regressions;
mod remote;
mod rollback;
#[cfg(unix)]
mod round_trips;
mod safety;
mod sample_set;
mod script_transactions;
mod server_regressions;
mod server_scripts;
mod server_sessions;
mod servers;
mod serving;
mod start;
mod together;
mod tracking_table;
mod update;
mod validation;
