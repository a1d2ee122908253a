//! What is at the path of the database, or beside it, and is not what it should be.

use std::fs;

use super::{Place, Rows, row};

const PAGE: u64 = 4096;

/// Bytes without a pattern, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

/// A second migration, so that a run has something to do.
fn pending(place: &Place) {
    place.up("2025-01-02-000000_x", "CREATE TABLE x (y);");
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Rows {
    let contents: [(&str, Vec<u8>); 14] = [
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01".repeat(100)),
        ("a letter", b"this is a letter to my aunt. ".repeat(100)),
        ("an archive", b"PK\x03\x04\x14\0\0\0\x08\0".repeat(100)),
        ("one byte", vec![0]),
        ("fifteen bytes", b"SQLite format 3".to_vec()),
        ("the first words of a database", b"SQLite format 3\0".to_vec()),
        (
            "a header without pages",
            b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20".iter().copied().chain([0; 76]).collect(),
        ),
        ("zeros", vec![0; 8192]),
        ("noise, as when encrypted", noise(8192)),
        ("noise of an odd length", noise(5000)),
        ("a database of SQLite 2", b"** This file contains an SQLite 2.1 database **\0".repeat(40)),
        ("a script", b"CREATE TABLE users (name TEXT);\n".repeat(40)),
        ("an escape sequence", b"\x1b[2J\x1b]0;x\x07".repeat(100)),
        (
            "a database in another encoding of its header",
            "SQLite format 3\0".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
    ];
    let mut rows: Rows = contents
        .map(|(name, bytes)| {
            row(format!("a database that is {name}"), move |place: &Place| {
                fs::write(place.database(), &bytes).unwrap();
            })
        })
        .into();
    // Bytes of the header: https://www.sqlite.org/fileformat2.html#the_database_header
    let patches: [(&str, u64, &'static [u8]); 14] = [
        ("a wrong letter at its start", 0, b"X"),
        ("pages of no bytes", 16, &[0, 0]),
        ("pages of a thousand bytes", 16, &[3, 232]),
        ("a newer version that forbids writing", 18, &[3]),
        ("a newer version that forbids reading", 19, &[3]),
        ("pages that are all reserved", 20, &[255]),
        ("wrong fractions", 21, &[1, 1, 1]),
        ("more pages than it has", 28, &[0, 0, 255, 255, 0, 0, 0, 0]),
        ("a list of free pages that leads out", 32, &[0, 0, 255, 255, 0, 0, 0, 9]),
        ("a newer format of its schema", 44, &[0, 0, 0, 9]),
        ("an unknown encoding", 56, &[0, 0, 0, 9]),
        ("another encoding", 56, &[0, 0, 0, 2]),
        ("a page of the schema of an unknown kind", 100, &[0xff]),
        ("a page of the schema with too many entries", 103, &[0xff, 0xff]),
    ];
    rows.extend(patches.map(|(name, at, bytes)| {
        row(format!("a database with {name}"), move |place: &Place| {
            pending(place);
            place.patch(at, bytes);
        })
    }));
    for table in [
        "__switchy_migrations",
        "sqlite_autoindex___switchy_migrations_1",
        "__switchy_migrations_dirty",
        "users",
    ] {
        rows.push(row(format!("a spoiled page of {table}"), move |place: &Place| {
            pending(place);
            place.spoil(table);
        }));
    }
    for (name, len) in [
        ("none of its bytes", 0),
        ("half of its header", 50),
        ("its header", 100),
        ("a page", PAGE),
        ("a page and a half", PAGE * 3 / 2),
        ("two pages", 2 * PAGE),
    ] {
        rows.push(row(format!("a database of which {name} is left"), move |place: &Place| {
            pending(place);
            place.cut(len);
        }));
    }
    for (name, sql) in [
        (
            "a definition that is no SQL",
            "UPDATE sqlite_schema SET sql = 'CREATE TABLE users (' WHERE name = 'users'",
        ),
        (
            "a definition of another table",
            "UPDATE sqlite_schema SET sql = 'CREATE TABLE other (x)' WHERE name = 'users'",
        ),
        (
            "a root page that does not exist",
            "UPDATE sqlite_schema SET rootpage = 999 WHERE name = '__switchy_migrations'",
        ),
        (
            "a root page of another table",
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'users') WHERE name = '__switchy_migrations'",
        ),
        (
            "an escape sequence in a definition",
            "UPDATE sqlite_schema SET sql = 'CREATE TABLE users (' || char(27) || '[2J' WHERE name = 'users'",
        ),
    ] {
        rows.push(row(format!("a database with {name}"), move |place: &Place| {
            pending(place);
            place.sql(&format!("PRAGMA writable_schema = ON; {sql}"));
        }));
    }
    let mut add = |name: &str, make: fn(&Place)| {
        rows.push(row(name, move |place: &Place| {
            pending(place);
            make(place);
        }));
    };
    add("a database that is a folder", |place| {
        place.remove("app.db");
        place.folder("app.db");
    });
    add("a database that is a folder with a file", |place| {
        place.remove("app.db");
        place.file("app.db/x", "");
    });
    add("a database that is a socket", |place| {
        place.remove("app.db");
        place.socket("app.db");
    });
    add("a database that is a link to nothing in a missing folder", |place| {
        place.remove("app.db");
        place.link("missing/app.db", "app.db");
    });
    add("a database that is a link to itself", |place| {
        place.remove("app.db");
        place.link("app.db", "app.db");
    });
    add("a database that is a link to a folder", |place| {
        place.remove("app.db");
        place.folder("elsewhere");
        place.link("elsewhere", "app.db");
    });
    add("a database that is a link to an endless device", |place| {
        place.remove("app.db");
        place.link("/dev/zero", "app.db");
    });
    add("a journal that is a folder", |place| place.folder("app.db-journal"));
    add("a WAL that is a folder", |place| place.folder("app.db-wal"));
    add("a WAL that is a folder with a file", |place| place.file("app.db-wal/x", ""));
    add("a shared memory that is a folder", |place| {
        place.sql("PRAGMA journal_mode = WAL");
        place.folder("app.db-shm");
    });
    add("a journal of noise", |place| place.file("app.db-journal", noise(9000)));
    add("a journal of zeros", |place| place.file("app.db-journal", [0; 9000]));
    add("a journal that ends in its header", |place| place.hot_journal(|journal| journal.truncate(20)));
    add("a hot journal", |place| place.hot_journal(|_| {}));
    add("a hot journal with noise behind it", |place| {
        place.hot_journal(|journal| journal.extend(noise(5000)));
    });
    add("a WAL of noise", |place| {
        place.sql("PRAGMA journal_mode = WAL");
        place.file("app.db-wal", noise(9000));
    });
    add("a WAL of noise beside a database without one", |place| place.file("app.db-wal", noise(9000)));
    add("a WAL with noise in its first frame", |place| {
        place.wal(|wal| wal.splice(100..200, noise(100)).for_each(drop));
    });
    add("a WAL with noise behind it", |place| place.wal(|wal| wal.extend(noise(5000))));
    add("a WAL and a shared memory of noise", |place| {
        place.wal(|_| {});
        place.file("app.db-shm", noise(32768));
    });
    add("a lock file that is a folder", |place| place.folder("app.db-migrate"));
    add("a lock file that is a pipe", |place| place.pipe("app.db-migrate"));
    add("a lock file that is a socket", |place| place.socket("app.db-migrate"));
    add("a lock file that is a link", |place| {
        place.file("precious", "data");
        place.link("precious", "app.db-migrate");
    });
    add("a lock file that is a link to nothing", |place| place.link("missing", "app.db-migrate"));
    add("an intent file that is noise", |place| place.file("app.db-migrate-intent", noise(200)));
    add("an intent file that is a folder", |place| place.folder("app.db-migrate-intent"));
    add("an intent file of a newer version", |place| {
        place.file("app.db-migrate-intent", "switchy_schema intent 9\n");
    });
    rows
}
