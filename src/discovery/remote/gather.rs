//! The manifest and its files: from the server or the cache, and verified.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::address::Address;
use super::cache::{Cache, Kept};
use super::error::RemoteError;
use super::fetch::{Answer, Client, Wanted};
use super::{Manifest, ManifestFile, RemoteMigrations};
use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::discovery::layout::{self, Entry};
use crate::error::{ErrorKind, Failure, MigrationError, Result};
use crate::migration::ScriptMigration;
use crate::remedy::Remedy;

/// What is fetched of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Everything,
    /// Scripts are empty.
    Metadata,
}

impl RemoteMigrations {
    /// All migrations for a kind of database, from the server or, if allowed, from the cache.
    pub(super) fn gather(&self, own: Dialect, part: Part) -> Result<Vec<ScriptMigration>> {
        let address = self.address()?;
        let client = self.client(&address)?;
        let cache = self.cache.as_ref().map(|folder| Cache::new(folder, &address));
        let error = match self.online(&client, &address, cache.as_ref(), (own, part)) {
            Err(error) if error.kind() == ErrorKind::Unreachable => error,
            result => return result,
        };
        let Some(cache) = cache.filter(|_| self.is_offline_allowed) else { return Err(error) };
        match self.offline(&address, &cache, (own, part)) {
            Ok(migrations) => {
                self.on_offline.iter().for_each(|notify| notify(&error));
                Ok(migrations)
            }
            Err(Offline::Wrong(error)) => Err(error),
            Err(Offline::Incomplete) => Err(match error.into_failure() {
                Failure::Remote { at, what, remedy, can_pass, cause } => {
                    let what =
                        format!("{what}, and the cache {} has not all of it", cache.folder().display());
                    Failure::Remote { at, what, remedy, can_pass, cause }.into()
                }
                failure => failure.into(),
            }),
        }
    }

    /// Refuses a manifest that is not the pinned one.
    fn check_pin(&self, address: &Address, bytes: &[u8]) -> Result<(), RemoteError> {
        let Some(pin) = &self.pin else { return Ok(()) };
        let place = address.to_string();
        let found = Checksum::of_bytes(bytes);
        match pin.trim().parse::<Checksum>() {
            Ok(pin) if pin == found => Ok(()),
            Ok(pin) => Err(RemoteError::new(
                &place,
                format!("it is not the manifest that is pinned: its SHA-256 is {found} and not {pin}"),
                "find out who changed it; pin the new one only if you know why it changed",
            )),
            Err(error) => Err(RemoteError::new(
                &place,
                format!("`pin` was given no SHA-256: {error}"),
                "give that of the manifest",
            )),
        }
    }

