//! Adopting what another tool has applied.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MigrationRunner;
use super::replay::{Ran, Replay, advice};
use crate::adopt::{
    Adopt, Adopted, Adoption, Chosen, Known, Local, Proof, Seen, Tool, candidates, choose, companions,
    decide, quoted,
};
use crate::backend::{Backend, TableForm, TrackingTable, patiently};
use crate::error::{Failure, Result};
use crate::execute::Stop;
use crate::fault::Fault;
use crate::foreign::{Cell, ForeignTable};
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, LogEntryKind, Signature};
use crate::migration::ScriptText;
use crate::recovery::{Amendment, Change};
use crate::remedy::Remedy;
use crate::schema::{Definition, Schema};

impl<B: Backend> MigrationRunner<B> {
    /// Plans the adoption of the history that another tool has kept in this database: which migrations of the set its rows are, how
    /// that is known, and which objections there are. Nothing is changed.
    ///
    /// The tool is found by the names and columns of its table. Checksums are compared if the tool has them. On SQLite, the
    /// migrations are also replayed in memory and must create the schema that the database has. `docs/adopt.md` has a page for each
    /// tool.
    ///
    /// # A database of sqlx
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Adopt, Finding, Migration, MigrationRunner, Signature, Tool};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// # conn.execute_batch("CREATE TABLE users (name TEXT);
    /// #     CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    /// #     installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL,
    /// #     execution_time BIGINT NOT NULL);
    /// #     INSERT INTO _sqlx_migrations VALUES (20260105120000, 'users', '2026-01-05 12:00:00', 1,
    /// #     x'63ef048bee17e9e719ad3fc13962b09b5da61fffedc0f65a0cea99107e84aaa3d911cafa9a25c15d2f52bb68763d940f', 0)")?;
    /// let runner = MigrationRunner::new([
    ///     Migration::sql("20260105120000_users", "CREATE TABLE users (name TEXT)"),
    ///     Migration::sql("20260201093000_email", "ALTER TABLE users ADD email TEXT"),
    /// ])?;
    ///
    /// let adoption = runner.plan_adoption(&conn, &Adopt::new())?;
    /// assert_eq!(adoption.tool, Tool::Sqlx);
    /// assert_eq!(adoption.entries[0].finding, Finding::Verified);
    /// println!("{adoption}");
    ///
    /// runner.adopt(&conn, adoption, Signature::of("ada"))?;
    /// assert_eq!(runner.run(&conn)?.applied[0].id, "20260201093000_email");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Adoption`](crate::ErrorKind::Adoption) if there is no history, or more than one. If the database cannot be read.
    /// Objections to a history that was found are no error here: they are in [`Adoption::objections`].
    #[allow(clippy::needless_pass_by_value)]
    pub fn plan_adoption(&self, mut conn: B::Conn<'_>, how: &Adopt) -> Result<Adoption> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let (tracking, history) = self.read_table(conn)?;
        self.considered(conn, how, &tracking, &history)
    }

    /// Records what another tool has applied, as [`plan_adoption`](Self::plan_adoption) found it, and returns the lines that this
    /// adds to the log. The other tool's table is not touched. Everything is one transaction; if everything is recorded already,
    /// there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Adoption`](crate::ErrorKind::Adoption) if there is an objection that was not accepted.
    /// [`ErrorKind::Stale`](crate::ErrorKind::Stale) if the database has changed since the plan was made. Also any error of reading
    /// or writing the database. In all cases nothing is done.
    #[allow(clippy::needless_pass_by_value)]
    pub fn adopt(
        &self,
        mut conn: B::Conn<'_>,
        adoption: Adoption,
        signature: Signature,
    ) -> Result<Vec<LogEntry>> {
        let conn = &mut conn;
        adoption.refuse()?;
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        if adoption.to_record().next().is_none() {
            let (tracking, history) = self.read_table(conn)?;
            self.refuse_other(conn, &adoption, &tracking, &history)?;
            if tracking.form == TableForm::Old {
                self.upgrade(conn)?;
            }
            return Ok(Vec::new());
        }
        self.locked(conn, |conn, holding| {
            loop {
                let (tracking, history) = self.read_table(conn)?;
                let amendments: Vec<Amendment> = adoption
                    .to_record()
                    .filter_map(|entry| self.amendment(&adoption, entry, &signature))
                    .collect();
                let completed = self.completed(&history);
                let mut look = |conn: &mut B::Conn<'_>| {
                    self.refuse_other(conn, &adoption, &tracking, &history).map_err(Stop::Failed)
                };
                let stored = HashMap::new();
                let executor = self.executor(holding, &stored);
                match executor.amend(conn, &amendments, &tracking, &completed, &mut look) {
                    Err(Stop::Moved) => {}
                    amended => return amended.map_err(|stop| self.unwritten(conn, stop)),
                }
            }
        })
    }

    /// Checks whether everything is as it was when the adoption was planned.
    fn refuse_other(
        &self,
        conn: &mut B::Conn<'_>,
        adoption: &Adoption,
        tracking: &TrackingTable,
        history: &History,
    ) -> Result<()> {
        let fresh = self.considered(conn, adoption.how(), tracking, history)?;
        fresh.refuse()?;
        if fresh == *adoption { Ok(()) } else { Err(Failure::Stale(0).into()) }
    }

    fn considered(
        &self,
        conn: &mut B::Conn<'_>,
        how: &Adopt,
        tracking: &TrackingTable,
        history: &History,
    ) -> Result<Adoption> {
        let chosen = self.chosen(conn, how, tracking)?;
        let table = self.foreign(conn, &chosen)?;
        let log = self.table.log();
        let log_entries = patiently(self.lock_timeout, || B::read_log(conn, &log)).map_err(self.reading())?;
        let setting = self.setting();
        let locals: Vec<Local<'_>> = self
            .set
            .graph()
            .metas()
            .iter()
            .zip(self.set.bodies())
            .map(|(meta, body)| Local {
                meta,
                text: body.up.as_script().map(ScriptText::file),
                runs_here: setting.excludes(meta).is_none(),
            })
            .collect();
        let known = Known { locals: &locals, history, undone: &undone(&log_entries) };
        let adoption = decide(&chosen, &table, how, &known);
        let is_settled = adoption.objections.iter().any(|objection| objection.doubt.is_none());
        if is_settled || adoption.to_record().next().is_none() {
            return Ok(adoption);
        }
        let (proof, remedy) = self.proof(conn, &chosen, &adoption, history)?;
        Ok(adoption.proven(proof, remedy))
    }

    /// Determines whose history to adopt.
    fn chosen(&self, conn: &mut B::Conn<'_>, how: &Adopt, tracking: &TrackingTable) -> Result<Chosen> {
        let (candidates, besides) = candidates(how, B::DIALECT, self.table.schema());
        let mut seen: Vec<Seen> = Vec::new();
        for table in candidates.iter().map(|chosen| &chosen.table).chain(&besides) {
            let is_own = *table == self.table && tracking.form != TableForm::Old;
            if is_own || seen.iter().any(|seen| seen.table == *table) {
                continue;
            }
            let found = patiently(self.lock_timeout, || B::foreign_table(conn, table, &[]));
            if let Some(found) = found.map_err(|fault| self.reading_foreign(fault))? {
                seen.push(Seen { table: table.clone(), columns: found.columns });
            }
        }
        let number = patiently(self.lock_timeout, || B::user_version(conn)).map_err(self.reading())?;
        choose(how, &candidates, &seen, number).map_err(|objection| Failure::Adoption(vec![objection]).into())
    }

    fn foreign(&self, conn: &mut B::Conn<'_>, chosen: &Chosen) -> Result<ForeignTable> {
        if chosen.form.tool == Tool::UserVersion {
            let number = patiently(self.lock_timeout, || B::user_version(conn)).map_err(self.reading())?;
            let rows = number.map(|number| vec![Cell::Number(number)]).into_iter().collect();
            return Ok(ForeignTable::new(vec![chosen.form.table.to_owned()], rows));
        }
        let columns: Vec<&str> = chosen.form.reads().collect();
        let table = patiently(self.lock_timeout, || B::foreign_table(conn, &chosen.table, &columns));
        let table = table.map_err(|fault| self.reading_foreign(fault))?;
        table.ok_or_else(|| Failure::Stale(0).into())
    }

    fn reading_foreign(&self, fault: Fault) -> crate::error::MigrationError {
        self.database("look for the history of another tool beside that", fault)
    }

    /// Replays the entries to record together with the recorded ones and compares the schemas. If that fails, it may also return
    /// what to do about it.
    fn proof(
        &self,
        conn: &mut B::Conn<'_>,
        chosen: &Chosen,
        adoption: &Adoption,
        history: &History,
    ) -> Result<(Proof, Option<Remedy>)> {
        let (log, foreign_log) = (self.table.log(), chosen.table.log());
        let mut without: Vec<&str> = companions().collect();
        let (own, foreign) =
            ([self.table.as_str(), log.as_str()], [chosen.table.as_str(), foreign_log.as_str()]);
        without.extend(own.iter().chain(&foreign));
        let recorded = history.records().iter().map(|record| &record.id);
        let new = adoption.to_record().filter_map(|entry| entry.migration.as_ref());
        let places = recorded.chain(new).filter_map(|id| self.set.graph().place(id));
        let ran: Vec<Ran<B>> = places.map(|place| self.of_set(place)).collect();
        let count = ran.len();
        let proof = match self.replay(&ran, &without) {
            Replay::Impossible => Proof::Impossible,
            Replay::Failed(error) => return Ok((Proof::Failed(error.finding()), advice(&error))),
            Replay::Made(made) => {
                let read = || B::schema(conn, self.table.schema(), &without);
                let live = patiently(self.lock_timeout, read).map_err(self.reading())?;
                let Some(live) = live else { return Ok((Proof::Impossible, None)) };
                let differences = differences(&live, &made, chosen.form.tool);
                if differences.is_empty() { Proof::Same(count) } else { Proof::Different(differences) }
            }
        };
        Ok((proof, None))
    }

    /// The record that an entry becomes, and its log entry.
    fn amendment(&self, adoption: &Adoption, entry: &Adopted, signature: &Signature) -> Option<Amendment> {
        let place = self.set.graph().place(entry.migration.as_ref()?)?;
        let record = Record { run_on: entry.applied_on.clone().unwrap_or_default(), ..self.record_of(place) };
        let from = format!("{} in {}, {}", adoption.tool, adoption.place, entry.finding);
        let why = if signature.why.is_empty() { from } else { format!("{from}: {}", signature.why) };
        let log_entry = LogEntry {
            who: Some(signature.who.clone()).filter(|who| !who.is_empty()),
            why: Some(why),
            ..record.log_entry(LogEntryKind::Adopted)
        };
        Some(Amendment { change: Change::Insert(record), log_entry })
    }
}

