//! Sets that a build script read: what the creation of a runner costs, and how a program detects that it was not rebuilt.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};
use switchy_schema::build::Embed;
use switchy_schema::compiled::{FORMAT, Set};
use switchy_schema::{
    CompiledMigrations, Dialect, EmbeddedMigrations, ErrorKind, MigrationError, MigrationRunner,
    MigrationSource,
};

use sets::{compiled, hash, leak};

mod sets;

#[test]
fn what_is_taken_apart_is_the_set() {
    let (set, conn) = compiled(20);
    let runner = MigrationRunner::new(set).unwrap();
    assert_eq!(runner.list().len(), 20);
    assert_eq!(runner.status(&conn).unwrap().entries.len(), 20);
    let read = MigrationSource::<switchy_schema::Sqlite>::migrations(&set).unwrap();
    assert_eq!(MigrationRunner::new(read).unwrap().run(&conn).unwrap().already, 20);
}

/// Changes a file in the folder of a program that is not rebuilt, and starts the program.
fn after(change: impl Fn(&Path)) -> [Result<MigrationRunner, MigrationError>; 2] {
    static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/compiled_set/limited");
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for entry in EMBEDDED.dirs().flat_map(Dir::files) {
        let (path, text) = (entry.path().to_str().unwrap(), entry.contents_utf8().unwrap());
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), text).unwrap();
        files.push((path, hash(text)));
    }
    change(folder.path());
    let place = leak(folder.path().to_str().unwrap());
    let set = Set {
        format: FORMAT,
        database: Dialect::Sqlite,
        folder: place,
        files: Vec::leak(files),
        migrations: &[],
        is_limited: false,
        beginnings: &[[0; 32]],
    };
    let compiled = MigrationRunner::new(CompiledMigrations::new(Box::leak(Box::new(set))));
    let embedded = MigrationRunner::new(EmbeddedMigrations::new(&EMBEDDED).compared_with(place));
    folder.close().ok();
    [compiled, embedded]
}

#[test]
fn a_debug_build_notices_that_its_folder_has_changed() {
    type Change = fn(&Path);
    let changes: [(Change, Option<&str>); 7] = [
        (|_| (), None),
        (|folder| fs::write(folder.join("README.md"), "why").unwrap(), None),
        (|folder| fs::write(folder.join("1_here/.up.sql.swp"), "?").unwrap(), None),
        (|folder| fs::remove_dir_all(folder).unwrap(), None),
        (
            |folder| fs::write(folder.join("1_here/up.sql"), "CREATE TABLE elsewhere (x);").unwrap(),
            Some(
                "/1_here/up.sql: it was changed since the program was built; build it again, and if that changes nothing, `touch build.rs` first",
            ),
        ),
        (
            |folder| fs::write(folder.join("1_here/down.sql"), "DROP TABLE here;").unwrap(),
            Some(
                "/1_here/down.sql: it was added since the program was built; build it again, and if that changes nothing, `touch build.rs` first",
            ),
        ),
        (
            |folder| fs::remove_file(folder.join("2_there/metadata.toml")).unwrap(),
            Some(
                "/2_there/metadata.toml: it was removed since the program was built; build it again, and if that changes nothing, `touch build.rs` first",
            ),
        ),
    ];
    for (change, expected) in changes {
        for outcome in after(change) {
            match (expected, outcome) {
                (None, outcome) => drop(outcome.unwrap()),
                (Some(expected), outcome) => {
                    let error = outcome.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Source);
                    assert!(error.to_string().ends_with(expected), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_build_refuses_a_bad_folder_in_the_words_of_the_program() {
    let bad: [&[(&str, &str)]; 5] = [
        &[("1_a/up.sql", "SELECT 1"), ("1_a/metadata.toml", "depend_on = ['2_b']")],
        &[("1_a/up.sql", "SELECT 1"), ("1_a.sql", "SELECT 2")],
        &[("1_a/up.sql", "SELECT 1"), ("1_a/metadata.toml", "depends_on = ['2_b']")],
        &[("1_a/up.sql", "SELECT \0")],
        &[("up.sql", "SELECT 1")],
    ];
    for files in bad {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), text).unwrap();
        }
        let read = MigrationRunner::new_directory(folder.path()).map(drop);
        let built = Embed::new(folder.path()).to_rust().map(drop);
        assert_eq!(built.map_err(|error| format!("{error:#}")), read.map_err(|error| format!("{error:#}")));
    }
    let missing = Embed::new("no/such/folder").to_rust().unwrap_err();
    assert!(missing.to_string().contains("there is no folder no/such/folder"), "{missing}");
}
