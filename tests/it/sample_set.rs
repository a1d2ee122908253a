//! The set in `migrations/` and the example that uses it.

use std::path::PathBuf;
use std::process::Command;

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{Direction, MigrationRunner, Target};

use crate::execution::memory;
use crate::start::sample_set;

const COUNT: usize = 14;

/// Everything in the database except the tracking table: definitions and rows.
fn dump(conn: &Connection) -> Vec<String> {
    let mut dump = schema(conn);
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '__switchy_migrations' ORDER BY name";
    for table in rows(conn, tables) {
        dump.extend(
            rows(conn, &format!("SELECT * FROM \"{table}\"")).iter().map(|row| format!("{table}: {row}")),
        );
    }
    dump
}

fn run(runner: &MigrationRunner, conn: &Connection, target: Target) -> usize {
    runner.run_to(conn, target).unwrap_or_else(|error| panic!("{error:#}")).applied.len()
}

#[test]
fn it_runs_once() {
    let database = TestDatabase::new();
    for conn in [database.connect(), memory()] {
        assert_eq!(run(&sample_set(), &conn, Target::Latest), COUNT);
        let after = dump(&conn);
        let second = sample_set().run(&conn).unwrap();
        assert!(second.is_up_to_date());
        assert_eq!(second.to_string(), "nothing to do, with 14 migrations applied");
        assert_eq!(dump(&conn), after);
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"]);
        assert_eq!(rows(&conn, "PRAGMA foreign_key_check"), Vec::<String>::new());
    }
    assert_eq!(database.rows("PRAGMA journal_mode"), ["wal"]);
}

#[test]
fn its_first_start_reports_every_step_in_the_order_of_the_needs() {
    let report = sample_set().run(&memory()).unwrap();
    let ids: Vec<&str> = report.applied.iter().map(|step| step.id.as_str()).collect();
    assert!(report.applied.iter().all(|step| step.direction == Direction::Up));
    let place = |name: &str| ids.iter().position(|id| id.ends_with(name)).unwrap();
    assert!(place("_nest_notebooks") < place("_archive_notebooks"), "{ids:?}");
    assert!(place("_create_notebooks") < place("_create_notes"), "{ids:?}");
    assert_eq!(ids.len(), COUNT);
    assert_eq!(report.to_string().lines().count(), 1 + COUNT, "{report}");
    assert!(report.notes.is_empty(), "{report}");
}

/// `nest_notebooks` rebuilds a table that notes, and indirectly tags and attachments, reference with `ON DELETE CASCADE`.
#[test]
fn the_rows_of_the_user_survive_all_of_it() {
    let all = "SELECT (SELECT group_concat(name) FROM (SELECT name FROM notebooks ORDER BY id)), (SELECT count(*) FROM notes),
        (SELECT count(*) FROM note_tags), (SELECT count(*) FROM attachments)";
    for is_on in ["ON", "OFF"] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch(&format!("PRAGMA foreign_keys = {is_on}")).unwrap();
        run(&sample_set(), &conn, Target::Before("2025-03-10-110000_nest_notebooks".into()));
        conn.execute_batch(
            "INSERT INTO notebooks (id, name, color) VALUES (10, 'Mine', '#ff0000'), (11, 'Grey', NULL);
            INSERT INTO notes (id, notebook_id, title, body) VALUES (20, 10, 'A', 'x'), (21, 10, 'B', 'y'), (22, 11, 'C', 'z');
            INSERT INTO note_tags SELECT 20, id FROM tags;
            INSERT INTO attachments (note_id, file_name, content) VALUES (21, 'f', x'00ff');
            UPDATE notes SET body = 'x!' WHERE id = 20",
        )
        .unwrap();
        let before = rows(&conn, all);
        assert_eq!(before, ["Welcome,Mine,Grey|4|4|1"]);
        run(&sample_set(), &conn, Target::Latest);
        assert_eq!(rows(&conn, all), before, "foreign keys {is_on}");
        assert_eq!(rows(&conn, "SELECT color FROM notebooks WHERE id > 9"), ["#ff0000", "#808080"]);
        assert_eq!(rows(&conn, "SELECT body FROM note_revisions"), ["x"]);
        assert_eq!(rows(&conn, "SELECT title FROM notes_fts WHERE notes_fts MATCH 'z'"), ["C"]);

        run(&sample_set(), &conn, Target::Before("2025-03-10-110000_nest_notebooks".into()));
        run(&sample_set(), &conn, Target::BackTo("2025-03-05-163000_archive_notebooks".into()));
        run(&sample_set(), &conn, Target::BackTo("2025-03-03-134500_create_notebook_settings".into()));
        assert_eq!(rows(&conn, all), before, "and the way back");
    }
}

#[test]
fn every_step_back_is_the_schema_before_the_step() {
    for database in [Some(TestDatabase::new()), None] {
        let conn = database.as_ref().map_or_else(memory, TestDatabase::connect);
        let mut schemas = vec![schema(&conn)];
        for _ in 0..COUNT {
            assert_eq!(run(&sample_set(), &conn, Target::Steps(1)), 1);
            schemas.push(schema(&conn));
        }
        while let Some(last) = schemas.pop() {
            assert_eq!(schema(&conn), last, "{} steps", schemas.len());
            let undone = run(&sample_set(), &conn, Target::Back(1));
            assert_eq!(undone, usize::from(!schemas.is_empty()));
        }
        assert_eq!(schema(&conn), Vec::<String>::new());
        assert_eq!(rows(&conn, "SELECT * FROM __switchy_migrations"), Vec::<String>::new());
    }
}

#[test]
fn down_to_nothing_and_up_again_is_the_same() {
    let database = TestDatabase::new();
    let conn = database.connect();
    run(&sample_set(), &conn, Target::Latest);
    let first = schema(&conn);
    assert_eq!(run(&sample_set(), &conn, Target::Empty), COUNT);
    assert_eq!(schema(&conn), Vec::<String>::new());
    assert_eq!(rows(&conn, "PRAGMA journal_mode"), ["delete"]);
    assert_eq!(run(&sample_set(), &conn, Target::Latest), COUNT);
    assert_eq!(schema(&conn), first);
    assert!(first.len() > 20, "{first:#?}");
}

/// The path of the example: `target/debug/examples/basic_usage`, next to `target/debug/deps/it-...`. `cargo test` builds both.
fn basic_usage() -> Option<PathBuf> {
    let deps = std::env::current_exe().ok()?;
    let name = format!("basic_usage{}", std::env::consts::EXE_SUFFIX);
    Some(deps.parent()?.parent()?.join("examples").join(name)).filter(|path| path.is_file())
}

#[test]
fn the_example_migrates_a_file_and_has_nothing_to_do_the_second_time() {
    // `cargo test --test it` alone does not build examples.
    let Some(example) = basic_usage() else { return };
    let database = TestDatabase::new();
    let folder = database.path().parent().unwrap().to_owned();
    let run = || {
        let output = Command::new(&example).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = run();
    assert!(first.contains("14 steps done, with 0 migrations applied before:"), "{first}");
    assert!(first.contains("up   2025-01-08-090000_create_notebooks ("), "{first}");
    assert!(first.contains("note: Welcome to Notes (in Welcome, tagged reference)"), "{first}");
    let second = run();
    assert!(second.contains("\nnothing to do, with 14 migrations applied\n"), "{second}");
    assert!(second.contains("note: Welcome to Notes"), "{second}");
    assert!(folder.join("notes.db").is_file());
}
