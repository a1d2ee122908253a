//! The engine over the drivers of `switchy_database`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod builders;
mod cancelled;
mod conformance;
mod executors;
mod kit;
mod one_table;
mod refused;
mod servers;
