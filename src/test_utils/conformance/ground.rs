//! [`Ground`]: a database of a testbed, with the operations that the behaviours use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::check::{Outcome, Unmet, equal, holds};
use super::testbed::{Abilities, Testbed};
use crate::backend::{Backend, Listener, Scope, Script, TrackingTable};
use crate::dialect::TableName;
use crate::effect::Trust;
use crate::error::Result;
use crate::event::Event;
use crate::fault::{BoxError, Fault};
use crate::history::{Dirty, History};
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, Signature};
use crate::migration::Migration;
use crate::notice::Notices;
use crate::recovery::Recovery;
use crate::report::{Applied, Report};
use crate::runner::MigrationRunner;
use crate::step::{Atomicity, Cascade, DataLoss, ForeignKeys};
use crate::target::Target;

/// A behaviour that a backend must have: its name, and the function that checks it.
pub(super) type Behaviour<B, T> = (&'static str, fn(&Ground<'_, B, T>) -> Outcome);

/// The limit for every wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// More steps than any behaviour takes: a run that takes this many is in an endless loop.
const ENDLESS: usize = 2_000;

/// A new database for one behaviour.
pub(super) struct Ground<'b, B: Backend, T: Testbed<B>> {
    pub(super) bed: &'b T,
    database: T::Database,
}

impl<'b, B: Backend, T: Testbed<B>> Ground<'b, B, T> {
    pub(super) fn new(bed: &'b T) -> Self {
        Self { bed, database: bed.create() }
    }

    pub(super) fn can(&self) -> Abilities {
        self.bed.abilities()
    }

