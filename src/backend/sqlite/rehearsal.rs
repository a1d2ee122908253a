//! A copy of the database with all its rows, on which a run is rehearsed and measured.

use std::fs::metadata;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rusqlite::{Connection, ffi};

use self::gauge::Gauge;
use self::written::Written;
use super::query::{size, texts, value};
use super::secrecy::{Secrecy, secrecy_of_live};
use super::{Sqlite, copying, fault, likeness, scratch};
use crate::backend::{RanSteps, RehearsalPlace, RehearsalRequest, Rehearsed, interruptible, patiently};
use crate::fault::{Fault, FaultKind};
use crate::impact::DataState;
use crate::snapshot::Bytes;

mod comparison;
mod gauge;
mod written;

/// A larger database is copied to a temporary file, which SQLite deletes when it closes it.
const MOST_IN_MEMORY: u64 = 64 * 1024 * 1024;

const MEMORY: &str = ":memory:";

/// A temporary file without a name.
const FILE: &str = "";

/// Runs `body` on a copy of the main database of `live`.
pub(super) fn on_copy<R>(
    live: &mut &Connection,
    request: &RehearsalRequest<'_, Sqlite>,
    body: impl FnOnce(&mut &Connection, &mut Rehearsed<'_, Sqlite>) -> R,
) -> Result<R, Fault> {
    let lacks = lacks(live).map_err(fault)?;
    let began = Instant::now();
    let place = place_for(live, request.patience)?;
    let bytes = size(live).map_err(fault)?;
    let written = |fault: Fault| {
        if place == FILE && is_no_room(&fault) { no_room(bytes, &fault.to_string()) } else { fault }
    };
    let (copy, written_rows) = copy(live, request, place).map_err(written)?;
    // A second copy keeps the rows of before a step.
    let before = copied(&copy, request, place).map_err(written)?;
    before.execute_batch("PRAGMA foreign_keys = OFF").map_err(fault)?;
    let copied_in = began.elapsed();
    let without: Vec<&str> = request.tables.iter().map(crate::dialect::TableName::as_str).collect();
    let mut gauge = Gauge::new(&copy, before, &written_rows, without)?;
    // Comparing large tables takes as long as the step did.
    let mut measure = |conn: &mut &Connection, ran: &RanSteps<'_>| {
        interruptible::<Sqlite, _>(conn, |conn| gauge.measure(conn, ran))
    };
    let place = RehearsalPlace::Copy;
    let mut rehearsed = Rehearsed {
        place,
        lacks,
        bytes: size(&copy).map_err(fault)?,
        copied_in,
        no_room: Some(no_room(bytes, "it becomes full")),
        measure: &mut measure,
    };
    Ok(body(&mut &copy, &mut rehearsed))
}

/// The copy on which the steps run, and what they write to it.
fn copy(
    live: &Connection,
    request: &RehearsalRequest<'_, Sqlite>,
    place: &str,
) -> Result<(Connection, Arc<Mutex<Written>>), Fault> {
    let mut copy = copied(live, request, place)?;
    likeness::imitate(live, &copy)?;
    scratch::empty_attached(&copy).map_err(fault)?;
    let written = Written::by(&mut copy);
    Ok((copy, written))
}

/// A copy of the main database of a connection.
fn copied(
    from: &Connection,
    request: &RehearsalRequest<'_, Sqlite>,
    place: &str,
) -> Result<Connection, Fault> {
    let mut conn = Connection::open(place).map_err(fault)?;
    likeness::prepare(&conn, request.prepare)?;
    // A copy in memory cannot change the size of its pages.
    let page_size: i64 = value(from, "PRAGMA main.page_size", &[]).map_err(fault)?;
    conn.execute_batch(&format!("PRAGMA page_size = {page_size}")).map_err(fault)?;
    patiently(request.patience, || copying::copy(from, &mut conn, request.observer))?;
    Ok(conn)
}

/// Where SQLite keeps a copy: in memory, or in a temporary file if it is large. What is encrypted stays in memory.
fn place_for(live: &Connection, patience: Duration) -> Result<&'static str, Fault> {
    if size(live).map_err(fault)? <= MOST_IN_MEMORY {
        return Ok(MEMORY);
    }
    let file = file_of(live).map_err(fault)?;
    let is_clear = file.is_empty() || secrecy_of_live(live, file.as_ref(), patience)? == Secrecy::Clear;
    Ok(if is_clear { FILE } else { MEMORY })
}

/// Whether a copy could not be written. A quota or a limit of the process is an error of the disk for SQLite.
fn is_no_room(fault: &Fault) -> bool {
    let error = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let code = error.and_then(rusqlite::Error::sqlite_error).map(|error| error.extended_code);
    fault.kind() == FaultKind::Full || code == Some(ffi::SQLITE_IOERR_WRITE)
}

/// The error if there is no room for the copies.
fn no_room(bytes: u64, why: &str) -> Fault {
    let what = format!(
        "two copies of the database, of {} each, do not fit into the folder of temporary files: {why}",
        Bytes(bytes)
    );
    Fault::new(FaultKind::Full, what)
        .remedy("make room there, or name another folder in the environment variable SQLITE_TMPDIR")
}

/// The file of the main database; empty if it has none.
fn file_of(conn: &Connection) -> rusqlite::Result<String> {
    value(conn, "SELECT file FROM pragma_database_list WHERE name = 'main'", &[])
}

/// What the connection has and the copy has not, in words.
fn lacks(live: &Connection) -> rusqlite::Result<Vec<String>> {
    let attached = "SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    let named = |name: String| format!("the attached database `{name}`");
    let mut lacks: Vec<String> = texts(live, attached, &[])?.into_iter().map(named).collect();
    lacks.extend(likeness::temporary(live)?);
    Ok(lacks)
}

/// The state of the main database. SQLite's own counters belong to a connection: what others commit changes `data_version`, what the
/// connection itself changes is in `total_changes`. The sizes and times of the files recognise another connection.
pub(super) fn data_state(conn: &Connection) -> rusqlite::Result<DataState> {
    let mut numbers = vec![conn.total_changes()];
    for pragma in ["PRAGMA main.data_version", "PRAGMA main.schema_version"] {
        numbers.push(value::<i64>(conn, pragma, &[])?.unsigned_abs());
    }
    let file = file_of(conn)?;
    if !file.is_empty() {
        numbers.extend(stamp(file.as_ref()));
        numbers.extend(stamp(format!("{file}-wal").as_ref()));
    }
    Ok(DataState::new(numbers))
}

/// The size and the time of the last change of a file; zeros if there is none.
fn stamp(path: &Path) -> [u64; 2] {
    let Ok(file) = metadata(path) else { return [0, 0] };
    let since = file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = since.map(|since| since.as_nanos()).unwrap_or_default();
    [file.len(), u64::try_from(nanoseconds).unwrap_or(u64::MAX)]
}
