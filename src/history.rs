//! [`Record`], one row of the tracking table, and [`History`], all of them.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::checksum::Checksum;
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, LogEntryKind};
use crate::progress::ScriptProgress;
use crate::step::Direction;
use crate::stored::StoredDown;

/// What the tracking table keeps of one migration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Which migration.
    pub id: MigrationId,
    /// When it was applied, in UTC, as the database wrote it (SQLite: `2026-11-22T19:09:07.132`).
    /// Empty until the database has filled it in.
    pub run_on: String,
    /// The checksum of the script that was run; `None` if it was not known.
    pub checksum: Option<Checksum>,
    /// Whether it is unfinished, and how far it came.
    pub dirty: Option<Dirty>,
    /// How long it took, of which databases keep whole milliseconds; `None` if it was not measured.
    pub duration: Option<Duration>,
    /// The script that was run, kept to show what changed if it is changed later. Long ones are not kept.
    pub up_sql: Option<String>,
    /// The way back, kept for programs that do not know this migration.
    pub down: Option<StoredDown>,
}

/// A step that could not be atomic, began, and did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dirty {
    /// Whether it was being applied or undone.
    pub direction: Direction,
    /// The statement of its script that it came to, from 1: those before it are done. One more than there are if all are. `None`
    /// if nothing is known, as of code.
    pub statement: Option<u32>,
    /// How many statements the script has.
    pub of: Option<u32>,
    /// What the database was like before that statement, as the backend notes it
    /// ([`ScriptProgress::mark`](crate::backend::ScriptProgress)), if the statement began and may be done or not.
    pub mark: Option<String>,
    /// What went wrong, if the program lived to write it down.
    pub failure: Option<String>,
    /// Whether somebody said that it is to go on ([`Recovery::Retry`](crate::Recovery::Retry)): the next run does so with what was
    /// to be applied, the next rollback with what was to be undone.
    pub is_to_resume: bool,
}

impl Dirty {
    /// Begun, nothing known yet.
    pub fn begun(direction: Direction) -> Self {
        Self { direction, statement: None, of: None, mark: None, failure: None, is_to_resume: false }
    }

    /// Whether both say the same but for `of` and `failure`: what [`Records::advance`](crate::backend::Records::advance) compares.
    pub fn is_at(&self, other: &Self) -> bool {
        let state = |dirty: &Self| (dirty.direction, dirty.is_to_resume, dirty.statement);
        state(self) == state(other) && self.mark == other.mark
    }

    /// Takes `statement`, `of`, `mark` and `failure` of another one: what [`Records::advance`](crate::backend::Records::advance) writes.
    pub fn advance_to(&mut self, to: &Self) {
        (self.statement, self.of) = (to.statement, to.of);
        self.mark.clone_from(&to.mark);
        self.failure.clone_from(&to.failure);
    }

    /// As far as a script came.
    pub(crate) fn reaching(&self, reached: ScriptProgress) -> Self {
        let ScriptProgress { statement, of, mark } = reached;
        Self { statement: Some(statement), of, mark, ..Self::begun(self.direction) }
    }

    /// To go on at a statement.
    pub(crate) fn to_resume(&self, statement: Option<u32>) -> Self {
        Self { statement, of: self.of, is_to_resume: true, ..Self::begun(self.direction) }
    }

    /// Where to go on, if somebody said that it is to, in this direction.
    pub(crate) fn resumes(&self, direction: Direction) -> bool {
        self.is_to_resume && self.direction == direction
    }
}

impl Record {
    /// A record of a clean migration, to be dated by the database.
    pub fn new(id: impl Into<MigrationId>, checksum: Option<Checksum>) -> Self {
        Self {
            id: id.into(),
            run_on: String::new(),
            checksum,
            dirty: None,
            duration: None,
            up_sql: None,
            down: None,
        }
    }

    /// The script that ran in a direction, if it was kept.
    pub(crate) fn script(&self, direction: Direction) -> Option<&str> {
        match (direction, &self.down) {
            (Direction::Up, _) => self.up_sql.as_deref(),
            (Direction::Down, Some(StoredDown::Script(script))) => Some(&script.text),
            (Direction::Down, _) => None,
        }
    }

    /// The statement at which its step goes on, if it is to.
    pub(crate) fn resumed(&self, direction: Direction) -> Option<u32> {
        self.dirty.as_ref().filter(|dirty| dirty.resumes(direction)).and_then(|dirty| dirty.statement)
    }

    /// A line of the log about it.
    pub(crate) fn log_entry(&self, kind: LogEntryKind) -> LogEntry {
        let applied_on = Some(self.run_on.clone()).filter(|run_on| !run_on.is_empty());
        LogEntry { applied_on, checksum: self.checksum, ..LogEntry::new(self.id.clone(), kind) }
    }

    fn digest(&self) -> HistoryDigest {
        HistoryDigest::of_record(&self.id, self.checksum.as_ref(), self.dirty.is_some())
    }
}

/// The digest of a history: the same for the same migrations, with the same checksums and the same dirty ones,
/// in whatever order they were applied.
///
/// It is the exclusive or of one SHA-256 per record, so one more record costs one more hash, whatever the
/// number of records. It tells histories apart that differ by accident; it is no defence against forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryDigest(Checksum);

impl HistoryDigest {
    /// The digest of an empty history.
    pub const EMPTY: Self = Self(Checksum::from_bytes([0; 32]));

    /// As it was written down.
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

    /// With one record more; or, the operation being its own inverse, with one record less.
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

/// What one statement can tell of a tracking table: enough to know that nothing is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The digest that the newest record carries; `None` if it carries none that we can read.
    pub digest: Option<HistoryDigest>,
    /// How many records there are.
    pub count: usize,
}

impl Head {
    /// The head of a table that has no record, or that does not exist.
    pub const EMPTY: Self = Self { digest: Some(HistoryDigest::EMPTY), count: 0 };
}

/// Everything a database says of its migrations: the records of those that are applied now, and the log of what was undone or
/// corrected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    records: Vec<Record>,
    places: HashMap<MigrationId, usize>,
    log: Vec<LogEntry>,
    /// What the head of a table says whose records were not read: that they are those of the first migrations of the set.
    unread: Option<Head>,
}

impl History {
    /// The records in the order in which they were written. Tables of older programs have no key, so a migration may
    /// have several: the finished one is kept before an unfinished one without a failure, that before a failed
    /// one, and among equals the first, with the earliest date of all of them that are like it.
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

    /// The history of which only the head was read, since that is the one after the first migrations of the set.
    pub(crate) fn beginning(head: Head) -> Self {
        Self { unread: Some(head), ..Self::default() }
    }

    /// How many migrations of the set are applied, if these are its first ones and nothing else is.
    pub(crate) fn first_of_set(&self) -> Option<usize> {
        self.unread.map(|head| head.count)
    }

    /// How many migrations are applied.
    pub(crate) fn count(&self) -> usize {
        self.unread.map_or(self.records.len(), |head| head.count)
    }

    /// With the log.
    pub(crate) fn with_log(mut self, log: Vec<LogEntry>) -> Self {
        self.log = log;
        self
    }

    /// The migrations that are applied now, in the order in which they were; one of them may be unfinished.
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

/// A date comparable as text: `2026-01-02T03:04:05.678` and `2026-01-02 03:04:05` differ only in the tenth character.
fn moment(run_on: &str) -> String {
    run_on.replacen(' ', "T", 1)
}
