//! All tests of the public API that need no server, in one binary. Each module tests one guarantee. The other tests are in `tests/servers`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests panic on failure")]

mod account;
#[cfg(feature = "adopt")]
mod adoption;
#[cfg(unix)]
mod bad_input;
mod baseline_if;
mod broken_backends;
mod cancel;
mod children;
mod compiled;
mod conformance;
mod copying;
mod downgrade;
mod drift;
mod errors;
mod execution;
mod explanations;
mod faults_of_the_system;
mod faulty_backend;
mod findings;
mod first_statements;
mod forecasts;
mod foreign_keys;
mod fuzz;
mod hooks;
mod house;
mod layout;
mod listing;
mod locking;
mod model;
mod newer_program;
mod odd_scripts;
mod other_backends;
mod placeholders;
mod ports;
mod processes;
mod properties;
mod recovery;
mod regressions;
mod rehearsals;
mod reversible;
mod rollback;
mod safety;
mod sample_set;
mod script_transactions;
mod sentences;
mod sessions;
mod settings;
mod snapshots;
mod start;
mod state;
mod test_utils;
mod together;
mod tracking_table;
mod unwritten_records;
mod update;
mod validation;

/// The folder of the repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
