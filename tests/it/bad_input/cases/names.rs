//! Names of migrations and of files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Place, Rows, row};

const SCRIPT: &str = "SELECT 1;\n";

pub(super) fn rows() -> Rows {
    let long = format!("1_{}", "x".repeat(253));
    let marks = format!("1_a{}", "\u{301}".repeat(120));
    // The id of a folder.
    let ids = [
        ("a line end", "1_a\nb"),
        ("a carriage return", "1_a\rb"),
        ("a tab", "1_a\tb"),
        ("an escape sequence", "1_a\u{1b}[2Jb"),
        ("a bell", "1_a\u{7}b"),
        ("a deleted character", "1_a\u{7f}b"),
        ("an escape of one character", "1_a\u{9b}31mb"),
        ("an override of the direction", "1_a\u{202e}b"),
        ("an isolated direction", "1_a\u{2066}b"),
        ("a mark of the direction", "1_a\u{200f}b"),
        ("an Arabic mark of the direction", "1_a\u{61c}b"),
        ("a line separator", "1_a\u{2028}b"),
        ("a next line", "1_a\u{85}b"),
        ("a space without width", "1_a\u{200b}b"),
        ("a byte order mark", "\u{feff}1_a"),
        ("an Egyptian hieroglyph and an emoji", "1_𓀀🙂"),
        ("a space at the start", " 1_a"),
        ("a space at the end", "1_a "),
        ("only a space", " "),
        ("a dot at the end", "1_a."),
        ("dots only", "..."),
        ("a hidden name", ".1_a"),
        ("a device of Windows", "CON"),
        ("a backslash", "1_a\\b"),
        ("a backquote", "1_a`b"),
        ("quotes of SQL", "1_a'; DROP TABLE users; --"),
        ("an underscore", "_"),
        ("as long as a name may be", &long),
        ("a hundred marks on one letter", &marks),
        ("a number that is too large", "99999999999999999999_a"),
        ("digits of another script", "١_a"),
        ("a date that is none", "2025-13-45-999999_a"),
    ];
    let mut rows: Rows = ids
        .map(|(name, id)| {
            let id = id.to_owned();
            row(format!("an id with {name}"), move |place: &Place| place.up(&id, SCRIPT))
        })
        .into();
    // Files, which are together a set with something wrong.
    let files: [(&str, &[&str]); 23] = [
        ("two ids that differ in case", &["1_a/up.sql", "1_A/up.sql"]),
        ("two ids in composed and decomposed form", &["1_\u{e9}/up.sql", "1_e\u{301}/up.sql"]),
        ("an id with a letter that looks like another", &["1_users/up.sql", "1_us\u{435}rs/up.sql"]),
        ("an id in full width", &["1_a/up.sql", "１_ａ/up.sql"]),
        ("two scripts that differ in case", &["1_a/up.sql", "1_a/UP.SQL"]),
        ("two files that differ in case", &["1_a.sql", "1_a.SQL"]),
        ("two metadata files that differ in case", &["1_a/up.sql", "1_a/metadata.toml", "1_a/METADATA.toml"]),
        ("an id in two folders", &["a/1_x/up.sql", "b/1_x/up.sql"]),
        ("an id in three folders", &["a/1_x/up.sql", "b/1_x/up.sql", "c/1_x/up.sql"]),
        ("an id as a folder and as a file", &["1_x/up.sql", "1_x.sql"]),
        ("an id in one file and in two", &["1_x.sql", "1_x.up.sql"]),
        ("an id in two folders for one database", &["sqlite/1_x/up.sql", "sqlite3/1_x/up.sql"]),
        ("two overlays for one database", &["1_x/up.sql", "1_x/up.sqlite.sql", "1_x/up.sqlite3.sql"]),
        ("an overlay for an unknown database", &["1_x/up.sql", "1_x/up.oracle.sql"]),
        ("an overlay for another database alone", &["1_x/up.postgres.sql"]),
        ("a down script without an up script", &["1_x/down.sql"]),
        ("a down script in a file without an up script", &["1_x.down.sql"]),
        ("metadata without a script", &["1_x/metadata.toml"]),
        ("an up script in no folder", &["up.sql"]),
        ("a file without a name", &[".sql", ".up.sql"]),
        ("a misspelled script", &["1_x/up.sq"]),
        ("a misspelled extension", &["1_x.sql.txt"]),
        ("a script that ends in a space", &["1_x/up.sql "]),
    ];
    rows.extend(files.map(|(name, paths)| {
        row(name, move |place: &Place| {
            for path in paths {
                let content = if path.contains("toml") { "" } else { SCRIPT };
                place.file(format!("migrations/{path}"), content);
            }
        })
    }));
    let bytes: [(&str, &'static [u8]); 3] = [
        ("a folder whose name is not Unicode", b"1_\xff/up.sql"),
        ("a file whose name is not Unicode", b"1_\xff.sql"),
        ("a folder in Latin-1 with an escape sequence", b"1_\xe9\x1b[2J/up.sql"),
    ];
    rows.extend(bytes.map(|(name, path)| {
        row(name, move |place: &Place| {
            place.file(Path::new("migrations").join(OsStr::from_bytes(path)), SCRIPT);
        })
    }));
    rows.push(row("a folder with the name of a script", |place| place.file("migrations/1_x/up.sql/a", "")));
    rows.push(row("a folder with the name of metadata", |place| {
        place.up("1_x", SCRIPT);
        place.folder("migrations/1_x/metadata.toml");
    }));
    rows
}
