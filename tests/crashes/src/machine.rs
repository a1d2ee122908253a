//! [`Machine`]: a computer with a disk, the locks of its files, and the shared memory of a WAL. A fault can be armed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use switchy_schema::rusqlite::ffi;

use crate::fault::{Call, Fault};
use crate::random::Random;

/// Where the files are.
pub(crate) trait Storage: Send + 'static {
    /// An open file.
    type File: Clone + Ord + Send;

    fn exists(&self, name: &str) -> bool;
    fn open(&mut self, name: &str) -> io::Result<Self::File>;
    fn create(&mut self, name: &str) -> io::Result<Self::File>;
    fn delete(&mut self, name: &str) -> io::Result<()>;
    fn size(&self, file: &Self::File) -> io::Result<u64>;
    /// Fills the buffer with zeros behind the end of the file, and returns the number of bytes before it.
    fn read(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, file: &Self::File, offset: u64, data: &[u8]) -> io::Result<()>;
    fn truncate(&mut self, file: &Self::File, size: u64) -> io::Result<()>;
    fn sync(&mut self, file: &Self::File) -> io::Result<()>;
    fn sync_names(&mut self) -> io::Result<()>;
    /// The process dies by this fault.
    fn die(&mut self, fault: Fault, random: &mut Random);
}

/// The result of a call: a code of SQLite if it failed.
pub(crate) type Outcome<T = ()> = Result<T, i32>;

/// A computer with a disk.
pub(crate) struct Machine<S: Storage> {
    pub(crate) storage: S,
    armed: Option<(Fault, u64)>,
    /// The number of calls so far that the armed fault concerns.
    calls: u64,
    has_fired: bool,
    is_dead: bool,
    is_full: bool,
    random: Random,
    open: BTreeMap<HandleId, Open<S::File>>,
    last_handle: HandleId,
    shared: BTreeMap<S::File, SharedMemory>,
}

pub(crate) type HandleId = u64;

/// An open file, from the view of one connection.
struct Open<F> {
    content: Content<F>,
    level: Level,
    uses_shared_memory: bool,
    /// Whether the name of the file is made durable when the file is synced for the first time, as SQLite does on Unix for a new journal
    /// (`UNIXFILE_DIRSYNC` in `os_unix.c`).
    syncs_name: bool,
    /// The name, if the file is deleted when it is closed.
    deleted_on_close: Option<String>,
}

enum Content<F> {
    Named(F),
    Temporary(Vec<u8>),
}

/// How much of a file a connection has locked (<https://www.sqlite.org/lockingv3.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Unlocked,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// The number of 8-byte words of a region of shared memory.
const REGION: usize = 32 * 1024 / 8;

/// The index of a WAL, which is in shared memory, and its locks.
#[derive(Default)]
struct SharedMemory {
    regions: Vec<Arc<[AtomicU64]>>,
    locks: [ShmLock; ffi::SQLITE_SHM_NLOCK as usize],
}

#[derive(Default)]
struct ShmLock {
    exclusive: Option<HandleId>,
    shared: Vec<HandleId>,
}

/// Whether a file is created when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    Never,
    IfMissing,
    Always,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) creation: Creation,
    pub(crate) is_journal: bool,
    pub(crate) is_deleted_on_close: bool,
}

impl<S: Storage> Machine<S> {
    pub(crate) fn new(storage: S) -> Self {
        Self {
            storage,
            armed: None,
            calls: 0,
            has_fired: false,
            is_dead: false,
            is_full: false,
            random: Random::seeded(0),
            open: BTreeMap::new(),
            last_handle: 0,
            shared: BTreeMap::new(),
        }
    }

    /// Lets a fault happen at the k-th call that it concerns, from 1.
    pub(crate) fn arm(&mut self, fault: Fault, at: u64) {
        (self.armed, self.calls, self.has_fired) = (Some((fault, at)), 0, false);
        self.random = Random::seeded(at);
    }

