//! [`client_script`](MigrationRunner::client_script): a plan as a script for the database's own client.

use super::MigrationRunner;
use crate::backend::{Backend, ClientPart, Head, TableForm};
use crate::direction::Direction;
use crate::error::{Failure, MigrationError, Result};
use crate::fault::Fault;
use crate::history::{Dirty, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, LogEntryKind};
use crate::placeholder::{Filled, Gap};
use crate::plan::{Plan, TransactionMode};
use crate::remedy::Remedy;
use crate::script_options::{Atomicity, ForeignKeys};
use crate::step::Step;

impl<B: Backend> MigrationRunner<B> {
    /// Returns a script with which `sqlite3`, `psql`, `mariadb` or `mysql` carries out a plan: the statements of the migrations in the
    /// transactions of a run, and the same records, so that afterwards this crate knows what was applied. It is for a database that only an
    /// administrator may change. It runs nothing.
    ///
    /// The script first compares the history of the database with that of the plan, and ends at the first error. What only a run does is
    /// missing: the account of what a step did to rows, the `AUTOINCREMENT` of a table that is rebuilt, the duration, how far a step outside
    /// a transaction got, limits on waits for locks, and further attempts. For a plan without steps it is empty.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, Target};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let runner = MigrationRunner::new([Migration::sql("1_users", "CREATE TABLE users (name TEXT)")])?;
    /// let plan = runner.plan(&conn, Target::Latest)?;
    /// let script = runner.client_script(&conn, &plan)?;
    /// assert!(script.contains("CREATE TABLE users (name TEXT)"));
    ///
    /// // `.bail on` is a command of sqlite3.
    /// conn.execute_batch(&script.replace(".bail on", ""))?;
    /// assert!(runner.plan(&conn, Target::Latest)?.steps().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A run would refuse the plan, a step runs code, a hook runs in every step, a script has something that the client reads differently, the
    /// database has changed since the plan was made, or its tracking table has an older form.
    #[allow(clippy::needless_pass_by_value)]
    pub fn client_script(&self, mut conn: B::Conn<'_>, plan: &Plan) -> Result<String> {
        let conn = &mut conn;
        plan.refuse_if(|_| true)?;
        self.run_session_sql(conn)?;
        let (tracking, history) = self.read_table(conn)?;
        if plan.baseline().is_some() {
            let what = "the plan takes the database to be at a migration that is not recorded, and only a run records that";
            return Err(refusal(None, what, Remedy::Baseline));
        }
        if plan.steps().is_empty() {
            return Ok(String::new());
        }
        if history.digest() != plan.digest() {
            return Err(Failure::Stale(0).into());
        }
        if !self.hooks.is_empty_around_steps() {
            return Err(refusal(
                None,
                "this program has hooks, which no client runs",
                "run it with the program",
            ));
        }
        if matches!(tracking.form, TableForm::Old | TableForm::Lacking) {
            let what = "the tracking table was made by an older version, and only a run brings it up to date";
            return Err(refusal(None, what, Remedy::Run));
        }
        let (head, digest) = (tracking.head, history.digest());
        let mut client = Client::<B> { runner: self, script: String::new(), head, digest, count: head.count };
        let is_missing = tracking.form == TableForm::Missing;
        client.add(conn, ClientPart::Opening)?;
        for sql in &self.session_sql {
            client.script.push_str(sql.trim_end().trim_end_matches(';'));
            client.script.push_str(";\n");
        }
        let is_one = plan.mode() == TransactionMode::Batch;
        for (number, step) in plan.steps().iter().enumerate() {
            let before = history.get(&step.id);
            if before.is_some_and(|record| record.dirty.is_some()) {
                let what = "it began and did not finish, and only a run continues it";
                return Err(refusal(Some(&step.id), what, Remedy::Run));
            }
            let place = StepPlace {
                creates: (is_missing && number == 0).then_some(Creates::Table),
                begins: !is_one || number == 0,
                ends: !is_one || number + 1 == plan.steps().len(),
            };
            client.step(conn, step, before, place)?;
        }
        Ok(client.script)
    }
}

/// What a step creates before its script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Creates {
    Table,
}

/// The place of a step among those of its transaction.
#[derive(Clone, Copy)]
struct StepPlace {
    creates: Option<Creates>,
    begins: bool,
    ends: bool,
}

/// The script that is written, and the state of the tracking table behind what was written.
struct Client<'r, B: Backend> {
    runner: &'r MigrationRunner<B>,
    script: String,
    head: Head,
    digest: HistoryDigest,
    count: usize,
}

