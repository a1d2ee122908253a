//! Input that is wrong: a folder of migrations, a database, or what is beside them. The tests of the command line use these cases too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rusqlite::Connection;
use switchy_schema::MigrationRunner;
use tempfile::TempDir;

mod databases;
mod encodings;
mod links;
mod metadata;
mod names;
pub(crate) mod sizes;
mod system;
mod tables;

/// A row of a table: its name, and what makes one thing wrong.
pub(crate) type Row = (String, Make);
pub(crate) type Make = Box<dyn Fn(&Place)>;
pub(crate) type Rows = Vec<Row>;

/// What is in a folder, by its path.
pub(crate) type Everything = BTreeMap<PathBuf, String>;

/// A table: its name, and what makes its rows.
pub(crate) type Table = (&'static str, fn() -> Rows);

/// The tables by their names.
pub(crate) const TABLES: [Table; 8] = [
    ("names", names::rows),
    ("encodings", encodings::rows),
    ("links", links::rows),
    ("metadata", metadata::rows),
    ("databases", databases::rows),
    ("tables", tables::rows),
    ("sizes", sizes::rows),
    ("system", system::rows),
];

/// The migration that is applied before anything is wrong.
pub(crate) const FIRST: &str = "2025-01-01-000000_users";

/// A folder with a set of one migration, in `migrations`, and a database to which it is applied, `app.db`.
pub(crate) struct Place {
    folder: TempDir,
    /// Why the row cannot be tried here.
    not_tried: RefCell<Option<String>>,
    /// What gives the folder back to the user.
    at_end: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.at_end.take().into_iter().rev().for_each(|end| end());
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        static DATABASE: OnceLock<Vec<u8>> = OnceLock::new();

        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            not_tried: RefCell::default(),
            at_end: RefCell::default(),
        };
        place.file(format!("migrations/{FIRST}/up.sql"), "CREATE TABLE users (name TEXT);\n");
        place.file(format!("migrations/{FIRST}/down.sql"), "DROP TABLE users;\n");
        let bytes = DATABASE.get_or_init(|| {
            let conn = Connection::open(place.database()).unwrap();
            MigrationRunner::new_directory(place.path().join("migrations")).unwrap().run(&conn).unwrap();
            let same = "INSERT INTO users VALUES ('Ada');
                UPDATE __switchy_migrations SET run_on = '2025-01-05T12:00:00.000', duration_ms = 1";
            conn.execute_batch(same).unwrap();
            drop(conn);
            let _ = fs::remove_file(place.path().join("app.db-migrate"));
            fs::read(place.database()).unwrap()
        });
        fs::write(place.database(), bytes).unwrap();
        place
    }

    /// Does this before the folder is removed.
    fn at_end(&self, end: impl FnOnce() + 'static) {
        self.at_end.borrow_mut().push(Box::new(end));
    }

    /// Whether the row can be tried here. If not, it says why.
    pub(crate) fn is_tried(&self) -> bool {
        let not_tried = self.not_tried.borrow();
        if let Some(why) = &*not_tried {
            eprintln!("not tried: {why}");
        }
        not_tried.is_none()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("app.db")
    }

    /// Writes a file, and the folders that it is in.
    fn file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes the up script of a migration.
    pub(crate) fn up(&self, id: &str, script: impl AsRef<[u8]>) {
        self.file(format!("migrations/{id}/up.sql"), script);
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.path().join(path)).unwrap();
    }

    /// Makes a symbolic link. Its target is written into it as it is.
    fn link(&self, target: &str, path: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Removes a file or a folder with what is in it.
    fn remove(&self, path: &str) {
        let path = self.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    fn pipe(&self, path: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// Makes a socket whose other end is gone.
    fn socket(&self, path: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    }

    /// Runs SQL in the database.
    fn sql(&self, sql: &str) {
        Connection::open(self.database()).unwrap().execute_batch(sql).unwrap();
    }

    /// Leaves the files of a process that was killed in the middle of a commit: rows of the table `users` are overwritten, and the journal, of
    /// which `change` makes something else, has what they were.
    fn hot_journal(&self, change: impl Fn(&mut Vec<u8>)) {
        let journal = self.path().join("app.db-journal");
        let conn = Connection::open(self.database()).unwrap();
        // SQLite writes pages before the commit, since they do not fit in its cache.
        let many = "PRAGMA cache_size = 1; BEGIN; UPDATE users SET name = 'Eve';
            WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) INSERT INTO users SELECT hex(zeroblob(20)) FROM n";
        conn.execute_batch(many).unwrap();
        let left = [self.database(), journal].map(|path| (fs::read(&path).unwrap(), path));
        conn.execute_batch("ROLLBACK").unwrap();
        drop(conn);
        let [(database, path), (mut journal, journal_path)] = left;
        change(&mut journal);
        fs::write(path, database).unwrap();
        fs::write(journal_path, journal).unwrap();
    }

    /// Leaves a WAL that has a row of the table `users`, after `change` has made something else of it.
    fn wal(&self, change: impl Fn(&mut Vec<u8>)) {
        self.sql("PRAGMA journal_mode = WAL");
        let wal = self.path().join("app.db-wal");
        let conn = Connection::open(self.database()).unwrap();
        conn.execute_batch("INSERT INTO users VALUES ('Grace')").unwrap();
        let left = [self.database(), wal].map(|path| (fs::read(&path).unwrap(), path));
        drop(conn);
        let [(database, path), (mut wal, wal_path)] = left;
        change(&mut wal);
        fs::write(path, database).unwrap();
        fs::write(wal_path, wal).unwrap();
    }

    /// Writes bytes over those of the database.
    fn patch(&self, at: u64, bytes: &[u8]) {
        let mut file = fs::OpenOptions::new().write(true).open(self.database()).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Writes `0xff` over the first page of a table.
    fn spoil(&self, table: &str) {
        let conn = Connection::open(self.database()).unwrap();
        let sql = "SELECT (rootpage - 1) * page_size FROM sqlite_schema, pragma_page_size WHERE name = ?1";
        let at: i64 = conn.query_row(sql, [table], |row| row.get(0)).unwrap();
        drop(conn);
        self.patch(u64::try_from(at).unwrap(), &[0xff; 4096]);
    }

    /// Ends the database after this many bytes.
    fn cut(&self, len: u64) {
        fs::OpenOptions::new().write(true).open(self.database()).unwrap().set_len(len).unwrap();
    }

    /// Everything in the folder: the kind of each thing, the target of a link, the size and a hash of a file.
    pub(crate) fn everything(&self) -> Everything {
        let (mut folders, mut found) = (vec![self.path().to_owned()], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                let what = match () {
                    () if kind.is_dir() => {
                        // No path can name what is deeper.
                        if path.as_os_str().len() < 4000 {
                            folders.push(path.clone());
                        }
                        "folder".to_owned()
                    }
                    () if kind.is_symlink() => format!("link to {}", fs::read_link(&path).unwrap().display()),
                    () if kind.is_fifo() => "pipe".to_owned(),
                    () if kind.is_file() => content(&path),
                    () => "device".to_owned(),
                };
                found.insert(path, what);
            }
        }
        found
    }

    /// What the database has when SQLite alone has opened and read a copy of it, with its journal and WAL.
    pub(crate) fn read_by_sqlite_alone(&self) -> Option<String> {
        let copy = tempfile::tempdir().unwrap();
        for end in ["", "-journal", "-wal"] {
            let name = format!("app.db{end}");
            let path = self.path().join(&name);
            if fs::symlink_metadata(&path).is_ok_and(|file| file.is_file()) {
                fs::copy(path, copy.path().join(name)).unwrap();
            }
        }
        let database = copy.path().join("app.db");
        if !database.exists() {
            return None;
        }
        let _ = Connection::open(&database)
            .and_then(|conn| conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())));
        Some(content(&database))
    }

    /// Says what SQLite itself did to its files when it opened the database, and sets `after` back in that. It deletes or makes a journal or a
    /// WAL. To the database it writes what it also writes `alone`.
    pub(crate) fn recovered(
        &self,
        before: &Everything,
        after: &mut Everything,
        alone: Option<&String>,
    ) -> Option<String> {
        let mut said = Vec::new();
        for end in ["", "-journal", "-wal", "-shm"] {
            let path = self.path().join(format!("app.db{end}"));
            let (was, is) = (before.get(&path), after.get(&path));
            if was == is || (end.is_empty() && is != alone) {
                continue;
            }
            said.push(match (was, is) {
                (Some(_), None) => format!("SQLite deleted app.db{end}"),
                (None, Some(_)) => format!("SQLite made app.db{end}"),
                _ => format!("SQLite wrote to app.db{end}"),
            });
            match was {
                Some(was) => after.insert(path, was.clone()),
                None => after.remove(&path),
            };
        }
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// A text without what differs from run to run.
    pub(crate) fn normal(&self, text: &str) -> String {
        let text = text.replace(&*self.path().to_string_lossy(), "FOLDER");
        // The holder of a lock.
        let text =
            match text.split_once("(pid ").and_then(|(start, rest)| Some((start, rest.split_once(')')?.1))) {
                Some((start, end)) => format!("{start}(PID){end}"),
                None => text,
            };
        // SQLite before 3.51 reads the brackets to their end.
        ["Recursion limit", "incomplete input"]
            .into_iter()
            .fold(text, |text, said| text.replace(&format!("`SELECT ...`: {said}"), "`SELECT ...`: REFUSED"))
    }
}

/// The size and a hash of a file.
fn content(path: &Path) -> String {
    let (mut hash, bytes) = (DefaultHasher::new(), fs::read(path).unwrap());
    hash.write(&bytes);
    format!("{} bytes, {:x}", bytes.len(), hash.finish())
}

/// A row, for the tables of the modules.
fn row(name: impl Into<String>, make: impl Fn(&Place) + 'static) -> Row {
    (name.into(), Box::new(make))
}
