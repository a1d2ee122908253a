//! The sources of migrations: each [`MigrationSource`].

#[cfg(feature = "code")]
mod code;
pub(crate) mod compiled;
#[cfg(any(feature = "embedded", feature = "directory", feature = "remote", feature = "build"))]
mod database;
#[cfg(feature = "directory")]
mod directory;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(any(feature = "directory", feature = "remote", feature = "build"))]
pub(crate) mod folder;
#[cfg(any(feature = "embedded", feature = "directory", feature = "remote", feature = "build"))]
pub mod layout;
#[cfg(any(feature = "embedded", feature = "directory", feature = "remote", feature = "build"))]
mod metadata;
#[cfg(feature = "remote")]
mod remote;
mod source;
pub(crate) mod stale;

#[cfg(feature = "code")]
pub use code::{CodeMigration, CodeMigrations};
pub use compiled::CompiledMigrations;
#[cfg(feature = "directory")]
pub use directory::DirectoryMigrations;
#[cfg(feature = "embedded")]
pub use embedded::EmbeddedMigrations;
#[cfg(any(feature = "directory", feature = "build", feature = "remote"))]
pub use folder::Links;
#[cfg(feature = "remote")]
pub use remote::{Manifest, ManifestFile, RemoteMigrations};
pub use source::{Combined, MigrationSource};
