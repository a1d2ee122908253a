//! Databases that the tools themselves created (`compat/tools/fixtures`): complete, and before the last migration.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use switchy_schema::{Adopt, Doubt, Finding, Migration, MigrationRunner, Proof, Recovery, Signature, Tool};

use super::tools::{MADE, Made, fixtures};
use super::{adopted, content, refused};

impl Made {
    fn set(&self, rename: impl Fn(&str) -> String) -> MigrationRunner {
        self.set_for(rename)
    }

    /// Opens a copy of one of the tool's databases.
    fn open(&self, name: &str) -> Opened {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app.db");
        fs::copy(self.folder().join(name), &path).unwrap();
        let conn = Connection::open(&path).unwrap();
        Opened { home, path, conn }
    }
}

struct Opened {
    home: tempfile::TempDir,
    path: PathBuf,
    conn: Connection,
}

fn made(folder: &str) -> &'static Made {
    MADE.iter().find(|made| made.folder == folder).unwrap()
}

#[test]
fn every_database_that_is_there_is_tried() {
    let mut folders: Vec<String> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut tried: Vec<&str> = MADE.iter().map(|made| made.folder).chain(["alembic"]).collect();
    tried.sort_unstable();
    assert_eq!(folders, tried);
}

#[test]
fn databases_of_the_tools_themselves_are_adopted() {
    for it in MADE {
        let runner = it.set(str::to_owned);
        let count = runner.list().len();
        for (name, applied) in [("complete.db", count), ("partial.db", count - 1)] {
            println!("{} {name}", it.folder);
            let Opened { home: _home, path, conn } = it.open(name);
            let bytes = || fs::read(&path).unwrap();
            let before = bytes();
            let planned = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
            assert_eq!(bytes(), before, "a plan does not touch the file");
            match it.said {
                Some(said) => {
                    assert_eq!(planned.refusals().count(), 1, "{planned}");
                    let error = refused(&runner, &conn, &Adopt::new());
                    assert!(error.contains(said), "{error}");
                }
                None => assert_eq!(planned.objections, [], "{planned}"),
            }
            let mut how = (it.how)();
            // The output of `sqlmigrate` creates the last table with a different order of columns than `migrate` did.
            let is_other = (it.folder, name) == ("django", "complete.db");
            if is_other {
                let error = refused(&runner, &conn, &how);
                let said = "the table `notes` is another one here (it has `id integer not null primary` where they make `pinned bool not null";
                assert!(error.contains(said), "{error}");
                how = how.accept(Doubt::Unproven);
            }
            let adoption = adopted(&runner, &conn, &how);
            assert_eq!(adoption.tool, it.tool);
            assert_eq!(adoption.proof == Proof::Same(applied), !is_other, "{adoption}");
            let found: Vec<Finding> = adoption.to_record().map(|entry| entry.finding).collect();
            let is_highest = |place: usize| it.tool == Tool::GolangMigrate && place + 1 == applied;
            let expected: Vec<Finding> = (0..applied)
                .map(|place| if is_highest(place) { Finding::Matched } else { it.findings[place] })
                .collect();
            assert_eq!(found, expected, "{adoption}");
            let rows = content(&conn);
            assert_eq!(runner.run(&conn).unwrap().applied.len(), count - applied);
            assert!(runner.run(&conn).unwrap().is_up_to_date());
            if applied == count {
                assert_eq!(content(&conn), rows);
            }
        }
    }
}

/// A history is recognized after its migrations were renamed in the style of the engine.
#[test]
fn the_names_of_the_migrations_need_not_be_those_of_the_tool() {
    let ours = |id: &str| {
        let of_sea = id.strip_prefix('m').map(|id| id.replacen('_', "", 1));
        let id = of_sea.as_deref().unwrap_or(id);
        let id = id.strip_prefix('V').unwrap_or(id);
        if id.starts_with('R') {
            return id.to_owned();
        }
        let (digits, name) = id
            .split_once(['_', '-'])
            .filter(|(digits, _)| digits.len() != 4 || *digits < "2000")
            .unwrap_or_else(|| {
                let (stamp, name) = id.split_once('_').unwrap();
                (stamp, name)
            });
        let digits = digits.replace('-', "");
        let name = name.trim_start_matches('_');
        if digits.len() == 14 {
            format!("{}-{}-{}-{}_{name}", &digits[..4], &digits[4..6], &digits[6..8], &digits[8..])
        } else {
            format!("000{digits}_{name}")
        }
    };
    // GRDB has only names, without versions.
    for it in MADE.iter().filter(|it| it.tool != Tool::Grdb) {
        println!("{}", it.folder);
        let runner = it.set(ours);
        let Opened { home: _home, conn, .. } = it.open("partial.db");
        let adoption = adopted(&runner, &conn, &(it.how)());
        assert_eq!(adoption.to_record().count(), runner.list().len() - 1, "{adoption}");
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
    }
}