impl<B: Backend> Client<'_, B> {
    fn add(&mut self, conn: &mut B::Conn<'_>, part: ClientPart<'_>) -> Result<()> {
        let text = B::client_part(conn, &self.runner.table, &self.runner.table.log(), part);
        let text = text.map_err(|fault| unwritten(None, &fault))?;
        self.push(&text);
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if !text.is_empty() {
            self.script.push_str(text);
            self.script.push('\n');
        }
    }

    /// Writes a step with its record.
    fn step(
        &mut self,
        conn: &mut B::Conn<'_>,
        step: &Step,
        before: Option<&Record>,
        place: StepPlace,
    ) -> Result<()> {
        let foreign = || Failure::ForeignPlan(step.id.clone());
        let (meta, body) = self.runner.find(step).ok_or_else(foreign)?;
        let action = body.action(step.direction).ok_or_else(foreign)?;
        let Some(script) = action.as_script() else {
            let what = "it is code, which only the program has";
            return Err(refusal(Some(&step.id), what, "run it with the program"));
        };
        if let Some(name) = script.values().and_then(Filled::secret) {
            let what = format!("it would have the value of `${{{name}}}`, which is secret");
            return Err(refusal(Some(&step.id), &what, "run it with the program"));
        }
        let Some(text) = script.sql() else {
            let gap = script.values().and_then(|values| values.gaps().first());
            let Some(Gap { finding: (before, behind), remedy, .. }) = gap else {
                return Err(foreign().into());
            };
            return Err(refusal(Some(&step.id), &format!("its script {before}{behind}"), remedy.clone()));
        };
        let log = self.runner.table.log();
        let script = B::client_part(conn, &self.runner.table, &log, ClientPart::Script(text, step.atomicity));
        let script = script.map_err(|fault| unwritten(Some(&step.id), &fault))?;
        let record = match before.filter(|_| step.direction == Direction::Down) {
            Some(before) => before.clone(),
            None => body.record(meta).by(self.runner.program.as_deref()),
        };
        let program = self.runner.program.clone();
        let entry = LogEntry { program, ..record.log_entry(LogEntryKind::RolledBack) };
        let keys = meta.foreign_keys;
        self.push(&format!("\n-- {} {}", step.direction, step.id));
        // On MySQL, creating a table would end the transaction.
        let creates_first = !B::DDL_IS_TRANSACTIONAL || step.atomicity == Atomicity::NonTransactional;
        if creates_first {
            self.create(conn, step.direction, place)?;
        }
        match step.atomicity {
            Atomicity::Transaction => {
                if place.begins {
                    self.add(conn, ClientPart::Begin(keys))?;
                }
                if !creates_first {
                    self.create(conn, step.direction, place)?;
                }
                self.add(conn, ClientPart::Expects(self.head))?;
                self.script(conn, text, &script)?;
                match step.direction {
                    Direction::Up => {
                        self.toggle(&record, Direction::Up);
                        self.add(conn, ClientPart::Append(&record, self.digest))?;
                    }
                    Direction::Down => self.remove(conn, &record, &entry)?,
                }
                if place.ends {
                    self.add(conn, ClientPart::Commit(keys))?;
                }
            }
            Atomicity::NonTransactional => {
                let dirty = Record { dirty: Some(Dirty::begun(step.direction)), ..record.clone() };
                self.add(conn, ClientPart::Expects(self.head))?;
                match step.direction {
                    Direction::Up => {
                        self.toggle(&dirty, Direction::Up);
                        self.add(conn, ClientPart::Append(&dirty, self.digest))?;
                    }
                    Direction::Down => self.rewrite(conn, &record, &dirty)?,
                }
                self.add(conn, ClientPart::Outside(keys))?;
                self.script(conn, text, &script)?;
                match step.direction {
                    Direction::Up => self.rewrite(conn, &dirty, &record)?,
                    Direction::Down => {
                        self.add(conn, ClientPart::Begin(ForeignKeys::Unchecked))?;
                        self.remove(conn, &dirty, &entry)?;
                        self.add(conn, ClientPart::Commit(ForeignKeys::Unchecked))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a script, `written` for the client. What it sets in the session does not hold for its record and the scripts behind it, as in
    /// a run.
    fn script(&mut self, conn: &mut B::Conn<'_>, text: &str, written: &str) -> Result<()> {
        self.add(conn, ClientPart::Remember(text))?;
        self.push(written);
        self.add(conn, ClientPart::SetBack(text, &self.runner.session_sql))
    }

    fn create(&mut self, conn: &mut B::Conn<'_>, direction: Direction, place: StepPlace) -> Result<()> {
        if place.creates.is_some() {
            self.add(conn, ClientPart::Table)?;
            self.head = Head::EMPTY;
        }
        if direction == Direction::Down { self.add(conn, ClientPart::Log) } else { Ok(()) }
    }

    /// Rewrites a record in a transaction.
    fn rewrite(&mut self, conn: &mut B::Conn<'_>, from: &Record, to: &Record) -> Result<()> {
        self.add(conn, ClientPart::Begin(ForeignKeys::Unchecked))?;
        self.toggle(from, Direction::Down);
        self.toggle(to, Direction::Up);
        self.add(conn, ClientPart::Update(to))?;
        self.add(conn, ClientPart::Stamp(self.digest))?;
        self.add(conn, ClientPart::Commit(ForeignKeys::Unchecked))
    }

    fn remove(&mut self, conn: &mut B::Conn<'_>, record: &Record, entry: &LogEntry) -> Result<()> {
        self.toggle(record, Direction::Down);
        self.add(conn, ClientPart::Delete(&record.id))?;
        self.add(conn, ClientPart::LogEntry(entry))?;
        self.add(conn, ClientPart::Stamp(self.digest))
    }

    /// The state with one more record (up) or one fewer (down).
    fn toggle(&mut self, record: &Record, direction: Direction) {
        let own = HistoryDigest::of_record(&record.id, record.checksum.as_ref(), record.dirty.is_some());
        self.digest = self.digest.toggled(own);
        self.count = match direction {
            Direction::Up => self.count + 1,
            Direction::Down => self.count.saturating_sub(1),
        };
        self.head = Head { digest: Some(self.digest), count: self.count };
    }
}

fn refusal(id: Option<&MigrationId>, finding: &str, remedy: impl Into<Remedy>) -> MigrationError {
    let remedy = remedy.into();
    Failure::Recovery { verb: "write as a script", id: id.cloned(), finding: finding.to_owned(), remedy }
        .into()
}

/// The error about a script that the client would misread.
fn unwritten(id: Option<&MigrationId>, fault: &Fault) -> MigrationError {
    let remedy = fault.advice().unwrap_or_else(|| "run it with the program".into());
    refusal(id, &fault.to_string(), remedy)
}
