//! [`CompiledMigrations`]: a folder that was read when the program was built.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::error::{Failure, Result};
use crate::history::{Head, HistoryDigest};
use crate::id::MigrationId;
use crate::migration::{Meta, Origin, ScriptMigration, Unread};
use crate::placeholder::{Placeholder, Replacement, Secrecy, ValueForm};
use crate::step::{Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss};

/// The migrations in a folder of SQL files, which the program's build script has read, ordered and hashed.
/// [`embedded!`](crate::embedded) defines them; [`build`](crate::build) describes how. A start with nothing pending
/// then costs the same for ten migrations as for ten thousand.
///
/// Pass it to a [`MigrationRunner`](crate::MigrationRunner) to set options.
#[derive(Clone, Copy)]
pub struct CompiledMigrations(pub(super) &'static Set);

/// The version of the format that a build script writes. It changes with any change of that format, of the order of
/// ids, of checksums, or of the digest.
#[doc(hidden)]
pub const FORMAT: u32 = 3;

/// A set as the build script writes it.
#[doc(hidden)]
#[derive(Debug)]
#[allow(clippy::exhaustive_structs, reason = "the build script constructs it")]
pub struct Set {
    pub format: u32,
    pub database: Dialect,
    /// The folder on the machine that built the program, and its files with their hashes; empty in a release build.
    pub folder: &'static str,
    pub files: &'static [(&'static str, [u8; 32])],
    /// In the order in which they run.
    pub migrations: &'static [Compiled],
    /// Whether any migration is only for certain environments.
    pub is_limited: bool,
    /// The digests of the history after zero, one, two, ... of the migrations that run if no environment is specified.
    pub beginnings: &'static [[u8; 32]],
}

/// A migration as the build script writes it.
#[doc(hidden)]
#[derive(Debug)]
#[allow(clippy::exhaustive_structs, reason = "the build script constructs it")]
pub struct Compiled {
    pub id: &'static str,
    pub up: &'static str,
    pub down: Option<&'static str>,
    pub checksum: Option<[u8; 32]>,
    pub description: Option<&'static str>,
    pub depends_on: &'static [&'static str],
    pub depends_on_if_present: &'static [&'static str],
    /// The positions of the migrations that it needs.
    pub needs: &'static [usize],
    pub databases: &'static [Dialect],
    pub environments: &'static [&'static str],
    pub atomicity: Atomicity,
    pub foreign_keys: ForeignKeys,
    /// [`Meta::lock_timeout`], as seconds and nanoseconds.
    pub lock_timeout: Option<(u64, u32)>,
    pub cascade: Cascade,
    pub data_loss: DataLoss,
    /// [`Meta::rebuild_loss`]
    pub rebuild_loss: RebuildLoss,
    /// [`Meta::down_part`]
    pub down_part: DownPart,
    pub accepted: &'static [[u8; 32]],
    pub placeholders: &'static [CompiledPlaceholder],
    pub replacement: Replacement,
    pub origin: &'static str,
    pub down_origin: Option<&'static str>,
    pub unused_files: &'static [&'static str],
    pub unread: Option<Unread>,
}

/// A placeholder as the build script writes it.
#[doc(hidden)]
#[derive(Debug)]
#[allow(clippy::exhaustive_structs, reason = "the build script constructs it")]
pub struct CompiledPlaceholder {
    pub name: &'static str,
    pub default: Option<&'static str>,
    pub secrecy: Secrecy,
    pub form: ValueForm,
}

impl CompiledMigrations {
    #[doc(hidden)]
    pub const fn new(set: &'static Set) -> Self {
        assert!(
            set.format == FORMAT,
            "the build dependency `switchy_schema` has another version than the dependency; give both the same"
        );
        Self(set)
    }

    /// The migrations in order, and for each the positions of those that it needs.
    pub(crate) fn ordered(self) -> (Vec<ScriptMigration>, Vec<Vec<usize>>) {
        self.0.migrations.iter().map(|migration| (migration.definition(), migration.needs.to_vec())).unzip()
    }

    /// The digests of the history after zero, one, two, ... of the migrations that run in an environment, or `None` if
    /// the build script could not know them.
    pub(crate) fn beginnings(self, environment: Option<&str>) -> Option<Vec<HistoryDigest>> {
        let written = || self.0.beginnings.iter().copied().map(HistoryDigest::from_bytes).collect();
        self.is_written_for(environment).then(written)
    }

