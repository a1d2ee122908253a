//! The fuzz targets as plain tests: on their seeds, on the collected corpus, and on a few thousand generated inputs.

use inputs::{Numbers, named, replay};

pub(crate) mod inputs;

#[path = "../../fuzz/src/database.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod database;
#[path = "../../fuzz/src/effects.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod effects;
#[path = "../../fuzz/src/layout.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod layout;
#[path = "../../fuzz/src/metadata.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod metadata;
#[path = "../../fuzz/src/ordering.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod ordering;
#[path = "../../fuzz/src/scripts.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod scripts;
#[path = "../../fuzz/src/sqlite.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod sqlite;
#[path = "../../fuzz/src/stored.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod stored;
#[path = "../../fuzz/src/tracking.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod tracking;

#[test]
fn every_seed_of_the_order_holds() {
    replay("ordering", ordering::check);
}

#[test]
fn every_seed_of_the_layout_holds() {
    replay("layout", layout::check);
}

#[test]
fn every_seed_of_the_metadata_holds() {
    replay("metadata", metadata::check);
}

#[test]
fn every_seed_of_sqlite_scripts_holds() {
    replay("sqlite", sqlite::check);
}

#[test]
fn every_seed_of_the_effects_holds() {
    replay("effects", effects::check);
}

#[test]
fn every_seed_of_the_tracking_table_holds() {
    replay("tracking", tracking::check);
}

#[test]
fn every_seed_of_the_stored_scripts_holds() {
    replay("stored", stored::check);
}

#[test]
fn random_sets_are_ordered_as_the_slow_way_orders_them() {
    let ids =
        ["a", "b", "c", "d", "e", "f", "1_a", "02_b", "2-b", "10_c", "2025-01-01-000000_x", "é", "\t", ""];
    let mut numbers = Numbers(1);
    for number in 0..4000 {
        let mut input = Vec::new();
        for _ in 0..numbers.below(9) {
            // Mostly the plain ids, so that most dependencies exist and many sets are valid.
            let id = |numbers: &mut Numbers| ids[numbers.below(if number % 8 == 0 { ids.len() } else { 12 })];
            input.extend(id(&mut numbers).bytes());
            for _ in 0..numbers.below(3) {
                input.extend(["<-", "<?"][numbers.below(2)].bytes());
                input.extend(id(&mut numbers).bytes());
            }
            input.push(b' ');
        }
        named(&format!("random set {number}"), &input, ordering::check);
    }
}

#[test]
fn random_folders_are_sets_or_errors() {
    let paths = [
        "1_a/",
        "2_b/",
        "x/",
        "sqlite/",
        "postgres/",
        ".",
        "up",
        "down",
        "Up",
        ".sql",
        ".SQL",
        ".toml",
        "metadata.toml",
        "up.sql",
        "down.sql",
        "1_a",
        "2_b",
        ".sqlite",
        ".mysql",
        ".foo",
        "/",
        "\u{fffd}",
        "",
    ];
    let contents = [
        "SELECT 1;",
        "\n",
        "\r\n",
        "\u{feff}",
        "--",
        "\0",
        "description = 'a'",
        "depends_on = ['1_a']\n",
        "databases = ['postgres']\n",
        "allow = ['cascade']",
        "accepted = ['']",
        "[",
        "\"",
        "é",
    ];
    let mut numbers = Numbers(2);
    for number in 0..4000 {
        let mut input = Vec::new();
        for _ in 0..=numbers.below(4) {
            input.extend(b"\n== ");
            input.extend(numbers.text(&paths, 5));
            input.push(b'\n');
            input.extend(numbers.text(&contents, 3));
        }
        named(&format!("random folder {number}"), &input[1..], layout::check);
    }
}

#[test]
fn random_bytes_are_survived() {
    let mut numbers = Numbers(3);
    for number in 0..2000 {
        let input: Vec<u8> =
            (0..numbers.below(64)).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect();
        named(&format!("random bytes {number}"), &input, ordering::check);
        named(&format!("random bytes {number}"), &input, layout::check);
    }
}
