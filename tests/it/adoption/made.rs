//! Databases that the tools themselves have made (`compat/tools/fixtures`): complete, and stopped before the last migration.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use switchy_schema::{Adopt, Doubt, Finding, Migration, MigrationRunner, Proof, Tool};

use super::{adopted, content, refused};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/tools/fixtures")
}

/// A script, and the one that undoes it, out of a file that has both.
fn cut(text: &str) -> (String, Option<String>) {
    for (up, down) in [("-- migrate:up", "-- migrate:down"), ("-- +goose Up", "-- +goose Down")] {
        if let Some((_, rest)) = text.split_once(up) {
            let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            return match rest.split_once(down) {
                Some((up, down)) => {
                    (up.to_owned(), Some(down.split_once('\n').map_or("", |(_, down)| down).to_owned()))
                }
                None => (rest.to_owned(), None),
            };
        }
    }
    (text.to_owned(), None)
}

/// The migrations in a folder as a tool wants it, under the names they have there, or other ones.
fn set(folder: &Path, rename: impl Fn(&str) -> String) -> MigrationRunner {
    let mut migrations = Vec::new();
    let read = |path: &Path| fs::read_to_string(path).ok();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (id, up, down) = if path.is_dir() {
            let Some(up) = read(&path.join("up.sql")).or_else(|| read(&path.join("migration.sql"))) else {
                continue;
            };
            (name.to_owned(), up, read(&path.join("down.sql")))
        } else if let Some(id) = name.strip_suffix(".up.sql") {
            (id.to_owned(), read(&path).unwrap(), read(&folder.join(format!("{id}.down.sql"))))
        } else if let (Some(id), false) = (name.strip_suffix(".sql"), name.ends_with(".down.sql")) {
            let (up, down) = cut(&read(&path).unwrap());
            (id.to_owned(), up, down)
        } else {
            continue;
        };
        migrations.push(Migration::from_scripts(rename(&id), up, down));
    }
    assert_eq!(migrations.len(), 4, "{}", folder.display());
    MigrationRunner::new(migrations).unwrap()
}

fn copy(folder: &Path, name: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.db");
    fs::copy(folder.join(name), &path).unwrap();
    (home, path)
}

/// Each folder, the tool that is found, how the migrations are known, and what has to be accepted.
const FOLDERS: &[(&str, Tool, Finding, Option<Doubt>)] = &[
    ("sqlx", Tool::Sqlx, Finding::Verified, None),
    ("sqlx-reversible", Tool::Sqlx, Finding::Verified, None),
    ("refinery", Tool::Refinery, Finding::Verified, None),
    ("refinery-int8", Tool::Refinery, Finding::Verified, None),
    ("rusqlite_migration", Tool::UserVersion, Finding::Assumed, Some(Doubt::Lost)),
    ("diesel", Tool::Diesel, Finding::Matched, None),
    ("dbmate", Tool::Dbmate, Finding::Matched, None),
];

#[test]
fn databases_of_the_tools_themselves_are_adopted() {
    for (folder, tool, finding, doubt) in FOLDERS {
        let folder = fixtures().join(folder);
        let runner = set(&folder.join("migrations"), str::to_owned);
        for (name, applied) in [("complete.db", 4), ("partial.db", 3)] {
            println!("{} {name}", folder.display());
            let (_home, path) = copy(&folder, name);
            let bytes = || fs::read(&path).unwrap();
            let before = bytes();
            let conn = Connection::open(&path).unwrap();
            let planned = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
            assert_eq!(bytes(), before, "a plan does not touch the file");
            let how = match doubt {
                Some(doubt) => {
                    assert!(refused(&runner, &conn, &Adopt::new()).contains("accept `Doubt::Lost`"));
                    assert_eq!(planned.refusals().count(), 1, "{planned}");
                    Adopt::new().accept(*doubt)
                }
                None => {
                    assert_eq!(planned.objections, [], "{planned}");
                    Adopt::new()
                }
            };
            let adoption = adopted(&runner, &conn, &how);
            assert_eq!(adoption.tool, *tool);
            assert_eq!(adoption.proof, Proof::Same(applied), "{adoption}");
            assert_eq!(adoption.to_record().count(), applied);
            assert!(
                adoption.entries.iter().all(|entry| {
                    entry.finding == *finding
                        || (*tool == Tool::GolangMigrate && entry.finding == Finding::Matched)
                }),
                "{adoption}"
            );
            let rows = content(&conn);
            assert_eq!(runner.run(&conn).unwrap().applied.len(), 4 - applied);
            assert!(runner.run(&conn).unwrap().is_up_to_date());
            if applied == 4 {
                assert_eq!(content(&conn), rows);
            }
        }
    }
}

