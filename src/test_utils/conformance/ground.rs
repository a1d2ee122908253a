//! [`Ground`]: a database of a testbed, and what the behaviours do with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::check::{Outcome, Unmet, equal, holds};
use super::testbed::{Abilities, Testbed};
use crate::backend::{Backend, Scope, Script, TrackingTable};
use crate::dialect::TableName;
use crate::effect::Trust;
use crate::error::Result;
use crate::event::Event;
use crate::fault::{BoxError, Fault};
use crate::history::{Dirty, History};
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, Signature};
use crate::migration::Migration;
use crate::recovery::Recovery;
use crate::report::{Applied, Report};
use crate::runner::MigrationRunner;
use crate::step::{Atomicity, Cascade, ForeignKeys};
use crate::target::Target;

/// Something that a backend must do, with its name.
pub(super) type Behaviour<B, T> = (&'static str, fn(&Ground<'_, B, T>) -> Outcome);

/// How long anything may wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// So many steps no behaviour takes: what comes this far goes round in circles.
const ENDLESS: usize = 2_000;

/// A database with nothing in it but what a behaviour puts there.
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

    /// Looks whether these are the things that are there.
    #[track_caller]
    pub(super) fn has(&self, expected: &[&str]) -> Outcome {
        let mut things = self.bed.connect(&self.database, |conn| self.bed.things(conn));
        things.sort();
        equal("the things that are there", &*things, expected)
    }

    /// Runs a script as a person would, outside any transaction.
    pub(super) fn by_hand(&self, script: &str) -> Outcome {
        Ok(self.with(|conn| perform::<B>(conn, script))?)
    }

    /// A migration that runs these statements, and that cannot be undone.
    pub(super) fn script(&self, id: &str, statements: &[String]) -> Migration<B> {
        Migration::from_scripts(id, self.bed.script(statements), None)
    }

    /// A migration that makes a thing, and that can be undone.
    pub(super) fn makes(&self, id: &str, thing: &str) -> Migration<B> {
        let (up, down) = (self.bed.make(thing), self.bed.unmake(thing));
        Migration::from_scripts(id, up, Some(down))
    }

    /// A migration that makes a thing, and then fails.
    pub(super) fn breaks(&self, id: &str, thing: &str) -> Migration<B> {
        self.script(id, &[self.bed.make(thing), self.bed.fails()])
    }

    /// A migration in code, which makes a thing, if it is to, and then does something else.
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

    pub(super) fn go(&self, it: &MigrationRunner<B>, target: Target) -> Result<Report> {
        self.with(|conn| it.run_to(B::lend(conn), target))
    }

    pub(super) fn recover(&self, it: &MigrationRunner<B>, recovery: Recovery) -> Result<Vec<LogEntry>> {
        let signature = Signature::of("ada").because("it's \"so\", 100 %");
        self.with(|conn| it.recover(B::lend(conn), recovery, signature))
    }

    pub(super) fn history(&self, it: &MigrationRunner<B>) -> Result<History> {
        self.with(|conn| it.history(B::lend(conn)))
    }

    /// The tracking table, of which the head tells the truth.
    #[track_caller]
    pub(super) fn tracking(&self) -> Outcome<TrackingTable> {
        self.ledger_of(&TableName::default())
    }

    #[track_caller]
    pub(super) fn ledger_of(&self, table: &TableName) -> Outcome<TrackingTable> {
        let (head, tracking) =
            self.with(|conn| Ok::<_, Fault>((B::head(conn, table)?, B::read(conn, table)?)))?;
        equal("the head, as `read` tells it,", &tracking.head, &head)?;
        equal("the number of records in the head", &head.count, &tracking.records.len())?;
        let digest = History::new(tracking.records.iter().cloned()).digest();
        equal("the digest on the newest record", &head.digest, &Some(digest))?;
        Ok(tracking)
    }

    /// Looks whether these migrations are recorded, in this order.
    #[track_caller]
    pub(super) fn records(&self, expected: &[&str]) -> Outcome<History> {
        let history = History::new(self.tracking()?.records);
        let ids: Vec<&str> = history.records().iter().map(|record| record.id.as_str()).collect();
        equal("the records", &*ids, expected)?;
        Ok(history)
    }

    /// Looks whether a record is there and dirty.
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

    /// Looks whether a step that failed left what it must: nothing if it could be rolled back, and else its record, dirty at a
    /// statement, and what it made.
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

/// Runs a script in the transaction that is open, or outside any.
pub(super) fn perform<B: Backend>(conn: &mut B::Conn<'_>, text: &str) -> Result<(), Fault> {
    let is_open = B::in_transaction(conn)?;
    let atomicity = if is_open { Atomicity::Transaction } else { Atomicity::NonTransactional };
    B::run_script(conn, &script(text, atomicity), &mut |_, _| Ok(())).map(drop)
}

pub(super) fn script(text: &str, atomicity: Atomicity) -> Script<'_> {
    Script {
        text,
        from: 1,
        atomicity,
        foreign_keys: ForeignKeys::Checked,
        patience: PATIENCE,
        cascade: Cascade::Refused,
        trust: Trust::Program,
        session: None,
    }
}

/// Does something in a transaction of its own.
pub(super) fn committed<B: Backend, R>(
    conn: &mut B::Conn<'_>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, Fault>,
) -> Result<R, Fault> {
    B::transaction(conn, &Scope::new(ForeignKeys::Checked, PATIENCE), body)
}

/// What was done, as texts.
pub(super) fn ids(applied: &[Applied]) -> Vec<&str> {
    applied.iter().map(|step| step.id.as_str()).collect()
}
