//! The layout of a folder of migrations, as a pure function of its files: [`migrations`].
//!
//! ```text
//! <id>/up.sql                        a migration; its folder may be nested, the folder's name is the id
//! <id>/down.sql                      rolls it back
//! <id>/migration.sql                 the same as up.sql, as Prisma names it, if the id begins with a version
//! <id>/metadata.toml                 its metadata; `docs/format.md` lists the keys
//! <id>/up.sqlite.sql                 on SQLite, instead of up.sql; likewise down, postgres, mysql
//! <id>.sql                           a migration in one file
//! <id>.up.sql, <id>.down.sql         a migration in two files; each may name a database, <id>.up.sqlite.sql, <id>.sqlite.sql
//! <id>.toml                          the metadata of those
//! sqlite/..., postgres/..., mysql/... at the root: all of this, for one kind of database
//! ```
//!
//! `up`, `down`, `.sql`, `metadata.toml` and databases are recognised in any case; `sqlite3`, `postgresql` and
//! `mariadb` are also names of databases. Names that begin with a dot are hidden, and files of other types are ignored.
//! Other `.sql` and `.toml` files beside an `up.sql`, and metadata without a script, are not read, and are reported
//! ([`ProblemKind::UnusedFile`](crate::ProblemKind::UnusedFile)).
//!
//! Four more cases are reported and not read ([`Unread`]): a down script without a script that applies the migration;
//! `U1__users.sql` beside `V1__users.sql`, with which Flyway undoes that one, unless it has metadata or another migration needs it;
//! a script with a misspelled name, such as `1_users/up.sq` or `1_users.sql.txt`, if the folder or the file begins with a version;
//! and a file or folder that has no version and is laid out differently from most of the set, such as a `seed.sql`
//! beside folders like `2026-01-05-120000_users`, or a folder `archive` beside files like `1_users.sql`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::metadata;
use crate::backend::Backend;
use crate::dialect::Dialect;
use crate::error::{Failure, MigrationError, Result, defined_twice};
use crate::id::MigrationId;
use crate::migration::{Meta, Migration, Origin, ScriptMigration, Unread};

mod entry;
mod file;
mod misspelled;
mod undoing;

pub use entry::Entry;
use file::{File, Key, Kind, Place, Role, Text, malformed};

