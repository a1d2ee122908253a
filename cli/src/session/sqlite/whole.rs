//! A SQLite database as a whole: its file, and the files beside it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use switchy_schema::Sqlite;

use super::beside::beside;
use crate::address::{Address, SqliteFile};
use crate::failure::{Failure, Result};
use crate::session::{Access, Database, Existed, Others};

/// The files beside a database: its journals, the index of the WAL, and the lock of the engine.
const BESIDE: [&str; 4] = ["-journal", "-wal", "-shm", "-migrate"];

pub(super) fn exists(address: &Address) -> Result<bool> {
    Ok(file(address)?.exists())
}

pub(super) fn create(address: &Address) -> Result<Existed> {
    let path = file(address)?;
    if path.exists() {
        check_kind(path)?;
        return Ok(Existed::Before);
    }
    let opened = Sqlite::open(address, Access::Make, Duration::ZERO)?;
    // SQLite creates the file at the first access.
    let created = opened.session.execute_batch("BEGIN IMMEDIATE; COMMIT");
    created.map_err(|error| {
        Failure::connection(format!("cannot create the database {}: {error}", path.display()))
    })?;
    Ok(Existed::No)
}

pub(super) fn drop(address: &Address, _: Others, patience: Duration) -> Result<()> {
    let given = file(address)?;
    // Behind a symbolic link, the other files are beside the file and not beside the link.
    let path = fs::canonicalize(given).map_err(|error| cannot_remove(given, &error))?;
    check_kind(&path)?;
    let held = exclusive(&path, patience)?;
    // On Windows, an open file cannot be removed.
    let held = if cfg!(windows) { None } else { held };
    // A WAL without its database would be read into the next database with this name.
    for suffix in BESIDE {
        let path = beside(&path, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot_remove(&path, &error)),
            _ => {}
        }
    }
    fs::remove_file(&path).map_err(|error| cannot_remove(&path, &error))?;
    std::mem::drop(held);
    Ok(())
}

/// # Errors
/// The database is one in memory.
fn file(address: &Address) -> Result<&Path> {
    match address {
        Address::Sqlite(SqliteFile::At(path)) => Ok(path),
        _ => Err(Failure::usage(format!("{address} is no file: it exists until the command ends"))),
    }
}

/// # Errors
/// It is no file of SQLite: another file must not be removed by mistake. An empty file is an empty database.
fn check_kind(path: &Path) -> Result<()> {
    const MAGIC: &[u8] = b"SQLite format 3\0";

    let shown = path.display();
    let mut start = Vec::new();
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file {
        File::open(path)
            .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start))
            .map_err(|error| Failure::connection(format!("cannot read {shown}: {error}")))?;
    }
    if is_file && (start.is_empty() || start == MAGIC) {
        return Ok(());
    }
    Err(Failure::connection(format!("{shown} is no SQLite database, or an encrypted one; it is not touched")))
}

/// Locks the database, so that nobody writes to a file that is about to vanish.
fn exclusive(path: &Path, patience: Duration) -> Result<Option<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let locked = || -> rusqlite::Result<Option<Connection>> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(patience.min(Duration::from_secs(5)))?;
        // SQLite leaves the WAL only if no other connection is open.
        let mode: String = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
        if mode == "wal" {
            return Ok(None);
        }
        conn.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Some(conn))
    };
    let in_use = || {
        let what = format!("{} is in use, and is not dropped", path.display());
        Failure::connection(format!("{what}; end the programs that have it open"))
            .exiting(crate::exit::Exit::Locked)
    };
    match locked() {
        Ok(Some(conn)) => Ok(Some(conn)),
        Ok(None) => Err(in_use()),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(in_use()),
            // What cannot be read can be dropped all the same.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(None),
            _ => Err(Failure::connection(format!("cannot lock {}: {error}", path.display()))),
        },
    }
}

fn cannot_remove(path: &Path, error: &std::io::Error) -> Failure {
    Failure::file(format!("cannot remove {}: {error}", path.display()))
}
