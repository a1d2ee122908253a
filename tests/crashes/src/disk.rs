//! [`Disk`]: files in memory, of which a power failure loses what was not synced.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use crate::fault::Fault;
use crate::machine::{Storage, index, put, read};
use crate::random::Random;

/// The size of the pieces that a disk writes completely or not at all.
const SECTOR: usize = 512;

/// A file of a disk.
pub(crate) type FileId = usize;

/// A folder of files in memory. It has two images: what programs see, and what is on the platters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, FileId>,
    synced_names: BTreeMap<String, FileId>,
    /// The changes to the names since the folder was synced.
    unsynced_names: Vec<NameChange>,
    /// How many changes to the names were synced so far.
    synced_name_changes: usize,
}

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// The changes since the file was synced.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        size: usize,
        /// How many changes to the names there were before it.
        name_changes: usize,
    },
}

#[derive(Debug, Clone)]
enum NameChange {
    Created(String, FileId),
    Deleted(String),
}

impl Storage for Disk {
    type File = FileId;

    fn exists(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    fn open(&mut self, name: &str) -> io::Result<FileId> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create(&mut self, name: &str) -> io::Result<FileId> {
        self.files.push(File::default());
        let file = self.files.len() - 1;
        self.names.insert(name.to_owned(), file);
        self.unsynced_names.push(NameChange::Created(name.to_owned(), file));
        Ok(file)
    }

    fn delete(&mut self, name: &str) -> io::Result<()> {
        self.names.remove(name).ok_or(ErrorKind::NotFound)?;
        self.unsynced_names.push(NameChange::Deleted(name.to_owned()));
        Ok(())
    }

    fn size(&self, file: &FileId) -> io::Result<u64> {
        Ok(self.files[*file].bytes.len() as u64)
    }

    fn read(&self, file: &FileId, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(read(&self.files[*file].bytes, offset, buffer))
    }

    fn write(&mut self, file: &FileId, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(*file, Change::Write { offset: index(offset), data: data.to_vec() });
        Ok(())
    }

    fn truncate(&mut self, file: &FileId, size: u64) -> io::Result<()> {
        let name_changes = self.synced_name_changes + self.unsynced_names.len();
        self.change(*file, Change::Truncate { size: index(size), name_changes });
        Ok(())
    }

    fn sync(&mut self, file: &FileId) -> io::Result<()> {
        self.settle_file(*file);
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        if !self.unsynced_names.is_empty() {
            self.synced_names.clone_from(&self.names);
            self.synced_name_changes += self.unsynced_names.len();
            self.unsynced_names.clear();
        }
        Ok(())
    }

    /// What was written stays after a kill.
    fn die(&mut self, fault: Fault, random: &mut Random) {
        match fault {
            Fault::PowerLoss => self.lose_power(|| false),
            Fault::PowerLossOfSome => self.lose_power(|| random.coin()),
            _ => {}
        }
    }
}

impl Disk {
    fn change(&mut self, file: FileId, change: Change) {
        let file = &mut self.files[file];
        change.apply(&mut file.bytes);
        file.unsynced.push(change);
    }

    fn settle_file(&mut self, file: FileId) {
        let file = &mut self.files[file];
        if !file.unsynced.is_empty() {
            file.synced.clone_from(&file.bytes);
            file.unsynced.clear();
        }
    }

    /// Syncs everything, and forgets the files that have no name.
    pub(crate) fn settled(mut self) -> Self {
        let names = std::mem::take(&mut self.names);
        let mut settled = Self::default();
        for (name, file) in names {
            self.settle_file(file);
            settled.files.push(std::mem::take(&mut self.files[file]));
            settled.names.insert(name, settled.files.len() - 1);
        }
        settled.synced_names.clone_from(&settled.names);
        settled
    }

    /// Loses what was not synced, except for the changes that `survives` keeps. It is asked about each sector of each write, since a
    /// disk does not keep their order. Names and sizes change in the order in which they were changed, as in the journals of ext4, APFS and NTFS.
    /// SQLite relies on that: `VACUUM` shortens the file after it has deleted the rollback journal.
    fn lose_power(&mut self, mut survives: impl FnMut() -> bool) {
        let kept = self.unsynced_names.iter().take_while(|_| survives()).count();
        let name_changes = self.synced_name_changes + kept;
        for file in &mut self.files {
            file.bytes.clone_from(&file.synced);
            for change in file.unsynced.drain(..) {
                change.apply_some(&mut file.bytes, name_changes, &mut survives);
            }
            file.synced.clone_from(&file.bytes);
        }
        self.names.clone_from(&self.synced_names);
        for change in self.unsynced_names.drain(..).take(kept) {
            match change {
                NameChange::Created(name, file) => self.names.insert(name, file),
                NameChange::Deleted(name) => self.names.remove(&name),
            };
        }
        self.synced_names.clone_from(&self.names);
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(bytes, *offset, data),
            Self::Truncate { size, .. } => bytes.truncate(*size),
        }
    }

    /// Applies what survives, if so many changes to the names did.
    fn apply_some(&self, bytes: &mut Vec<u8>, name_changes: usize, survives: &mut impl FnMut() -> bool) {
        let (offset, data) = match self {
            Self::Write { offset, data } => (offset, data),
            Self::Truncate { name_changes: before, .. } => {
                if *before <= name_changes && survives() {
                    self.apply(bytes);
                }
                return;
            }
        };
        let mut at = *offset;
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (sector, behind) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            if survives() {
                put(bytes, at, sector);
            }
            (at, rest) = (at + sector.len(), behind);
        }
    }
}
