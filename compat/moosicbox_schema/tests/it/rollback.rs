//! Going back with the published scripts, some of which do not work.

use moosicbox_schema::blocking::{
    SQLITE_CONFIG_MIGRATIONS, SQLITE_LIBRARY_MIGRATIONS, migrate_config, migrate_library,
};
use rusqlite::Connection;
use switchy_schema::{ErrorKind, ProblemKind, Recovery, Signature, Target};

use crate::content::{content, names};

/// What undoes `2025-05-31-110603_update_api_source_id_structure` is a comment, so the columns are not there that these take away.
const BROKEN: [&str; 6] = [
    "2024-02-28-223347_fix_albums_unique_constraint",
    "2024-01-26-200343_fix_qobuz_id_on_albums_table",
    "2024-01-15-203715_add_qobuz_id_to_tables",
    "2024-01-06-143752_add_tidal_id_to_tables",
    "2024-01-05-172941_add_source_to_tacks",
    "2023-12-19-200823_add_format_to_tracks",
];

/// What undoes these is only a comment.
const EMPTY: [&str; 5] = [
    "2025-05-31-110603_update_api_source_id_structure",
    "2024-01-26-222300_dedup_albums",
    "2024-01-09-162744_dedup_albums",
    "2024-01-05-232638_add_source_to_tracks_unique_constraint",
    "2023-12-19-041015_fix_unique_constraint_to_track_sizes",
];

#[test]
fn a_rollback_stops_at_each_script_that_does_not_work_and_says_so() {
    let conn = Connection::open_in_memory().unwrap();
    migrate_library(&conn).unwrap();
    conn.execute_batch("INSERT INTO artists (title) VALUES ('Ada')").unwrap();
    let runner = SQLITE_LIBRARY_MIGRATIONS.runner().unwrap();
    // A script without a statement is no way back, so nothing is done before a person decides.
    let refused = runner.run_to(&conn, Target::Empty).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
    assert!(refused.problems().iter().all(|problem| problem.kind == ProblemKind::Irreversible), "{refused}");
    let empty: Vec<String> = refused.problems().iter().map(|problem| problem.migration.to_string()).collect();
    assert_eq!(empty, EMPTY);
    for id in EMPTY {
        runner.recover(&conn, Recovery::Forget(id.into()), Signature::of("the test")).unwrap();
    }
    let mut broken = Vec::new();
    loop {
        let (before, records) = (content(&conn), names(&conn));
        let Err(error) = runner.run_to(&conn, Target::Empty) else { break };
        let id = error.migration().unwrap().clone();
        assert_eq!(error.kind(), ErrorKind::Step, "{error}");
        assert!(error.to_string().contains(&format!("{id}/down.sql:")), "{error}");
        // What was undone before it is, and what comes after it is not.
        let left = records.len() - error.report().applied.len();
        assert_eq!(names(&conn), records[..left]);
        assert_eq!(records[left - 1], id.as_str());
        if left == records.len() {
            assert_eq!(content(&conn), before);
        }
        runner.recover(&conn, Recovery::Forget(id.clone()), Signature::of("the test")).unwrap();
        broken.push(id.to_string());
    }
    assert_eq!(broken, BROKEN);
    assert_eq!(names(&conn), Vec::<String>::new());
}

#[test]
fn the_config_can_be_undone_altogether() {
    let conn = Connection::open_in_memory().unwrap();
    migrate_config(&conn).unwrap();
    let runner = SQLITE_CONFIG_MIGRATIONS.runner().unwrap();
    assert_eq!(runner.run_to(&conn, Target::Empty).unwrap().applied.len(), 10);
    assert_eq!(content(&conn), Vec::<String>::new());
}
