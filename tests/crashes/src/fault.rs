//! [`Fault`]: what happens at a call of the file system.

use std::fmt;

use switchy_schema::rusqlite::ffi;

/// What happens at the k-th call that it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The process ends: the call and all later ones fail and do nothing. What was written before stays.
    Kill,
    /// The process ends in the middle of a write, of which the first part was written.
    Tear,
    /// The power fails: the process ends, and nothing stays that was not synced.
    PowerLoss,
    /// The power fails, and of what was not synced any part stays.
    PowerLossOfSome,
    /// The call fails with an I/O error. Later ones work.
    Io,
    /// The disk is full: the write fails, and so does every later one that makes a file longer.
    Full,
    /// Another process has the lock.
    Busy,
    /// There is no memory for the call. Later ones work.
    NoMemory,
}

impl Fault {
    /// All faults, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Kill,
        Self::Tear,
        Self::PowerLoss,
        Self::PowerLossOfSome,
        Self::Io,
        Self::Full,
        Self::Busy,
        Self::NoMemory,
    ];

    /// Whether the process does not survive.
    pub(crate) fn is_death(self) -> bool {
        matches!(self, Self::Kill | Self::Tear | Self::PowerLoss | Self::PowerLossOfSome)
    }

    /// Whether it can happen at this call. The end of a process is only of interest before something changes on the disk.
    pub(crate) fn concerns(self, call: Call) -> bool {
        match self {
            Self::Kill | Self::PowerLoss | Self::PowerLossOfSome => call.changes_disk(),
            Self::Tear => call == Call::Write,
            Self::Full => matches!(call, Call::Write | Call::TemporaryWrite),
            Self::Busy => matches!(call, Call::Lock | Call::ShmLock),
            // On Unix, a lock of the shared memory that cannot be had is always busy.
            Self::Io => call != Call::ShmLock,
            Self::NoMemory => !matches!(call, Call::Lock | Call::ShmLock | Call::Size | Call::Sync),
        }
    }

    /// What SQLite is told.
    pub(crate) fn code(self, call: Call) -> i32 {
        match (self, call) {
            (Self::Full, _) => ffi::SQLITE_FULL,
            (Self::Busy, _) => ffi::SQLITE_BUSY,
            (Self::NoMemory, Call::Open | Call::Create) => ffi::SQLITE_NOMEM,
            (Self::NoMemory, _) => ffi::SQLITE_IOERR_NOMEM,
            (_, call) => call.io_error(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kill => "kill",
            Self::Tear => "tear",
            Self::PowerLoss => "power",
            Self::PowerLossOfSome => "power-some",
            Self::Io => "io",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::NoMemory => "nomem",
        })
    }
}

/// A call of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Opens a file that exists.
    Open,
    /// Opens a file that does not exist.
    Create,
    Delete,
    Exists,
    Read,
    Write,
    /// Writes to a temporary file.
    TemporaryWrite,
    Truncate,
    Sync,
    Size,
    Lock,
    ShmMap,
    ShmLock,
}

impl Call {
    fn changes_disk(self) -> bool {
        matches!(self, Self::Create | Self::Delete | Self::Write | Self::Truncate | Self::Sync)
    }

    pub(crate) fn io_error(self) -> i32 {
        match self {
            Self::Open | Self::Create => ffi::SQLITE_CANTOPEN,
            Self::Delete => ffi::SQLITE_IOERR_DELETE,
            Self::Exists => ffi::SQLITE_IOERR_ACCESS,
            Self::Read => ffi::SQLITE_IOERR_READ,
            Self::Write | Self::TemporaryWrite => ffi::SQLITE_IOERR_WRITE,
            Self::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
            Self::Sync => ffi::SQLITE_IOERR_FSYNC,
            Self::Size => ffi::SQLITE_IOERR_FSTAT,
            Self::Lock => ffi::SQLITE_IOERR_LOCK,
            Self::ShmMap => ffi::SQLITE_IOERR_SHMMAP,
            Self::ShmLock => ffi::SQLITE_IOERR_SHMLOCK,
        }
    }
}