/// Returns the migrations in these files, for the database of the backend `B`.
///
/// `root` is written before the paths in messages; it may be empty.
///
/// # A folder and an overlay
///
/// ```
/// use switchy_schema::layout::{Entry, migrations};
/// use switchy_schema::{Migration, Sqlite};
///
/// let files = [
///     Entry::new("2026-01-05-120000_users/up.sql", b"CREATE TABLE users (id SERIAL)".as_slice()),
///     Entry::new("2026-01-05-120000_users/up.sqlite.sql", b"CREATE TABLE users (id INTEGER)".as_slice()),
///     Entry::new("2026-01-05-120000_users/README.md", b"why there are users".as_slice()),
/// ];
/// let set: Vec<Migration> = migrations::<Sqlite>("", files)?;
/// assert_eq!(set[0].id(), &"2026-01-05-120000_users");
/// assert_eq!(set[0].up_sql(), Some("CREATE TABLE users (id INTEGER)"));
/// # Ok::<(), switchy_schema::MigrationError>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Source`](crate::ErrorKind::Source), with the path and, if known, line and column: text that is not
/// UTF-8 or contains a NUL, metadata without a script, an unknown key or a wrong type in metadata, an unknown database
/// in `up.<database>.sql`. [`ErrorKind::Set`](crate::ErrorKind::Set): an id that is defined twice.
pub fn migrations<B: Backend>(
    root: &str,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<Vec<Migration<B>>> {
    let entries = entries.into_iter().collect();
    Ok(definitions(B::DIALECT, root, entries)?.into_iter().map(Migration::from).collect())
}

/// What is known of the migrations in these files without their scripts. The contents of scripts are left out, so they need not be there.
#[allow(dead_code, reason = "a build script needs the scripts")]
pub(super) fn listed(own: Dialect, root: &str, mut entries: Vec<Entry>) -> Result<Vec<Meta>> {
    for script in entries.iter_mut().filter(|entry| !is_metadata(&entry.path)) {
        script.bytes = Cow::Borrowed(&[]);
    }
    Ok(definitions(own, root, entries)?.into_iter().map(|migration| migration.meta).collect())
}

/// Whether a file may be the metadata of a migration.
pub(super) fn is_metadata(path: &str) -> bool {
    path.len()
        .checked_sub(5)
        .and_then(|at| path.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(".toml"))
}

/// Returns the migrations in these files, for one kind of database.
pub(crate) fn definitions(own: Dialect, root: &str, entries: Vec<Entry>) -> Result<Vec<ScriptMigration>> {
    let visible = |entry: &Entry| !entry.path.split('/').any(|part| part.starts_with('.'));
    let relative = |entry: Entry| match entry.path.strip_prefix("./") {
        Some(path) => Entry { path: path.to_owned(), ..entry },
        None => entry,
    };
    // The result must not depend on the order in which a file system lists its files.
    let mut entries: Vec<Entry> = entries.into_iter().map(relative).filter(visible).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut wrong = Vec::new();
    let mut files: Vec<File> =
        entries.into_iter().filter_map(|entry| or_collect(File::new(own, root, entry), &mut wrong)).collect();
    adopt_names(&mut files);
    let misspelled = misspelled::take(&mut files);
    let folders: BTreeSet<String> = files
        .iter()
        .filter(|file| matches!(file.kind, Kind::InFolder(..)))
        .map(|file| file.folder.clone())
        .collect();
    let shapes = shapes(&files, &folders);
    // A file that has metadata is meant to be a migration.
    let described: BTreeSet<Place> =
        files.iter().filter(|file| file.kind == Kind::FlatMetadata).map(File::place).collect();

    let mut drafts = BTreeMap::<Key, Draft>::new();
    let (mut unused, mut flat_metadata) = (Vec::new(), Vec::new());
    let mut strays = Vec::new();
    let undone = misspelled::folders_with_down(&files);
    for file in files {
        match file.kind {
            Kind::Other if folders.contains(&file.folder) && misspelled::is_down(&file, &undone) => {
                unused.push(file);
            }
            Kind::Other => {}
            Kind::Flat(_) | Kind::FlatMetadata if folders.contains(&file.folder) => unused.push(file),
            Kind::InFolder(_) | Kind::Flat(_)
                if file.is_stray(shapes.get(&file.database)) && !described.contains(&file.place()) =>
            {
                strays.push(file);
            }
            Kind::FlatMetadata => flat_metadata.push(file),
            Kind::InFolder(_) | Kind::Flat(_) => _ = or_collect(add(&mut drafts, file), &mut wrong),
        }
    }
    for file in flat_metadata {
        match drafts.get_mut(&file.key()) {
            Some(draft) if draft.place == file.place() => {
                _ = or_collect(draft.put(Role::Metadata, file), &mut wrong);
            }
            _ => unused.push(file),
        }
    }
    for file in unused {
        // Any other .toml file belongs to another program.
        if let Some(draft) = drafts.iter_mut().find_map(|(key, draft)| file.seems_part_of(key, draft)) {
            draft.unused.push(file.origin);
        }
    }

    // What has metadata, or what another migration needs, is meant to be a migration.
    let mut meant = BTreeSet::<String>::new();
    let mut sets = BTreeMap::<String, Vec<(Option<Dialect>, Draft)>>::new();
    for ((dialect, id), draft) in drafts {
        if draft.texts.contains_key(&Role::Metadata) {
            meant.insert(id.clone());
        }
        sets.entry(id).or_default().push((dialect, draft));
    }
    // If a migration has a malformed file, anything that it lacks may be in that file.
    let folders: BTreeSet<String> = wrong.iter().filter_map(|error| folder_of(error, root)).collect();
    let twice =
        |id: &str| wrong.iter().flat_map(MigrationError::problems).any(|problem| problem.migration == *id);
    sets.retain(|id, drafts| !twice(id) && !drafts.iter().any(|(_, draft)| folders.contains(&draft.place.0)));
    let chosen = sets.into_iter().filter_map(|(id, drafts)| or_collect(choose(own, id, drafts), &mut wrong));
    let mut migrations: Vec<ScriptMigration> = chosen.collect();
    add_strays(own, &mut migrations, strays);
    add_misspelled(&mut migrations, misspelled);
    meant.extend(needed(&migrations).into_iter().map(String::from));
    undoing::mark(&mut migrations, &meant);
    if wrong.is_empty() { Ok(migrations) } else { Err(MigrationError::of_all(wrong)) }
}

/// Uses `<id>/migration.sql` as `<id>/up.sql` where that does not exist.
fn adopt_names(files: &mut [File]) {
    let is_up = |file: &&File| matches!(file.kind, Kind::InFolder(Role::Up(_)));
    let taken: BTreeSet<String> = files.iter().filter(is_up).map(|file| file.folder.clone()).collect();
    for file in files.iter_mut().filter(|file| file.kind == Kind::Flat(Role::Up(None))) {
        let folder = MigrationId::from(file.folder.rsplit('/').next().unwrap_or_default());
        if file.id.eq_ignore_ascii_case("migration") && folder.has_version() && !taken.contains(&file.folder)
        {
            (file.kind, file.id) = (Kind::InFolder(Role::Up(None)), folder.into());
        }
    }
}

/// How the migrations that have a version in their name are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Folders,
    Files,
}

