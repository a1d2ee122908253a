//! What went wrong on servers once, each with its story.

use switchy_schema::{Recovery, Signature};

mod mysql;
mod postgres;

fn retry() -> Recovery {
    Recovery::Retry("1_it".into())
}

fn ada() -> Signature {
    Signature::of("ada")
}
