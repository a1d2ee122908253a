//! The log outside SQLite: what the processes began and what was acknowledged to them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The end of the log, as one process writes it.
///
/// An entry is one write at the end of the file, so entries of several processes do not mix, and those before a kill stay. A kill does not
/// lose what was given to the system, so nothing is synced.
pub(crate) struct Log(File);

impl Log {
    pub(crate) fn open(path: &Path) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).expect("the log"))
    }

    fn write(&self, line: &str) {
        (&self.0)
            .write_all(format!("{}\n", line.replace('\n', " ")).as_bytes())
            .expect("an entry of the log");
    }

    /// Something is about to begin: `insert 12`, `update 12 3`, `delete 12`, `up 03_data`, `down 03_data`.
    pub(crate) fn began(&self, deed: impl Display) {
        self.write(&format!("began {deed}"));
    }

    /// The database or the engine said that it is done.
    pub(crate) fn done(&self, deed: impl Display) {
        self.write(&format!("done {deed}"));
    }

    /// An error that nothing explains.
    pub(crate) fn unexpected(&self, error: impl Display) {
        self.write(&format!("unexpected {error}"));
    }
}

/// What happened to a row of the application.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) is_inserted: bool,
    /// The highest acknowledged revision.
    pub(crate) revision: i64,
    /// The highest revision that was begun.
    pub(crate) begun_revision: i64,
    pub(crate) may_be_deleted: bool,
    pub(crate) is_deleted: bool,
}

/// How often a step was begun and acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) begun: usize,
    pub(crate) done: usize,
}

/// Everything that a log says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    read: u64,
    pub(crate) rows: BTreeMap<i64, Row>,
    /// By `up 03_data` or `down 03_data`.
    pub(crate) steps: BTreeMap<String, Count>,
    pub(crate) unexpected: Vec<String>,
}

impl Facts {
    /// Reads what was added since the last call.
    pub(crate) fn read(&mut self, path: &Path) {
        let mut file = File::open(path).expect("the log");
        file.seek(SeekFrom::Start(self.read)).expect("its end");
        let mut text = String::new();
        self.read += file.read_to_string(&mut text).expect("its entries") as u64;
        for line in text.lines() {
            self.add(line);
        }
    }

    fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["unexpected", ..] = *words {
            self.unexpected.push(line["unexpected ".len()..].to_owned());
            return;
        }
        let number = |word: &str| word.parse::<i64>().unwrap_or_else(|_| panic!("{line} is no entry"));
        match *words {
            ["began", "insert", id] => drop(self.rows.entry(number(id)).or_default()),
            [when, deed @ ("insert" | "update" | "delete"), id, ref more @ ..] => {
                let row = self.rows.entry(number(id)).or_default();
                match (when, deed) {
                    ("done", "insert") => row.is_inserted = true,
                    ("began", "update") => row.begun_revision = row.begun_revision.max(number(more[0])),
                    ("done", "update") => row.revision = row.revision.max(number(more[0])),
                    ("began", _) => row.may_be_deleted = true,
                    _ => row.is_deleted = true,
                }
            }
            [when, direction @ ("up" | "down"), id] => {
                let count = self.steps.entry(format!("{direction} {id}")).or_default();
                match when {
                    "began" => count.begun += 1,
                    _ => count.done += 1,
                }
            }
            _ => panic!("{line} is no entry"),
        }
    }
}
