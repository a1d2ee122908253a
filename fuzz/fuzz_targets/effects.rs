#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/database.rs"]
mod database;
#[path = "../src/effects.rs"]
mod effects;

fuzz_target!(|data: &[u8]| effects::check(data));
