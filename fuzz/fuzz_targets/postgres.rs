#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/postgres.rs"]
mod postgres;
#[path = "../src/scripts.rs"]
mod scripts;

fuzz_target!(|data: &[u8]| postgres::check(data));
