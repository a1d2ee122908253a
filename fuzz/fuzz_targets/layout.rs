#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/layout.rs"]
mod layout;

fuzz_target!(|data: &[u8]| layout::check(data));
