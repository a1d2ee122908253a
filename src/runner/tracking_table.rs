//! Reading, predicting and upgrading the tracking table.

use std::collections::HashMap;

use super::MigrationRunner;
use crate::backend::{Backend, TableForm, TrackingTable, patiently};
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::error::{ErrorKind, Result};
use crate::execute::Stop;
use crate::fault::{Fault, FaultKind};
use crate::history::{Dirty, Head, History, HistoryDigest, Record};
use crate::migration::Action;
use crate::problem::{ProblemKind, Verdict};
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// The head of the table when everything that runs here is applied.
    pub(super) fn completion(&self) -> Head {
        let environment = self.environment.as_deref();
        if let Some(head) = self.set.compiled().and_then(|set| set.completion(environment)) {
            return head;
        }
        let beginnings = self.beginnings();
        Head { digest: beginnings.last().copied(), count: beginnings.len().saturating_sub(1) }
    }

    /// The digests after zero, one, two, ... of the migrations that run here.
    fn beginnings(&self) -> &[HistoryDigest] {
        self.beginnings.get_or_init(|| {
            let environment = self.environment.as_deref();
            let compiled = self.set.compiled().and_then(|set| set.beginnings(environment));
            compiled.unwrap_or_else(|| self.set.graph().beginnings(B::DIALECT, environment))
        })
    }

    /// The head of the tracking table, without a digest if a record is dirty.
    pub(super) fn clean_head(&self, conn: &mut B::Conn<'_>) -> Result<Head> {
        let head = patiently(self.lock_timeout, || B::clean_head(conn, &self.table));
        head.map_err(|fault| self.unread(conn, fault))
    }

    /// Reads what is needed to migrate to a target. If the head is the one after the first migrations of the set, the records need
    /// not be read: these migrations are applied, finished and unchanged, and no others are applied. Whether their down scripts changed
    /// is then unknown, so a policy that refuses this reads the records.
    pub(super) fn load(
        &self,
        conn: &mut B::Conn<'_>,
        target: &Target,
        head: Option<Head>,
    ) -> Result<(TrackingTable, History)> {
        // Only the records have the down scripts that were stored.
        let needs_records = self.policy.verdict(ProblemKind::ChangedDown, Direction::Up) == Verdict::Deny;
        if !needs_records
            && matches!(target, Target::Latest | Target::Through(_) | Target::Before(_) | Target::Steps(_))
        {
            let head = match head {
                Some(head) => head,
                None => self.clean_head(conn)?,
            };
            if head.digest.is_some() && self.beginnings().get(head.count).copied() == head.digest {
                let form = patiently(self.lock_timeout, || B::form(conn, &self.table));
                let form = form.map_err(|fault| self.unread(conn, fault))?;
                if form != TableForm::Old {
                    return Ok((TrackingTable::with_head(form, head, Vec::new()), History::beginning(head)));
                }
            }
        }
        self.read_table(conn)
    }

    /// The tracking table, and its history. Checksums that other programs computed differently from the text that the set has are
    /// replaced by the engine's.
    pub(super) fn read_table(&self, conn: &mut B::Conn<'_>) -> Result<(TrackingTable, History)> {
        let tracking = patiently(self.lock_timeout, || B::read(conn, &self.table));
        let tracking = tracking.map_err(|fault| self.unread(conn, fault))?;
        let history = self.history_of(tracking.records.clone());
        Ok((tracking, history))
    }

    /// The history alone.
    pub(super) fn read_history(&self, conn: &mut B::Conn<'_>) -> Result<History> {
        let tracking = patiently(self.lock_timeout, || B::read(conn, &self.table));
        let tracking = tracking.map_err(|fault| self.unread(conn, fault))?;
        Ok(self.history_of(tracking.records))
    }

    fn history_of(&self, records: Vec<Record>) -> History {
        let mut history = History::new(records);
        for record in history.records_mut() {
            let Some(place) = self.set.graph().place(&record.id) else { continue };
            let ours = self.set.graph().metas()[place].checksum;
            match (record.checksum, &self.set.bodies()[place].up) {
                (was, _) if was == ours => {}
                (Some(was), Action::Sql(script)) if was.recognises(script.file()) => record.checksum = ours,
                _ => {}
            }
            self.check_resumable(record, place);
        }
        history
    }

    /// A step that is marked to continue does so with the current script, if that begins with the part that is done.
    fn check_resumable(&self, record: &mut Record, place: usize) {
        let Some(dirty) = record.dirty.as_ref().filter(|dirty| dirty.is_to_resume) else { return };
        let (direction, statement) = (dirty.direction, dirty.statement.unwrap_or(1));
        let script = self.set.body(place).action(direction).and_then(Action::as_script);
        let has_values = script.is_some_and(|script| script.values().is_some());
        if dirty.has_done() && self.setting().counted_anew(place, dirty).is_some() {
            return stop_resuming(record);
        }
        let now = self.set.bodies()[place].action(direction).and_then(Action::text);
        let was = record.script(direction);
        let [was, now] = [was, now].map(|text| text.map(|text| text.replace("\r\n", "\n")));
        let is_as_done = was == now
            || was.zip(now).filter(|_| !has_values).is_some_and(|(was, now)| {
                B::offset_of(&was, statement).is_some_and(|end| now.get(..end) == was.get(..end))
            });
        match direction {
            Direction::Up if is_as_done => record.checksum = self.set.graph().metas()[place].checksum,
            Direction::Down if !is_as_done => stop_resuming(record),
            _ => {}
        }
    }

    /// Upgrades a table of an older form although nothing is pending. The older form can be read as well, so a database that is
    /// read-only or busy keeps it.
    pub(super) fn upgrade(&self, conn: &mut B::Conn<'_>) -> Result<()> {
        let passes = |kind: FaultKind| matches!(kind, FaultKind::ReadOnly | FaultKind::Busy);
        let upgraded = self.locked(conn, |conn, holding| {
            let (tracking, history) = self.read_table(conn)?;
            if tracking.form != TableForm::Old {
                return Ok(());
            }
            let stored = HashMap::new();
            let outcome = self.executor(holding, &stored).upgrade(conn, &tracking, &self.completed(&history));
            match outcome {
                Err(Stop::Moved) => Ok(()),
                Err(Stop::Fault(fault)) if passes(fault.kind()) => Ok(()),
                outcome => outcome.map_err(|stop| self.unwritten(conn, stop)),
            }
        });
        match upgraded {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::LockFile | ErrorKind::LockTimeout | ErrorKind::Stopped
                ) =>
            {
                Ok(())
            }
            Err(error) if error.fault().is_some_and(passes) => Ok(()),
            upgraded => upgraded,
        }
    }

    /// Creates the tracking table, or upgrades it to the current form, if that cannot be part of a transaction.
    pub(super) fn make_table(&self, conn: &mut B::Conn<'_>, table: &TableName) -> Result<()> {
        if B::DDL_IS_TRANSACTIONAL {
            return Ok(());
        }
        let (tracking, history) = self.read_table(conn)?;
        if tracking.form == TableForm::Current {
            return Ok(());
        }
        if tracking.form == TableForm::Lacking {
            let added = patiently(self.lock_timeout, || B::add_columns(conn, table));
            return added.map_err(|fault| self.database("add the columns", B::explained(conn, table, fault)));
        }
        let history = self.completed(&history);
        let made = match (tracking.form, self.lock.is_exclusive()) {
            (TableForm::Old, false) => Err(Fault::new(
                FaultKind::Other,
                "it has an older form, which can be brought up to date only by one program at a time",
            )
            .remedy("run one program with the default lock first")),
            // Not retried, since it uses what was read before.
            (TableForm::Old, true) => B::create_table(conn, table, history.records()).and_then(|()| {
                let made = History::new(B::read(conn, table)?.records);
                let written = self.completed(&made);
                let changed = written.records().iter().filter(|record| made.get(&record.id) != Some(*record));
                changed.into_iter().try_for_each(|record| B::update(conn, table, record))?;
                B::stamp(conn, table, written.digest())
            }),
            _ => patiently(self.lock_timeout, || B::create_table(conn, table, &[])),
        };
        made.map_err(|fault| self.database("make the table", B::explained(conn, table, fault)))
    }

    /// The record that the migration at a place gets from this program.
    pub(super) fn record_of(&self, place: usize) -> Record {
        self.set.body(place).record(&self.set.graph().metas()[place]).by(self.program.as_deref())
    }

    /// The history as it will be written: with the checksums of the scripts where older programs stored none, so that the digest
    /// matches again and later changes are noticed; and with the scripts, if they are the ones that were applied.
    pub(super) fn completed(&self, history: &History) -> History {
        let mut history = history.clone();
        for record in history.records_mut().filter(|record| record.dirty.is_none()) {
            let Some(place) = self.set.graph().place(&record.id) else { continue };
            let meta = &self.set.graph().metas()[place];
            if meta.unread.is_some() {
                continue;
            }
            record.checksum = record.checksum.or(meta.checksum);
            if record.checksum == meta.checksum && (record.up_sql.is_none() || record.down.is_none()) {
                let known = self.set.body(place).record(meta);
                record.up_sql = record.up_sql.take().or(known.up_sql);
                record.down = record.down.take().or(known.down);
            }
        }
        history
    }
}

/// A person must name the statement at which it continues.
fn stop_resuming(record: &mut Record) {
    record.dirty = record.dirty.take().map(|dirty| Dirty { is_to_resume: false, ..dirty });
}