/// How a set is laid out, in each folder for one kind of database. A layout is that of the set if more migrations with
/// a version have it than there are migrations of the other layout, with and without a version.
fn shapes(files: &[File], folders: &BTreeSet<String>) -> BTreeMap<Option<Dialect>, Shape> {
    let mut places = BTreeMap::<_, [BTreeMap<&str, bool>; 2]>::new();
    for file in files {
        let [in_folders, flat] = places.entry(file.database).or_default();
        let has_version = MigrationId::from(file.id.as_str()).has_version();
        match file.kind {
            Kind::InFolder(Role::Up(_)) => _ = in_folders.insert(&file.id, has_version),
            Kind::Flat(Role::Up(_)) if !folders.contains(&file.folder) => {
                _ = flat.insert(&file.id, has_version);
            }
            _ => {}
        }
    }
    let shape = |[in_folders, flat]: [BTreeMap<&str, bool>; 2]| {
        let with_version = |ids: &BTreeMap<&str, bool>| ids.values().filter(|has| **has).count();
        match () {
            () if with_version(&in_folders) > flat.len() => Some(Shape::Folders),
            () if with_version(&flat) > in_folders.len() => Some(Shape::Files),
            () => None,
        }
    };
    places.into_iter().filter_map(|(database, ids)| Some((database, shape(ids)?))).collect()
}

/// Adds files that are laid out differently from the set: as a migration if another one needs it, otherwise to be
/// reported.
fn add_strays(own: Dialect, migrations: &mut Vec<ScriptMigration>, strays: Vec<File>) {
    let mut groups = BTreeMap::<(String, Place), Vec<File>>::new();
    for file in strays {
        groups.entry((file.id.clone(), file.place())).or_default().push(file);
    }
    let needed = needed(migrations);
    for ((id, _), mut files) in groups {
        files.sort_by_key(|file| match file.kind {
            Kind::InFolder(role) | Kind::Flat(role) => Some(role),
            _ => None,
        });
        let Some(first) = files.first() else { continue };
        let why = match first.kind {
            Kind::InFolder(_) => Unread::FolderBesideFiles,
            _ => Unread::FileBesideFolders,
        };
        let (database, origin) = (first.database, first.origin.clone());
        if let Some(known) = migrations.iter_mut().find(|migration| migration.meta.id == *id) {
            match known.meta.unread {
                None => known.meta.unused_files.push(origin),
                // Another one with the same name is identified by its path.
                Some(_) => migrations.push(not_read(origin.clone(), why, origin)),
            }
            continue;
        }
        let mut drafts = BTreeMap::new();
        let read = files.into_iter().try_for_each(|file| add(&mut drafts, file));
        let drafts = drafts.into_values().map(|draft| (database, draft)).collect();
        let is_needed = needed.iter().any(|needed| *needed == *id);
        migrations.push(match read.and_then(|()| choose(own, id.clone(), drafts)) {
            Ok(migration) if is_needed => migration,
            // A database may have a record of it, and can then still use its down script.
            Ok(mut migration) => {
                migration.meta.unread = Some(why);
                migration
            }
            Err(_) => not_read(id, why, origin),
        });
    }
}

