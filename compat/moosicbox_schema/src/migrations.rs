//! [`Migrations`]: a folder of scripts, as `moosicbox_schema` read and ran it.

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

/// The tracking table, which the config and the library share where they are in one database.
pub const TABLE: &str = "__moosicbox_schema_migrations";

/// A folder of scripts, as `moosicbox_schema` read and ran it: at any depth, a migration has the name of the folder that its `up.sql` is
/// in, and migrations run in the order of the bytes of their names.
pub struct Migrations<B: Backend> {
    folder: &'static Dir<'static>,
    /// What may have its records in the same table.
    beside: Option<&'static Dir<'static>>,
    backend: PhantomData<fn() -> B>,
}

impl<B: Backend> Migrations<B> {
    /// The migrations of a folder inside the program.
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

    /// The same, in a database that may have another folder's tables too.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) const fn beside(self, other: &'static Dir<'static>) -> Self {
        Self { beside: Some(other), ..self }
    }

    /// The migrations, in the order in which they run.
    ///
    /// # Errors
    /// The folder has something in it that is no migration.
    pub fn list(&self) -> Result<Vec<Migration<B>>, MigrateError> {
        let mut migrations = EmbeddedMigrations::new(self.folder).migrations()?;
        migrations.sort_by(|one, other| one.id().as_str().cmp(other.id().as_str()));
        // The engine orders by the version in a name, which for names of one kind is the same.
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

    /// The engine for these migrations and their table: for everything that it can do besides, such as
    /// [`status`](MigrationRunner::status), [`plan`](MigrationRunner::plan) and [`rollback`](MigrationRunner::rollback).
    ///
    /// A record that belongs to another set is let pass, as ever; one that no set of MoosicBox knows is a warning in the log.
    ///
    /// # Errors
    /// As [`list`](Self::list).
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

    /// Runs everything that is pending.
    ///
    /// # Errors
    /// As [`run_until`](Self::run_until).
    pub fn run(&self, conn: B::Conn<'_>) -> Result<(), MigrateError> {
        self.run_until(conn, None)
    }

    /// Runs what is pending before a migration, which stays pending itself. With `None`, and with a name that there is not, it runs
    /// everything; the latter is a warning in the log.
    ///
    /// # Errors
    /// [`MigrateError::Schema`] if something is wrong with the migrations or the database, or a script fails; what was committed before
    /// stays. [`MigrateError::Database`] if the tracking table was to be dropped, and cannot be.
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

/// Records what is pending, and runs nothing.
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
    // In SQLite a temporary table would come first.
    let schema = if B::DIALECT == Dialect::Sqlite { "main." } else { "" };
    B::execute(conn, &format!("DROP TABLE IF EXISTS {schema}{TABLE}")).map_err(MigrateError::Database)
}

impl<B: Backend> fmt::Debug for Migrations<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
