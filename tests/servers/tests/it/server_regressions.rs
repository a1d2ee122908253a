//! Regressions on servers: each test states the bug that it guards against.

use switchy_schema::{Recovery, Signature};

use crate::servers::patiently;

mod mysql;
mod postgres;

fn retry() -> Recovery {
    Recovery::Retry("1_it".into())
}

fn ada() -> Signature {
    Signature::of("ada")
}

/// Polls until the condition is true.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    patiently(|| is_so().then_some(()).ok_or_else(|| what.to_owned()), || Ok(())).unwrap();
}
