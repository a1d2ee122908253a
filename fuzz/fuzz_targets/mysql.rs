#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/mysql.rs"]
mod mysql;
#[path = "../src/scripts.rs"]
mod scripts;

fuzz_target!(|data: &[u8]| mysql::check(data));
