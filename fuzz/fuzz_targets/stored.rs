#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/database.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod database;
#[path = "../src/stored.rs"]
mod stored;

fuzz_target!(|data: &[u8]| stored::check(data));
