#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/ordering.rs"]
mod ordering;

fuzz_target!(|data: &[u8]| ordering::check(data));
