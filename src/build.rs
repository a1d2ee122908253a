//! For build scripts: reads, checks, orders and hashes a folder of migrations when the program is built.
//!
//! The program then contains the finished set. Creating a runner from it reads and hashes no files. Anything wrong with
//! the folder is a build error, with the same message that the program would have reported. The program does not
//! contain `toml` and `serde`.
//!
//! ```toml
//! [dependencies]
//! switchy_schema = { git = "…", default-features = false, features = ["sqlite", "bundled"] }
//!
//! [build-dependencies]
//! switchy_schema = { git = "…", default-features = false, features = ["build"] }
//! ```
//!
//! `build.rs`, for the folder `migrations` beside it:
//!
//! ```no_run
//! switchy_schema::build::embed("migrations"); // in `main`
//! ```
//!
//! In the program, [`embedded!`](crate::embedded) inside a module `schema` defines `schema::MIGRATIONS`, which is
//! passed to a [`MigrationRunner`](crate::MigrationRunner), and `schema::migrate(&conn)`. `examples/compiled_set` is an
//! example.
//!
//! Cargo runs the build script again when a file of the folder is added, changed or removed. It compares modification
//! times, so it misses a file that was replaced by one with an older time. When a debug build creates a runner, it
//! therefore compares the folder with the set in the program, and fails if they differ.
//!
//! If a build script names the files it reads, Cargo runs it again only when one of them changes: if yours reads other
//! files too, it must print `cargo::rerun-if-changed` for them. A program that renames the dependency must rename the
//! build dependency too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::discovery::compiled::FORMAT;
use crate::discovery::folder;
use crate::discovery::layout::{Entry, definitions};
use crate::discovery::stale::is_script_or_metadata;
use crate::error::{Failure, Result};
use crate::graph::Graph;
use crate::migration::{Meta, ScriptMigration};
use crate::placeholder::Placeholder;
use crate::plan::check::unread;

/// Reads a folder of migrations for SQLite, for [`embedded!()`](crate::embedded) in the program.
/// [`layout`](crate::layout) describes the folder. A relative path starts at the folder of `Cargo.toml`.
///
/// If something is wrong with the folder, cargo shows the error and the build fails.
pub fn embed(folder: impl Into<PathBuf>) {
    Embed::new(folder).write();
}

/// A folder that is read when the program is built, with options.
///
/// ```no_run
/// use switchy_schema::Dialect;
/// use switchy_schema::build::Embed;
///
/// Embed::new("migrations").write();
/// Embed::new("server/migrations").database(Dialect::Postgres).named("server").write();
/// ```
#[derive(Debug, Clone)]
#[must_use = "call `write`, or nothing happens"]
pub struct Embed {
    folder: PathBuf,
    database: Dialect,
    name: Option<String>,
}

impl Embed {
    /// A folder of migrations for SQLite.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), database: Dialect::Sqlite, name: None }
    }

    /// Reads the folder for another kind of database.
    pub fn database(mut self, database: Dialect) -> Self {
        self.database = database;
        self
    }

    /// Names the set for `embedded!("name")`, if a program has more than one. The name has letters, digits and `_`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Writes the set where [`embedded!`](crate::embedded) finds it. If something is wrong, cargo shows the error and
    /// the build fails.
    pub fn write(self) {
        println!("cargo::rerun-if-changed={}", self.folder.display());
        if let Err(error) = self.written() {
            error.lines().for_each(|line| println!("cargo::error={line}"));
            std::process::exit(1);
        }
    }

    fn written(&self) -> Result<(), String> {
        static WRITTEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let name = self.name.as_deref().unwrap_or_default();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("the set cannot be named `{name}`; use letters, digits and `_`"));
        }
        if !WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
            return Err(match name {
                "" => "two sets have no name; give one of them a name with `named`".to_owned(),
                name => format!("two sets are named `{name}`; rename one of them"),
            });
        }
        let (text, warnings) = self.read().map_err(|error| format!("{error:#}"))?;
        for warning in warnings {
            println!("cargo::warning={warning}");
        }
        let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; call this in a build script")?;
        let end = if name.is_empty() { String::new() } else { format!("_{name}") };
        let path = Path::new(&out).join(format!("switchy_schema{end}.rs"));
        std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        // The program finds the set by this variable. If the build script no longer writes a set, the program does not
        // find the file of an earlier build.
        println!("cargo::rustc-env=SWITCHY_SCHEMA{end}={}", path.display());
        Ok(())
    }

    /// Returns the Rust code that [`write`](Self::write) writes.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source) if the folder cannot be read or something in it is malformed,
    /// [`ErrorKind::Set`](crate::ErrorKind::Set) if its migrations do not fit together.
    pub fn to_rust(&self) -> Result<String> {
        self.read().map(|(text, _)| text)
    }

    /// The Rust code, and warnings about files that are not read because their names are misspelled.
    fn read(&self) -> Result<(String, Vec<String>)> {
        let entries = folder::entries(&self.folder, folder::Links::Follow)?;
        let root = std::path::absolute(&self.folder)
            .map_err(|cause| Failure::Unreadable { path: self.folder.clone(), cause })?;
        // Sorted, because the file system lists files in no fixed order and a build must be reproducible.
        let scripts = entries.iter().filter(|entry| is_script_or_metadata(entry.path.as_ref()));
        let files: BTreeMap<String, Checksum> =
            scripts.map(|Entry { path, bytes }| (path.clone(), Checksum::of_bytes(bytes))).collect();
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
        let shown = self.folder.strip_prefix(&package).unwrap_or(&self.folder);
        let set = definitions(self.database, &shown.to_string_lossy(), entries)?;
        let set = set.into_iter().map(|one| {
            let ScriptMigration { meta, up, down } = one.hashed();
            (meta, (up, down))
        });
        let (graph, scripts) = Graph::build(set.collect())?;

        let mut text = String::new();
        let mut line = |args: fmt::Arguments<'_>| _ = text.write_fmt(args);
        line(format_args!(
            "Set {{\n    format: {FORMAT},\n    database: Dialect::{:?},\n    folder: if cfg!(debug_assertions) {{ {:?} }} else {{ \"\" }},\n    \
             files: if cfg!(debug_assertions) {{\n        &[\n",
            self.database,
            root.to_string_lossy()
        ));
        for (path, hash) in files {
            line(format_args!("            ({path:?}, {:?}),\n", hash.bytes()));
        }
        line(format_args!("        ]\n    }} else {{\n        &[]\n    }},\n    migrations: &[\n"));
        for (place, (meta, (up, down))) in graph.metas().iter().zip(&scripts).enumerate() {
            line(format_args!(
                "{}",
                Migration { meta, up, down: down.as_deref(), needs: graph.needs(place) }
            ));
        }
        let is_limited = graph.metas().iter().any(|meta| !meta.environments.is_empty());
        line(format_args!("    ],\n    is_limited: {is_limited},\n    beginnings: &[\n"));
        for digest in graph.beginnings(self.database, None) {
            line(format_args!("        {:?},\n", digest.bytes()));
        }
        line(format_args!("    ],\n}}\n"));
        let misspelled = graph.metas().iter().filter(|meta| meta.right_name().is_some());
        let warnings = misspelled.filter_map(unread).map(|problem| problem.to_string());
        Ok((text, warnings.collect()))
    }
}

