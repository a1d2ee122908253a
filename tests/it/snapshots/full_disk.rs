//! Runs that fail half-way on a full disk: SQLite itself rolls back, and discards what it has read.

use std::process::{Command, Stdio};
use std::time::Duration;

use switchy_schema::Event;

use super::*;
use crate::children::say;

const MOMENT: &str = "SWITCHY_SCHEMA_WRITER";
const DATABASE: &str = "SWITCHY_SCHEMA_FULL_DATABASE";
const TEST: &str = "snapshots::full_disk::the_run_of_a_process_that_another_test_started";

/// A step that commits, one during which another connection may write, and one that needs more than the process may write.
fn steps(path: &Path, moment: &str) -> Vec<Migration> {
    let more = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO notes (text) SELECT hex(randomblob(100)) FROM n";
    let (path, moment) = (path.to_owned(), moment.to_owned());
    let theirs = Migration::code("3_theirs", move |_| {
        if moment.contains("before") {
            write(&path, Duration::ZERO);
        }
        Ok::<_, std::convert::Infallible>(())
    });
    vec![add_title(), theirs.outside_transaction(), Migration::sql("4_more", more)]
}

/// Another connection writes a row.
fn write(path: &Path, patience: Duration) {
    let conn = Connection::open(path).unwrap();
    conn.busy_timeout(patience).unwrap();
    conn.execute_batch("INSERT INTO notes (id, text) VALUES (7000, 'theirs')").unwrap();
}

#[test]
fn the_run_of_a_process_that_another_test_started() {
    let Ok(moment) = std::env::var(MOMENT) else { return };
    let path = PathBuf::from(std::env::var_os(DATABASE).unwrap());
    let conn = Connection::open(&path).unwrap();
    if moment.contains("checkpointed") {
        // As after a large step: everything is copied into the database, and the next transaction begins the WAL anew.
        conn.pragma_update(None, "wal_autocheckpoint", 1).unwrap();
    }
    let waiting = std::sync::Mutex::new(None);
    let writer = std::sync::Arc::new(waiting);
    let (theirs, at, live) = (writer.clone(), moment.clone(), path.clone());
    let runner = runner(steps(&path, &moment))
        .snapshot(Snapshot::Always.after_failure(AfterFailure::Restore))
        .observe(move |event| match (event, at.split(',').next()) {
            (Event::Started { step, .. }, Some("during")) if step.id.as_str() == "4_more" => {
                let live = live.clone();
                let waits = std::thread::spawn(move || write(&live, Duration::from_secs(600)));
                *theirs.lock().unwrap() = Some(waits);
            }
            (Event::Failed { .. }, Some("after")) => write(&live, Duration::ZERO),
            _ => {}
        });
    let error = runner.run(&conn).unwrap_err();
    if let Some(writer) = writer.lock().unwrap().take() {
        writer.join().unwrap();
    }
    say(&format!("error: {error}"));
    say(if error.report().restored.is_some() { "restored" } else { "not restored" });
}

/// Runs the steps in a process that may not write files beyond a size, and returns what it said.
#[cfg(unix)]
fn run(database: &TestDatabase, moment: &str) -> String {
    let output = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(DATABASE, database.path())
        .env(MOMENT, moment)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{moment}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[cfg(unix)]
#[test]
fn a_run_that_fails_on_a_full_disk_is_undone() {
    for mode in MODES {
        // After a complete checkpoint the step begins the WAL anew, which other connections take for a commit. The run was not undone then.
        for moment in ["never", "checkpointed"] {
            let database = database(mode);
            let before = content(&database.connect());
            let said = run(&database, moment);
            assert!(said.lines().any(|line| line == "restored"), "{mode}, {moment}: {said}");
            assert!(content(&database.connect()) == before, "{mode}, {moment}: {said}");
            assert_eq!(count(&database), (1, 1), "{mode}, {moment}: {said}");
            assert_eq!(database.rows("PRAGMA integrity_check"), ["ok"], "{mode}, {moment}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_others_wrote_is_not_undone_after_a_full_disk_either() {
    for mode in MODES {
        let checkpointed = ["before, checkpointed", "during, checkpointed", "after, checkpointed"];
        for moment in ["before", "during", "after"].into_iter().chain(checkpointed) {
            let database = database(mode);
            let said = run(&database, moment);
            let theirs = database.rows("SELECT text FROM notes WHERE id = 7000");
            assert_eq!(theirs, ["theirs"], "{mode}, {moment}: {said}");
            if !moment.contains("during") {
                assert!(said.lines().any(|line| line == "not restored"), "{mode}, {moment}: {said}");
                let why = "was not restored, since another connection has written to the database since then";
                assert!(said.contains(why), "{mode}, {moment}: {said}");
                assert_eq!(
                    applied(&database.connect()),
                    ["1_notes", "2_title", "3_theirs"],
                    "{mode}, {moment}"
                );
            }
            assert_eq!(database.rows("PRAGMA integrity_check"), ["ok"], "{mode}, {moment}");
        }
    }
}
