//! An ordinary application that writes while others migrate. What the database acknowledges, it writes to the log.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode};

use crate::job::{Job, Sabotage, Snapshots};
use crate::log::Log;

/// Writes rows for a moment.
pub(crate) fn write(job: &Job) -> rusqlite::Result<()> {
    let log = Log::open(&job.log());
    let conn = job.connect()?;
    let mut random = fastrand::Rng::with_seed(job.seed);
    let end = Instant::now() + Duration::from_millis(random.u64(5..60));
    let mut own: Vec<(i64, i64)> = Vec::new();
    let mut next = job.first_id();
    while Instant::now() < end {
        let id = next;
        let written = match random.u8(0..10) {
            0..7 => {
                next += 1;
                let insert = format!("INSERT INTO notes (id, body, rev) VALUES ({id}, 'note {id}', 0)");
                let written = transact(&conn, &log, &format!("insert {id}"), &insert, job);
                if written.is_ok() {
                    own.push((id, 0));
                }
                written
            }
            7..9 if !own.is_empty() => {
                let place = random.usize(..own.len());
                let (id, revision) = &mut own[place];
                *revision += 1;
                let update = format!("UPDATE notes SET rev = {revision} WHERE id = {id}");
                transact(&conn, &log, &format!("update {id} {revision}"), &update, job)
            }
            9 if !own.is_empty() => {
                let (id, _) = own.swap_remove(random.usize(..own.len()));
                let delete = format!("DELETE FROM notes WHERE id = {id}");
                transact(&conn, &log, &format!("delete {id}"), &delete, job)
            }
            _ => Ok(()),
        };
        match written {
            // The first migration has not run yet, or was undone by a restore.
            Err(error) if is_missing(&error) && (own.is_empty() || job.snapshots == Snapshots::Restore) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            // SQLite does not wait where two connections would wait for each other.
            Err(Error::SqliteFailure(ref code, _)) if code.code == ErrorCode::DatabaseBusy => {}
            Err(error) => log.unexpected(format!("write: {error}")),
            Ok(()) if random.u8(0..4) == 0 => std::thread::sleep(Duration::from_millis(random.u64(0..4))),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn is_missing(error: &Error) -> bool {
    error.to_string().contains("no such table: notes")
}

/// Changes one row in a transaction of its own.
fn transact(conn: &Connection, log: &Log, deed: &str, sql: &str, job: &Job) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    log.began(deed);
    let changed = transaction.execute(sql, [])?;
    if job.sabotage == Some(Sabotage::AcknowledgeEarly) {
        log.done(deed);
        std::thread::sleep(Duration::from_millis(1));
    }
    transaction.commit()?;
    // After a restore, the row may be only in the file that was set aside.
    if changed > 0 {
        log.done(deed);
    }
    Ok(())
}
