//! Bytes that are not the text they should be.

use super::{Place, Rows, row};

fn utf16(text: &str, of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(of).collect()
}

pub(super) fn rows() -> Rows {
    let text = "SELECT 'ä';\n";
    let contents: Vec<(&str, Vec<u8>)> = vec![
        ("a byte order mark", b"\xef\xbb\xbfSELECT 1;".to_vec()),
        ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbfSELECT 1;".to_vec()),
        ("a byte order mark alone", b"\xef\xbb\xbf".to_vec()),
        ("UTF-16, little end first, with a mark", utf16(&format!("\u{feff}{text}"), u16::to_le_bytes)),
        ("UTF-16, big end first, with a mark", utf16(&format!("\u{feff}{text}"), u16::to_be_bytes)),
        ("UTF-16, little end first", utf16("SELECT 1;", u16::to_le_bytes)),
        ("UTF-16, big end first", utf16("SELECT 1;", u16::to_be_bytes)),
        ("UTF-32", "SELECT 1;".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
        ("Latin-1", b"SELECT '\xe4';".to_vec()),
        ("quotes of Windows", b"SELECT \x93a\x94;".to_vec()),
        ("Latin-1 in a comment of line 3", b"SELECT 1;\n\n-- \xe4\n".to_vec()),
        ("a NUL at the end", b"SELECT 1;\0".to_vec()),
        ("a NUL in the middle", b"SELECT 1;\nSELECT '\0';".to_vec()),
        ("a surrogate", b"SELECT '\xed\xa0\x80';".to_vec()),
        ("a character that is too long", b"SELECT '\xc0\xaf';".to_vec()),
        ("a character that is cut off", b"SELECT 'a\xe2\x82".to_vec()),
        ("a character past the last", b"SELECT '\xf4\x90\x80\x80';".to_vec()),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("a compressed file", b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
        ("a SQLite database", b"SQLite format 3\0\x10\0".to_vec()),
        ("only carriage returns", b"SELECT 1;\rSELECT 2;\r".to_vec()),
        ("nothing", Vec::new()),
        ("a shell script", b"#!/bin/sh\nrm -rf /\n".to_vec()),
        ("a web page", b"<!DOCTYPE html><p>404</p>".to_vec()),
        (
            "the pointer of a large file",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n".to_vec(),
        ),
        ("marks of a merge", b"<<<<<<< HEAD\nSELECT 1;\n=======\nSELECT 2;\n>>>>>>> x\n".to_vec()),
        ("commands of psql", b"\\connect app\nSELECT 1;".to_vec()),
        ("an override of the direction", "SELECT '\u{202e}' x y z;".into()),
        ("an escape sequence in its error", "SELECT \"\u{1b}[2J\u{7}\".x;".into()),
    ];
    let mut rows = Rows::new();
    for (name, content) in contents {
        for file in ["up.sql", "down.sql", "metadata.toml"] {
            // Metadata and down scripts are read in the same way.
            if file != "up.sql"
                && !["UTF-16, little end first", "Latin-1", "a NUL in the middle", "a picture"]
                    .contains(&name)
            {
                continue;
            }
            let content = content.clone();
            rows.push(row(format!("{file} with {name}"), move |place: &Place| {
                place.up("2025-01-02-000000_x", "SELECT 1;");
                place.file(format!("migrations/2025-01-02-000000_x/{file}"), &content);
            }));
        }
    }
    rows.push(row("another file beside a script that is not UTF-8", |place| {
        place.up("2025-01-02-000000_x", "SELECT 1;");
        place.file("migrations/2025-01-02-000000_x/notes.sql", b"\xff");
    }));
    rows.push(row("a hidden file that is not UTF-8", |place| place.file("migrations/.x/up.sql", b"\xff")));
    rows.push(row("two files that are not UTF-8", |place| {
        place.up("2025-01-02-000000_x", b"\xff");
        place.up("2025-01-03-000000_y", b"\xff");
    }));
    rows
}
