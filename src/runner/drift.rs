//! Drift: comparing the schema with what the applied migrations produce, and recreating what carries no data.

use std::collections::HashMap;

use super::MigrationRunner;
use super::locked::refuse_cancelled;
use super::replay::{Ran, Replay, advice};
use crate::backend::{Backend, Replayed, interruptible, patiently};
use crate::cancel::is_cancelled;
use crate::drift::{Drift, DriftReason};
use crate::error::{Failure, MigrationError, Result};
use crate::execute::Stop;
use crate::fault::Fault;
use crate::history::History;
use crate::log_entry::{LogEntry, LogEntryKind, Signature};
use crate::migration::ScriptText;
use crate::recovery::{Amendment, Change};
use crate::remedy::Remedy;
use crate::schema::{Schema, SchemaChange};
use crate::sql::{Position, same_name};
use crate::step::ForeignKeys;
use crate::touched::Touched;

impl<B: Backend> MigrationRunner<B> {
    /// Leaves objects out of [`drift`](Self::drift), with the indexes and triggers that belong to them: names, or beginnings of names followed
    /// by `*`, such as `cache_*`. Case does not matter.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let runner = MigrationRunner::new([Migration::sql("1_notes", "CREATE TABLE notes (text)")])?.ignore_in_drift(["cache_*"]);
    /// runner.run(&conn)?;
    /// conn.execute_batch("CREATE TABLE cache_pages (page)")?;
    /// assert!(runner.drift(&conn)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ignore_in_drift<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.ignored.extend(names.into_iter().map(Into::into));
        self
    }

    /// Compares the schema of a database with what its applied migrations produce: which objects are missing, extra or changed.
    ///
    /// The migrations that the database has recorded run again in an empty database in memory, in the order in which they were applied: those
    /// of the set, and from the scripts stored in the database where the set has another script or does not know the migration. Hooks do not
    /// run. On PostgreSQL, which has no database in memory, they run in an empty schema, in a transaction that is rolled back; on MySQL drift is
    /// not known (`docs/servers.md`). Where a replay is impossible, [`Drift::unknown`] says which migration is the reason. The database is only read.
    ///
    /// SQLite's own tables, the tables in which virtual tables keep their data, and the engine's tables are left out, and so is what
    /// [`ignore_in_drift`](Self::ignore_in_drift) names.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, Signature};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let script = "CREATE TABLE notes (text, date); CREATE INDEX notes_by_date ON notes (date)";
    /// let runner = MigrationRunner::new([Migration::sql("1_notes", script)])?;
    /// runner.run(&conn)?;
    /// assert!(runner.drift(&conn)?.is_empty());
    ///
    /// conn.execute_batch("DROP INDEX notes_by_date")?;
    /// let drift = runner.drift(&conn)?;
    /// assert!(drift.to_string().contains("missing index `notes_by_date` of `notes`"));
    ///
    /// runner.repair_drift(&conn, drift, Signature::of("ada"))?;
    /// assert!(runner.drift(&conn)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the database cannot be read. [`ErrorKind::Stale`](crate::ErrorKind::Stale) if migrations are applied at the same time.
    #[allow(clippy::needless_pass_by_value)]
    pub fn drift(&self, mut conn: B::Conn<'_>) -> Result<Drift> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        self.cancellable(|| self.current_drift(conn))
    }

    /// Repairs indexes, triggers and views, which hold no data, in one transaction: creates missing ones and replaces changed ones. What is
    /// extra is dropped only if it is named with [`Drift::including`]. If the drift is in doubt ([`Drift::doubts`]), only what is named is
    /// repaired. Tables and columns are never changed: [`Drift::sql`] has statements to look at. It adds an entry to the log and returns it;
    /// if nothing can be repaired, it does nothing and returns `None`.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`](crate::ErrorKind::Stale) if the database is not the one that the drift was computed for.
    /// [`ErrorKind::Recovery`](crate::ErrorKind::Recovery) if the drift is not known, if a name is not among what can be repaired, if a
    /// statement fails, or if a view or trigger could not be used afterwards. In all cases nothing is done.
    #[allow(clippy::needless_pass_by_value)]
    pub fn repair_drift(
        &self,
        mut conn: B::Conn<'_>,
        drift: Drift,
        signature: Signature,
    ) -> Result<Option<LogEntry>> {
        let conn = &mut conn;
        if let Some(reason) = &drift.unknown {
            return Err(inapplicable(format!("drift cannot be determined: {reason}"), reason.remedy.clone()));
        }
        let repaired = drift.repaired();
        let is_repaired = |name: &&String| repaired.iter().any(|change| change.name == **name);
        if let Some(name) = drift.named().iter().find(|name| !is_repaired(name)) {
            let what =
                format!("`{name}` is not an index, trigger or view that differs and whose table exists");
            return Err(inapplicable(what, Some("look at the drift again".into())));
        }
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        if repaired.is_empty() {
            return Ok(None);
        }
        if self.table.schema().is_some() {
            let what = "the schema of this program is not the one in which names are looked up first";
            return Err(inapplicable(what, Some(Remedy::ShowDriftSql)));
        }
        if !B::DDL_IS_TRANSACTIONAL {
            let what = "this database cannot change its schema in a transaction";
            return Err(inapplicable(what, Some(Remedy::ShowDriftSql)));
        }
        self.locked(conn, |conn, holding| {
            loop {
                let (tracking, history) = self.read_table(conn)?;
                let amendment = Self::repair_entry(&history, &repaired, &signature);
                let Some(amendment) = amendment else { return Err(Failure::Stale(0).into()) };
                let completed = self.completed(&history);
                let mut look = |conn: &mut B::Conn<'_>| {
                    if !self.current_drift(conn)?.is_same(&drift) {
                        return Err(Stop::Failed(Failure::Stale(0).into()));
                    }
                    self.put_back(conn, &drift, &repaired).map_err(Stop::Failed)
                };
                let stored = HashMap::new();
                let executor = self.executor(holding, &stored);
                match executor.amend(conn, &[amendment], &tracking, &completed, &mut look) {
                    Err(Stop::Moved) => {}
                    amended => {
                        let entries = amended.map_err(|stop| self.unwritten(conn, stop))?;
                        return Ok(entries.into_iter().next());
                    }
                }
            }
        })
    }

    /// The drift of the database as it is now.
    pub(super) fn current_drift(&self, conn: &mut B::Conn<'_>) -> Result<Drift> {
        const ATTEMPTS: usize = 10;
        for _ in 0..ATTEMPTS {
            let (history, live) = self.history_and_schema(conn)?;
            // A migration that was applied in between would seem to be drift.
            if self.read_history(conn)?.digest() == history.digest() {
                let drift = self.compared(conn, &history, live)?;
                // A migration that was interrupted makes no schema.
                return refuse_cancelled().map(|()| drift);
            }
        }
        Err(Failure::Stale(0).into())
    }

    /// The records with the log, and the schema without what no migration makes and what is ignored.
    fn history_and_schema(&self, conn: &mut B::Conn<'_>) -> Result<(History, Option<Schema>)> {
        let (history, log) = (self.read_history(conn)?, self.table.log());
        let entries = patiently(self.lock_timeout, || B::read_log(conn, &log)).map_err(self.reading())?;
        let history = history.with_log(entries);
        let without = self.left_out(&history, log.as_str());
        let live = patiently(self.lock_timeout, || B::schema(conn, self.table.schema(), &without));
        let mut live =
            live.map_err(|fault| Self::whole_database("read the schema of the database", fault))?;
        if let Some(live) = &mut live {
            self.drop_ignored(live);
        }
        Ok((history, live))
    }

    fn compared(&self, conn: &mut B::Conn<'_>, history: &History, live: Option<Schema>) -> Result<Drift> {
        let digest = history.digest();
        let Some(live) = live else {
            let reason = DriftReason::general(format!(
                "the {} backend cannot read the definitions of a schema",
                B::DIALECT
            ));
            return Ok(Drift::not_known(reason, Schema::default(), digest, B::DIALECT));
        };
        Ok(match self.made(conn, history, &live)? {
            Err(reason) => Drift::not_known(reason, live, digest, B::DIALECT),
            Ok(mut made) => {
                self.drop_ignored(&mut made);
                let mut drift = Drift::between(made, live, digest, B::DIALECT);
                if !drift.changes.is_empty() {
                    drift.doubts = self.doubts(history);
                }
                drift
            }
        })
    }

    /// The schema that the applied migrations produce, or why it is not known.
    fn made(
        &self,
        conn: &mut B::Conn<'_>,
        history: &History,
        live: &Schema,
    ) -> Result<std::result::Result<Schema, DriftReason>> {
        if history.records().is_empty() && !live.definitions().is_empty() {
            let reason = DriftReason::general("no migration is recorded here, and the database is not empty");
            return Ok(Err(reason.asking(Remedy::Run.or(Remedy::Baseline))));
        }
        let mut ran: Vec<Ran<B>> = Vec::new();
        for record in history.records() {
            if let Some(dirty) = &record.dirty {
                let reason =
                    DriftReason::of(&record.id, "did not finish, so it is not known what it has done");
                return Ok(Err(reason.asking(dirty.remedy())));
            }
            match self.as_it_ran(record) {
                Ok(as_it_ran) => ran.push(as_it_ran),
                Err(why) => {
                    let remedy = Remedy::from("use the program that applied it");
                    return Ok(Err(DriftReason::of(&record.id, why).asking(remedy)));
                }
            }
        }
        let log = self.table.log();
        let without = self.left_out(history, log.as_str());
        match self.replay(&ran, &without) {
            Replay::Made(schema) => Ok(Ok(schema)),
            Replay::Failed(error) => Ok(Err(unreplayed(&error))),
            Replay::Impossible => self.replayed_beside(conn, &ran, &without),
        }
    }

    /// The schema that migrations produce in an empty schema beside the live one, or why it is not known.
    fn replayed_beside(
        &self,
        conn: &mut B::Conn<'_>,
        ran: &[Ran<B>],
        without: &[&str],
    ) -> Result<std::result::Result<Schema, DriftReason>> {
        let mut scripts = Vec::new();
        for ran in ran {
            let Some(script) = ran.script() else {
                let why =
                    "is code or a script that only the database has, and neither is run again on a server";
                return Ok(Err(DriftReason::of(ran.id(), why)));
            };
            let Some(sql) = script.sql() else {
                return Ok(Err(DriftReason::of(ran.id(), "has a placeholder without a value")));
            };
            scripts.push(sql);
        }
        let replayed = B::replay(conn, &scripts, without)
            .map_err(|fault| Self::whole_database("read the schema of the database", fault))?;
        let id = |script: usize| ran.get(script).map(Ran::id);
        let of = |script: usize, why: String| match id(script) {
            Some(id) => DriftReason::of(id, why),
            None => DriftReason::general(why),
        };
        Ok(match replayed {
            Replayed::Made(schema) => Ok(schema),
            Replayed::Refused { script, why } => Err(of(script, why)),
            Replayed::Failed { script, offset, fault } => {
                let text = ran.get(script).and_then(Ran::script);
                let offset = text.map_or(offset, |text| text.offset_as_written(offset));
                let at = Position::of(text.map(ScriptText::text).unwrap_or_default(), offset);
                let fault = self.set.secrets().mask_fault(fault);
                Err(of(script, format!("fails in an empty schema, at {at}: {fault}")))
            }
            Replayed::Impossible(why) => Err(DriftReason::general(why)),
        })
    }

    /// Why a difference may be older than the records.
    fn doubts(&self, history: &History) -> Vec<DriftReason> {
        let mut last: Vec<&LogEntry> = Vec::new();
        // These say nothing about what a migration made.
        let is_beside = |kind: &LogEntryKind| {
            matches!(kind, LogEntryKind::Repaired | LogEntryKind::Retried | LogEntryKind::Other(_))
        };
        for entry in history.log().iter().filter(|entry| !is_beside(&entry.kind)) {
            last.retain(|known| known.id != entry.id);
            last.push(entry);
        }
        let doubt = |entry: &&LogEntry| {
            let is_recorded = history.get(&entry.id).is_some();
            let why = match &entry.kind {
                LogEntryKind::AssumedApplied | LogEntryKind::Baselined | LogEntryKind::Adopted
                    if is_recorded =>
                {
                    format!("was {}, so its script did not run here", entry.kind)
                }
                LogEntryKind::MarkedDone if is_recorded => "was finished by hand".to_owned(),
                LogEntryKind::Accepted if is_recorded => {
                    "had another script when it ran here, and its change was accepted".to_owned()
                }
                LogEntryKind::Forgotten if !is_recorded => {
                    "was forgotten, and what it made may still be there".to_owned()
                }
                LogEntryKind::MarkedUndone if !is_recorded => "was undone by hand".to_owned(),
                _ => return None,
            };
            Some(DriftReason::of(&entry.id, why))
        };
        let mut doubts: Vec<DriftReason> = last.iter().filter_map(doubt).collect();
        if !self.hooks.is_empty_around_steps() {
            doubts.push(DriftReason::general("this program has hooks, which the replay does not run"));
        }
        doubts
    }

    /// The tables that no migration makes: the engine's, and those of a tool whose history was adopted.
    fn left_out<'n>(&'n self, history: &History, log: &'n str) -> Vec<&'n str> {
        let was_adopted = history.log().iter().any(|entry| entry.kind == LogEntryKind::Adopted);
        let mut names = vec![self.table.as_str(), log];
        for name in tables_of_tools().filter(|_| was_adopted) {
            names.push(name);
        }
        names
    }

    fn drop_ignored(&self, schema: &mut Schema) {
        let matches = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.get(..start.len()).is_some_and(|begin| same_name(begin, start)),
            None => same_name(pattern, name),
        };
        let is_ignored = |name: &str| self.ignored.iter().any(|pattern| matches(pattern, name));
        schema.retain(|it| !is_ignored(&it.name) && !is_ignored(&it.table));
    }

    /// The log entry of a repair, under the migration that was applied last.
    fn repair_entry(
        history: &History,
        repaired: &[&SchemaChange],
        signature: &Signature,
    ) -> Option<Amendment> {
        let newest = history.records().last()?;
        let done = repaired.iter().map(|change| {
            let verb = match (&change.before, &change.after) {
                (Some(_), None) => "created",
                (Some(_), Some(_)) => "replaced",
                (None, _) => "dropped",
            };
            format!("{verb} the {} `{}`", change.kind, change.name)
        });
        let done = done.collect::<Vec<_>>().join(", ");
        let why = if signature.why.is_empty() { done } else { format!("{done}: {}", signature.why) };
        let log_entry = LogEntry {
            who: Some(signature.who.clone()).filter(|who| !who.is_empty()),
            why: Some(why),
            ..newest.log_entry(LogEntryKind::Repaired)
        };
        Some(Amendment { change: Change::Nothing, log_entry })
    }

    /// Drops and creates what is repaired, inside the transaction, and looks whether that was all that happened.
    fn put_back(&self, conn: &mut B::Conn<'_>, drift: &Drift, repaired: &[&SchemaChange]) -> Result<()> {
        let touched = || {
            let mut touched = Touched::nothing();
            for change in repaired {
                touched.redefine(&change.name);
            }
            touched
        };
        let reading = |fault| Self::whole_database("repair the drift", fault);
        let before = B::dangling(conn, &touched(), ForeignKeys::Unchecked).map_err(reading)?;
        for (what, statement) in statements(drift, repaired) {
            let executed = interruptible::<B, _>(conn, |conn| B::execute(conn, &statement));
            executed.map_err(|fault| if is_cancelled() { reading(fault) } else { failed(&what, &fault) })?;
        }
        let after = B::dangling(conn, &touched(), ForeignKeys::Unchecked).map_err(reading)?;
        if let Some(broken) = after.since(&before).references().into_iter().next() {
            return Err(inapplicable(format!("a repair {}", broken.what), Some(Remedy::ShowDriftSql)));
        }
        let live = self.history_and_schema(conn)?.1.unwrap_or_default();
        let is_repaired = |it: &SchemaChange| repaired.iter().any(|change| change.is_of(it));
        let others = drift.live.changes_to(&live).into_iter().find(|change| !is_repaired(change));
        let left = drift.made.changes_to(&live).into_iter().find(is_repaired);
        match others.or(left) {
            None => Ok(()),
            Some(change) => {
                let what = format!("the {} `{}` would not be what was expected", change.kind, change.name);
                Err(inapplicable(what, Some(Remedy::ShowDriftSql)))
            }
        }
    }
}

