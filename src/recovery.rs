//! [`Recovery`]: how a person corrects the tracking table.

use crate::direction::Direction;
use crate::error::{Failure, MigrationError, Result};
use crate::graph::Graph;
use crate::history::{Dirty, History, Record};
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, LogEntryKind, Signature};
use crate::plan::Setting;
use crate::plan::check::counted_anew;
use crate::progress::StatementOutcome;
use crate::remedy::Remedy;
use crate::report::Migrations;
use crate::stored::StoredDown;

/// How a person corrects the tracking table, where no program can know what is right. No recovery runs a script.
///
/// `RECOVERY.md` says what to check first, for each error.
///
/// # A database that is older than its migrations
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, Recovery, Signature};
///
/// let conn = Connection::open_in_memory()?;
/// conn.execute_batch("CREATE TABLE users (name TEXT)")?;
///
/// let runner = MigrationRunner::new([
///     Migration::sql("1_users", "CREATE TABLE users (name TEXT)"),
///     Migration::sql("2_email", "ALTER TABLE users ADD COLUMN email TEXT"),
/// ])?;
/// runner.recover(&conn, Recovery::Baseline("1_users".into()), Signature::of("ada").because("made by hand in 2019"))?;
/// assert_eq!(runner.run(&conn)?.applied[0].id, "2_email");
/// assert_eq!(runner.history(&conn)?.log()[0].who.as_deref(), Some("ada"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recovery {
    /// Marks a step that did not finish to continue where it stopped: the next run continues a step that was being applied, the
    /// next rollback that reaches it continues a step that was being undone. Until then, runs are refused. Statements that are done
    /// do not run again; the others may have been corrected in the meantime. Code starts from the beginning.
    Retry(MigrationId),
    /// As [`Retry`](Self::Retry), but from a statement that you name, because you checked which statements are done, or undid some.
    RetryFrom {
        /// The id of the migration.
        migration: MigrationId,
        /// The statement to continue with, from 1.
        statement: u32,
    },
    /// Marks a step that did not finish as done. For a script whose remaining statements were run by hand.
    MarkDone(MigrationId),
    /// Removes the record, whatever its state, and undoes nothing: the next run applies the migration again if the program has it.
    Forget(MigrationId),
    /// Records a migration whose script or down script changed after it was applied as applied with its current scripts, in this
    /// database only. For a change that has no effect.
    Accept(MigrationId),
    /// Records a pending migration as applied. If it was not, migrations that need it will fail.
    AssumeApplied(MigrationId),
    /// Records all pending migrations in a range of the set as applied.
    AssumeRangeApplied {
        /// The first id of the range.
        from: MigrationId,
        /// The last id of the range.
        through: MigrationId,
    },
    /// Records all pending migrations as applied.
    AssumeAllApplied,
    /// Records everything through this migration as applied, in a database that has tables and no migrations. For a database that
    /// existed before its migrations.
    Baseline(MigrationId),
}

impl Recovery {
    const fn verb(&self) -> &'static str {
        match self {
            Self::Retry(_) | Self::RetryFrom { .. } => "retry",
            Self::MarkDone(_) => "mark as done",
            Self::Forget(_) => "forget",
            Self::Accept(_) => "accept",
            Self::AssumeApplied(_) | Self::AssumeRangeApplied { .. } | Self::AssumeAllApplied => {
                "assume applied"
            }
            Self::Baseline(_) => "baseline at",
        }
    }
}

/// A change to at most one record, and its log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amendment {
    pub(crate) change: Change,
    pub(crate) log_entry: LogEntry,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a recovery has only a few of them")]
pub(crate) enum Change {
    Insert(Record),
    Update {
        from: Record,
        to: Record,
    },
    Delete(Record),
    /// No record changes.
    Nothing,
}

