#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/manifest.rs"]
mod manifest;

fuzz_target!(|data: &[u8]| manifest::check(data));
