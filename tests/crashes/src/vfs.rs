//! A file system for SQLite whose files are on a [`Machine`]: <https://www.sqlite.org/vfs.html>.
//!
//! This is the only file with `unsafe`. SQLite calls a file system through two tables of function pointers. Each function here turns its
//! raw pointers into references and calls the method of [`Machine`] that does the work. What makes this sound:
//!
//! * [`register`] leaks the tables and the [`Shared`] machine, so their pointers are valid as long as the process.
//! * SQLite allocates `szOsFile` bytes for each file, gives them to `xOpen`, and calls the other functions of the file only after an
//!   `xOpen` that set `pMethods`, until `xClose`. [`OpenFile`] is what these bytes contain. It needs no destructor.
//! * A machine is behind a mutex. No function is called while it is locked, so nothing waits for itself.

#![allow(unsafe_code, reason = "SQLite calls the file system through function pointers")]
#![allow(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "SQLite's sizes and offsets are signed, never negative, and those of small files"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchy_schema::rusqlite::ffi;

use crate::machine::{Creation, HandleId, Level, Machine, Opening, Outcome, Storage, barrier};

/// A machine that is shared by its connections.
pub(crate) type Shared<S> = Arc<Mutex<Machine<S>>>;

/// Whether the file system is the one of connections that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Default {
    Yes,
    No,
}

/// Registers a file system for the files of a machine under this name, for the rest of the process.
pub(crate) fn register<S: Storage>(name: &CStr, machine: Shared<S>, default: Default) {
    let vfs = ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<OpenFile<S>>() as c_int,
        mxPathname: 512,
        pNext: null_mut(),
        zName: CString::from(name).into_raw(),
        pAppData: Box::into_raw(Box::new(machine)).cast(),
        xOpen: Some(open::<S>),
        xDelete: Some(delete::<S>),
        xAccess: Some(access::<S>),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness::<S>),
        xSleep: Some(sleep),
        xCurrentTime: None,
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    };
    let vfs = Box::into_raw(Box::new(vfs));
    // SAFETY: the table is complete for its version, is never freed, and nothing else has a reference to it.
    let code = unsafe { ffi::sqlite3_vfs_register(vfs, c_int::from(default == Default::Yes)) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite registers the file system");
}

/// The contents of the memory that SQLite has for an open file.
#[repr(C)]
struct OpenFile<S: Storage> {
    /// What SQLite knows of the file. It must be the first field.
    base: ffi::sqlite3_file,
    /// The machine. It is never freed.
    machine: *const Mutex<Machine<S>>,
    handle: HandleId,
}

/// The functions for open files.
struct Methods<S>(std::marker::PhantomData<S>);

impl<S: Storage> Methods<S> {
    const TABLE: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
        iVersion: 2,
        xClose: Some(close::<S>),
        xRead: Some(read::<S>),
        xWrite: Some(write::<S>),
        xTruncate: Some(truncate::<S>),
        xSync: Some(sync::<S>),
        xFileSize: Some(file_size::<S>),
        xLock: Some(lock::<S>),
        xUnlock: Some(unlock::<S>),
        xCheckReservedLock: Some(check_reserved_lock::<S>),
        xFileControl: Some(file_control),
        xSectorSize: Some(sector_size),
        xDeviceCharacteristics: Some(device_characteristics),
        xShmMap: Some(shm_map::<S>),
        xShmLock: Some(shm_lock::<S>),
        xShmBarrier: Some(shm_barrier),
        xShmUnmap: Some(shm_unmap::<S>),
        xFetch: None,
        xUnfetch: None,
    };
}

fn code(outcome: Outcome) -> c_int {
    outcome.err().unwrap_or(ffi::SQLITE_OK)
}

fn locked<S: Storage>(machine: &Mutex<Machine<S>>) -> MutexGuard<'_, Machine<S>> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The machine of a file system.
///
/// # Safety
/// It is a table that `register` made with the same type.
unsafe fn machine_of<'a, S: Storage>(vfs: *mut ffi::sqlite3_vfs) -> &'a Mutex<Machine<S>> {
    // SAFETY: `register` put a `Shared<S>` there, which is never freed.
    unsafe { &*(*vfs).pAppData.cast::<Shared<S>>() }
}

/// The machine of an open file, and the handle of the file.
///
/// # Safety
/// `open` with the same type was called for the file, and `close` was not.
unsafe fn opened<'a, S: Storage>(file: *mut ffi::sqlite3_file) -> (MutexGuard<'a, Machine<S>>, HandleId) {
    // SAFETY: `open` wrote an `OpenFile<S>` there, and its machine is never freed.
    let (machine, handle) = unsafe {
        let file = &*file.cast::<OpenFile<S>>();
        (&*file.machine, file.handle)
    };
    (locked(machine), handle)
}

/// A name that SQLite gives; `None` for a null pointer.
///
/// # Safety
/// It is null or a C string.
unsafe fn name<'a>(name: *const c_char) -> Option<&'a str> {
    // SAFETY: by the contract of this function.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }).and_then(|name| name.to_str().ok())
}

