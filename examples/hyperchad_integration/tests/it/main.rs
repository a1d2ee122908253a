//! The state of a HyperChad application, in both ways.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests panic on failure")]

#[cfg(feature = "database")]
mod database;
mod file;
mod kit;
