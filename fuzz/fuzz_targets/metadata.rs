#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/metadata.rs"]
mod metadata;

fuzz_target!(|data: &[u8]| metadata::check(data));
