//! [`Record`], one row of the tracking table, and [`History`], all rows and the log.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::checksum::Checksum;
use crate::direction::Direction;
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, LogEntryKind};
use crate::progress::ScriptProgress;
use crate::remedy::Remedy;
use crate::stored::StoredDown;

/// One row of the tracking table: what is stored about one migration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The id of the migration.
    pub id: MigrationId,
    /// When it was applied, in UTC, in the format of the database (SQLite: `2026-11-22T19:09:07.132`). Empty until the database
    /// sets it.
    pub run_on: String,
    /// The checksum of the script that was run; `None` if it is unknown.
    pub checksum: Option<Checksum>,
    /// The progress of the migration, if it is unfinished.
    pub dirty: Option<Dirty>,
    /// How long it took; databases store whole milliseconds. `None` if it was not measured.
    pub duration: Option<Duration>,
    /// The script that was run, stored to show the changed lines if it is changed later. Long scripts are not stored.
    pub up_sql: Option<String>,
    /// The down script, stored for programs that do not know this migration.
    pub down: Option<StoredDown>,
    /// The program that applied it and its version, as [`MigrationRunner::program`](crate::MigrationRunner::program) names them. `None`
    /// if the program gave no name, or is older than this field.
    pub program: Option<String>,
}

/// The state of a step that could not be atomic, began, and did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dirty {
    /// Whether it was being applied or undone.
    pub direction: Direction,
    /// The statement that the script reached, from 1: the statements before it are done. One more than the number of statements if
    /// all are done. `None` if the progress is unknown, as for code.
    pub statement: Option<u32>,
    /// How many statements the script has.
    pub of: Option<u32>,
    /// The state of the database before that statement, in the form that the backend records
    /// ([`ScriptProgress::mark`](crate::backend::ScriptProgress)), if the statement began and it is unknown whether it is done.
    pub mark: Option<String>,
    /// The error, if the program was still running and could record it.
    pub failure: Option<String>,
    /// Whether a person marked it to continue ([`Recovery::Retry`](crate::Recovery::Retry)): the next run continues a step that was
    /// being applied, the next rollback one that was being undone.
    pub is_to_resume: bool,
}

impl Dirty {
    /// Creates the state of a step that began, without any known progress.
    pub fn begun(direction: Direction) -> Self {
        Self { direction, statement: None, of: None, mark: None, failure: None, is_to_resume: false }
    }

    /// How the step can continue: by the next run or rollback if it is marked to continue, else after a retry.
    pub(crate) fn remedy(&self) -> Remedy {
        match (self.is_to_resume, self.direction) {
            (true, Direction::Up) => Remedy::Run,
            (true, Direction::Down) => Remedy::RollBack,
            (false, _) => Remedy::Retry,
        }
    }

    /// Whether both are the same except for `of` and `failure`: what [`Records::advance`](crate::backend::Records::advance)
    /// compares.
    pub fn is_at(&self, other: &Self) -> bool {
        let state = |dirty: &Self| (dirty.direction, dirty.is_to_resume, dirty.statement);
        state(self) == state(other) && self.mark == other.mark
    }

    /// Copies `statement`, `of`, `mark` and `failure` from another one: what [`Records::advance`](crate::backend::Records::advance)
    /// writes.
    pub fn advance_to(&mut self, to: &Self) {
        (self.statement, self.of) = (to.statement, to.of);
        self.mark.clone_from(&to.mark);
        self.failure.clone_from(&to.failure);
    }

    /// With the progress of a script.
    pub(crate) fn reaching(&self, reached: ScriptProgress) -> Self {
        let ScriptProgress { statement, of, mark } = reached;
        Self { statement: Some(statement), of, mark, ..Self::begun(self.direction) }
    }

    /// Marked to continue at a statement.
    pub(crate) fn to_resume(&self, statement: Option<u32>) -> Self {
        Self { statement, of: self.of, is_to_resume: true, ..Self::begun(self.direction) }
    }

    /// Whether a statement of its script is known to be done, so that it would not begin anew.
    pub(crate) fn has_done(&self) -> bool {
        self.statement.is_some_and(|statement| statement > 1)
    }

    /// Whether it is marked to continue in this direction.
    pub(crate) fn resumes(&self, direction: Direction) -> bool {
        self.is_to_resume && self.direction == direction
    }
}

impl Record {
    /// Creates the record of a finished migration; the database sets the date.
    pub fn new(id: impl Into<MigrationId>, checksum: Option<Checksum>) -> Self {
        Self {
            id: id.into(),
            run_on: String::new(),
            checksum,
            dirty: None,
            duration: None,
            up_sql: None,
            down: None,
            program: None,
        }
    }

    /// With the program that applies it.
    pub(crate) fn by(self, program: Option<&str>) -> Self {
        Self { program: program.map(str::to_owned), ..self }
    }

    /// The script that ran in a direction, if it was stored.
    pub(crate) fn script(&self, direction: Direction) -> Option<&str> {
        match (direction, &self.down) {
            (Direction::Up, _) => self.up_sql.as_deref(),
            (Direction::Down, Some(StoredDown::Script(script))) => Some(&script.text),
            (Direction::Down, _) => None,
        }
    }

    /// The statement at which its step continues, if it is marked to continue.
    pub(crate) fn resumed(&self, direction: Direction) -> Option<u32> {
        self.dirty.as_ref().filter(|dirty| dirty.resumes(direction)).and_then(|dirty| dirty.statement)
    }