/// Decides what a recovery changes.
///
/// # Errors
/// The recovery does not apply to this set and this history.
pub(crate) fn decide(
    recovery: &Recovery,
    signature: &Signature,
    known: &Facts<'_>,
) -> Result<Vec<Amendment>> {
    let amendments = match recovery {
        Recovery::Retry(id) | Recovery::RetryFrom { migration: id, .. } | Recovery::MarkDone(id) => {
            vec![known.unfinished(recovery, id)?]
        }
        Recovery::Forget(id) => {
            let record = known.applied(recovery, id)?;
            vec![Amendment {
                log_entry: record.log_entry(LogEntryKind::Forgotten),
                change: Change::Delete(record.clone()),
            }]
        }
        Recovery::Accept(id) => vec![known.accepted(recovery, id)?],
        Recovery::AssumeApplied(id) => {
            let place = known.place(recovery, id)?;
            known.assumed(recovery, place, place, &LogEntryKind::AssumedApplied)?
        }
        Recovery::AssumeRangeApplied { from, through } => {
            let (first, last) = (known.place(recovery, from)?, known.place(recovery, through)?);
            if first > last {
                let finding = format!("it comes after `{through}`, which is to be the last");
                return Err(inapplicable(recovery, from, finding, "name the earlier one first"));
            }
            known.assumed(recovery, first, last, &LogEntryKind::AssumedApplied)?
        }
        Recovery::AssumeAllApplied => {
            let empty = || inapplicable(recovery, None, "the set is empty", "add migrations to it");
            let last = known.graph.metas().len().checked_sub(1).ok_or_else(empty)?;
            known.assumed(recovery, 0, last, &LogEntryKind::AssumedApplied)?
        }
        Recovery::Baseline(id) => known.baseline(recovery, id)?,
    };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let signed = amendments.into_iter().map(|Amendment { change, log_entry }| Amendment {
        change,
        log_entry: LogEntry { who: text(&signature.who), why: text(&signature.why), ..log_entry },
    });
    Ok(signed.collect())
}

/// The facts that a recovery is decided from.
#[derive(Clone)]
pub(crate) struct Facts<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) history: &'a History,
    pub(crate) setting: Setting<'a>,
    /// Returns the record that the migration at a place should have.
    pub(crate) record_of: &'a dyn Fn(usize) -> Record,
    pub(crate) contents: Contents,
    /// Whether the statement that an unfinished step began is done.
    pub(crate) outcome: Option<StatementOutcome>,
}

/// Whether a database has anything besides the engine's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    Tables,
    Nothing,
}