unsafe extern "C" fn open<S: Storage>(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let has = |flag: c_int| flags & flag != 0;
    let opening = Opening {
        creation: match (has(ffi::SQLITE_OPEN_CREATE), has(ffi::SQLITE_OPEN_EXCLUSIVE)) {
            (false, _) => Creation::Never,
            (true, false) => Creation::IfMissing,
            (true, true) => Creation::Always,
        },
        is_journal: has(ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL),
        is_deleted_on_close: has(ffi::SQLITE_OPEN_DELETEONCLOSE),
    };
    // SAFETY: SQLite calls this with the table of `register` and a C string or null.
    let (machine, path) = unsafe { (machine_of::<S>(vfs), name(path)) };
    let opened = locked(machine).open(path, opening);
    // SAFETY: `file` points to `szOsFile` bytes, which are enough for an `OpenFile<S>`. SQLite aligns them to 8 bytes.
    // Without methods, SQLite does not call `close`.
    unsafe { (*file).pMethods = std::ptr::null() };
    match opened {
        Ok(handle) => {
            let base = ffi::sqlite3_file { pMethods: const { &Methods::<S>::TABLE } };
            // SAFETY: as above, and `flags_out` is null or points to a number.
            unsafe {
                file.cast::<OpenFile<S>>().write(OpenFile { base, machine, handle });
                if !flags_out.is_null() {
                    *flags_out = flags;
                }
            }
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn close<S: Storage>(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this once for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    machine.close(handle);
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete<S: Storage>(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    syncs_folder: c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the table of `register` and a C string.
    let (machine, path) = unsafe { (machine_of::<S>(vfs), name(path)) };
    code(locked(machine).delete(path.unwrap_or_default(), syncs_folder != 0))
}

unsafe extern "C" fn access<S: Storage>(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    _flags: c_int,
    exists: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the table of `register` and a C string.
    let (machine, path) = unsafe { (machine_of::<S>(vfs), name(path)) };
    let found = locked(machine).exists(path.unwrap_or_default());
    // SAFETY: `exists` points to a number.
    unsafe { *exists = c_int::from(found == Ok(true)) };
    code(found.map(drop))
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    size: c_int,
    full: *mut c_char,
) -> c_int {
    // SAFETY: SQLite calls this with a C string.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if bytes.len() > usize::try_from(size).unwrap_or_default() {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `full` points to `size` bytes that do not overlap with the path.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), full, bytes.len()) };
    ffi::SQLITE_OK
}

/// The same numbers in each run, so that a crash can be repeated.
unsafe extern "C" fn randomness<S: Storage>(
    vfs: *mut ffi::sqlite3_vfs,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite calls this with the table of `register`, and `out` points to `size` bytes.
    let (machine, bytes) =
        unsafe { (machine_of::<S>(vfs), std::slice::from_raw_parts_mut(out.cast::<u8>(), size as usize)) };
    let mut machine = locked(machine);
    for byte in bytes {
        *byte = machine.random().next().to_le_bytes()[0];
    }
    size
}

/// Time stands still, so waiting takes none.
unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

/// The 1st of January 2026, as milliseconds since noon of the first day of the Julian calendar.
unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, now: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: `now` points to a number.
    unsafe { *now = 212_633_985_600_000 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read<S: Storage>(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    size: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this for an open file with `size` bytes to fill, all of which it has allocated.
    let ((mut machine, handle), buffer) =
        unsafe { (opened::<S>(file), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), size as usize)) };
    match machine.read(handle, offset as u64, buffer) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(code) => code,
    }
}

unsafe extern "C" fn write<S: Storage>(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    size: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this for an open file with `size` bytes.
    let ((mut machine, handle), data) =
        unsafe { (opened::<S>(file), std::slice::from_raw_parts(data.cast::<u8>(), size as usize)) };
    code(machine.write(handle, offset as u64, data))
}

unsafe extern "C" fn truncate<S: Storage>(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    code(machine.truncate(handle, size as u64))
}

unsafe extern "C" fn sync<S: Storage>(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    code(machine.sync(handle))
}

unsafe extern "C" fn file_size<S: Storage>(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    match machine.size(handle) {
        Ok(found) => {
            // SAFETY: `size` points to a number.
            unsafe { *size = found as ffi::sqlite3_int64 };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

fn level(level: c_int) -> Level {
    match level {
        ffi::SQLITE_LOCK_NONE => Level::Unlocked,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn lock<S: Storage>(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    code(machine.lock(handle, level(wanted)))
}

unsafe extern "C" fn unlock<S: Storage>(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    machine.unlock(handle, level(to));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock<S: Storage>(
    file: *mut ffi::sqlite3_file,
    is_reserved: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    let found = machine.is_reserved(handle);
    // SAFETY: `is_reserved` points to a number.
    unsafe { *is_reserved = c_int::from(found == Ok(true)) };
    code(found.map(drop))
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _op: c_int, _arg: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

/// What SQLite assumes of disks on Unix.
unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// As on Unix: a write that is interrupted damages no bytes beside it.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map<S: Storage>(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    _size: c_int,
    extends: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    let mapped = machine.map(handle, region as usize, extends != 0);
    let pointer = match &mapped {
        // The words are atomic, so SQLite may write to them. The machine keeps them until the last user unmaps them.
        Ok(Some(words)) => words.as_ptr().cast_mut().cast(),
        _ => null_mut(),
    };
    // SAFETY: `memory` points to a pointer.
    unsafe { *memory = pointer };
    code(mapped.map(drop))
}

unsafe extern "C" fn shm_lock<S: Storage>(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    let slots = first as usize..(first + count) as usize;
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        machine.unlock_shared_memory(handle, slots);
        return ffi::SQLITE_OK;
    }
    code(machine.lock_shared_memory(handle, slots, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0))
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    barrier();
}

unsafe extern "C" fn shm_unmap<S: Storage>(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (mut machine, handle) = unsafe { opened::<S>(file) };
    machine.unmap(handle);
    ffi::SQLITE_OK
}
