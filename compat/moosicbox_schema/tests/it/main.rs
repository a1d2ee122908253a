//! Databases of published versions of `moosicbox_schema`, and the behaviour that their users know.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

// The private servers that the tests of the engine start.
#[allow(dead_code, unused_imports, reason = "those tests use more of it")]
#[path = "../../../../tests/servers/tests/it/servers.rs"]
mod servers;

mod api_sources;
mod asynchronous;
mod content;
mod environment;
mod legacy;
mod log;
mod names;
mod postgres;
mod rollback;
mod scripts;
mod shared;
