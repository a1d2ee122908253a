//! [`Place`]: where the SQLite database of a test is.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

/// Where a SQLite database is: in a temporary folder or in memory.
#[derive(Debug)]
pub struct Place(Kind);

#[derive(Debug)]
enum Kind {
    Folder(TempDir),
    Memory {
        uri: String,
        /// A database in memory ends with its last connection.
        _keeper: Mutex<Connection>,
    },
}

impl Place {
    pub(super) fn in_folder() -> Self {
        Self(Kind::Folder(tempfile::tempdir().expect("a temporary folder")))
    }

    pub(super) fn in_memory() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // https://sqlite.org/src/file/src/memdb.c (2026): a name that begins with a slash is shared by the connections of a process.
        let uri = format!("file:/switchy-schema-test-{number}?vfs=memdb");
        let keeper = Connection::open(&uri).expect("a database in memory, which SQLite has from 3.36 on");
        Self(Kind::Memory { uri, _keeper: Mutex::new(keeper) })
    }

    /// The path of the file, or a URI.
    pub(super) fn path(&self) -> PathBuf {
        match &self.0 {
            Kind::Folder(folder) => folder.path().join("test.db"),
            Kind::Memory { uri, .. } => PathBuf::from(uri),
        }
    }

    pub(super) fn connect(&self) -> Connection {
        Connection::open(self.path())
            .unwrap_or_else(|error| panic!("the database of the test cannot be opened: {error}"))
    }
}