impl Facts<'_> {
    fn place(&self, recovery: &Recovery, id: &MigrationId) -> Result<usize> {
        if let Some(place) = self.graph.place(id) {
            return Ok(place);
        }
        if self.history.get(id).is_some() {
            let remedy = "use a version of the program that does";
            return Err(inapplicable(recovery, id, "this program does not know it", remedy));
        }
        Err(Failure::Unknown { id: id.clone(), nearest: self.graph.nearest(id) }.into())
    }

    /// The record of a migration, which the program may not know.
    fn applied(&self, recovery: &Recovery, id: &MigrationId) -> Result<&Record> {
        if let Some(record) = self.history.get(id) {
            return Ok(record);
        }
        self.place(recovery, id)?;
        Err(inapplicable(
            recovery,
            id,
            "it is not applied, so there is no record of it",
            "`status` shows what is",
        ))
    }

    /// Resolves a step that began and did not finish.
    fn unfinished(&self, recovery: &Recovery, id: &MigrationId) -> Result<Amendment> {
        let record = self.applied(recovery, id)?;
        let Some(dirty) = &record.dirty else {
            let remedy = Remedy::Forget.or(Remedy::RollBack);
            return Err(inapplicable(recovery, id, "it is applied and finished", remedy));
        };
        let is_done = matches!(recovery, Recovery::MarkDone(_));
        let update = |dirty| {
            let checksum = record.checksum.or_else(|| self.graph.get(id).and_then(|meta| meta.checksum));
            Change::Update { from: record.clone(), to: Record { checksum, dirty, ..record.clone() } }
        };
        let (kind, change) = match (dirty.direction, is_done) {
            (Direction::Up, true) => (LogEntryKind::MarkedDone, update(None)),
            (Direction::Down, true) => (LogEntryKind::MarkedUndone, Change::Delete(record.clone())),
            (direction, false) => {
                let statement = self.resume_statement(recovery, id, dirty)?;
                let is_begun = statement.is_some_and(|statement| statement > 1);
                (
                    LogEntryKind::Retried,
                    match direction {
                        Direction::Up if !is_begun => Change::Delete(record.clone()),
                        // It stays dirty: a start must not take a half-applied migration for an applied one.
                        _ => self.resumed_update(recovery, record, dirty.to_resume(statement)),
                    },
                )
            }
        };
        Ok(Amendment { change, log_entry: record.log_entry(kind) })
    }

    /// Updates the record of a step that should continue. If a person names the statement, the record gets the current script.
    fn resumed_update(&self, recovery: &Recovery, record: &Record, dirty: Dirty) -> Change {
        let place = self.graph.place(&record.id).filter(|_| matches!(recovery, Recovery::RetryFrom { .. }));
        let kept = match place {
            Some(place) => {
                let (run_on, program) = (record.run_on.clone(), record.program.clone());
                Record { run_on, program, ..(self.record_of)(place) }
            }
            None => record.clone(),
        };
        let of = place.and_then(|_| self.count(&record.id, &dirty)).or(dirty.of);
        let dirty = Dirty { of, ..dirty };
        let checksum = kept.checksum.or_else(|| self.graph.get(&record.id).and_then(|meta| meta.checksum));
        Change::Update { from: record.clone(), to: Record { checksum, dirty: Some(dirty), ..kept } }
    }

    /// How many statements the script of an unfinished step has, as it is now if this program has it.
    fn count(&self, id: &MigrationId, dirty: &Dirty) -> Option<u32> {
        let place = self.graph.place(id);
        place.and_then(|place| self.setting.scripts.statements(place, dirty.direction)).or(dirty.of)
    }

    /// The statement at which an unfinished step continues; `None` if it has none.
    fn resume_statement(&self, recovery: &Recovery, id: &MigrationId, dirty: &Dirty) -> Result<Option<u32>> {
        let at_work = |session: &str| {
            let what = dirty.statement.map_or("it".to_owned(), |number| format!("statement {number}"));
            let finding = format!("{session} is still at work on {what}");
            Err(inapplicable(recovery, id, finding, "wait until that has ended, and try again"))
        };
        if let Recovery::RetryFrom { statement, .. } = *recovery {
            let last = self.count(id, dirty).map_or(u32::MAX, |of| of + 1);
            if !(1..=last).contains(&statement) {
                let finding = format!("it has no statement {statement}");
                return Err(inapplicable(recovery, id, finding, "count its statements from 1"));
            }
            if dirty.statement.is_none() && statement > 1 {
                let finding =
                    "none of its statements is known to be done, since it is code or never began one";
                return Err(inapplicable(recovery, id, finding, Remedy::Retry));
            }
            return match &self.outcome {
                Some(StatementOutcome::Running(session)) => at_work(session),
                _ => Ok(Some(statement)),
            };
        }
        if dirty.is_to_resume {
            let (finding, remedy) = match dirty.direction {
                Direction::Up => ("it is already marked to continue", Remedy::Run),
                Direction::Down => ("its rollback is already marked to continue", Remedy::RollBack),
            };
            return Err(inapplicable(recovery, id, finding, remedy));
        }
        let Some(statement) = dirty.statement else { return Ok(None) };
        let place = self.graph.place(id).filter(|_| dirty.has_done());
        if let Some(count) = place.and_then(|place| self.setting.counted_anew(place, dirty)) {
            let had = dirty.of.map_or(String::new(), |of| format!(", and had {of}"));
            let finding =
                format!("with the present values of its placeholders its script has {count} statements{had}");
            return Err(inapplicable(recovery, id, finding, counted_anew()));
        }
        match &self.outcome {
            None | Some(StatementOutcome::NoEffect) => Ok(Some(statement)),
            Some(StatementOutcome::Completed) => Ok(Some(statement + 1)),
            Some(StatementOutcome::Partial { what, remedy }) => {
                Err(inapplicable(recovery, id, format!("statement {statement} left {what}"), remedy.clone()))
            }
            Some(StatementOutcome::Running(session)) => at_work(session),
            Some(StatementOutcome::Unknown(why)) => {
                let finding = format!("it is not known whether statement {statement} is done, since {why}");
                let remedy = Remedy::from("look").then(Remedy::RetryFrom { statement: None });
                Err(inapplicable(recovery, id, finding, remedy))
            }
        }
    }

    fn accepted(&self, recovery: &Recovery, id: &MigrationId) -> Result<Amendment> {
        let record = self.applied(recovery, id)?;
        let place = self.place(recovery, id)?;
        if let Some(dirty) = &record.dirty {
            return Err(unsettled(recovery, id, dirty));
        }
        let now = (self.record_of)(place);
        let is_changed = record.checksum.zip(now.checksum).is_some_and(|(was, is)| was != is);
        let is_down_changed = match (&record.down, &now.down) {
            (Some(StoredDown::Script(was)), Some(StoredDown::Script(is))) => !was.is_text(&is.text),
            _ => false,
        };
        if !is_changed && !is_down_changed {
            return Err(inapplicable(recovery, id, "it is not changed", "there is nothing to accept"));
        }
        let (run_on, program) = (record.run_on.clone(), record.program.clone());
        let to = Record { run_on, duration: record.duration, program, ..now };
        let log_entry = record.log_entry(LogEntryKind::Accepted);
        Ok(Amendment { change: Change::Update { from: record.clone(), to }, log_entry })
    }

    /// Records the pending migrations from one place through another.
    fn assumed(
        &self,
        recovery: &Recovery,
        first: usize,
        last: usize,
        kind: &LogEntryKind,
    ) -> Result<Vec<Amendment>> {
        let metas = self.graph.metas();
        let is_pending = |place: &usize| self.history.get(&metas[*place].id).is_none();
        let runs_here = |place: &usize| self.setting.excludes(&metas[*place]).is_none();
        let dirty = |place: usize| {
            let id = &metas[place].id;
            self.history.get(id)?.dirty.as_ref().map(|dirty| unsettled(recovery, id, dirty))
        };
        if let Some(error) = (first..=last).find_map(dirty) {
            return Err(error);
        }
        let pending: Vec<usize> = (first..=last).filter(is_pending).collect();
        let assumed: Vec<usize> = pending.iter().copied().filter(runs_here).collect();
        if assumed.is_empty() {
            let finding = match (pending.is_empty(), first == last) {
                (true, true) => "it is applied already",
                (true, false) => "everything there is applied already",
                (false, true) => "it is not for this database or environment",
                (false, false) => "nothing there is pending for this database and environment",
            };
            return Err(inapplicable(recovery, &metas[last].id, finding, "`status` shows what is pending"));
        }
        for &place in &assumed {
            let is_missing = |need: &&usize| {
                let is_needed = runs_here(need) || metas[place].depends_on.contains(&metas[**need].id);
                is_needed && is_pending(need) && !assumed.contains(need)
            };
            if let Some(&need) = self.graph.needs(place).iter().find(is_missing) {
                let finding = format!("it needs `{}`, which is not applied", metas[need].id);
                let remedy = "assume that first, or apply it";
                return Err(inapplicable(recovery, &metas[place].id, finding, remedy));
            }
        }
        let amend = |place: usize| {
            let record = (self.record_of)(place);
            Amendment { log_entry: record.log_entry(kind.clone()), change: Change::Insert(record) }
        };
        Ok(assumed.into_iter().map(amend).collect())
    }

    fn baseline(&self, recovery: &Recovery, id: &MigrationId) -> Result<Vec<Amendment>> {
        let last = self.place(recovery, id)?;
        let count = self.history.records().len();
        if count > 0 {
            let finding = format!("{} recorded already", Recorded(count));
            return Err(inapplicable(recovery, id, finding, Remedy::AssumeApplied));
        }
        if self.contents == Contents::Nothing {
            return Err(inapplicable(recovery, id, "the database has no tables", Remedy::Run));
        }
        if self.setting.excludes(&self.graph.metas()[last]).is_some() {
            let remedy = "name one that is";
            return Err(inapplicable(recovery, id, "it is not for this database or environment", remedy));
        }
        self.assumed(recovery, 0, last, &LogEntryKind::Baselined)
    }
}

/// `1 migration is`, `2 migrations are`
struct Recorded(usize);

impl std::fmt::Display for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", Migrations(self.0), if self.0 == 1 { "is" } else { "are" })
    }
}

/// The unfinished step must be resolved first.
fn unsettled(recovery: &Recovery, id: &MigrationId, dirty: &Dirty) -> MigrationError {
    let by_hand = Remedy::MarkDone { direction: dirty.direction };
    inapplicable(recovery, id, "it did not finish", dirty.remedy().or(by_hand))
}

fn inapplicable<'i>(
    recovery: &Recovery,
    id: impl Into<Option<&'i MigrationId>>,
    finding: impl Into<String>,
    remedy: impl Into<Remedy>,
) -> MigrationError {
    let (verb, id, finding, remedy) = (recovery.verb(), id.into().cloned(), finding.into(), remedy.into());
    Failure::Recovery { verb, id, finding, remedy }.into()
}
