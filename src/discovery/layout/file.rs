//! A file of a set, and its kind by its name.

use std::borrow::Cow;

use super::entry::Entry;
use crate::dialect::Dialect;
use crate::discovery::database::dialect;
use crate::error::{Failure, MigrationError, Result, refuse_nul};
use crate::location::Location;

/// The database of the folder at the root, and an id: each pair may be defined only once.
pub(super) type Key = (Option<Dialect>, String);

/// A folder, and an id unless the folder is the migration.
pub(super) type Place = (String, Option<String>);

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `up.sql`, `down.postgres.sql`, `metadata.toml`: part of the migration that its folder is.
    InFolder(Role),
    /// `<id>.sql`, `<id>.down.sql`
    Flat(Role),
    /// `<id>.toml`, if that id exists
    FlatMetadata,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Up(Option<Dialect>),
    Down(Option<Dialect>),
    Metadata,
}

pub(super) struct File {
    pub(super) origin: String,
    pub(super) database: Option<Dialect>,
    /// The path of its folder, relative to the root.
    pub(super) folder: String,
    /// The id, if it is part of a migration; otherwise it has no meaning.
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) bytes: Cow<'static, [u8]>,
}

impl File {
    pub(super) fn new(own: Dialect, root: &str, Entry { path, bytes }: Entry) -> Result<Self> {
        let origin =
            if root.is_empty() { path.clone() } else { format!("{}/{path}", root.trim_end_matches('/')) };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let (kind, flat_id) =
            classify(own, name).map_err(|what| malformed(&origin, what, "use sqlite, postgres or mysql"))?;
        let (top, _) = path.split_once('/').unwrap_or_default();
        let database = dialect(own, top);
        let leaf = folder.rsplit('/').next().unwrap_or_default();
        let is_root = folder.is_empty() || (database.is_some() && top == folder);
        if is_root && matches!(kind, Kind::InFolder(_)) {
            return Err(malformed(
                &origin,
                "it lies in no migration's folder",
                "move it into a folder named like YYYY-MM-DD-HHMMSS_name",
            ));
        }
        Ok(Self {
            database,
            folder: folder.to_owned(),
            id: if matches!(kind, Kind::InFolder(_)) { leaf.to_owned() } else { flat_id.to_owned() },
            kind,
            bytes,
            origin,
        })
    }

    /// Its name without its folders.
    pub(super) fn name(&self) -> &str {
        self.origin.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn key(&self) -> Key {
        (self.database, self.id.clone())
    }

    /// What all files of one migration have in common: its folder, or its folder and id.
    pub(super) fn place(&self) -> Place {
        match self.kind {
            Kind::InFolder(_) => (self.folder.clone(), None),
            _ => (self.folder.clone(), Some(self.id.clone())),
        }
    }

    pub(super) fn text(self) -> Result<Text> {
        let Self { bytes, origin, .. } = self;
        if is_utf16(&bytes) {
            return Err(malformed(&origin, "it is UTF-16 text", "save it as UTF-8"));
        }
        let text = match bytes {
            Cow::Borrowed(bytes) => {
                std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| (error, bytes.into()))
            }
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|error| (error.utf8_error(), error.into_bytes())),
        };
        let text = text.map_err(|(error, bytes): (_, Vec<u8>)| {
            let at = error.valid_up_to();
            let line = match bytes.iter().take(at).filter(|byte| **byte == b'\n').count() {
                0 => String::new(),
                before => format!(", in line {}", before + 1),
            };
            malformed(&origin, format!("it is not UTF-8 text from byte {at} on{line}"), "save it as UTF-8")
        })?;
        refuse_nul(&origin, false, &text)?;
        Ok(Text { origin, text })
    }
}

/// Whether a text is UTF-16, as Windows writes it: it has a mark, or begins with an ASCII character in two bytes.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] => {
            first.is_ascii() && *first > 0 && second.is_ascii() && *second > 0
        }
        _ => false,
    }
}

/// The kind of a file, and the id in its name.
fn classify(own: Dialect, name: &str) -> Result<(Kind, &str), String> {
    let Some((stem, extension)) = name.rsplit_once('.') else { return Ok((Kind::Other, "")) };
    if name.eq_ignore_ascii_case("metadata.toml") {
        return Ok((Kind::InFolder(Role::Metadata), ""));
    }
    if extension.eq_ignore_ascii_case("toml") {
        return Ok((Kind::FlatMetadata, stem));
    }
    if !extension.eq_ignore_ascii_case("sql") {
        return Ok((Kind::Other, ""));
    }
    let role = |word: &str| match () {
        () if word.eq_ignore_ascii_case("up") => Some(Role::Up as fn(_) -> _),
        () if word.eq_ignore_ascii_case("down") => Some(Role::Down as fn(_) -> _),
        () => None,
    };
    let kind = |id, role| if str::is_empty(id) { (Kind::InFolder(role), "") } else { (Kind::Flat(role), id) };
    // `up`, `<id>.up`
    let (id, last) = stem.rsplit_once('.').unwrap_or(("", stem));
    if let Some(role) = role(last) {
        return Ok(kind(id, role(None)));
    }
    // `up.sqlite`, `<id>.up.sqlite`, `<id>.sqlite`
    let (before_last, before) = id.rsplit_once('.').unwrap_or(("", id));
    match (role(before), dialect(own, last)) {
        (Some(role), Some(dialect)) => Ok(kind(before_last, role(Some(dialect)))),
        (Some(_), None) => Err(format!("`{last}` is no database that it could be for")),
        (None, Some(dialect)) if !id.is_empty() => Ok((Kind::Flat(Role::Up(Some(dialect))), id)),
        (None, _) => Ok((Kind::Flat(Role::Up(None)), stem)),
    }
}

/// A script or metadata, decoded.
pub(super) struct Text {
    pub(super) origin: String,
    pub(super) text: Cow<'static, str>,
}

pub(super) fn malformed(origin: &str, what: impl Into<String>, remedy: &'static str) -> MigrationError {
    Failure::Malformed { at: Location::file(origin), what: what.into(), remedy: remedy.into() }.into()
}
