//! Faults, from the errors of `rusqlite`.

use rusqlite::{Connection, ErrorCode, ffi};

use super::{beside, explain};
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;
use crate::sql::part;

/// Whether the error has this message of SQLite. rusqlite may append the SQL and a position to it.
pub(super) fn begins(error: &rusqlite::Error, message: &str) -> bool {
    error.to_string().strip_prefix(message).is_some_and(|rest| rest.is_empty() || rest.starts_with(" in "))
}

/// SQLite's message alone. For a statement that cannot be prepared, rusqlite appends the rest of the script.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        #[cfg(feature = "bundled")]
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => {
            let text = other.to_string();
            let end = if text.contains(" at offset ") { text.find(" in ") } else { None };
            part(&text, ..end.unwrap_or(text.len())).to_owned()
        }
    }
}

/// The fault for an error of SQLite that code returned. Any other fault is unchanged.
pub(super) fn reclassified(mut given: Fault) -> Fault {
    let Some(cause) = given.details.cause.take() else { return given };
    match cause.downcast::<rusqlite::Error>() {
        Ok(error) => fault(*error),
        Err(cause) => given.caused_by(cause),
    }
}

/// Whether SQLite itself rolls the transaction back on such an error (<https://www.sqlite.org/lang_transaction.html>, 2.1).
pub(super) fn ended_by_sqlite(fault: &Fault) -> bool {
    let error = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    matches!(
        error.and_then(rusqlite::Error::sqlite_error_code),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::DatabaseBusy
        )
    )
}

/// Runs checks around a statement. SQLite may roll the transaction back if it cannot read because of the disk or the memory, and everything that
/// ran after that would be committed by itself.
///
/// # Errors
/// That of `checks`, or the transaction that was open has ended.
pub(super) fn unless_rolled_back<R>(
    conn: &Connection,
    checks: impl FnOnce(&Connection) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let was_open = !conn.is_autocommit();
    let found = checks(conn)?;
    if was_open && conn.is_autocommit() {
        let what = "SQLite rolled the transaction back, since it could not read the database";
        return Err(Fault::new(FaultKind::Other, what)
            .remedy("check the disk, its file system and the free memory; the script is not the cause"));
    }
    Ok(found)
}

/// <https://www.sqlite.org/rescode.html#locked_sharedcache>
const LOCKED_SHAREDCACHE: i32 = 262;

/// `SQLITE_READONLY_DIRECTORY` and `SQLITE_READONLY_CANTINIT`: SQLite cannot create a file beside the database
/// (<https://www.sqlite.org/rescode.html#readonly_directory>).
const READONLY_FOLDER: [i32; 2] = [1544, 1288];

/// `SQLITE_IOERR_NOMEM` (<https://www.sqlite.org/rescode.html#ioerr_nomem>).
const IOERR_NOMEM: i32 = 3082;
const MEMORY: &str = "close other programs, since memory is short; the script is not the cause";

/// `SQLITE_IOERR_SHMSIZE`: the shared memory of a WAL, a file, cannot become larger (<https://www.sqlite.org/rescode.html#ioerr_shmsize>).
const IOERR_SHMSIZE: i32 = 4874;

fn has_no_room_for_shared_memory(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == IOERR_SHMSIZE)
}

fn is_out_of_memory(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == IOERR_NOMEM)
}

/// Whether a `COMMIT` that fails with this error may have happened before: the disk or the memory failed, perhaps only afterwards.
pub(super) fn may_follow_commit(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory))
}

/// Whether an error is about the system or the file, and not about the statement.
pub(super) fn is_of_system(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
        )
    ) || is_interrupt(error)
}

/// Whether a run was interrupted. The first use of a table such as `pragma_table_info` declares it, and SQLite returns an interrupt of that as
/// an error without a code of its own (`sqlite3_declare_vtab` in vtab.c). The errors of triggers and functions have codes.
fn is_interrupt(error: &rusqlite::Error) -> bool {
    const SAID: &str = "interrupted";
    match error.sqlite_error() {
        Some(it) if it.code == ErrorCode::OperationInterrupted => true,
        Some(it) => it.extended_code & 0xff == ffi::SQLITE_ERROR && message(error) == SAID,
        // rusqlite has an error without a code for a statement that cannot be prepared, with the place in it.
        None => message(error) == SAID && error.to_string() != SAID,
    }
}

/// The fault of a statement that reads the engine's tables. If the file is the cause, it is named.
pub(super) fn in_file(conn: &Connection) -> impl Fn(rusqlite::Error) -> Fault {
    |error| {
        let is_of_file = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::NotADatabase
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::CannotOpen
                    | ErrorCode::SystemIoFailure
            )
        );
        let mut fault = fault(error);
        if let Some(path) = conn.path().filter(|path| is_of_file && !path.is_empty()) {
            fault.details.message = format!("{}: {path}", fault.details.message).into();
        }
        beside::explained(conn, fault)
    }
}

/// An index of a virtual table does not match it (<https://www.sqlite.org/rescode.html#corrupt_vtab>).
const CORRUPT_VTAB: i32 = 267;

