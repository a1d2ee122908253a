//! What a user sees of each update.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests panic on failure")]

mod migrations;

use desktop_update::{Trouble, Version, explain, update};
use switchy_schema::rusqlite::Connection;

fn notes(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_file_goes_through_the_versions() {
    let folder = tempfile::tempdir().unwrap();
    let conn = Connection::open(folder.path().join("notes.db")).unwrap();
    update(&conn, Version::One, Trouble::None).unwrap();
    let copies = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = copies();
    assert!(update(&conn, Version::One, Trouble::None).unwrap().is_up_to_date());
    assert_eq!((notes(&conn), copies()), (4, before));

    // It deletes a note, so a copy is kept.
    let report = update(&conn, Version::Two, Trouble::None).unwrap();
    let kept = Connection::open(report.snapshot.unwrap()).unwrap();
    assert_eq!((notes(&conn), notes(&kept)), (3, 4));

    // The last step fails after another one is committed: everything is as before.
    let error = update(&conn, Version::Three, Trouble::LastStep).unwrap_err();
    assert!(
        explain(&error)
            .starts_with("The update failed, and your notes are as they were before. A copy is in ")
    );
    let columns = "SELECT count(*) FROM pragma_table_info('tag')";
    assert_eq!(conn.query_row(columns, [], |row| row.get(0)), Ok(1));
    assert!(update(&conn, Version::Two, Trouble::None).unwrap().is_up_to_date());

    update(&conn, Version::Three, Trouble::None).unwrap();
    let numbered = "SELECT count(*) FROM tag WHERE number IS NOT NULL";
    assert_eq!(conn.query_row(numbered, [], |row| row.get(0)), Ok(2));
    let error = update(&conn, Version::One, Trouble::None).unwrap_err();
    assert_eq!(
        explain(&error),
        "This file was changed by Notes 3.0. Please install that version or a newer one."
    );
}
