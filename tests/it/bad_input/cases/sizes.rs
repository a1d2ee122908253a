//! Too much of something.

use super::{Rows, row};

/// The rows that take seconds in a test and are the same for the command line.
pub(crate) const LARGEST: [&str; 2] =
    ["a script of 50 MB that is not UTF-8", "a hundred thousand files and one that is not UTF-8"];

pub(super) fn rows() -> Rows {
    vec![
        row("a wrong script of 5 MB", |place| {
            place.up("2025-01-02-000000_x", format!("{}SELEC 1;", "-- filler\n".repeat(500_000)));
        }),
        row(LARGEST[0], |place| {
            place.up("2025-01-02-000000_x", [&b"-- filler\n".repeat(5_000_000)[..], b"\xff"].concat());
        }),
        row("a wrong statement of 1 MB", |place| {
            place.up("2025-01-02-000000_x", format!("SELECT '{}', missing", "x".repeat(1_000_000)));
        }),
        row("a word of 1 MB", |place| place.up("2025-01-02-000000_x", "x".repeat(1_000_000))),
        row("a name of a table of 1 MB", |place| {
            place.up("2025-01-02-000000_x", format!("DROP TABLE \"{}\"", "x".repeat(1_000_000)));
        }),
        row("a hundred thousand brackets", |place| {
            place.up("2025-01-02-000000_x", format!("SELECT {}", "(".repeat(100_000)));
        }),
        row("a column list of ten thousand", |place| {
            let columns: Vec<String> = (0..10_000).map(|number| format!("c{number}")).collect();
            place.up("2025-01-02-000000_x", format!("CREATE TABLE x ({})", columns.join(", ")));
        }),
        row("a thousand scripts that are not UTF-8", |place| {
            (0..1000).for_each(|number| place.file(format!("migrations/{number}_x.sql"), b"\xff"));
        }),
        row(LARGEST[1], |place| {
            for number in 0..100 {
                place.folder(&format!("migrations/{number}"));
                for other in 0..1000 {
                    std::fs::write(place.path().join(format!("migrations/{number}/{other}.txt")), b"")
                        .unwrap();
                }
            }
            place.up("2025-01-02-000000_x", b"\xff");
        }),
        row("nearly two thousand folders in each other", |place| {
            // A path has at most 4096 bytes.
            place.file(format!("migrations/{}1_x/up.sql", "d/".repeat(1980)), b"\xff");
        }),
        row("metadata of 5 MB", |place| {
            place.up("2025-01-02-000000_x", "SELECT 1;");
            place.file(
                "migrations/2025-01-02-000000_x/metadata.toml",
                format!("description = \"{}\"\nx = 1", "x".repeat(5_000_000)),
            );
        }),
        row("a wrong dependency in each of two hundred", |place| {
            for number in 0..200 {
                place.up(&format!("{number}_x"), "SELECT 1;");
                place.file(format!("migrations/{number}_x/metadata.toml"), "depends_on = [\"missing\"]");
            }
        }),
    ]
}
