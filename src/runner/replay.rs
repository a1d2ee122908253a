//! Running migrations again in an empty database in memory, to see which schema they make.

use super::MigrationRunner;
use crate::backend::{Backend, ForecastRequest};
use crate::checksum::Checksum;
use crate::direction::Direction;
use crate::effect::{PlannedScript, Sample, Trust};
use crate::error::{Failure, MigrationError, Result};
use crate::fault::Fault;
use crate::history::Record;
use crate::id::MigrationId;
use crate::lock::Lock;
use crate::migration::{Meta, Migration, ScriptText};
use crate::placeholder::Replacement;
use crate::policy::Policy;
use crate::problem::{ProblemKind, Verdict};
use crate::remedy::Remedy;
use crate::schema::Schema;
use crate::script_options::{Atomicity, Cascade, DataLoss, ForeignKeys, RebuildLoss};
use crate::target::Target;
use crate::transaction_fit::TransactionFit;

/// A migration as it ran.
pub(super) struct Ran<B: Backend> {
    migration: Migration<B>,
    trust: Trust,
}

impl<B: Backend> Ran<B> {
    pub(super) fn id(&self) -> &MigrationId {
        &self.migration.meta.id
    }

    /// Its script, if it is one of the program and not from the database.
    pub(super) fn script(&self) -> Option<&ScriptText> {
        if self.trust == Trust::Program { self.migration.body.up.as_script() } else { None }
    }
}

/// What a replay came to.
pub(super) enum Replay {
    Made(Schema),
    /// The backend has no empty database, or cannot read definitions.
    Impossible,
    Failed(MigrationError),
}

impl<B: Backend> MigrationRunner<B> {
    /// A migration of the set.
    pub(super) fn of_set(&self, place: usize) -> Ran<B> {
        let (meta, body) = (&self.set.graph().metas()[place], self.set.body(place));
        Ran { migration: Migration { meta: meta.clone(), body: body.clone() }, trust: Trust::Program }
    }

