//! [`Lock`]: how concurrent runs keep out of each other's way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Result;

mod file;

/// How concurrent runs keep out of each other's way. A run that finds nothing pending takes no lock.
///
/// Even without one, two runs do not apply a migration twice: each looks again inside its transaction. The lock keeps them from
/// working on the same migration at once, and the second one from failing where a script runs outside a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lock {
    /// A file beside the database: its path with `-migrate` appended. A database in memory has none.
    /// The operating system frees the lock when the program ends, however it ends; the file stays, and means nothing by itself.
    #[default]
    Sidecar,
    /// This file, for a database whose folder cannot be written. All programs that migrate it must name the same.
    File(PathBuf),
    /// None. Only for a database that no other program opens, not even to recover it: a recovery would meddle with steps that are
    /// still running.
    Off,
}

impl Lock {
    /// Runs `body` while the lock is held.
    ///
    /// # Errors
    /// The lock could not be had in time, or not at all; or what `body` returns.
    pub(crate) fn held<R>(
        &self,
        database: Option<PathBuf>,
        timeout: Duration,
        waiting: &mut dyn FnMut(&Path, &str),
        body: impl FnOnce(&Holding) -> Result<R>,
    ) -> Result<R> {
        let path = match (self, database) {
            (Self::Sidecar, Some(mut path)) => {
                path.as_mut_os_string().push("-migrate");
                path
            }
            (Self::File(path), _) => path.clone(),
            (Self::Sidecar, None) | (Self::Off, _) => return body(&Holding(None)),
        };
        let locked = file::Locked::acquire(&path, timeout, waiting)?;
        body(&Holding(Some(locked)))
    }
}

/// A lock that is held, or the absence of one.
#[derive(Debug)]
pub(crate) struct Holding(Option<file::Locked>);

impl Holding {
    /// Nothing is held, since nobody else can come.
    #[cfg(feature = "validation")]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Lets those who wait know what they wait for.
    pub(crate) fn announce(&self, migration: impl std::fmt::Display) {
        if let Some(locked) = &self.0 {
            locked.announce(migration);
        }
    }
}
