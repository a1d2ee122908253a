//! Regressions on servers: each test states the bug that it guards against.

use switchy_schema::{Recovery, Signature};

mod mysql;
mod postgres;

fn retry() -> Recovery {
    Recovery::Retry("1_it".into())
}

fn ada() -> Signature {
    Signature::of("ada")
}