/// The tables of other tools, and those that they make for themselves.
fn tables_of_tools() -> impl Iterator<Item = &'static str> {
    #[cfg(feature = "adopt")]
    return crate::adopt::companions();
    #[cfg(not(feature = "adopt"))]
    std::iter::empty()
}

/// The statements of a repair in order, each with what it does. Dropping a view drops its triggers, which are created again.
fn statements(drift: &Drift, repaired: &[&SchemaChange]) -> Vec<(String, String)> {
    let is_repaired = |kind: &str, name: &str| {
        repaired.iter().any(|change| change.kind == kind && same_name(&change.name, name))
    };
    let mut statements = Vec::new();
    for kind in ["trigger", "view", "index"] {
        let dropped = repaired.iter().filter(|change| {
            change.kind == kind && change.after.is_some() && drift.replacement(change).is_none()
        });
        statements.extend(
            dropped
                .map(|change| (format!("drop the {kind} `{}`", change.name), drift.drop_statement(change))),
        );
    }
    for kind in ["view", "index", "trigger"] {
        let created = repaired.iter().filter(|change| change.kind == kind);
        statements.extend(created.filter_map(|change| {
            let statement = drift.replacement(change).or_else(|| change.before.clone())?;
            Some((format!("create the {kind} `{}`", change.name), statement))
        }));
    }
    let replaced = |name: &str| {
        let is_it = |change: &&&SchemaChange| change.kind == "view" && same_name(&change.name, name);
        let is_replaced = |change: &&SchemaChange| {
            change.before.is_some() && change.after.is_some() && drift.replacement(change).is_none()
        };
        repaired.iter().find(is_it).is_some_and(is_replaced)
    };
    let triggers = drift.live.definitions().iter().filter(|it| it.kind == "trigger" && replaced(&it.table));
    let kept = triggers.filter(|it| !is_repaired("trigger", &it.name));
    statements.extend(kept.map(|it| (format!("create the trigger `{}`", it.name), it.sql.clone())));
    statements
}

fn failed(what: &str, fault: &Fault) -> MigrationError {
    let remedy = fault.advice().unwrap_or_else(|| Remedy::ShowDriftSql.or(Remedy::IgnoreInDrift));
    inapplicable(format!("cannot {what}: {fault}"), Some(remedy))
}

fn inapplicable(finding: impl Into<String>, remedy: Option<Remedy>) -> MigrationError {
    let remedy = remedy.unwrap_or_else(|| "look at the drift again".into());
    Failure::Recovery { verb: "repair the drift", id: None, finding: finding.into(), remedy }.into()
}

/// Why the migrations cannot be replayed.
fn unreplayed(error: &MigrationError) -> DriftReason {
    let reason = match (error.failure(), error.migration()) {
        (Failure::Step(step), Some(id)) => DriftReason::of(
            id,
            format!("fails in an empty database in memory, at {}: {}", step.at, step.fault),
        ),
        (Failure::Recovery { finding, .. }, Some(id)) => DriftReason::of(id, finding.clone()),
        (Failure::Refused(problems, _), Some(id)) if problems.len() == 1 => {
            DriftReason::of(id, problems[0].finding.clone())
        }
        _ => DriftReason::general(error.finding()),
    };
    reason.asking(advice(error))
}
