//! Tests of the binary. The expected output is in `snapshots`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests panic on failure")]

mod shell;
// The private servers that the tests of the engine start.
#[allow(dead_code, unused_imports, reason = "those tests use more of it")]
#[path = "../../../tests/servers/tests/it/servers.rs"]
mod servers;

mod addresses;
mod adoption;
#[cfg(unix)]
mod bad_input;
mod client_scripts;
mod commands;
mod completions;
mod databases;
mod dialects;
mod drift;
mod encryption;
mod errors;
mod folders;
mod gate;
mod help;
mod import;
#[cfg(unix)]
mod interrupts;
mod json;
mod locks;
mod long_lines;
mod manifest;
mod moves;
mod on_servers;
mod own_binary;
mod passwords;
mod placeholders;
mod reading;
mod server_errors;
mod snapshot_files;
#[cfg(unix)]
mod terminals;
#[cfg(unix)]
mod transcript;
mod waiting;