    /// A log entry about it.
    pub(crate) fn log_entry(&self, kind: LogEntryKind) -> LogEntry {
        let applied_on = Some(self.run_on.clone()).filter(|run_on| !run_on.is_empty());
        LogEntry { applied_on, checksum: self.checksum, ..LogEntry::new(self.id.clone(), kind) }
    }

    fn digest(&self) -> HistoryDigest {
        HistoryDigest::of_record(&self.id, self.checksum.as_ref(), self.dirty.is_some())
    }
}

/// The digest of a history. It is the same for the same migrations with the same checksums and the same dirty flags, in whatever
/// order they were applied.
///
/// It is the exclusive or of one SHA-256 per record, so an additional record costs one additional hash, whatever the number of
/// records. It distinguishes histories that differ by accident; it is no defence against forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryDigest(Checksum);

impl HistoryDigest {
    /// The digest of an empty history.
    pub const EMPTY: Self = Self(Checksum::from_bytes([0; 32]));

    /// Creates a digest from its stored bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Checksum::from_bytes(bytes))
    }

    #[cfg(feature = "build")]
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// The digest of one record.
    pub(crate) fn of_record(id: &MigrationId, checksum: Option<&Checksum>, dirty: bool) -> Self {
        let mut hash = Sha256::new();
        hash.update([u8::from(checksum.is_some()), u8::from(dirty)]);
        hash.update(checksum.map_or(&[][..], |checksum| checksum.bytes()));
        hash.update(id.as_str());
        Self(Checksum::from_bytes(hash.finalize().into()))
    }

    /// With one more record or, because the operation is its own inverse, one fewer.
    pub(crate) fn toggled(self, other: Self) -> Self {
        let mut bytes = *self.0.bytes();
        bytes.iter_mut().zip(other.0.bytes()).for_each(|(byte, other)| *byte ^= other);
        Self(Checksum::from_bytes(bytes))
    }
}

impl std::fmt::Display for HistoryDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for HistoryDigest {
    type Err = crate::checksum::ParseChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What one statement can read of a tracking table: enough to know that nothing is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The digest stored with the newest record; `None` if there is none or it is unreadable.
    pub digest: Option<HistoryDigest>,
    /// The number of records.
    pub count: usize,
}

impl Head {
    /// The head of a table that has no record, or that does not exist.
    pub const EMPTY: Self = Self { digest: Some(HistoryDigest::EMPTY), count: 0 };
}

/// The complete migration history of a database: the records of the migrations that are applied now, and the log of what was undone
/// or corrected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    records: Vec<Record>,
    places: HashMap<MigrationId, usize>,
    log: Vec<LogEntry>,
    /// The head of a table whose records were not read, because they are those of the first migrations of the set.
    unread: Option<Head>,
}

impl History {
    /// Takes the records in the order in which they were written. Tables of older programs have no key, so a migration may have
    /// several records. A finished record is preferred to an unfinished one without a failure, and that to a failed one. Among
    /// equals the first is kept, with the earliest of their dates.
    pub(crate) fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let mut history = Self::default();
        for record in records {
            let next = history.records.len();
            let place = *history.places.entry(record.id.clone()).or_insert(next);
            match history.records.get_mut(place) {
                None => history.records.push(record),
                Some(kept) => merge(kept, record),
            }
        }
        history
    }

    /// A history of which only the head was read, because the head is the one after the first migrations of the set.
    pub(crate) fn beginning(head: Head) -> Self {
        Self { unread: Some(head), ..Self::default() }
    }

    /// The number of applied migrations, if they are the first ones of the set and nothing else is applied.
    pub(crate) fn first_of_set(&self) -> Option<usize> {
        self.unread.map(|head| head.count)
    }

    /// The number of applied migrations.
    pub(crate) fn count(&self) -> usize {
        self.unread.map_or(self.records.len(), |head| head.count)
    }

    /// With the log.
    pub(crate) fn with_log(mut self, log: Vec<LogEntry>) -> Self {
        self.log = log;
        self
    }

    /// The migrations that are applied now, in the order of their application. One of them may be unfinished.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The record of a migration, if it is applied.
    pub fn get(&self, id: &MigrationId) -> Option<&Record> {
        self.places.get(id).map(|&place| &self.records[place])
    }

    /// What was rolled back or corrected, oldest first.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The digest of these records.
    pub(crate) fn digest(&self) -> HistoryDigest {
        if let Some(digest) = self.unread.and_then(|head| head.digest) {
            return digest;
        }
        self.records.iter().fold(HistoryDigest::EMPTY, |digest, record| digest.toggled(record.digest()))
    }

    pub(crate) fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.records.iter_mut()
    }
}

fn merge(kept: &mut Record, other: Record) {
    let rank = |record: &Record| match &record.dirty {
        None => 0,
        Some(dirty) if dirty.failure.is_none() => 1,
        Some(_) => 2,
    };
    if rank(&other) < rank(kept) {
        *kept = other;
    } else if rank(&other) == rank(kept) && moment(&other.run_on) < moment(&kept.run_on) {
        kept.run_on = other.run_on;
    }
}

/// A date in a form that can be compared as text: `2026-01-02T03:04:05.678` and `2026-01-02 03:04:05` differ only in the eleventh
/// character.
fn moment(run_on: &str) -> String {
    run_on.replacen(' ', "T", 1)
}