    /// Ends the fault, and starts the computer again if its process died. No connection may be open then.
    pub(crate) fn disarm(&mut self) {
        assert!(!self.is_dead || self.open.is_empty(), "a connection of the dead process is open");
        (self.armed, self.is_dead, self.is_full) = (None, false, false);
        if self.open.is_empty() {
            self.shared.clear();
        }
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.has_fired
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Whether a call may be made.
    fn admit(&mut self, call: Call) -> Outcome {
        if self.is_dead {
            return Err(call.io_error());
        }
        let Some((fault, at)) = self.armed.filter(|(fault, _)| fault.concerns(call)) else { return Ok(()) };
        self.calls += 1;
        if self.calls != at {
            return Ok(());
        }
        self.has_fired = true;
        if fault == Fault::Full {
            self.is_full = true;
        }
        if fault == Fault::Tear {
            // `write` writes a part first.
            return Err(fault.code(call));
        }
        if fault.is_death() {
            self.die(fault);
        }
        Err(fault.code(call))
    }

    fn die(&mut self, fault: Fault) {
        self.is_dead = true;
        self.storage.die(fault, &mut self.random);
    }

    pub(crate) fn open(&mut self, name: Option<&str>, opening: Opening) -> Outcome<HandleId> {
        let Some(name) = name else {
            self.admit(Call::Open)?;
            return Ok(self.opened(Content::Temporary(Vec::new()), false, None));
        };
        let exists = self.storage.exists(name);
        let is_wrong = if exists { Creation::Always } else { Creation::Never };
        if opening.creation == is_wrong {
            return Err(ffi::SQLITE_CANTOPEN);
        }
        let call = if exists { Call::Open } else { Call::Create };
        self.admit(call)?;
        let opened = if exists { self.storage.open(name) } else { self.storage.create(name) };
        let file = opened.map_err(|_| call.io_error())?;
        let deleted_on_close = opening.is_deleted_on_close.then(|| name.to_owned());
        Ok(self.opened(Content::Named(file), opening.is_journal && !exists, deleted_on_close))
    }

    fn opened(
        &mut self,
        content: Content<S::File>,
        syncs_name: bool,
        deleted_on_close: Option<String>,
    ) -> HandleId {
        self.last_handle += 1;
        let open =
            Open { content, level: Level::Unlocked, uses_shared_memory: false, syncs_name, deleted_on_close };
        self.open.insert(self.last_handle, open);
        self.last_handle
    }

    /// Closes a file. This never fails, and ends its locks.
    pub(crate) fn close(&mut self, handle: HandleId) {
        self.unmap(handle);
        let closed = self.open.remove(&handle);
        if let Some(name) = closed.and_then(|open| open.deleted_on_close).filter(|_| !self.is_dead) {
            let _ = self.storage.delete(&name);
        }
    }

    pub(crate) fn delete(&mut self, name: &str, syncs_folder: bool) -> Outcome {
        if !self.storage.exists(name) {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        self.admit(Call::Delete)?;
        self.storage.delete(name).map_err(|_| Call::Delete.io_error())?;
        if syncs_folder {
            self.admit(Call::Sync)?;
            self.storage.sync_names().map_err(|_| ffi::SQLITE_IOERR_DIR_FSYNC)?;
        }
        Ok(())
    }

    pub(crate) fn exists(&mut self, name: &str) -> Outcome<bool> {
        self.admit(Call::Exists)?;
        Ok(self.storage.exists(name))
    }

    fn content(&self, handle: HandleId) -> &Content<S::File> {
        &self.open[&handle].content
    }

    /// Returns whether the whole buffer was before the end of the file.
    pub(crate) fn read(&mut self, handle: HandleId, offset: u64, buffer: &mut [u8]) -> Outcome<bool> {
        self.admit(Call::Read)?;
        let count = match self.content(handle) {
            Content::Named(file) => {
                self.storage.read(file, offset, buffer).map_err(|_| Call::Read.io_error())?
            }
            Content::Temporary(bytes) => read(bytes, offset, buffer),
        };
        Ok(count == buffer.len())
    }

    pub(crate) fn write(&mut self, handle: HandleId, offset: u64, data: &[u8]) -> Outcome {
        let file = match self.content(handle) {
            Content::Named(file) => file.clone(),
            Content::Temporary(_) => return self.write_temporary(handle, offset, data),
        };
        let failed = |_| Call::Write.io_error();
        if let Err(code) = self.admit(Call::Write) {
            if self.armed.is_some_and(|(fault, _)| fault == Fault::Tear) && !self.is_dead {
                let written = self.random.below(data.len());
                self.storage.write(&file, offset, &data[..written]).map_err(failed)?;
                self.die(Fault::Tear);
            }
            return Err(code);
        }
        if offset + data.len() as u64 > self.storage.size(&file).map_err(failed)? {
            self.refuse_growth()?;
        }
        self.storage.write(&file, offset, data).map_err(failed)
    }

    fn write_temporary(&mut self, handle: HandleId, offset: u64, data: &[u8]) -> Outcome {
        self.admit(Call::TemporaryWrite)?;
        if index(offset) + data.len() > self.temporary(handle).map_or(0, |bytes| bytes.len()) {
            self.refuse_growth()?;
        }
        if let Some(bytes) = self.temporary(handle) {
            put(bytes, index(offset), data);
        }
        Ok(())
    }

    fn temporary(&mut self, handle: HandleId) -> Option<&mut Vec<u8>> {
        match self.open.get_mut(&handle).map(|open| &mut open.content) {
            Some(Content::Temporary(bytes)) => Some(bytes),
            _ => None,
        }
    }

    fn refuse_growth(&self) -> Outcome {
        if self.is_full { Err(ffi::SQLITE_FULL) } else { Ok(()) }
    }

    pub(crate) fn truncate(&mut self, handle: HandleId, size: u64) -> Outcome {
        let file = match self.content(handle) {
            Content::Named(file) => file.clone(),
            Content::Temporary(_) => {
                self.temporary(handle).into_iter().for_each(|bytes| bytes.truncate(index(size)));
                return Ok(());
            }
        };
        self.admit(Call::Truncate)?;
        self.storage.truncate(&file, size).map_err(|_| Call::Truncate.io_error())
    }

    pub(crate) fn sync(&mut self, handle: HandleId) -> Outcome {
        let Ok(file) = self.named(handle) else { return Ok(()) };
        self.admit(Call::Sync)?;
        self.storage.sync(&file).map_err(|_| Call::Sync.io_error())?;
        if let Some(open) = self.open.get_mut(&handle).filter(|open| open.syncs_name) {
            open.syncs_name = false;
            self.admit(Call::Sync)?;
            self.storage.sync_names().map_err(|_| ffi::SQLITE_IOERR_DIR_FSYNC)?;
        }
        Ok(())
    }

    pub(crate) fn size(&mut self, handle: HandleId) -> Outcome<u64> {
        self.admit(Call::Size)?;
        match self.content(handle) {
            Content::Named(file) => self.storage.size(file).map_err(|_| Call::Size.io_error()),
            Content::Temporary(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// The highest level at which another connection has the file locked.
    fn level_of_others(&self, handle: HandleId) -> Level {
        let Content::Named(file) = self.content(handle) else { return Level::Unlocked };
        let is_same = |open: &Open<_>| matches!(&open.content, Content::Named(other) if other == file);
        let others = self.open.iter().filter(|(id, open)| **id != handle && is_same(open));
        others.map(|(_, open)| open.level).max().unwrap_or(Level::Unlocked)
    }

    pub(crate) fn lock(&mut self, handle: HandleId, wanted: Level) -> Outcome {
        let own = self.open[&handle].level;
        if own >= wanted {
            return Ok(());
        }
        self.admit(Call::Lock)?;
        let others = self.level_of_others(handle);
        let granted = match wanted {
            Level::Shared => (others < Level::Pending).then_some(Level::Shared),
            Level::Reserved => (others < Level::Reserved).then_some(Level::Reserved),
            // New readers are kept out while the connection waits for those that are there.
            _ if others >= Level::Pending => None,
            _ if others >= Level::Shared => Some(Level::Pending),
            _ => Some(Level::Exclusive),
        };
        let granted = granted.ok_or(ffi::SQLITE_BUSY)?;
        self.set_level(handle, granted);
        if granted < wanted { Err(ffi::SQLITE_BUSY) } else { Ok(()) }
    }

    pub(crate) fn unlock(&mut self, handle: HandleId, to: Level) {
        if self.open[&handle].level > to {
            self.set_level(handle, to);
        }
    }

    fn set_level(&mut self, handle: HandleId, level: Level) {
        if let Some(open) = self.open.get_mut(&handle) {
            open.level = level;
        }
    }

    pub(crate) fn is_reserved(&mut self, handle: HandleId) -> Outcome<bool> {
        self.admit(Call::Lock)?;
        Ok(self.open[&handle].level.max(self.level_of_others(handle)) >= Level::Reserved)
    }

    fn named(&self, handle: HandleId) -> Outcome<S::File> {
        match self.content(handle) {
            Content::Named(file) => Ok(file.clone()),
            Content::Temporary(_) => Err(ffi::SQLITE_IOERR_SHMMAP),
        }
    }

    /// A region of the shared memory; `None` if it does not exist and is not to be created.
    pub(crate) fn map(
        &mut self,
        handle: HandleId,
        region: usize,
        extends: bool,
    ) -> Outcome<Option<Arc<[AtomicU64]>>> {
        self.admit(Call::ShmMap)?;
        let file = self.named(handle)?;
        if let Some(open) = self.open.get_mut(&handle) {
            open.uses_shared_memory = true;
        }
        let shared = self.shared.entry(file).or_default();
        while extends && shared.regions.len() <= region {
            shared.regions.push((0..REGION).map(|_| AtomicU64::new(0)).collect());
        }
        Ok(shared.regions.get(region).cloned())
    }

    pub(crate) fn lock_shared_memory(
        &mut self,
        handle: HandleId,
        slots: std::ops::Range<usize>,
        is_exclusive: bool,
    ) -> Outcome {
        self.admit(Call::ShmLock)?;
        let file = self.named(handle)?;
        let shared = self.shared.entry(file).or_default();
        let slots = &mut shared.locks[slots];
        let is_free = |slot: &ShmLock| {
            slot.exclusive.is_none_or(|holder| holder == handle)
                && (!is_exclusive || slot.shared.iter().all(|holder| *holder == handle))
        };
        if !slots.iter().all(is_free) {
            return Err(ffi::SQLITE_BUSY);
        }
        for slot in slots {
            if is_exclusive {
                slot.exclusive = Some(handle);
            } else if !slot.shared.contains(&handle) {
                slot.shared.push(handle);
            }
        }
        Ok(())
    }

    pub(crate) fn unlock_shared_memory(&mut self, handle: HandleId, slots: std::ops::Range<usize>) {
        let Ok(file) = self.named(handle) else { return };
        let Some(shared) = self.shared.get_mut(&file) else { return };
        for slot in &mut shared.locks[slots] {
            slot.shared.retain(|holder| *holder != handle);
            slot.exclusive = slot.exclusive.filter(|holder| *holder != handle);
        }
    }

    /// Ends the use of the shared memory by a connection. When nobody uses it any more, it is gone.
    pub(crate) fn unmap(&mut self, handle: HandleId) {
        self.unlock_shared_memory(handle, 0..ffi::SQLITE_SHM_NLOCK as usize);
        let Some(open) = self.open.get_mut(&handle) else { return };
        open.uses_shared_memory = false;
        let Ok(file) = self.named(handle) else { return };
        let uses = |open: &Open<_>| {
            open.uses_shared_memory && matches!(&open.content, Content::Named(other) if *other == file)
        };
        if !self.open.values().any(uses) {
            self.shared.remove(&file);
        }
    }
}

/// Every access to shared memory before this happens before every one after it.
pub(crate) fn barrier() {
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// A place in a file that is in memory.
pub(crate) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Reads from a file in memory. Fills the buffer with zeros behind its end, and returns the number of bytes before it.
pub(crate) fn read(bytes: &[u8], offset: u64, buffer: &mut [u8]) -> usize {
    let rest = bytes.get(index(offset)..).unwrap_or_default();
    let count = rest.len().min(buffer.len());
    buffer[..count].copy_from_slice(&rest[..count]);
    buffer[count..].fill(0);
    count
}

/// Writes to a file in memory, which grows if it must.
pub(crate) fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}
