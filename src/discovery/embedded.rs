//! [`EmbeddedMigrations`]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use include_dir::{Dir, DirEntry};

use super::layout::{Entry, definitions, listed};
use super::{MigrationSource, stale};
use crate::backend::Backend;
use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::error::Result;
use crate::migration::{Meta, Migration, ScriptMigration};

/// Sets by the address of their folder, and the kind of database.
type Read = HashMap<(usize, Dialect), Arc<Vec<ScriptMigration>>>;

/// The sets that were read before, with their checksums: a program may create a runner for each connection, and most of
/// that time is hashing.
static READ: LazyLock<Mutex<Read>> = LazyLock::new(Mutex::default);

/// The migrations in a folder of SQL files inside the program. [`layout`](super::layout) describes the folder.
///
/// `cargo` does not detect by itself that a file was *added* to the folder. A `build.rs` that prints
/// `cargo::rerun-if-changed=migrations` makes it do so; without that, [`compared_with`](Self::compared_with) refuses
/// the outdated set. With [`CompiledMigrations`](crate::CompiledMigrations), a program does not read and hash the
/// files.
///
/// ```
/// use include_dir::{Dir, include_dir};
/// use rusqlite::Connection;
/// use switchy_schema::{EmbeddedMigrations, MigrationRunner};
///
/// static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
///
/// let set = EmbeddedMigrations::new(&MIGRATIONS).compared_with(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
/// assert_eq!(MigrationRunner::new(set)?.run(&Connection::open_in_memory()?)?.applied.len(), 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedMigrations {
    root: &'static Dir<'static>,
    compared: Option<&'static str>,
}

impl EmbeddedMigrations {
    /// Creates a source from a folder that `include_dir!` embedded.
    pub const fn new(root: &'static Dir<'static>) -> Self {
        Self { root, compared: None }
    }

    /// In a debug build of this crate, refuses the embedded set if the folder has changed since the program was built.
    /// A missing folder is not an error, and a release build does not compare.
    pub const fn compared_with(mut self, folder: &'static str) -> Self {
        self.compared = Some(folder);
        self
    }

    /// `include_dir!` keeps the whole path of a folder inside another one; the set begins at this folder.
    fn root(&self) -> String {
        self.root.path().to_string_lossy().replace('\\', "/")
    }

    /// The files, with their paths relative to the root of the set.
    fn entries(&self, root: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        collect(self.root, &mut entries);
        for entry in &mut entries {
            if let Some(inside) = entry.path.strip_prefix(root).filter(|_| !root.is_empty()) {
                entry.path = inside.trim_start_matches('/').to_owned();
            }
        }
        entries
    }

    /// The set for a kind of database, with its checksums. It is read on the first call.
    fn read(&self, database: Dialect, root: &str) -> Result<Arc<Vec<ScriptMigration>>> {
        let key = (std::ptr::from_ref(self.root).addr(), database);
        let sets = || READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets().get(&key) {
            return Ok(Arc::clone(set));
        }
        let set = definitions(database, root, self.entries(root))?;
        let set = Arc::new(set.into_iter().map(ScriptMigration::hashed).collect());
        sets().insert(key, Arc::clone(&set));
        Ok(set)
    }
}

impl<B: Backend> MigrationSource<B> for EmbeddedMigrations {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        let root = self.root();
        if let (Some(folder), true) = (self.compared, cfg!(debug_assertions)) {
            let files = self.entries(&root).into_iter();
            let files = files.filter(|file| stale::is_script_or_metadata(file.path.as_ref()));
            stale::refuse(folder, files.map(|file| (file.path, *Checksum::of_bytes(file.bytes).bytes())))?;
        }
        Ok(self.read(B::DIALECT, &root)?.iter().cloned().map(Migration::from).collect())
    }

    fn list(&self) -> Result<Vec<Meta>> {
        let root = self.root();
        listed(B::DIALECT, &root, self.entries(&root))
    }
}

fn collect(folder: &Dir<'static>, entries: &mut Vec<Entry>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, entries),
            DirEntry::File(file) => {
                entries.push(Entry::new(file.path().to_string_lossy().replace('\\', "/"), file.contents()));
            }
        }
    }
}
