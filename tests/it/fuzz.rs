//! The fuzz targets as plain tests: on their seeds, on what fuzzing has collected, and on a few thousand inputs more.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/layout.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod layout;
#[path = "../../fuzz/src/mysql.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod mysql;
#[path = "../../fuzz/src/ordering.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod ordering;
#[path = "../../fuzz/src/postgres.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod postgres;
#[path = "../../fuzz/src/scripts.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod scripts;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs a target on the files of its seeds and its corpus.
fn replay(target: &str, check: fn(&[u8])) {
    let seeds = files(&format!("seeds/{target}"));
    assert!(!seeds.is_empty(), "there are no seeds for {target}");
    for path in seeds.into_iter().chain(files(&format!("corpus/{target}"))) {
        named(&path.display().to_string(), &fs::read(&path).unwrap(), check);
    }
}

/// Runs a target, and says on which input it failed.
fn named(name: &str, input: &[u8], check: fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        eprintln!("on {name}: {:?}", String::from_utf8_lossy(input));
        resume_unwind(panic);
    }
}

/// A linear congruential generator, the one of Knuth's MMIX: the same inputs on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    /// So many of these pieces.
    fn text(&mut self, pieces: &[&str], most: usize) -> Vec<u8> {
        (0..self.below(most)).flat_map(|_| pieces[self.below(pieces.len())].bytes()).collect()
    }
}

#[test]
fn every_seed_of_the_order_holds() {
    replay("ordering", ordering::check);
}

#[test]
fn every_seed_of_the_layout_holds() {
    replay("layout", layout::check);
}

#[test]
fn every_seed_of_the_scripts_holds() {
    replay("postgres", postgres::check);
    replay("mysql", mysql::check);
}

#[test]
fn random_sets_are_ordered_as_the_slow_way_orders_them() {
    let ids =
        ["a", "b", "c", "d", "e", "f", "1_a", "02_b", "2-b", "10_c", "2025-01-01-000000_x", "é", "\t", ""];
    let mut numbers = Numbers(1);
    for number in 0..4000 {
        let mut input = Vec::new();
        for _ in 0..numbers.below(9) {
            // Mostly the plain ids, so that most needs are there and many sets are sets.
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
fn random_scripts_are_cut_alike_from_each_statement_on() {
    let pieces = [
        "CREATE ",
        "FUNCTION f() ",
        "PROCEDURE p() ",
        "TRIGGER t BEFORE INSERT ON u FOR EACH ROW ",
        "BEGIN ",
        "ATOMIC ",
        "IF a THEN ",
        "CASE ",
        "WHILE 1 DO ",
        " END",
        " END IF",
        "SELECT 1",
        "x",
        " ",
        "\n",
        ";",
        ";",
        "'",
        "''",
        "\"",
        "`",
        "E'",
        "\\'",
        "$$",
        "$a$",
        "/*",
        "*/",
        "/*!50003 ",
        "-- ",
        "#",
        "(",
        ")",
        "\nDELIMITER //\n",
        "//",
        "é",
        "\u{feff}",
    ];
    let mut numbers = Numbers(4);
    for number in 0..2000 {
        let input = numbers.text(&pieces, 40);
        named(&format!("random script {number}"), &input, postgres::check);
        named(&format!("random script {number}"), &input, mysql::check);
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
        named(&format!("random bytes {number}"), &input, postgres::check);
        named(&format!("random bytes {number}"), &input, mysql::check);
    }
}