/// The migrations that others of the set need.
fn needed(migrations: &[ScriptMigration]) -> Vec<MigrationId> {
    let needs = |meta: &Meta| [&meta.depends_on[..], &meta.depends_on_if_present[..]].concat();
    migrations.iter().flat_map(|migration| needs(&migration.meta)).collect()
}

/// Adds files whose names are misspelled, to be reported.
fn add_misspelled(migrations: &mut Vec<ScriptMigration>, misspelled: Vec<File>) {
    for File { id, origin, .. } in misspelled {
        match migrations.iter_mut().find(|migration| migration.meta.id == *id) {
            None => migrations.push(not_read(id, Unread::Misspelled, origin)),
            Some(ScriptMigration { meta, .. }) if meta.unread == Some(Unread::NothingToUndo) => {
                (meta.unread, meta.origin) = (Some(Unread::Misspelled), Origin::File(origin.into()));
            }
            Some(known) => known.meta.unused_files.push(origin),
        }
    }
}

/// A migration that is reported and does not run.
fn not_read(id: String, why: Unread, origin: String) -> ScriptMigration {
    let meta = Meta::new(id.into(), false, Origin::File(origin.into()));
    ScriptMigration { meta: Meta { unread: Some(why), ..meta }, up: Cow::Borrowed(""), down: None }
}

/// The folder of the file that an error is about, relative to the root of the set.
fn folder_of(error: &MigrationError, root: &str) -> Option<String> {
    let origin = &error.location()?.origin;
    let path = origin.strip_prefix(root.trim_end_matches('/')).unwrap_or(origin).trim_start_matches('/');
    Some(path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
}

/// Returns the result for a file, or adds its error to those of other files.
fn or_collect<T>(outcome: Result<T>, wrong: &mut Vec<MigrationError>) -> Option<T> {
    outcome.map_err(|error| wrong.push(error)).ok()
}
/// The files of one migration.
struct Draft {
    place: Place,
    texts: BTreeMap<Role, Text>,
    unused: Vec<String>,
}

impl Draft {
    fn put(&mut self, role: Role, file: File) -> Result<()> {
        let (id, origin) = (file.id.clone(), file.origin.clone());
        match self.texts.insert(role, file.text()?) {
            None => Ok(()),
            Some(other) => Err(twice(&id, &other.origin, &origin)),
        }
    }

    fn origin(&self) -> &str {
        self.texts.values().next().map_or("", |text| &text.origin)
    }

    fn has_up(&self) -> bool {
        self.texts.keys().any(|role| matches!(role, Role::Up(_)))
    }

    /// Removes and returns the script for a database: the overlay for it, or the plain one.
    fn take(&mut self, role: fn(Option<Dialect>) -> Role, dialect: Dialect) -> Option<Text> {
        let overlay = self.texts.remove(&role(Some(dialect)));
        overlay.or_else(|| self.texts.remove(&role(None)))
    }
}

impl File {
    /// Whether it has no version, and is laid out differently from the migrations around it that have one.
    fn is_stray(&self, shape: Option<&Shape>) -> bool {
        let is_other = matches!(
            (&self.kind, shape),
            (Kind::Flat(_), Some(Shape::Folders)) | (Kind::InFolder(_), Some(Shape::Files))
        );
        is_other && !MigrationId::from(self.id.as_str()).has_version()
    }

    /// The draft, if its author could assume that this file, which is not read, belongs to it.
    fn seems_part_of<'d>(&self, (_, id): &Key, draft: &'d mut Draft) -> Option<&'d mut Draft> {
        let stem = self.id.to_lowercase();
        let stem = stem.strip_suffix(".up").or_else(|| stem.strip_suffix(".down")).unwrap_or(&stem);
        let is_in_its_folder = draft.place == (self.folder.clone(), None);
        (is_in_its_folder || stem == id.to_lowercase()).then_some(draft)
    }
}