/// What a check asked; `None` if it cannot be known on this connection, such as without a function or a module of the application, or if what
/// it asks for is not there.
///
/// # Errors
/// The disk, the memory or the file prevents the answer. The step must not go on as if there was none.
pub(super) fn known<T>(answer: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    let is_of_virtual_table = |error: &rusqlite::Error| {
        error.sqlite_error().is_some_and(|error| error.extended_code == CORRUPT_VTAB)
    };
    match answer {
        Ok(answer) => Ok(Some(answer)),
        // A step may be what repairs it.
        Err(error) if is_of_system(&error) && !is_of_virtual_table(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether an error is about the system alone, and does not say that the file is damaged.
pub(super) fn is_not_of_file(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    is_of_system(error) && !matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

pub(super) fn fault(error: rusqlite::Error) -> Fault {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => FaultKind::Busy,
        // Another connection to a shared cache may release its lock, but a statement that is open on this connection does not.
        Some(ErrorCode::DatabaseLocked)
            if error.sqlite_error().is_some_and(|error| error.extended_code == LOCKED_SHAREDCACHE) =>
        {
            FaultKind::Busy
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => FaultKind::ReadOnly,
        Some(ErrorCode::DiskFull) => FaultKind::Full,
        Some(ErrorCode::SystemIoFailure) if has_no_room_for_shared_memory(&error) => FaultKind::Full,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => FaultKind::NotADatabase,
        _ if is_interrupt(&error) => FaultKind::Interrupted,
        _ => FaultKind::Other,
    };
    let fault = Fault::new(kind, message(&error));
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseLocked) if kind == FaultKind::Other => {
            fault.remedy("end the statements that are open on this connection, and run again")
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => fault.remedy(
            Remedy::program("attach the files that it needs", "`prepare_connection`")
                .only_if("it runs in a replay in memory, where no script may open a file"),
        ),
        Some(ErrorCode::ReadOnly)
            if error.sqlite_error().is_some_and(|error| READONLY_FOLDER.contains(&error.extended_code)) =>
        {
            fault.remedy(
                "make its folder writable, since SQLite creates files there, in WAL mode even to read; or open it with `immutable=1` if nobody changes it",
            )
        }
        Some(ErrorCode::NotADatabase) => fault.remedy(
            "check the path; if the file is encrypted, the key is wrong or was not set; if it is not, restore it from a backup",
        ),
        Some(ErrorCode::CannotOpen) => fault.remedy(
            "check that the file and its folder exist and that this user may write to them, since SQLite creates files beside it, in WAL mode even to read",
        ),
        Some(ErrorCode::DatabaseCorrupt) => {
            fault.remedy("restore the file from a backup, since it is damaged; the script is not the cause")
        }
        Some(ErrorCode::SystemIoFailure) if is_out_of_memory(&error) => fault.remedy(MEMORY),
        // The kind has a remedy.
        Some(ErrorCode::SystemIoFailure) if kind == FaultKind::Full => fault,
        Some(ErrorCode::OutOfMemory) => fault.remedy(MEMORY),
        Some(ErrorCode::SystemIoFailure) => {
            fault.remedy("check the disk and its file system; the script is not the cause")
        }
        _ => match explain::remedy(&fault.details.message) {
            Some(remedy) => fault.remedy(remedy),
            None => fault,
        },
    }
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::known;

    #[test]
    fn what_the_system_prevents_is_not_taken_for_unknown() {
        let answer = |code| known::<()>(Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)));
        let system = [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_FULL,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_INTERRUPT,
        ];
        for code in system {
            assert!(answer(code).is_err(), "{code}");
        }
        for code in [ffi::SQLITE_ERROR, ffi::SQLITE_AUTH, super::CORRUPT_VTAB] {
            assert!(matches!(answer(code), Ok(None)), "{code}");
        }
    }

    /// A run cancelled at this moment was reported as a failure, with the advice to correct the script.
    #[test]
    fn an_interrupt_while_sqlite_declares_a_table_is_recognized() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let mut open = conn.prepare("SELECT 1 UNION ALL SELECT 2").unwrap();
        let mut rows = open.query([]).unwrap();
        rows.next().unwrap();
        conn.get_interrupt_handle().interrupt();
        // The parser looks for an interrupt where it finds a space.
        let error = || conn.prepare("SELECT*FROM\"pragma_table_info\"('a');").unwrap_err();
        assert!(known::<()>(Err(error())).is_err());
        assert_eq!(super::fault(error()).kind(), super::FaultKind::Interrupted);
    }

    #[test]
    fn a_trigger_that_says_interrupted_is_no_interrupt() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let script = "CREATE TABLE a (b); CREATE TRIGGER c BEFORE INSERT ON a BEGIN SELECT RAISE(ABORT, 'interrupted'); END";
        conn.execute_batch(script).unwrap();
        let error = || conn.execute("INSERT INTO a VALUES (1)", []).unwrap_err();
        assert!(matches!(known::<()>(Err(error())), Ok(None)));
        assert_eq!(super::fault(error()).kind(), super::FaultKind::Other);
    }
}