    /// The migrations that the server has now. A new manifest is stored in the cache.
    fn online(
        &self,
        client: &Client<'_>,
        address: &Address,
        cache: Option<&Cache<'_>>,
        (own, part): (Dialect, Part),
    ) -> Result<Vec<ScriptMigration>> {
        let most = self.limits.manifest_size();
        let known = cache.and_then(|cache| cache.manifest(most));
        let answer = client.get(&Wanted {
            address,
            most,
            too_large: || Remedy::program("allow a larger one", "`max_files`").only_if("that can be"),
            etag: known.as_ref().and_then(|known| known.etag.as_deref()),
            missing: || Remedy::from("check the address").or(Remedy::MakeManifest),
        })?;
        let (kept, is_new) = match (answer, known) {
            (Answer::Unchanged, Some(known)) => (known, false),
            (Answer::Bytes { bytes, etag }, known) => {
                let kept = Kept { bytes, etag };
                let is_new = known.as_ref() != Some(&kept);
                (kept, is_new)
            }
            (Answer::Unchanged, None) => {
                let what = "the server says that nothing changed, and nothing was known".to_owned();
                return Err(RemoteError::new(&address.to_string(), what, "correct the server").into());
            }
        };
        let fetch = |wanted: &File<'_>| -> Result<Vec<u8>> {
            if let Some(bytes) = cache.and_then(|cache| cache.file(wanted.sha256, wanted.size)) {
                return Ok(bytes);
            }
            let bytes = wanted.fetch(client, address)?;
            if let Some(cache) = cache {
                cache.keep_file(wanted.sha256, &bytes)?;
            }
            Ok(bytes)
        };
        let migrations = self.assembled(address, &kept.bytes, (own, part), fetch)?;
        // Until the cache has all files of a manifest, it keeps the one before, of which it has all.
        if let (true, Part::Everything, Some(cache)) = (is_new, part, cache) {
            cache.keep_manifest(&kept)?;
        }
        Ok(migrations)
    }

    /// The migrations that were used last, if the cache is complete.
    fn offline(
        &self,
        address: &Address,
        cache: &Cache<'_>,
        (own, part): (Dialect, Part),
    ) -> Result<Vec<ScriptMigration>, Offline> {
        let kept = cache.manifest(self.limits.manifest_size()).ok_or(Offline::Incomplete)?;
        let fetch = |wanted: &File<'_>| cache.file(wanted.sha256, wanted.size).ok_or(Offline::Incomplete);
        self.assembled(address, &kept.bytes, (own, part), fetch)
    }

    /// The migrations of a manifest whose files `fetch` returns. Everything that can be checked without the files is
    /// checked first.
    fn assembled<E: From<MigrationError>>(
        &self,
        address: &Address,
        manifest: &[u8],
        (own, part): (Dialect, Part),
        mut fetch: impl FnMut(&File<'_>) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<ScriptMigration>, E> {
        self.check_pin(address, manifest).map_err(MigrationError::from)?;
        let manifest = Manifest::parse_within(&address.to_string(), manifest, &self.limits)?;
        let root = address.root();
        let empty = |file: &ManifestFile| Entry::new(file.path.clone(), Cow::Borrowed(&[][..]));
        layout::definitions(own, &root, manifest.files().iter().map(empty).collect())?;
        let mut entries = Vec::new();
        let mut fetched = BTreeMap::<Checksum, usize>::new();
        for file in manifest.files() {
            if part == Part::Metadata && !layout::is_metadata(&file.path) {
                entries.push(empty(file));
                continue;
            }
            // The hash was checked with the manifest.
            let sha256 = file.sha256.parse().unwrap_or(Checksum::from_bytes([0; 32]));
            let bytes = match fetched.get(&sha256).and_then(|&place| entries.get(place)) {
                Some(Entry { bytes, .. }) => bytes.to_vec(),
                None => fetch(&File { path: &file.path, size: file.size, sha256 })?,
            };
            fetched.entry(sha256).or_insert(entries.len());
            entries.push(Entry::new(file.path.clone(), bytes));
        }
        Ok(layout::definitions(own, &root, entries)?)
    }
}

/// Why the cache has no migrations.
enum Offline {
    Incomplete,
    Wrong(MigrationError),
}

impl From<MigrationError> for Offline {
    fn from(error: MigrationError) -> Self {
        Self::Wrong(error)
    }
}

/// A file of a manifest.
struct File<'a> {
    path: &'a str,
    size: u64,
    sha256: Checksum,
}

impl File<'_> {
    /// Fetches the file from the server, if its size and hash match.
    fn fetch(&self, client: &Client<'_>, manifest: &Address) -> Result<Vec<u8>, RemoteError> {
        const TOGETHER: &str =
            "publish the files and then their manifest; if nobody did, find out who changed the file";
        let address = &manifest.beside(self.path);
        let answer = client.get(&Wanted {
            address,
            most: self.size,
            too_large: || TOGETHER.into(),
            etag: None,
            missing: || {
                Remedy::from("publish it beside the manifest, which lists it").or(Remedy::MakeManifest)
            },
        })?;
        let place = address.to_string();
        let Answer::Bytes { bytes, .. } = answer else {
            return Err(RemoteError::new(
                &place,
                "the server sends no file".to_owned(),
                "correct the server",
            ));
        };
        if bytes.len() as u64 != self.size {
            let what = format!("it has {} bytes, and the manifest says {}", bytes.len(), self.size);
            return Err(RemoteError::new(&place, what, TOGETHER));
        }
        let found = Checksum::of_bytes(&bytes);
        if found != self.sha256 {
            let what = format!("its SHA-256 is {found}, and the manifest says {}", self.sha256);
            return Err(RemoteError::new(&place, what, TOGETHER));
        }
        Ok(bytes)
    }
}
