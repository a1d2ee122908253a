//! The layout of a folder: any files produce a set or an error, and the order of the files does not matter.

use std::collections::BTreeSet;

use switchy_schema::layout::{Entry, migrations};
use switchy_schema::{ErrorKind, Migration, MigrationRunner, Sqlite};

/// Decodes the bytes as files and checks the resulting migrations.
///
/// # Panics
/// If the result violates a guarantee of the layout.
pub fn check(data: &[u8]) {
    let entries = decode(data);
    let set = match migrations::<Sqlite>("root", entries.clone()) {
        Ok(set) => set,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Source | ErrorKind::Set), "{error}");
            let _ = format!("{error:#}");
            let paths: BTreeSet<&str> =
                entries.iter().map(|entry| entry.path.trim_start_matches("./")).collect();
            for other in reordered(&entries) {
                let other = migrations::<Sqlite>("root", other).expect_err("an error, as in the first order");
                // A real folder cannot contain a path twice.
                assert!(
                    paths.len() < entries.len() || error.to_string() == other.to_string(),
                    "{error}; {other}"
                );
            }
            return;
        }
    };

    for other in reordered(&entries) {
        let other = migrations::<Sqlite>("root", other).expect("a set, as in the first order");
        let facts = |set: &[Migration]| set.iter().map(facts).collect::<Vec<_>>();
        assert_eq!(facts(&set), facts(&other), "the order of the files decides");
    }

    let ids: BTreeSet<&str> = set.iter().map(|migration| migration.id().as_str()).collect();
    assert_eq!(ids.len(), set.len(), "an id is there twice");
    for migration in set.iter().filter(|migration| migration.meta().unread.is_none()) {
        let id = migration.id().as_str();
        let entry = entries.iter().filter(|entry| is_of(&entry.path, id));
        let mut scripts = entry.filter_map(|entry| std::str::from_utf8(&entry.bytes).ok());
        let up = migration.up_sql().expect("files hold scripts");
        assert!(
            scripts.any(|script| script.strip_prefix('\u{feff}').unwrap_or(script) == up),
            "no file of `{id}` holds its script"
        );
    }

    let unused: BTreeSet<&str> =
        set.iter().flat_map(|migration| &migration.meta().unused_files).map(String::as_str).collect();
    let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    let is_script = |path: &str| path.len() >= 4 && path.to_ascii_lowercase().ends_with(".sql");
    for Entry { path, .. } in entries.iter().filter(|entry| is_script(&entry.path) && !is_hidden(&entry.path))
    {
        let is_known = ids.iter().any(|id| is_of(path, id)) || unused.contains(&*format!("root/{path}"));
        assert!(is_known, "{path} was skipped silently");
    }

    // Dependencies may be missing, but the runner must not panic.
    let _ = MigrationRunner::new(set).map_err(|error| error.to_string());
}

/// Decodes bytes as files: a line `== <path>` begins a file, and its content follows.
pub fn decode(data: &[u8]) -> Vec<Entry> {
    const MARK: &[u8] = b"\n== ";
    let mut files = vec![data.strip_prefix(&MARK[1..]).unwrap_or(data)];
    while let Some((last, at)) =
        files.last().and_then(|last| Some((*last, last.windows(MARK.len()).position(|part| part == MARK)?)))
    {
        files.pop();
        files.extend([&last[..at], &last[at + MARK.len()..]]);
    }
    files
        .into_iter()
        .map(|file| {
            let end = file.iter().position(|&byte| byte == b'\n').unwrap_or(file.len());
            let content = file.get(end + 1..).unwrap_or_default();
            Entry::new(String::from_utf8_lossy(&file[..end]).into_owned(), content.to_vec())
        })
        .collect()
}

fn reordered(entries: &[Entry]) -> [Vec<Entry>; 2] {
    let backwards = entries.iter().rev().cloned().collect();
    let mut rotated = entries.to_vec();
    rotated.rotate_left(entries.len() / 2);
    [backwards, rotated]
}

/// Whether a file may belong to a migration: it is in a folder with the id as its name, or its own name is the id with an extension.
fn is_of(path: &str, id: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    folder.rsplit('/').next() == Some(id) || name.strip_prefix(id).is_some_and(|rest| rest.starts_with('.'))
}

/// All parts of a migration, as text.
fn facts(migration: &Migration) -> String {
    format!("{:?} {:?} {:?}", migration.meta(), migration.up_sql(), migration.down_sql())
}
