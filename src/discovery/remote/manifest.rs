//! [`Manifest`]

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::settings::Limits;
use crate::checksum::{Checksum, without_bom};
use crate::discovery::folder;
use crate::error::{Failure, MigrationError, Result};
use crate::location::Location;
use crate::printable::Printable;
use crate::remedy::Remedy;
use crate::sql::part;

/// The version of the format that is written and read.
const VERSION: u32 = 1;

/// The maximum number of wrong entries in one error.
const MOST_PROBLEMS: usize = 10;

/// The files of a folder of migrations, with the size and the SHA-256 of each.
/// [`RemoteMigrations`](crate::RemoteMigrations) reads it first. `docs/format.md` describes the format.
///
/// # Publishing a folder
///
/// ```
/// use switchy_schema::Manifest;
///
/// # let folder = tempfile::tempdir()?;
/// # std::fs::create_dir(folder.path().join("2026-01-05-120000_users"))?;
/// std::fs::write(folder.path().join("2026-01-05-120000_users/up.sql"), "CREATE TABLE users (name TEXT)")?;
/// let manifest = Manifest::write(folder.path())?;
/// assert_eq!(manifest.files()[0].path, "2026-01-05-120000_users/up.sql");
/// assert_eq!(std::fs::read_to_string(folder.path().join("manifest.json"))?, manifest.to_string());
/// println!("programs may insist on this one: .pin({:?})", manifest.sha256());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    files: Vec<ManifestFile>,
}

/// A file in a [`Manifest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestFile {
    /// The path relative to the folder of the manifest, with `/` between the parts.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, as 64 lower-case hexadecimal digits. (A [`Checksum`] is the hash of a text with
    /// normalised line ends.)
    pub sha256: String,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "version")]
    _version: u32,
    files: Vec<WrittenFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    path: String,
    size: u64,
    sha256: String,
}

impl Manifest {
    /// Creates the manifest of a folder: of its present scripts and metadata. Other files and hidden files are left
    /// out, symbolic links are followed.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source), if the folder or a file cannot be read, or a path cannot be published.
    pub fn of_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let files = folder::scripts(folder)?.into_iter().map(|entry| ManifestFile {
            size: entry.bytes.len() as u64,
            sha256: Checksum::of_bytes(&entry.bytes).to_string(),
            path: entry.path,
        });
        let mut files: Vec<ManifestFile> = files.collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Self { files };
        manifest.check(&folder.to_string_lossy(), &Limits::NONE)?;
        Ok(manifest)
    }

    /// Writes `manifest.json` into a folder, completely or not at all, and returns the manifest.
    ///
    /// # Errors
    /// The errors of [`of_folder`](Self::of_folder), and an error if the file cannot be written.
    pub fn write(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let manifest = Self::of_folder(folder)?;
        let path = folder.join("manifest.json");
        let mut file = tempfile::Builder::new();
        // A server that runs as another user must be able to read it.
        #[cfg(unix)]
        file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let written = file.tempfile_in(folder).and_then(|mut file| {
            file.write_all(manifest.to_string().as_bytes())?;
            file.persist(&path).map_err(|error| error.error)
        });
        match written {
            Ok(_) => Ok(manifest),
            Err(cause) => Err(Failure::Malformed {
                at: Location::file(path.to_string_lossy()),
                what: format!("it cannot be written: {cause}"),
                remedy: "make its folder writable".into(),
            }
            .into()),
        }
    }

    /// Parses a manifest. `name` is its name in messages: a URL or a path.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source), with line and column if known: text that is not JSON in UTF-8,
    /// an unknown key, an unsupported version; a path that is absolute, leaves the folder, is hidden, is listed twice,
    /// or is neither a script nor metadata; an invalid hash. Up to ten wrong entries are listed at once.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        Self::parse_within(name, bytes, &Limits::NONE)
    }

    pub(super) fn parse_within(name: &str, bytes: &[u8], limits: &Limits) -> Result<Self> {
        let no = |what: String, remedy: &'static str| -> MigrationError {
            Failure::Malformed { at: Location::file(name), what, remedy: remedy.into() }.into()
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(no("it is no manifest, for it is not UTF-8 text".to_owned(), ADDRESS));
        };
        let text = without_bom(text);
        if text.trim_start().starts_with('<') {
            return Err(no("it is no manifest but a web page".to_owned(), ADDRESS));
        }
        let wrong = |error: &serde_json::Error| malformed(name, text, error);
        let version = serde_json::from_str::<Versioned>(text).map_err(|error| wrong(&error))?.version;
        if version != VERSION {
            let what =
                format!("it is a manifest of version {version}, and this program reads version {VERSION}");
            return Err(no(what, "use a newer version of the program"));
        }
        let written: Written = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        let files = written.files.into_iter().map(|WrittenFile { path, size, sha256 }| ManifestFile {
            path,
            size,
            sha256: sha256.to_ascii_lowercase(),
        });
        let manifest = Self { files: files.collect() };
        manifest.check(name, limits)?;
        Ok(manifest)
    }

    /// The files: of a folder in the order of their paths, of a parsed manifest in its own order.
    pub fn files(&self) -> &[ManifestFile] {
        &self.files
    }

    /// The SHA-256 of the text that [`write`](Self::write) writes, for [`RemoteMigrations::pin`](crate::RemoteMigrations::pin).
    pub fn sha256(&self) -> String {
        Checksum::of_bytes(self.to_string()).to_string()
    }

    /// Checks the entries.
    fn check(&self, name: &str, limits: &Limits) -> Result<()> {
        let (mut seen, mut sizes) = (BTreeSet::new(), std::collections::BTreeMap::new());
        let mut wrong: Vec<MigrationError> = Vec::new();
        let mut total = 0_u64;
        if self.files.len() > limits.files {
            wrong.push(finding(
                name,
                format!("it lists {} files, and {} are allowed", self.files.len(), limits.files),
                more("`max_files`"),
            ));
        }
        for file in &self.files {
            total = total.saturating_add(file.size);
            let path = Shown(&file.path);
            let problem = if let Err((what, remedy)) = path_problem(&file.path) {
                Some((format!("its file `{path}` {what}"), Remedy::from(remedy)))
            } else if !seen.insert(&file.path) {
                Some((format!("its file `{path}` is listed twice"), Remedy::from("list it once")))
            } else if file.sha256.parse::<Checksum>().is_err() {
                Some((
                    format!("the sha256 of its file `{path}` is not 64 hexadecimal digits"),
                    Remedy::MakeManifest,
                ))
            } else if file.size > limits.file_size {
                let (size, most) = (file.size, limits.file_size);
                Some((
                    format!("its file `{path}` is said to have {size} bytes, and {most} are allowed"),
                    more("`max_file_size`"),
                ))
            } else if *sizes.entry(&file.sha256).or_insert(file.size) != file.size {
                Some((
                    format!("its file `{path}` has the hash of another file and not its size"),
                    Remedy::MakeManifest,
                ))
            } else {
                None
            };
            if let Some((what, remedy)) = problem {
                wrong.push(finding(name, what, remedy));
            }
            if wrong.len() == MOST_PROBLEMS {
                break;
            }
        }
        if wrong.is_empty() && total > limits.total_size {
            wrong.push(finding(
                name,
                format!("its files are said to have {total} bytes, and {} are allowed", limits.total_size),
                more("`max_total_size`"),
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(MigrationError::of_all(wrong)) }
    }
}

const ADDRESS: &str = "check the address, and that nothing on the way answers in its place";

fn more(with: &'static str) -> Remedy {
    Remedy::program("allow more", with).only_if("that can be")
}

/// Writes the JSON that `docs/format.md` describes, with one line for each file.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\n  \"version\": {VERSION},\n  \"files\": [")?;
        for (place, ManifestFile { path, size, sha256 }) in self.files.iter().enumerate() {
            let path = serde_json::to_string(path).map_err(|_| fmt::Error)?;
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}\n    {{\"path\": {path}, \"size\": {size}, \"sha256\": \"{sha256}\"}}")?;
        }
        f.write_str("\n  ]\n}\n")
    }
}

