#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/database.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod database;
#[path = "../src/tracking.rs"]
mod tracking;

fuzz_target!(|data: &[u8]| tracking::check(data));