    /// Lends a connection.
    pub(super) fn with<R>(&self, body: impl FnOnce(&mut B::Conn<'_>) -> R) -> R {
        self.bed.connect(&self.database, |mut conn| body(&mut conn))
    }

    /// Checks that exactly these things exist.
    #[track_caller]
    pub(super) fn has(&self, expected: &[&str]) -> Outcome {
        let mut things = self.bed.connect(&self.database, |conn| self.bed.things(conn));
        things.sort();
        equal("the things that are there", &*things, expected)
    }

    /// Runs a script outside any transaction, as a person would.
    pub(super) fn by_hand(&self, script: &str) -> Outcome {
        Ok(self.with(|conn| perform::<B>(conn, script))?)
    }

    /// A migration that runs these statements, without a down script.
    pub(super) fn script(&self, id: &str, statements: &[String]) -> Migration<B> {
        Migration::from_scripts(id, self.bed.script(statements), None)
    }

    /// A migration that creates a thing, with a down script.
    pub(super) fn makes(&self, id: &str, thing: &str) -> Migration<B> {
        let (up, down) = (self.bed.make(thing), self.bed.unmake(thing));
        Migration::from_scripts(id, up, Some(down))
    }

    /// A migration that creates a thing, and then fails.
    pub(super) fn breaks(&self, id: &str, thing: &str) -> Migration<B> {
        self.script(id, &[self.bed.make(thing), self.bed.fails()])
    }

    /// A migration in code that creates a thing, if one is given, and then calls a function.
    pub(super) fn code(
        &self,
        id: &str,
        thing: Option<&str>,
        then: impl Fn() -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Migration<B> {
        let script = thing.map(|thing| self.bed.make(thing)).unwrap_or_default();
        Migration::function(id, move |mut conn| {
            perform::<B>(&mut conn, &script).map_err(|fault| BoxError::from(fault.to_string()))?;
            then()
        })
    }

    pub(super) fn runner(&self, set: impl IntoIterator<Item = Migration<B>>) -> Outcome<MigrationRunner<B>> {
        let set: Vec<Migration<B>> = set.into_iter().map(|migration| self.bed.adapt(migration)).collect();
        let steps = AtomicUsize::new(0);
        let runner = MigrationRunner::for_backend(set)?.lock_timeout(PATIENCE).observe(move |event| {
            if matches!(event, Event::Started { .. }) {
                let steps = steps.fetch_add(1, Ordering::Relaxed);
                assert!(steps < ENDLESS, "the run does not end: {ENDLESS} steps were begun");
            }
        });
        Ok(runner)
    }

    pub(super) fn run(&self, it: &MigrationRunner<B>) -> Result<Report> {
        self.with(|conn| it.run(B::lend(conn)))
    }

    pub(super) fn run_to(&self, it: &MigrationRunner<B>, target: Target) -> Result<Report> {
        self.with(|conn| it.run_to(B::lend(conn), target))
    }

    pub(super) fn recover(&self, it: &MigrationRunner<B>, recovery: Recovery) -> Result<Vec<LogEntry>> {
        let signature = Signature::of("ada").because("it's \"so\", 100 %");
        self.with(|conn| it.recover(B::lend(conn), recovery, signature))
    }

    pub(super) fn history(&self, it: &MigrationRunner<B>) -> Result<History> {
        self.with(|conn| it.history(B::lend(conn)))
    }

    /// The tracking table, after a check that its head matches its records.
    #[track_caller]
    pub(super) fn tracking(&self) -> Outcome<TrackingTable> {
        self.tracking_of(&TableName::default())
    }

    #[track_caller]
    pub(super) fn tracking_of(&self, table: &TableName) -> Outcome<TrackingTable> {
        let (head, tracking) =
            self.with(|conn| Ok::<_, Fault>((B::head(conn, table)?, B::read(conn, table)?)))?;
        equal("the head, as `read` tells it,", &tracking.head, &head)?;
        equal("the number of records in the head", &head.count, &tracking.records.len())?;
        let digest = History::new(tracking.records.iter().cloned()).digest();
        equal("the digest on the newest record", &head.digest, &Some(digest))?;
        Ok(tracking)
    }

    /// Checks that exactly these migrations are recorded, in this order.
    #[track_caller]
    pub(super) fn records(&self, expected: &[&str]) -> Outcome<History> {
        let history = History::new(self.tracking()?.records);
        let ids: Vec<&str> = history.records().iter().map(|record| record.id.as_str()).collect();
        equal("the records", &*ids, expected)?;
        Ok(history)
    }

    /// Checks that a record exists and is dirty.
    #[track_caller]
    pub(super) fn dirty(&self, id: &str) -> Outcome<Dirty> {
        let history = History::new(self.tracking()?.records);
        let dirty = history.get(&id.into()).and_then(|record| record.dirty.clone());
        match dirty {
            Some(dirty) => Ok(dirty),
            None => {
                Err(Unmet::new(format!("expected a dirty record of `{id}`, found {:?}", history.records())))
            }
        }
    }

    /// Checks what a failed step left: nothing if it was rolled back, otherwise its record, dirty at this statement, and the things that it
    /// created.
    #[track_caller]
    pub(super) fn remains(
        &self,
        (id, statement): (&str, Option<u32>),
        before: &[&str],
        made: &[&str],
    ) -> Outcome {
        if self.can().rollback {
            let recorded: Vec<MigrationId> =
                self.tracking()?.records.into_iter().map(|record| record.id).collect();
            holds(
                &format!("`{id}` has no record, among {recorded:?}"),
                recorded.iter().all(|other| other != id),
            )?;
            return self.has(before);
        }
        equal("the statement that is recorded", &self.dirty(id)?.statement, &statement)?;
        self.has(&[before, made].concat())
    }
}

/// Runs a script in the open transaction, or outside any.
pub(super) fn perform<B: Backend>(conn: &mut B::Conn<'_>, text: &str) -> Result<(), Fault> {
    let is_open = B::in_transaction(conn)?;
    let atomicity = if is_open { Atomicity::Transaction } else { Atomicity::NonTransactional };
    B::run_script(conn, &script(text, atomicity, &Notices::default()), &mut |_, _| Ok(())).map(drop)
}

pub(super) fn script<'a>(text: &'a str, atomicity: Atomicity, notices: &'a Notices) -> Script<'a> {
    Script {
        text,
        from: 1,
        atomicity,
        foreign_keys: ForeignKeys::Checked,
        patience: PATIENCE,
        lock_timeout: None,
        cascade: Cascade::Refused,
        data_loss: DataLoss::Undeclared,
        trust: Trust::Program,
        notices,
        session: None,
        listener: Listener::default(),
    }
}

/// Calls a function in a transaction of its own.
pub(super) fn committed<B: Backend, R>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, Fault>,
) -> Result<R, Fault> {
    B::transaction(conn, &Scope::new(ForeignKeys::Checked, PATIENCE), body)
}

/// The ids of the applied steps.
pub(super) fn ids(applied: &[Applied]) -> Vec<&str> {
    applied.iter().map(|step| step.id.as_str()).collect()
}