/// A migration in the form that the build script writes.
struct Migration<'a> {
    meta: &'a Meta,
    up: &'a str,
    down: Option<&'a str>,
    needs: &'a [usize],
}

impl fmt::Display for Migration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { meta, up, down, needs } = self;
        let bytes = |hash: &Checksum| *hash.bytes();
        let accepted: Vec<[u8; 32]> = meta.accepted.iter().map(bytes).collect();
        let databases: Vec<String> = meta.databases.iter().map(|one| format!("Dialect::{one:?}")).collect();
        let placeholders: Vec<String> = meta.placeholders.iter().map(placeholder).collect();
        let unread = meta.unread.as_ref().map_or("None".to_owned(), |why| format!("Some(Unread::{why:?})"));
        let down_origin = meta.down_origin.as_ref().map(ToString::to_string);
        writeln!(f, "        Compiled {{")?;
        let mut field = |name: &str, value: fmt::Arguments<'_>| writeln!(f, "            {name}: {value},");
        field("id", format_args!("{:?}", meta.id.as_str()))?;
        field("up", format_args!("{up:?}"))?;
        field("down", format_args!("{down:?}"))?;
        field("checksum", format_args!("{:?}", meta.checksum.as_ref().map(bytes)))?;
        field("description", format_args!("{:?}", meta.description))?;
        field("depends_on", format_args!("&{:?}", Quoted(&meta.depends_on)))?;
        field("depends_on_if_present", format_args!("&{:?}", Quoted(&meta.depends_on_if_present)))?;
        field("needs", format_args!("&{needs:?}"))?;
        field("databases", format_args!("&[{}]", databases.join(", ")))?;
        field("environments", format_args!("&{:?}", meta.environments))?;
        field("atomicity", format_args!("Atomicity::{:?}", meta.atomicity))?;
        field("foreign_keys", format_args!("ForeignKeys::{:?}", meta.foreign_keys))?;
        let lock_timeout = meta.lock_timeout.map(|timeout| (timeout.as_secs(), timeout.subsec_nanos()));
        field("lock_timeout", format_args!("{lock_timeout:?}"))?;
        field("cascade", format_args!("Cascade::{:?}", meta.cascade))?;
        field("data_loss", format_args!("DataLoss::{:?}", meta.data_loss))?;
        field("rebuild_loss", format_args!("RebuildLoss::{:?}", meta.rebuild_loss))?;
        field("down_part", format_args!("DownPart::{:?}", meta.down_part))?;
        field("accepted", format_args!("&{accepted:?}"))?;
        field("placeholders", format_args!("&[{}]", placeholders.join(", ")))?;
        field("replacement", format_args!("Replacement::{:?}", meta.replacement))?;
        field("origin", format_args!("{:?}", meta.origin.to_string()))?;
        field("down_origin", format_args!("{down_origin:?}"))?;
        field("unused_files", format_args!("&{:?}", meta.unused_files))?;
        field("unread", format_args!("{unread}"))?;
        writeln!(f, "        }},")
    }
}

/// The declaration of a placeholder in the form that the build script writes.
fn placeholder(Placeholder { name, default, secrecy, form }: &Placeholder) -> String {
    format!(
        "CompiledPlaceholder {{ name: {name:?}, default: {default:?}, secrecy: Secrecy::{secrecy:?}, form: ValueForm::{form:?} }}"
    )
}

/// Ids as a list of literals.
struct Quoted<'a>(&'a [crate::id::MigrationId]);

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(crate::id::MigrationId::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_names_are_unique_and_valid_in_file_names() {
        let written = |name: &str| Embed::new("no/such/folder").named(name).written().unwrap_err();
        assert_eq!(written("a/b"), "the set cannot be named `a/b`; use letters, digits and `_`");
        assert!(written("server").starts_with("there is no folder no/such/folder"));
        assert_eq!(written("server"), "two sets are named `server`; rename one of them");
    }
}