/// No operation loses the rows that users wrote between the third and the fourth migration.
#[test]
fn no_row_of_a_user_is_lost() {
    for it in MADE {
        let runner = it.set(str::to_owned);
        let Opened { home: _home, conn, .. } = it.open("partial.db");
        let rows = || {
            let users = switchy_schema::test_utils::rows(&conn, "SELECT name, email FROM users ORDER BY id");
            [users, switchy_schema::test_utils::rows(&conn, "SELECT user_id, body FROM notes ORDER BY id")]
                .concat()
        };
        let before = rows();
        assert_eq!(before.len(), 6, "{before:?}");
        adopted(&runner, &conn, &(it.how)());
        runner.run(&conn).unwrap();
        assert_eq!(rows(), before);
    }
}

/// The database is newer than the set: the message names the migrations that the tool applied and the set does not have.
#[test]
fn a_database_that_is_ahead_is_refused() {
    for it in MADE {
        let whole = it.set(str::to_owned);
        let older = |meta: &&switchy_schema::Meta| !meta.id.as_str().contains("pinned_notes");
        let fewer: Vec<Migration> = whole
            .list()
            .iter()
            .filter(older)
            .map(|meta| {
                let up = whole.script(meta.id.clone(), switchy_schema::Direction::Up).unwrap().to_owned();
                Migration::from_scripts(meta.id.clone(), up, None)
            })
            .collect();
        let count = fewer.len();
        let fewer = MigrationRunner::new(fewer).unwrap();
        let Opened { home: _home, conn, .. } = it.open("complete.db");
        let how = (it.how)();
        let error = refused(&fewer, &conn, &how);
        assert!(error.contains("accept `Doubt::Orphaned`"), "{}: {error}", it.folder);
        // The schema differs too.
        assert!(error.contains("the table `notes` is another one here"), "{}: {error}", it.folder);
        let how = how.accept(Doubt::Orphaned).accept(Doubt::Unproven).accept(Doubt::Lost);
        assert_eq!(adopted(&fewer, &conn, &how).to_record().count(), count);
    }
}

/// The histories that the tools leave after a migration failed, was undone, was resolved, or existed before.
#[test]
fn failures_and_what_came_of_them_are_told_apart() {
    for (folder, said) in [
        ("golang-migrate", "`4` began in golang-migrate and did not finish; look what it did"),
        (
            "prisma",
            "`20240405060708_pinned_notes` began in Prisma and did not finish; look what it did, and tell Prisma",
        ),
    ] {
        let it = made(folder);
        let opened = it.open("failed.db");
        let error = refused(&it.set(str::to_owned), &opened.conn, &(it.how)());
        assert!(error.contains(said), "{error}");
    }
    // Only the schema shows this migration.
    let it = made("sea-orm");
    let opened = it.open("half.db");
    let error = refused(&it.set(str::to_owned), &opened.conn, &(it.how)());
    assert!(error.contains("the table `notes` is another one here"), "{error}");
    let it = made("drizzle-1");
    let opened = it.open("upgraded.db");
    assert_eq!(adopted(&it.set(str::to_owned), &opened.conn, &(it.how)()).to_record().count(), 4);
    for (folder, name, pending) in
        [("goose", "undone.db", 1), ("prisma", "resolved.db", 0), ("prisma", "milliseconds.db", 0)]
    {
        let (it, runner) = (made(folder), made(folder).set(str::to_owned));
        let opened = it.open(name);
        let adoption = adopted(&runner, &opened.conn, &(it.how)());
        assert_eq!(adoption.pending.len(), pending, "{adoption}");
        assert!(adoption.entries.iter().all(|entry| entry.applied_on.is_some()), "{adoption}");
    }
    let it = made("flyway");
    let Opened { home: _home, conn, .. } = it.open("baseline.db");
    let runner = it.set(str::to_owned);
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("the baseline of Flyway does not say what it stands for"), "{error}");
    let adoption = adopted(&runner, &conn, &Adopt::new().accept(Doubt::Lost));
    assert_eq!(
        super::shape(&adoption),
        "? V1__create_users; ? V2__create_notes; = V3__email_of_users.sql is V3__email_of_users; \
         = R__view_of_authors.sql is R__view_of_authors; + V4__pinned_notes"
    );
}

/// Alembic stores only its current revision, and the revisions before it are in Python scripts.
#[test]
fn a_history_that_is_none_is_explained() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.db");
    fs::copy(fixtures().join("alembic/partial.db"), &path).unwrap();
    let conn = Connection::open(&path).unwrap();
    let runner = made("sqlx").set(str::to_owned);
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(
        error.contains("`alembic_version` has only the newest revision, `07d5e8c43fa1`: what came before it"),
        "{error}"
    );
    // Follows the remedy of the error.
    let last = runner.list()[2].id.clone();
    runner.recover(&conn, Recovery::Baseline(last), Signature::of("ada")).unwrap();
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
}