/// A history is found again after its migrations were renamed as we would name them.
#[test]
fn the_names_of_the_migrations_need_not_be_those_of_the_tool() {
    let ours = |id: &str| {
        let id = id.strip_prefix('V').unwrap_or(id).replace("__", "_");
        let (stamp, name) = id.split_once(['_']).unwrap();
        let digits = stamp.replace('-', "");
        if digits.len() == 14 {
            format!("{}-{}-{}-{}_{name}", &digits[..4], &digits[4..6], &digits[6..8], &digits[8..])
        } else {
            format!("000{digits}_{name}")
        }
    };
    for (folder, tool, finding, _) in FOLDERS.iter().filter(|(_, _, finding, _)| *finding != Finding::Assumed)
    {
        let folder = fixtures().join(folder);
        let runner = set(&folder.join("migrations"), ours);
        let (_home, path) = copy(&folder, "partial.db");
        let conn = Connection::open(&path).unwrap();
        let adoption = adopted(&runner, &conn, &Adopt::new().tool(*tool));
        assert!(adoption.to_record().all(|entry| entry.finding == *finding), "{adoption}");
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
    }
}

/// Nothing of the rows that users wrote between the third and the fourth migration is lost, whatever is done.
#[test]
fn no_row_of_a_user_is_lost() {
    for (folder, _, _, doubt) in FOLDERS {
        let folder = fixtures().join(folder);
        let runner = set(&folder.join("migrations"), str::to_owned);
        let (_home, path) = copy(&folder, "partial.db");
        let conn = Connection::open(&path).unwrap();
        let rows = || {
            let users = switchy_schema::test_utils::rows(&conn, "SELECT name, email FROM users ORDER BY id");
            [users, switchy_schema::test_utils::rows(&conn, "SELECT user_id, body FROM notes ORDER BY id")]
                .concat()
        };
        let before = rows();
        assert_eq!(before.len(), 6, "{before:?}");
        let how = doubt.iter().fold(Adopt::new(), |how, doubt| how.accept(*doubt));
        adopted(&runner, &conn, &how);
        runner.run(&conn).unwrap();
        assert_eq!(rows(), before);
    }
}

/// The database is newer than the set: what the tool applied and the set does not have is named.
#[test]
fn a_database_that_is_ahead_is_refused() {
    for (folder, tool, _, _) in FOLDERS {
        let folder = fixtures().join(folder);
        let whole = set(&folder.join("migrations"), str::to_owned);
        let fewer: Vec<Migration> = whole
            .list()
            .iter()
            .take(3)
            .map(|meta| {
                let up = whole.script(meta.id.clone(), switchy_schema::Direction::Up).unwrap().to_owned();
                Migration::from_scripts(meta.id.clone(), up, None)
            })
            .collect();
        let fewer = MigrationRunner::new(fewer).unwrap();
        let (_home, path) = copy(&folder, "complete.db");
        let conn = Connection::open(&path).unwrap();
        let error = refused(&fewer, &conn, &Adopt::new());
        assert!(error.contains("accept `Doubt::Orphaned`"), "{tool}: {error}");
        // The schema is not theirs either.
        assert!(error.contains("the index `pinned_notes` is made by none of them"), "{tool}: {error}");
        let how =
            [Doubt::Orphaned, Doubt::Lost, Doubt::Unproven].into_iter().fold(Adopt::new(), Adopt::accept);
        assert_eq!(adopted(&fewer, &conn, &how).to_record().count(), 3);
    }
}