/// What was undone or forgotten here, and not adopted or recorded since then.
fn undone(log_entries: &[LogEntry]) -> HashSet<MigrationId> {
    let mut undone = HashSet::new();
    for log_entry in log_entries {
        match log_entry.kind {
            LogEntryKind::RolledBack
            | LogEntryKind::Downgraded
            | LogEntryKind::MarkedUndone
            | LogEntryKind::Forgotten => {
                undone.insert(log_entry.id.clone());
            }
            LogEntryKind::MarkedDone
            | LogEntryKind::AssumedApplied
            | LogEntryKind::Baselined
            | LogEntryKind::Adopted => {
                undone.remove(&log_entry.id);
            }
            // Neither a failed attempt nor an accepted script applies anything.
            _ => {}
        }
    }
    undone
}

/// The differences between two schemas, in words. The database of a Django project also has the tables of other applications.
fn differences(live: &Schema, made: &Schema, tool: Tool) -> Vec<String> {
    fn keyed(schema: &Schema) -> BTreeMap<(&str, String), &Definition> {
        schema.definitions().iter().map(|it| ((&*it.kind, it.name.to_lowercase()), it)).collect()
    }
    let (live, made) = (keyed(live), keyed(made));
    let mut words = Vec::new();
    for (key @ (kind, name), it) in &made {
        match live.get(key) {
            None => words.push(format!("the {kind} {} is missing here", quoted(name))),
            Some(other) if !other.is_same(it) => {
                words.push(format!(
                    "the {kind} {} is another one here{}",
                    quoted(name),
                    where_it_differs(&other.text, &it.text)
                ));
            }
            Some(_) => {}
        }
    }
    let extra = live.keys().filter(|key| tool != Tool::Django && !made.contains_key(*key));
    words.extend(extra.map(|(kind, name)| format!("the {kind} {} is made by none of them", quoted(name))));
    words
}

/// The first words at which two definitions differ.
fn where_it_differs(here: &str, made: &str) -> String {
    const SHOWN: usize = 5;
    let (here, made): (Vec<&str>, Vec<&str>) = (here.split(' ').collect(), made.split(' ').collect());
    let same = here.iter().zip(&made).take_while(|(here, made)| here == made).count();
    let shown = |words: &[&str]| match words.get(same..).unwrap_or_default() {
        [] => "nothing".to_owned(),
        rest => quoted(&rest[..rest.len().min(SHOWN)].join(" ").replace(" ,", ",").replace(" ;", ";")),
    };
    format!(" (it has {} where they make {})", shown(&here), shown(&made))
}