    /// The migration that a record is about, as it ran: that of the set, or from the script in the record if the set has another one or
    /// none. An error is why neither is it.
    pub(super) fn as_it_ran(&self, record: &Record) -> std::result::Result<Ran<B>, &'static str> {
        let metas = self.set.graph().metas();
        let place = self.set.graph().place(&record.id).filter(|&place| metas[place].unread.is_none());
        let is_it = |place: &usize| record.checksum.is_none() || record.checksum == metas[*place].checksum;
        if let Some(place) = place.filter(is_it) {
            return Ok(self.of_set(place));
        }
        let Some(text) = &record.up_sql else {
            return Err(match place {
                Some(place) if self.set.bodies()[place].up.text().is_none() => {
                    "is code that was changed since it ran here"
                }
                Some(_) => {
                    "was changed since it ran here, and the database has no copy of the script that ran"
                }
                None => "is not in the set, and the database has no copy of its script",
            });
        };
        if record.checksum.is_some_and(|checksum| checksum != Checksum::of(text)) {
            return Err("has a stored script that is damaged");
        }
        let Migration { meta, body } = Migration::from_scripts(record.id.clone(), text.clone(), None);
        let body = body.filled(&meta, &self.set.placeholders().for_stored()).unwrap_or(body);
        let atomicity = match body.transaction_fit(Direction::Up) {
            TransactionFit::Inside => Atomicity::Transaction,
            _ => Atomicity::NonTransactional,
        };
        Ok(Ran { migration: Migration { meta: Meta { atomicity, ..meta }, body }, trust: Trust::Database })
    }

    /// The schema that migrations produce in an empty database in memory, one after the other in this order, without some tables. Only the
    /// schema matters, so rows that are not there are no reason to stop. A script from the database first runs under the restrictions for such
    /// scripts.
    pub(super) fn replay(&self, ran: &[Ran<B>], without: &[&str]) -> Replay {
        let (mut stored, mut migrations, mut before) = (Vec::new(), Vec::new(), None::<MigrationId>);
        for Ran { migration, trust } in ran {
            let (mut migration, id) = (migration.clone(), migration.meta.id.clone());
            // A script with a placeholder that has no value is refused.
            if let (Trust::Database, Some(sql)) = (*trust, migration.body.up.sql()) {
                stored.push((id.clone(), sql.to_owned(), migration.meta.atomicity));
            }
            migration.meta = Meta {
                // In the order in which they were applied, whatever their names and dependencies say, and wherever they are for.
                depends_on: before.replace(id).into_iter().collect(),
                depends_on_if_present: Vec::new(),
                databases: Vec::new(),
                environments: Vec::new(),
                // The application may have added the rows that a script refers to.
                foreign_keys: match migration.meta.foreign_keys {
                    ForeignKeys::Enforced => ForeignKeys::Enforced,
                    _ => ForeignKeys::Unchecked,
                },
                cascade: Cascade::Allowed,
                data_loss: DataLoss::Declared,
                rebuild_loss: RebuildLoss::Declared,
                // The values are in the scripts already.
                placeholders: Vec::new(),
                replacement: Replacement::Never,
                ..migration.meta
            };
            migrations.push(migration);
        }
        let replayed = B::scratch(self.prepare.as_deref(), |conn| -> Result<Option<Schema>> {
            // If a setting is impossible in memory, such as one that needs another file, the script that needs it fails.
            let _ = self.run_session_sql(conn);
            let mut runner = Self::for_backend(migrations)?.table_name(self.table.as_str())?.lock(Lock::Off);
            runner.set.hide(self.set.secrets());
            // A finding was one for the run in the live database to judge.
            runner.policy = ProblemKind::ALL
                .into_iter()
                .fold(Policy::DEFAULT, |policy, kind| policy.with(kind, Verdict::Allow));
            for (id, text, atomicity) in stored {
                runner.run_to(B::lend(conn), Target::Before(id.clone()))?;
                self.refuse_untrusted(conn, &id, &text, atomicity)?;
            }
            runner.run(B::lend(conn))?;
            B::schema(conn, None, without).map_err(self.reading())
        });
        match replayed {
            Ok(Some(Ok(Some(schema)))) => Replay::Made(schema),
            Ok(None | Some(Ok(None))) => Replay::Impossible,
            Ok(Some(Err(error))) => Replay::Failed(error),
            Err(fault) => Replay::Failed(Self::whole_database("replay the migrations", fault)),
        }
    }

    /// Runs a script from the database on a copy, where it may not do what only a script of the program may do.
    fn refuse_untrusted(
        &self,
        conn: &mut B::Conn<'_>,
        id: &MigrationId,
        text: &str,
        atomicity: Atomicity,
    ) -> Result<()> {
        let script = PlannedScript::new(Some(text), Trust::Database);
        let scripts = [script.under(ForeignKeys::Unchecked).running(atomicity)];
        let tables = [self.table.clone(), self.table.log()];
        let request = ForecastRequest {
            scripts: &scripts,
            tables: &tables,
            prepare: self.prepare.as_deref(),
            sample: Sample::Large,
            limits: self.stored_limits,
        };
        let forecasts = B::forecast(conn, &request).map_err(self.reading())?;
        match forecasts.into_iter().find_map(|forecast| forecast.failure) {
            Some(fault) => Err(untrusted(id, &fault)),
            None => Ok(()),
        }
    }
}

fn untrusted(id: &MigrationId, fault: &Fault) -> MigrationError {
    let finding = format!("has a stored script that fails: {fault}");
    Failure::Recovery {
        verb: "replay the stored script",
        id: Some(id.clone()),
        finding,
        remedy: "use the version of the program that has it".into(),
    }
    .into()
}

/// What to do about a replay that failed. It leaves nothing behind, so there is nothing to retry.
pub(super) fn advice(error: &MigrationError) -> Option<Remedy> {
    match error.failure() {
        Failure::Step(step) => step.fault.advice(),
        _ => error.remedy(),
    }
}
