//! Correcting the tracking table.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::MigrationRunner;
use super::locked::refuse_cancelled;
use crate::backend::{Backend, patiently};
use crate::error::Result;
use crate::execute::Stop;
use crate::history::History;
use crate::id::MigrationId;
use crate::lock::Holding;
use crate::log_entry::{LogEntry, Signature};
use crate::migration::ScriptText;
use crate::progress::StatementOutcome;
use crate::recovery::{Amendment, Contents, Facts, Recovery, decide};

impl<B: Backend> MigrationRunner<B> {
    /// Corrects the tracking table in one transaction, and returns the lines that this adds to the log. No script is run.
    ///
    /// # Errors
    /// [`ErrorKind::Recovery`](crate::ErrorKind::Recovery) if the recovery does not apply here: nothing is done then.
    /// [`ErrorKind::UnknownMigration`](crate::ErrorKind::UnknownMigration) for an id that neither the set nor the database has.
    /// Also any error of reading or writing the database.
    #[allow(clippy::needless_pass_by_value)]
    pub fn recover(
        &self,
        mut conn: B::Conn<'_>,
        recovery: Recovery,
        signature: Signature,
    ) -> Result<Vec<LogEntry>> {
        let conn = &mut conn;
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        let history = self.read_history(conn)?;
        // Whether a statement is done is unknown while another session may be executing it.
        self.amendments(conn, &history, &recovery, &signature, None)?;
        self.locked(conn, |conn, holding| {
            let decide = |conn: &mut B::Conn<'_>, history: &History, began| {
                // No run is working on a step that is dirty now: that run would hold the lock.
                let outcome = match &recovery {
                    Recovery::Retry(id) | Recovery::RetryFrom { migration: id, .. } => {
                        self.outcome(conn, history, id, began)?
                    }
                    _ => None,
                };
                self.amendments(conn, history, &recovery, &signature, outcome).map(Some)
            };
            let amended = self.amend(conn, holding, decide, &mut |_| Ok(()));
            amended.map(Option::unwrap_or_default).map_err(|stop| self.unwritten(conn, stop))
        })
    }

    /// Changes the records as `decide` says, in a transaction in which `look` is called first. If another program changes them meanwhile,
    /// it is decided again. Returns the lines that this adds to the log; `None` if `decide` found nothing to do.
    pub(super) fn amend(
        &self,
        conn: &mut B::Conn<'_>,
        holding: &Holding,
        mut decide: impl FnMut(&mut B::Conn<'_>, &History, Instant) -> Result<Option<Vec<Amendment>>>,
        look: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Stop>,
    ) -> Result<Option<Vec<LogEntry>>, Stop> {
        let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
        loop {
            refuse_cancelled()?;
            let (tracking, history) = self.read_table(conn)?;
            let Some(amendments) = decide(conn, &history, began)? else { return Ok(None) };
            let history = self.completed(&history);
            let stored = HashMap::new();
            let executor = self.executor(holding, &stored);
            match executor.amend(conn, &amendments, &tracking, &history, look) {
                // Another run was faster, or is still active. Nothing of this is kept.
                Err(stop) if stop.may_pass() && began.elapsed() < self.lock_timeout => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                amended => return amended.map(Some),
            }
        }
    }

    pub(super) fn amendments(
        &self,
        conn: &mut B::Conn<'_>,
        history: &History,
        recovery: &Recovery,
        signature: &Signature,
        outcome: Option<StatementOutcome>,
    ) -> Result<Vec<Amendment>> {
        let tables = [self.table.clone(), self.table.log()];
        let is_blank = patiently(self.lock_timeout, || B::is_blank(conn, &tables));
        let is_blank = is_blank.map_err(self.reading())?;
        let record_of = |place: usize| self.record_of(place);
        let known = Facts {
            graph: self.set.graph(),
            // As it will be written.
            history: &self.completed(history),
            setting: self.setting(),
            record_of: &record_of,
            contents: if is_blank { Contents::Nothing } else { Contents::Tables },
            outcome,
        };
        let mut amendments = decide(recovery, signature, &known)?;
        for log_entry in amendments.iter_mut().map(|amendment| &mut amendment.log_entry) {
            // The log entry has the values of the record.
            if let Some(record) = history.get(&log_entry.id) {
                log_entry.checksum = record.checksum;
            }
        }
        Ok(amendments)
    }

    /// Whether the statement that an unfinished step began is done, if the step began one.
    fn outcome(
        &self,
        conn: &mut B::Conn<'_>,
        history: &History,
        id: &MigrationId,
        began: Instant,
    ) -> Result<Option<StatementOutcome>> {
        let Some(record) = history.get(id) else { return Ok(None) };
        let Some((dirty, statement, mark)) =
            record.dirty.as_ref().and_then(|dirty| Some((dirty, dirty.statement?, dirty.mark.as_deref()?)))
        else {
            return Ok(None);
        };
        let unknown = |why: &str| Ok(Some(StatementOutcome::Unknown(why.to_owned())));
        let stored = record.script(dirty.direction);
        // A long script is not stored with its record, and the values of placeholders never are. The program's script is used if it is the same.
        let of_set = self.set.graph().place(id).and_then(|place| {
            let is_unchanged = self.set.graph().metas()[place].checksum == record.checksum;
            let is_same = |script: &&ScriptText| stored.map_or(is_unchanged, |text| text == script.text());
            self.script_at(place, dirty.direction).filter(is_same)
        });
        let place = self.set.graph().place(id).filter(|_| of_set.is_some());
        if place.is_some_and(|place| self.setting().counted_anew(place, dirty).is_some()) {
            return unknown("its placeholders had other values, and its statements have other numbers");
        }
        let script = match (of_set, stored) {
            (Some(script), _) => match script.sql() {
                Some(sql) => sql,
                None => return unknown("a placeholder in its script has no value"),
            },
            (None, Some(stored)) => stored,
            (None, None) => return unknown("its script was not kept"),
        };
        let mut pause = Duration::from_millis(1);
        loop {
            let outcome =
                patiently(self.lock_timeout, || B::statement_outcome(conn, script, statement, mark));
            let mut outcome = outcome.map_err(self.reading())?;
            match &mut outcome {
                StatementOutcome::Partial { what: text, .. }
                | StatementOutcome::Running(text)
                | StatementOutcome::Unknown(text) => self.set.secrets().mask(text),
                StatementOutcome::Completed | StatementOutcome::NoEffect => {}
            }
            match &outcome {
                StatementOutcome::Running(session)
                    if self.wait_briefly(&format!("of migration `{id}`"), session, began, &mut pause) => {}
                _ => return Ok(Some(outcome)),
            }
        }
    }
}
