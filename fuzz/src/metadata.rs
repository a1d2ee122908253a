//! `metadata.toml`: any text describes a migration, or is an error with its place in the text.

use switchy_schema::layout::{Entry, migrations};
use switchy_schema::{ErrorKind, Meta, MigrationError, Printable, Sqlite};

/// Checks the bytes as the metadata of a migration.
///
/// # Panics
/// If the result violates a guarantee of the metadata.
pub fn check(data: &[u8]) {
    let error = match read("1_a/up.sql", "1_a/metadata.toml", data) {
        Ok(meta) => {
            let facts = |meta: &Meta| {
                let Meta { origin, down_origin, .. } = meta.clone();
                format!("{meta:?}")
                    .replace(&format!("{origin:?}"), "")
                    .replace(&format!("{down_origin:?}"), "")
            };
            let flat = read("1_a.sql", "1_a.toml", data).expect("metadata, as in a folder");
            assert_eq!(facts(&meta), facts(&flat), "the layout decides");
            let more = [data, b"\nnot_a_key = 1\n"].concat();
            assert!(read("1_a/up.sql", "1_a/metadata.toml", &more).is_err(), "an unknown key was accepted");
            return;
        }
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Source, "{error}");
    let at = error.location().expect("a place");
    assert_eq!(at.origin, "root/1_a/metadata.toml");
    if let Some(position) = at.position {
        let lines = String::from_utf8_lossy(data).split('\n').count();
        assert!((1..=lines).contains(&position.line), "{error}: there are {lines} lines");
    }
    for text in [error.to_string(), format!("{error:#}").replace('\n', "")] {
        assert!(text.len() < 4096, "{} bytes", text.len());
        assert!(Printable(&text).to_string() == text, "{text:?}");
    }
}

fn read(script: &str, metadata: &str, data: &[u8]) -> Result<Meta, MigrationError> {
    let files = [Entry::new(script, b"SELECT 1".as_slice()), Entry::new(metadata, data.to_vec())];
    let mut set = migrations::<Sqlite>("root", files)?;
    assert_eq!(set.len(), 1);
    let migration = set.remove(0);
    assert_eq!((migration.id().as_str(), migration.up_sql()), ("1_a", Some("SELECT 1")));
    Ok(migration.meta().clone())
}
