//! [`Migrations`]: a folder of scripts, read and run as by `moosicbox_schema`.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;

use include_dir::Dir;
use switchy_schema::{
    Backend, Dialect, EmbeddedMigrations, Event, Migration, MigrationId, MigrationRunner, MigrationSource,
    Policy, ProblemKind, Recovery, Signature, Target, Verdict,
};

use crate::MigrateError;
use crate::environment::{DROP, SKIP, Scripts, Tracking, Wishes};

/// The name of the tracking table, which the config and the library share if they are in one database.
pub const TABLE: &str = "__moosicbox_schema_migrations";

/// A folder of scripts, read and run as by `moosicbox_schema`: the name of a migration is that of the folder that contains its `up.sql`, at
/// any depth, and migrations run in the order of the bytes of their names.
pub struct Migrations<B: Backend> {
    folder: &'static Dir<'static>,
    /// Another folder whose records may be in the same table.
    beside: Option<&'static Dir<'static>>,
    backend: PhantomData<fn() -> B>,
}

impl<B: Backend> Migrations<B> {
    /// Uses the migrations in an embedded folder.
    ///
    /// ```
    /// use include_dir::{Dir, include_dir};
    /// use moosicbox_schema::Migrations;
    /// use switchy_schema::Sqlite;
    ///
    /// static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests/it/odd_names");
    ///
    /// let conn = rusqlite::Connection::open_in_memory()?;
    /// Migrations::<Sqlite>::new(&FOLDER).run(&conn)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(folder: &'static Dir<'static>) -> Self {
        Self { folder, beside: None, backend: PhantomData }
    }

    /// The same, for a database that may also have the tables of another folder.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) const fn beside(self, other: &'static Dir<'static>) -> Self {
        Self { beside: Some(other), ..self }
    }

    /// The migrations, in the order in which they run.
    ///
    /// # Errors
    /// The folder contains something that is not a migration.
    pub fn list(&self) -> Result<Vec<Migration<B>>, MigrateError> {
        let mut migrations = EmbeddedMigrations::new(self.folder).migrations()?;
        migrations.sort_by(|one, other| one.id().as_str().cmp(other.id().as_str()));
        // The engine orders by the version in a name. For names of one kind this is the same order.
        if migrations.is_sorted_by_key(Migration::id) {
            return Ok(migrations);
        }
        let mut before: Option<MigrationId> = None;
        let chained = migrations.into_iter().map(|migration| {
            let next = migration.id().clone();
            match before.replace(next) {
                Some(before) => migration.depends_on(before),
                None => migration,
            }
        });
        Ok(chained.collect())
    }

    /// A runner of the engine for these migrations and their table, with everything else that the engine can do, such as
    /// [`status`](MigrationRunner::status), [`plan`](MigrationRunner::plan) and [`rollback`](MigrationRunner::rollback).
    ///
    /// A record that belongs to another set is accepted, as in `moosicbox_schema`. A record that no set of MoosicBox has causes a warning
    /// in the log.
    ///
    /// # Errors
    /// The same as [`list`](Self::list).
    pub fn runner(&self) -> Result<MigrationRunner<B>, MigrateError> {
        Self::runner_of(self.list()?, self.beside)
    }

    fn runner_of(
        list: Vec<Migration<B>>,
        beside: Option<&'static Dir<'static>>,
    ) -> Result<MigrationRunner<B>, MigrateError> {
        let others = OnceLock::new();
        let is_of_other = move |id: &MigrationId| {
            let read = || {
                let others =
                    beside.map(|folder| MigrationSource::<B>::migrations(&EmbeddedMigrations::new(folder)));
                others
                    .and_then(Result::ok)
                    .unwrap_or_default()
                    .iter()
                    .map(|other| other.id().clone())
                    .collect()
            };
            let others: &HashSet<MigrationId> = others.get_or_init(read);
            others.contains(id)
        };
        let observer = move |event: &Event<'_>| match event {
            Event::Started { step, .. } => log::info!("{TABLE}: running `{}`", step.id),
            Event::Finished { step, .. } => log::info!("{TABLE}: successfully ran `{}`", step.id),
            Event::Warning { problem }
                if problem.kind == ProblemKind::DatabaseAhead && is_of_other(&problem.migration) => {}
            Event::Warning { problem } => log::warn!("{TABLE}: {problem}"),
            Event::Waiting { lock, holder } => {
                log::info!("{TABLE}: waiting for the lock {lock}, held by {holder}");
            }
            _ => {}
        };
        Ok(MigrationRunner::for_backend(list)?
            .table_name(TABLE)?
            .program(concat!("moosicbox_schema ", env!("CARGO_PKG_VERSION")))
            .policy(Policy::default().with(ProblemKind::DatabaseAhead, Verdict::Warn))
            .observe(observer))
    }

    /// Runs all pending migrations.
    ///
    /// # Errors
    /// The same as [`run_until`](Self::run_until).
    pub fn run(&self, conn: B::Conn<'_>) -> Result<(), MigrateError> {
        self.run_until(conn, None)
    }

    /// Runs the pending migrations before this one, which stays pending, as 0.1 of `moosicbox_schema` did. With `None`, or with a name that does not exist, it runs all
    /// pending migrations; a name that does not exist also causes a warning in the log.
    ///
    /// # Errors
    /// [`MigrateError::Schema`] if the migrations or the database are invalid, or a script fails; the migrations committed before it stay
    /// applied. [`MigrateError::Database`] if the tracking table cannot be dropped although this was requested.
    pub fn run_until(&self, conn: B::Conn<'_>, migration_name: Option<&str>) -> Result<(), MigrateError> {
        self.carry_out(Wishes::of_environment(), conn, migration_name)
    }

    fn carry_out(
        &self,
        wishes: Wishes,
        mut conn: B::Conn<'_>,
        until: Option<&str>,
    ) -> Result<(), MigrateError> {
        let list = self.list()?;
        let target = match until {
            Some(name) if list.iter().any(|migration| migration.id() == name) => {
                Target::Before(name.to_owned().into())
            }
            Some(name) => {
                log::warn!("{TABLE}: there is no migration `{name}` to stop at, so everything runs");
                Target::Latest
            }
            None => Target::Latest,
        };
        let runner = Self::runner_of(list, self.beside)?;
        if wishes.tracking == Tracking::Drop {
            log::warn!("{TABLE}: dropping the table, since {DROP} is set");
            drop_table::<B>(&mut conn)?;
        }
        match wishes.scripts {
            Scripts::Run => runner.run_to(conn, target).map(drop)?,
            Scripts::Skip => record(&runner, conn, target)?,
        }
        Ok(())
    }
}

/// Records the pending migrations without running them.
fn record<B: Backend>(
    runner: &MigrationRunner<B>,
    mut conn: B::Conn<'_>,
    target: Target,
) -> Result<(), MigrateError> {
    let plan = runner.plan(B::lend(&mut conn), target)?;
    let (Some(first), Some(last)) = (plan.steps().first(), plan.steps().last()) else { return Ok(()) };
    log::warn!(
        "{TABLE}: recording {} migrations without running them, since {SKIP} is set",
        plan.steps().len()
    );
    let recovery = Recovery::AssumeRangeApplied { from: first.id.clone(), through: last.id.clone() };
    runner.recover(conn, recovery, Signature::of(SKIP).because("set to 1"))?;
    Ok(())
}

fn drop_table<B: Backend>(conn: &mut B::Conn<'_>) -> Result<(), MigrateError> {
    // In SQLite, a name without a schema would find a temporary table first.
    let schema = if B::DIALECT == Dialect::Sqlite { "main." } else { "" };
    B::execute(conn, &format!("DROP TABLE IF EXISTS {schema}{TABLE}")).map_err(MigrateError::Database)
}

impl<B: Backend> fmt::Debug for Migrations<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
