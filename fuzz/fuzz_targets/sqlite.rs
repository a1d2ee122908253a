#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/scripts.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod scripts;
#[path = "../src/sqlite.rs"]
mod sqlite;

fuzz_target!(|data: &[u8]| sqlite::check(data));
