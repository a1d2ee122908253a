//! The build script of all programs: writes the migrations in the form that each expects, as files or as a list in Rust.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

#[path = "work.rs"]
mod work;

use work::{COUNTS, id, script};

/// The sizes of the sets: two for the small program; each count; and each count plus one, for a pending migration.
pub fn counts() -> impl Iterator<Item = usize> {
    [2].into_iter().chain(COUNTS.into_iter().flat_map(|count| [count, count + 1]))
}

pub fn main() {
    println!("cargo::rerun-if-changed=../work.rs");
    println!("cargo::rerun-if-changed=../generate.rs");
    let package = env::var("CARGO_PKG_NAME").unwrap();
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("generated");
    let _ = fs::remove_dir_all(&folder);

    let mut list = String::from("&[");
    for count in counts() {
        write!(list, "({count}, &[").unwrap();
        for number in 0..count {
            match &*package {
                "peers_floor" => write!(list, "({:?}, {:?}),", id(number), script(number)).unwrap(),
                "peers_rusqlite_migration" => write!(list, "M::up({:?}),", script(number)).unwrap(),
                _ => {
                    let file = folder.join(count.to_string()).join(match &*package {
                        "peers_refinery" => format!("V{}__t{number}.sql", number + 1),
                        "peers_sqlx" => format!("{:04}_t{number}.sql", number + 1),
                        _ => format!("{}/up.sql", id(number)),
                    });
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(file, script(number)).unwrap();
                }
            }
        }
        list.push_str("]),");
    }
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("sets.rs"), list + "]").unwrap();
}
