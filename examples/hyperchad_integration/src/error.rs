//! [`OpenError`]

use std::io;
use std::path::PathBuf;

use switchy_schema::MigrationError;

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the file cannot be created.
    #[error("the folder {} cannot be made; check that this user may do so", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// SQLite cannot open or read the file.
    #[error("the state in {} cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The `Database` cannot be read.
    #[cfg(feature = "database")]
    #[error("the state in the database cannot be read")]
    Database(#[from] switchy_database::DatabaseError),
    /// There is a table with the same name but other columns.
    #[error("the table `state` in {place} is not HyperChad's; choose another file")]
    NotState {
        /// The file, or "the database".
        place: String,
    },
    /// The table could not be brought up to date, or it is newer than the program
    /// ([`is_database_ahead`](MigrationError::is_database_ahead)).
    #[error(transparent)]
    Migration(#[from] MigrationError),
}
