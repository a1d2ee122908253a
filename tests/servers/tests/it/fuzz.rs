//! The fuzz targets of the scripts for servers as plain tests.

use inputs::{Numbers, named, replay};

#[path = "../../../it/fuzz/inputs.rs"]
mod inputs;
#[path = "../../../../fuzz/src/manifest.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod manifest;
#[path = "../../../../fuzz/src/mysql.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod mysql;
#[path = "../../../../fuzz/src/postgres.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod postgres;
#[path = "../../../../fuzz/src/scripts.rs"]
#[allow(unreachable_pub, reason = "it is public in the package of the fuzz targets")]
pub(crate) mod scripts;

#[test]
fn every_seed_of_the_scripts_holds() {
    replay("postgres", postgres::check);
    replay("mysql", mysql::check);
}

#[test]
fn every_seed_of_the_manifest_holds() {
    replay("manifest", manifest::check);
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
        named(&format!("random bytes {number}"), &input, postgres::check);
        named(&format!("random bytes {number}"), &input, mysql::check);
    }
}