/// What is wrong with a path, and the remedy. A path names no file on this machine, but it becomes part of a URL and an
/// id, and somebody may unpack it later.
fn path_problem(path: &str) -> Result<(), (&'static str, &'static str)> {
    const RENAME: &str = "rename it";
    let is_drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() {
        return Err(("has no name", "give it one"));
    }
    if path.len() > 512 {
        return Err(("has a path of more than 512 bytes", "shorten it"));
    }
    if path.chars().any(char::is_control) {
        return Err(("has a control character in its path", RENAME));
    }
    if path.starts_with('/') || is_drive {
        return Err(("has an absolute path", "give the path from the manifest's folder"));
    }
    if path.contains('\\') {
        return Err(("has a backslash in its path", "separate folders with /"));
    }
    for part in path.split('/') {
        match part {
            "" => return Err(("has an empty part in its path", RENAME)),
            "." | ".." => {
                return Err((
                    "leads out of the folder, or around in it",
                    "give the path from the manifest's folder",
                ));
            }
            hidden if hidden.starts_with('.') => {
                return Err(("is hidden, so nothing would read it", "rename it or leave it out"));
            }
            _ => {}
        }
    }
    match path.rsplit_once('.') {
        Some((_, extension))
            if extension.eq_ignore_ascii_case("sql") || extension.eq_ignore_ascii_case("toml") =>
        {
            Ok(())
        }
        _ => Err(("is neither .sql nor .toml", "leave it out")),
    }
}

fn finding(name: &str, what: String, remedy: Remedy) -> MigrationError {
    Failure::Malformed { at: Location::file(name), what, remedy }.into()
}

/// The error of the JSON, with its position at the start and not at the end.
fn malformed(name: &str, text: &str, error: &serde_json::Error) -> MigrationError {
    let whole = error.to_string();
    let what = whole.split(" at line ").next().unwrap_or(&whole);
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = Location {
        // The line may be the whole manifest, and text from a server must not reach a terminal.
        line: None,
        ..Location::in_text(name, text, before.saturating_add(error.column().saturating_sub(1)))
    };
    let what = format!("it is no manifest: {}", Shown(what));
    Failure::Malformed { at, what, remedy: Remedy::MakeManifest }.into()
}

/// A text from a server for messages: on one line, truncated if it is long, without control characters and quotes.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 200;
        let end = self.0.char_indices().nth(LONGEST).map_or(self.0.len(), |(end, _)| end);
        write!(f, "{}", Printable(&part(self.0, ..end).replace('\t', "\\t")))?;
        f.write_str(if end < self.0.len() { "..." } else { "" })
    }
}
