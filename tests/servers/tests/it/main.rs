//! All tests that need the drivers of servers, TLS, or a counter of allocations, in one binary. Each module tests one guarantee.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests panic on failure")]

mod account;
mod adoption;
mod allocations;
mod cancel;
mod causes;
#[path = "../../../it/children.rs"]
mod children;
mod conformance;
mod crashes;
mod drift;
mod effects;
mod fuzz;
mod kit;
mod lock_retries;
mod lock_waits;
mod lock_watch;
mod mysql;
mod notices;
mod older;
mod overlays;
mod placeholders;
mod postgres;
mod references;
mod refusals;
mod rehearsals;
mod remote;
#[cfg(unix)]
mod round_trips;
mod row_groups;
mod script_transactions;
#[path = "../../../it/sentences.rs"]
mod sentences;
mod server_regressions;
mod server_scripts;
mod server_sessions;
mod servers;
mod serving;
mod session_settings;
mod sessions;

/// The folder of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
