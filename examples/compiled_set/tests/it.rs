//! A compiled set equals the set that a program reads from the folder.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use compiled_set::{limited, schema, server};
use switchy_schema::rusqlite::Connection;
use switchy_schema::{CompiledMigrations, Direction, ErrorKind, MigrationRunner, ProblemKind, Target};

fn memory() -> Connection {
    Connection::open_in_memory().unwrap()
}

fn from_folder(folder: &'static str) -> MigrationRunner {
    MigrationRunner::new_directory(folder).unwrap()
}

#[test]
fn it_says_of_each_migration_what_the_folder_says() {
    for (set, folder) in [(schema::MIGRATIONS, "../../migrations"), (limited::MIGRATIONS, "limited")] {
        let (compiled, read) = (MigrationRunner::new(set).unwrap(), from_folder(folder));
        assert_eq!(format!("{:#?}", compiled.list()), format!("{:#?}", read.list()));
        for (id, direction) in
            read.list().iter().flat_map(|meta| [(&meta.id, Direction::Up), (&meta.id, Direction::Down)])
        {
            let script = |runner: &MigrationRunner| runner.script(id.clone(), direction).map(str::to_owned);
            assert_eq!(script(&compiled), script(&read), "{id} {direction}");
        }
    }
}

#[test]
fn a_database_goes_from_one_to_the_other() {
    let (conn, read) = (memory(), from_folder("../../migrations"));
    read.run_to(&conn, Target::Steps(5)).unwrap();
    let report = schema::migrate(&conn).unwrap();
    assert_eq!((report.already, report.applied.len()), (5, read.list().len() - 5));
    assert!(schema::migrate(&conn).unwrap().is_up_to_date());
    assert!(read.run(&conn).unwrap().is_up_to_date());

    let compiled = MigrationRunner::new(schema::MIGRATIONS).unwrap();
    assert_eq!(compiled.rollback(&conn, 2).unwrap().applied.len(), 2);
    assert_eq!(read.run(&conn).unwrap().applied.len(), 2);
}

#[test]
fn environments_decide_what_runs() {
    for (environment, runs) in [(None, 1), (Some("staging"), 2), (Some("production"), 1)] {
        let runner = |set: CompiledMigrations| {
            let runner = MigrationRunner::new(set).unwrap().placeholder_value("secret", "unknown");
            environment.map_or_else(|| MigrationRunner::new(set).unwrap(), |name| runner.environment(name))
        };
        let conn = memory();
        let report = runner(limited::MIGRATIONS).run(&conn).unwrap();
        assert_eq!(report.applied.len(), runs, "{environment:?}");
        let report = runner(limited::MIGRATIONS).run(&conn).unwrap();
        assert_eq!((report.is_up_to_date(), report.already), (true, runs), "{environment:?}");
    }
}

#[test]
fn a_set_for_another_database_is_refused() {
    let error = MigrationRunner::new(server::MIGRATIONS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(
        error.to_string(),
        "the migrations were built for postgres, and this is sqlite; build them for sqlite with `build::Embed::database`"
    );
}

/// A migration declares placeholders in its metadata, which are in the program.
#[test]
fn placeholders_are_replaced() {
    let runner = || MigrationRunner::new(limited::MIGRATIONS).unwrap().environment("staging");
    let conn = memory();
    let error = runner().run(&conn).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::Placeholder, "{error}");
    runner()
        .placeholder_value("secret", "unknown")
        .placeholder_value("place", "elsewhere")
        .run(&conn)
        .unwrap();
    conn.execute_batch("INSERT INTO elsewhere DEFAULT VALUES").unwrap();
    let value: String = conn.query_row("SELECT x FROM elsewhere", [], |row| row.get(0)).unwrap();
    assert_eq!(value, "unknown");
    // Nothing is pending, so the values are not needed any more.
    assert!(runner().run(&conn).unwrap().is_up_to_date());
}
