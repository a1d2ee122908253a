//! [`baseline_if`](MigrationRunner::baseline_if): a database that existed before its migrations is recorded at one of them by the first run.

use super::{Baseline, MigrationRunner};
use crate::backend::{Backend, interruptible, patiently};
use crate::cancel;
use crate::error::{Failure, Result};
use crate::execute::Stop;
use crate::fault::{BoxError, Fault, FaultKind};
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::lock::Holding;
use crate::log_entry::Signature;
use crate::plan::Plan;
use crate::recovery::{Change, Recovery};
use crate::report::{Baselined, Report};
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// Records everything through a migration as applied, without running it, in a database that existed before its migrations. The
    /// function looks at the database and returns whether it is such a database. It only reads: SQLite and PostgreSQL refuse what it
    /// writes. MySQL undoes what it writes to rows; what it does to the schema is an error, and stays.
    ///
    /// The function is called only while nothing is recorded, and not for an empty database. A run that applies migrations calls it under the lock,
    /// in the transaction that writes the records, so of several programs that start at the same time one does it, and the report of
    /// each says who ([`Report::baseline`]). Then the run applies what comes after the migration. [`plan`](Self::plan),
    /// [`validate`](Self::validate), [`rehearse`](Self::rehearse), [`status`](Self::status) and [`pending`](Self::pending) call it too, show what
    /// a run would record, and write nothing.
    ///
    /// # An application whose users have databases
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// fn migrate(conn: &Connection) -> switchy_schema::Result<switchy_schema::Report> {
    ///     MigrationRunner::new([
    ///         Migration::sql("1_users", "CREATE TABLE users (name TEXT)"),
    ///         Migration::sql("2_email", "ALTER TABLE users ADD COLUMN email TEXT"),
    ///     ])?
    ///     .baseline_if(
    ///         |conn| {
    ///             let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'users'";
    ///             Ok(conn.query_row(sql, [], |row| row.get(0))?)
    ///         },
    ///         "1_users",
    ///     )
    ///     .run(conn)
    /// }
    ///
    /// // Made by a version that had no migrations.
    /// let old = Connection::open_in_memory()?;
    /// old.execute_batch("CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('Ada')")?;
    /// let report = migrate(&old)?;
    /// assert_eq!(report.applied[0].id, "2_email");
    /// assert_eq!(report.to_string().lines().next(), Some("1 step done, with 1 migration applied before:"));
    /// assert!(report.to_string().contains("1 migration through `1_users` was recorded as applied"));
    ///
    /// // A new one gets everything, and the second start of each has nothing to do.
    /// let new = Connection::open_in_memory()?;
    /// assert_eq!(migrate(&new)?.applied.len(), 2);
    /// assert!(migrate(&old)?.is_up_to_date() && migrate(&new)?.is_up_to_date());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Of a run and of the other methods, while nothing is recorded: [`ErrorKind::UnknownMigration`](crate::ErrorKind::UnknownMigration) if the set
    /// does not have the migration, also for an empty database; [`ErrorKind::Recovery`](crate::ErrorKind::Recovery) if the migration, or one that
    /// it needs, is not for this database or environment; [`ErrorKind::Hook`](crate::ErrorKind::Hook) if the function fails.
    pub fn baseline_if(
        mut self,
        recognise: impl for<'c> Fn(B::Conn<'c>) -> Result<bool, BoxError> + Send + Sync + 'static,
        id: impl Into<MigrationId>,
    ) -> Self {
        self.baseline = Some(Baseline {
            id: id.into(),
            recognise: Box::new(recognise),
            foresee: Self::records_of_baseline,
            write: Self::write_baseline,
        });
        self
    }

    /// The history that a run to this target plans with, and the migration at which it takes the database to be if it has to record that
    /// first. It writes nothing.
    pub(super) fn foreseen(
        &self,
        conn: &mut B::Conn<'_>,
        history: History,
        target: &Target,
    ) -> Result<(History, Option<MigrationId>)> {
        let Some(baseline) = &self.baseline else { return Ok((history, None)) };
        if history.count() > 0 || !target.applies() {
            return Ok((history, None));
        }
        Ok(match (baseline.foresee)(self, conn, baseline)? {
            Some(records) => (History::new(records), Some(baseline.id.clone())),
            None => (history, None),
        })
    }

    /// Records the baseline under the lock, if it is due, and returns whether the history is then another one than that of the plan.
    pub(super) fn take_over(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Option<&Plan>,
        holding: &Holding,
        report: &mut Report,
    ) -> Result<bool> {
        let (Some(baseline), Some(plan)) = (&self.baseline, plan) else { return Ok(false) };
        let is_unrecorded = plan.baseline().is_some() || plan.already() == 0;
        if !is_unrecorded || !plan.target().applies() || report.baseline.is_some() {
            return Ok(false);
        }
        let written = (baseline.write)(self, conn, baseline, holding)?;
        let is_other = written.is_some();
        // A run that was about to record nothing was not outrun in that.
        report.baseline =
            written.filter(|written| plan.baseline().is_some() || *written != Baselined::ByAnother);
        Ok(is_other)
    }

    /// The records of a baseline; `None` if the database is not to be taken over.
    fn records_of_baseline(
        &self,
        conn: &mut B::Conn<'_>,
        baseline: &Baseline<B>,
    ) -> Result<Option<Vec<Record>>> {
        if self.cannot_be_older(conn, baseline)? || !self.recognises(conn, baseline)? {
            return Ok(None);
        }
        let (recovery, signature) = recovery(baseline);
        let amendments = self.amendments(conn, &History::default(), &recovery, &signature, None)?;
        let records = amendments.into_iter().filter_map(|amendment| match amendment.change {
            Change::Insert(record) => Some(record),
            _ => None,
        });
        Ok(Some(records.collect()))
    }

    /// Writes the records of a baseline, if nothing is recorded and the function recognises the database, which one transaction finds out.
    fn write_baseline(
        &self,
        conn: &mut B::Conn<'_>,
        baseline: &Baseline<B>,
        holding: &Holding,
    ) -> Result<Option<Baselined>> {
        if self.cannot_be_older(conn, baseline)? {
            return Ok(None);
        }
        let (recovery, signature) = recovery(baseline);
        let (mut is_recorded, mut is_recognised) = (false, true);
        let written = self.amend(
            conn,
            holding,
            |conn, history, _| {
                is_recorded = history.count() > 0;
                let mut amendments = || self.amendments(conn, history, &recovery, &signature, None);
                if is_recorded { Ok(None) } else { amendments().map(Some) }
            },
            &mut |conn| {
                is_recognised = self.recognises(conn, baseline)?;
                // Nothing is written then, and the transaction is rolled back.
                if is_recognised { Ok(()) } else { Err(Stop::Declined) }
            },
        );
        match written {
            Ok(Some(log_entries)) => {
                Ok(Some(Baselined::Here(log_entries.into_iter().map(|entry| entry.id).collect())))
            }
            Ok(None) => Ok(Some(Baselined::ByAnother)),
            Err(_) if !is_recognised => Ok(None),
            Err(stop) => Err(self.unwritten(conn, stop)),
        }
    }

    /// Whether the database is empty, so that it cannot be older than its migrations.
    ///
    /// # Errors
    /// The set does not have the migration. This is found in an empty database too, as a test of the application has it.
    fn cannot_be_older(&self, conn: &mut B::Conn<'_>, baseline: &Baseline<B>) -> Result<bool> {
        let (id, graph) = (&baseline.id, self.set.graph());
        if graph.place(id).is_none() {
            return Err(Failure::Unknown { id: id.clone(), nearest: graph.nearest(id) }.into());
        }
        self.is_blank(conn)
    }

    /// Calls the function of the application.
    fn recognises(&self, conn: &mut B::Conn<'_>, baseline: &Baseline<B>) -> Result<bool> {
        let call = |conn: &mut B::Conn<'_>| (baseline.recognise)(B::lend(conn)).map_err(Fault::of);
        let called = patiently(self.lock_timeout, || {
            let was_open = B::in_transaction(conn)?;
            let called = interruptible::<B, _>(conn, |conn| B::only_reading(conn, call));
            let called = called.map_err(|fault| cancel::explained_of_code(B::fault_of_code(fault)))?;
            if B::in_transaction(conn)? == was_open {
                return Ok(called);
            }
            if !was_open {
                B::rollback(conn)?;
            }
            Err(Fault::new(FaultKind::Other, "it began or ended a transaction"))
        });
        Ok(called.map_err(|fault| {
            let fault = self.set.secrets().mask_fault(fault);
            Failure::BaselineIf { id: baseline.id.clone(), fault }
        })?)
    }
}

fn recovery<B: Backend>(baseline: &Baseline<B>) -> (Recovery, Signature) {
    let why = "the database existed before its migrations, as the function of `baseline_if` found";
    (Recovery::Baseline(baseline.id.clone()), Signature::of("").because(why))
}
