//! Input that is wrong: a folder of migrations, a database, or what is beside them. The tests of the command line use these cases too.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Seek, SeekFrom, Write};
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
mod sizes;
mod tables;

/// A row of a table: its name, and what makes one thing wrong.
pub(crate) type Row = (String, Make);
pub(crate) type Make = Box<dyn Fn(&Place)>;
pub(crate) type Rows = Vec<Row>;

/// A table: its name, and what makes its rows.
pub(crate) type Table = (&'static str, fn() -> Rows);

/// The tables by their names.
pub(crate) const TABLES: [Table; 7] = [
    ("names", names::rows),
    ("encodings", encodings::rows),
    ("links", links::rows),
    ("metadata", metadata::rows),
    ("databases", databases::rows),
    ("tables", tables::rows),
    ("sizes", sizes::rows),
];

/// The migration that is applied before anything is wrong.
pub(crate) const FIRST: &str = "2025-01-01-000000_users";

/// A folder with a set of one migration, in `migrations`, and a database to which it is applied, `app.db`.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        static DATABASE: OnceLock<Vec<u8>> = OnceLock::new();

        let place = Self { folder: tempfile::tempdir().unwrap() };
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
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, String> {
        let (mut folders, mut found) = (vec![self.path().to_owned()], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                let what = match () {
                    () if kind.is_dir() => {
                        folders.push(path.clone());
                        "folder".to_owned()
                    }
                    () if kind.is_symlink() => format!("link to {}", fs::read_link(&path).unwrap().display()),
                    () if kind.is_fifo() => "pipe".to_owned(),
                    () if kind.is_file() => {
                        let (mut hash, mut bytes) = (DefaultHasher::new(), Vec::new());
                        fs::File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
                        hash.write(&bytes);
                        format!("{} bytes, {:x}", bytes.len(), hash.finish())
                    }
                    () => "device".to_owned(),
                };
                found.insert(path, what);
            }
        }
        found
    }

    /// A text without what differs from run to run.
    pub(crate) fn normal(&self, text: &str) -> String {
        text.replace(&*self.path().to_string_lossy(), "FOLDER")
    }
}

/// A row, for the tables of the modules.
fn row(name: impl Into<String>, make: impl Fn(&Place) + 'static) -> Row {
    (name.into(), Box::new(make))
}