    /// The head after all migrations that run in an environment, or `None` if the build script could not know it.
    pub(crate) fn completion(self, environment: Option<&str>) -> Option<Head> {
        let digest = self.0.beginnings.last().copied().map(HistoryDigest::from_bytes);
        let count = self.0.beginnings.len().saturating_sub(1);
        self.is_written_for(environment).then_some(Head { digest, count })
    }

    /// Whether the digests are valid in an environment. They were written for no environment, which is the same for all
    /// if no migration is limited.
    fn is_written_for(self, environment: Option<&str>) -> bool {
        environment.is_none() || !self.0.is_limited
    }

    /// Refuses a set that was built for another database, and in a debug build also one whose folder has changed since.
    ///
    /// # Errors
    /// The set is one of these.
    pub(crate) fn refuse_unfit(self, own: Dialect) -> Result<()> {
        if self.0.database != own {
            return Err(Failure::BuiltFor { built: self.0.database, own }.into());
        }
        super::stale::refuse(self.0.folder, self.0.files.iter().copied())
    }
}

impl fmt::Debug for CompiledMigrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.migrations.iter().map(|migration| migration.id)).finish()
    }
}

impl Compiled {
    pub(super) fn definition(&self) -> ScriptMigration {
        let ids = |ids: &[&'static str]| ids.iter().map(|id| MigrationId::from_static(id)).collect();
        let texts = |texts: &[&'static str]| texts.iter().map(|&text| text.to_owned()).collect();
        let file = |path| Origin::File(Cow::Borrowed(path));
        let id = MigrationId::from_static(self.id);
        let meta = Meta {
            description: self.description.map(Cow::Borrowed),
            depends_on: ids(self.depends_on),
            depends_on_if_present: ids(self.depends_on_if_present),
            databases: self.databases.to_vec(),
            environments: texts(self.environments),
            atomicity: self.atomicity,
            foreign_keys: self.foreign_keys,
            lock_timeout: self.lock_timeout.map(|(seconds, nanos)| Duration::new(seconds, nanos)),
            cascade: self.cascade,
            data_loss: self.data_loss,
            rebuild_loss: self.rebuild_loss,
            down_part: self.down_part,
            accepted: self.accepted.iter().copied().map(Checksum::from_bytes).collect(),
            placeholders: self.placeholders.iter().map(CompiledPlaceholder::definition).collect(),
            replacement: self.replacement,
            checksum: self.checksum.map(Checksum::from_bytes),
            down_origin: self.down_origin.map(file),
            unused_files: texts(self.unused_files),
            unread: self.unread.clone(),
            ..Meta::new(id, self.down.is_some(), file(self.origin))
        };
        ScriptMigration { meta, up: Cow::Borrowed(self.up), down: self.down.map(Cow::Borrowed) }
    }
}

impl CompiledPlaceholder {
    fn definition(&self) -> Placeholder {
        Placeholder {
            default: self.default.map(Cow::Borrowed),
            secrecy: self.secrecy,
            form: self.form,
            ..Placeholder::new(self.name)
        }
    }
}

/// Defines `MIGRATIONS`, the [`CompiledMigrations`] that the build script wrote (see the module `build`, feature
/// `build`), and on SQLite `migrate(&conn)`, which applies all pending migrations. `embedded!("name")` uses the set
/// with that name and defines `MIGRATIONS` alone.
#[macro_export]
macro_rules! embedded {
    () => {
        $crate::__compiled!("SWITCHY_SCHEMA");
        $crate::__migrate!();
    };
    ($name:literal) => {
        $crate::__compiled!("SWITCHY_SCHEMA_", $name);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __compiled {
    ($($variable:tt)*) => {
        /// The migrations that the build script read.
        pub const MIGRATIONS: $crate::CompiledMigrations = {
            #[allow(unused_imports)]
            use $crate::compiled::*;
            static SET: Set = include!(env!(concat!($($variable)*), "the build script wrote no such set; see `switchy_schema::build`"));
            CompiledMigrations::new(&SET)
        };
    };
}

#[cfg(feature = "sqlite")]
#[doc(hidden)]
#[macro_export]
macro_rules! __migrate {
    () => {
        /// Applies all pending migrations.
        ///
        /// # Errors
        /// The errors of `MigrationRunner::run`.
        pub fn migrate(conn: &$crate::rusqlite::Connection) -> $crate::Result<$crate::Report> {
            $crate::MigrationRunner::new(MIGRATIONS)?.run(conn)
        }
    };
}

#[cfg(not(feature = "sqlite"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __migrate {
    () => {};
}