fn add(drafts: &mut BTreeMap<Key, Draft>, file: File) -> Result<()> {
    let (Kind::InFolder(role) | Kind::Flat(role)) = file.kind else { return Ok(()) };
    let place = file.place();
    let draft = drafts.entry(file.key()).or_insert_with(|| Draft {
        place: place.clone(),
        texts: BTreeMap::new(),
        unused: Vec::new(),
    });
    if draft.place != place {
        return Err(twice(&file.id, draft.origin(), &file.origin));
    }
    draft.put(role, file)
}

/// Chooses those files of one id that are for a kind of database.
fn choose(own: Dialect, id: String, drafts: Vec<(Option<Dialect>, Draft)>) -> Result<ScriptMigration> {
    let is_metadata = |draft: &Draft| draft.texts.keys().all(|role| *role == Role::Metadata);
    if let Some((_, draft)) = drafts.iter().find(|(_, draft)| is_metadata(draft)) {
        let what = "it describes no migration, there is no up.sql beside it";
        return Err(malformed(draft.origin(), what, "add the script, or remove this file"));
    }
    let (mut drafts, undoing): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|(_, draft)| draft.has_up());
    let undoing: Vec<String> = undoing.iter().map(|(_, draft)| draft.origin().to_owned()).collect();
    if drafts.is_empty() {
        return Ok(not_read(id, Unread::NothingToUndo, undoing.into_iter().next().unwrap_or_default()));
    }
    // The database's own folder has precedence over the common one.
    drafts.sort_by_key(|(folder, _)| *folder != Some(own));
    let mut databases = Vec::new();
    let mut chosen = None;
    for (folder, draft) in &mut drafts {
        if folder.is_some_and(|folder| folder != own) {
            databases.extend(*folder);
        } else if chosen.is_some() {
            // This is the common folder, and the database's own was used.
        } else if let Some(up) = draft.take(Role::Up, own) {
            let down = draft.take(Role::Down, own);
            chosen = Some((up, down, draft.texts.remove(&Role::Metadata), std::mem::take(&mut draft.unused)));
        } else {
            databases.extend(draft.texts.keys().filter_map(|role| match role {
                Role::Up(overlay) => *overlay,
                _ => None,
            }));
        }
    }
    if let Some((up, down, metadata, mut unused)) = chosen {
        let mut common = drafts.into_iter().find(|(folder, _)| folder.is_none()).map(|(_, draft)| draft);
        let metadata = metadata.or_else(|| common.as_mut()?.texts.remove(&Role::Metadata));
        if down.is_none() {
            // Nobody intends to combine halves of a migration from two folders.
            let left = common.and_then(|mut draft| draft.take(Role::Down, own));
            unused.extend(left.map(|down| down.origin));
        }
        unused.extend(undoing);
        return assemble(own, id, up, down, metadata, unused);
    }
    // It is for other databases only. It stays in the set so that the plan can report it, and never runs here.
    let elsewhere = drafts.into_iter().find_map(|(_, mut draft)| {
        let role = *draft.texts.keys().find(|role| matches!(role, Role::Up(_)))?;
        let up = draft.texts.remove(&role)?;
        Some((up, draft.texts.remove(&Role::Metadata), draft.unused))
    });
    match elsewhere {
        Some((up, metadata, unused)) => {
            let mut migration = assemble(own, id, up, None, metadata, unused)?;
            // This replaces what the metadata says, because there is no script for this database.
            migration.meta.databases = databases;
            Ok(migration)
        }
        None => Err(malformed(&id, "it has no script", "add one")),
    }
}

fn assemble(
    own: Dialect,
    id: String,
    up: Text,
    down: Option<Text>,
    metadata: Option<Text>,
    unused_files: Vec<String>,
) -> Result<ScriptMigration> {
    let (down, down_origin) = down.map(|down| (down.text, Origin::File(down.origin.into()))).unzip();
    let meta = Meta::new(id.into(), down.is_some(), Origin::File(up.origin.into()));
    let mut meta = Meta { down_origin, unused_files, ..meta };
    if let Some(Text { origin, text }) = metadata {
        metadata::apply(own, &origin, &text, &mut meta)?;
    }
    Ok(ScriptMigration { meta, up: up.text, down })
}

/// The error for two definitions of one id.
fn twice(id: &str, first: &str, second: &str) -> MigrationError {
    Failure::Set(vec![defined_twice(&id.into(), first, second)]).into()
}
