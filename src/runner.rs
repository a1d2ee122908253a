//! [`MigrationRunner`]: a set of migrations, ready to be applied.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::backend::{Backend, Ledger, TableForm, patiently};
use crate::dialect::TableName;
use crate::discovery::MigrationSource;
use crate::error::{Failure, MigrationError, Result};
use crate::event::{Event, Observer};
use crate::execute::{Executor, Found, Stop};
use crate::fault::Fault;
use crate::graph::Graph;
use crate::history::{Head, History, Record};
use crate::hooks::Hooks;
use crate::id::MigrationId;
use crate::lock::{Holding, Lock};
use crate::migration::{Body, Meta, Migration};
use crate::plan::{Finished, Plan, Setting, TransactionMode, plan};
use crate::problem::{Problem, ProblemKind};
use crate::report::Report;
use crate::status::{State, Status, status};
use crate::step::Step;
use crate::target::Target;

mod books;

/// A set of migrations, ready to be applied: made once, used on any number of connections.
///
/// [`run`](Self::run) is what an application calls at every start. Where nothing is pending that is one `SELECT`:
/// no lock, no write, and no work that grows with the set. The rest asks, plans, or goes to other places.
///
/// # An application's start
///
/// ```
/// use include_dir::{Dir, include_dir};
/// use rusqlite::Connection;
/// use switchy_schema::{MigrationRunner, Report};
///
/// static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
///
/// pub fn migrate(conn: &Connection) -> switchy_schema::Result<Report> {
///     MigrationRunner::new_embedded(&MIGRATIONS)?.run(conn)
/// }
///
/// let conn = Connection::open_in_memory()?;
/// assert_eq!(migrate(&conn)?.applied.len(), 14);
/// assert!(migrate(&conn)?.is_up_to_date());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MigrationRunner<
    #[cfg(feature = "sqlite")] B: Backend = Sqlite,
    #[cfg(not(feature = "sqlite"))] B: Backend,
> {
    graph: Graph,
    bodies: Vec<Body<B>>,
    /// What the tracking table says where everything is applied.
    complete: Head,
    table: TableName,
    environment: Option<String>,
    mode: TransactionMode,
    lock: Lock,
    lock_timeout: Duration,
    hooks: Hooks<B>,
    observer: Option<Observer>,
}

#[cfg(feature = "sqlite")]
impl MigrationRunner {
    /// A runner for SQLite, with the migrations of a source: an array of [`Migration`](crate::Migration)s, a folder, a
    /// registry.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source) if the source cannot be read or something in it is malformed,
    /// [`ErrorKind::Set`](crate::ErrorKind::Set) if its migrations do not fit together.
    pub fn new(source: impl MigrationSource) -> Result<Self> {
        Self::for_backend(source)
    }

    /// A runner for SQLite, with a folder that `include_dir!` embedded.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "embedded")]
    pub fn new_embedded(root: &'static include_dir::Dir<'static>) -> Result<Self> {
        Self::new(crate::EmbeddedMigrations::new(root))
    }

    /// A runner for SQLite, with a folder that is read now.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "directory")]
    pub fn new_directory(root: impl Into<std::path::PathBuf>) -> Result<Self> {
        Self::new(crate::DirectoryMigrations::from_path(root))
    }

    /// A runner for SQLite, with a registry of migrations in code.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "code")]
    #[allow(clippy::needless_pass_by_value)]
    pub fn new_code(registry: crate::CodeMigrations) -> Result<Self> {
        Self::new(registry)
    }
}

impl<B: Backend> MigrationRunner<B> {
    /// A runner for any backend.
    ///
    /// # Errors
    /// As `new`.
    #[allow(clippy::needless_pass_by_value)]
    pub fn for_backend(source: impl MigrationSource<B>) -> Result<Self> {
        let migrations = source.migrations()?;
        migrations.iter().try_for_each(Migration::refuse_nul)?;
        let parts = migrations.into_iter().map(|migration| {
            let migration = migration.hashed();
            (migration.meta, migration.body)
        });
        let (graph, bodies) = Graph::build(parts.collect())?;
        let mut runner = Self {
            graph,
            bodies,
            complete: Head::EMPTY,
            table: TableName::default(),
            environment: None,
            mode: TransactionMode::default(),
            lock: Lock::default(),
            lock_timeout: Duration::from_secs(60),
            hooks: Hooks::for_backend(),
            observer: None,
        };
        runner.complete = runner.completion();
        Ok(runner)
    }

    /// Keeps the records in another table than `__switchy_migrations`.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if it cannot be a table's name; see [`TableName::new`].
    pub fn table_name(mut self, name: &str) -> Result<Self> {
        self.table = TableName::new(name)?;
        Ok(self)
    }

    /// Says where it runs: `production`, `staging`, ... Migrations limited to other environments do not run, nor do they without
    /// an environment.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self.complete = self.completion();
        self
    }

    /// Commits each migration by itself, or all steps of a run together.
    pub fn transaction(mut self, mode: TransactionMode) -> Self {
        self.mode = mode;
        self
    }

    /// Keeps concurrent runs apart in another way than by a file beside the database.
    pub fn lock(mut self, lock: Lock) -> Self {
        self.lock = lock;
        self
    }

    /// How long to wait for the lock, and for the database while others write; 60 seconds if not set.
    /// A single wait inside the database ends only with the connection's own busy timeout, if that is longer.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Takes part in every step.
    pub fn hooks(mut self, hooks: Hooks<B>) -> Self {
        self.hooks = hooks;
        self
    }

    /// Tells an observer what goes on, for a progress bar. It cannot interfere.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Event, Migration, MigrationRunner};
    ///
    /// let runner = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)")])?.observe(|event| {
    ///     if let Event::Started { step, number, of, .. } = event {
    ///         println!("{number}/{of} {}", step.id);
    ///     }
    /// });
    /// runner.run(&Connection::open_in_memory()?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Applies everything that is pending.
    ///
    /// # Errors
    /// Anything of [`ErrorKind`](crate::ErrorKind) but those of making a runner. What was committed before the error stands in its
    /// [`report`](MigrationError::report).
    pub fn run(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.run_to(conn, Target::Latest)
    }

    /// Goes to a target.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::UnknownMigration`](crate::ErrorKind::UnknownMigration) if the target names a migration that
    /// the set does not have.
    #[allow(clippy::needless_pass_by_value)]
    pub fn run_to(&self, mut conn: B::Conn<'_>, target: Target) -> Result<Report> {
        let conn = &mut conn;
        self.refuse_open_transaction(conn)?;
        if target == Target::Latest {
            let head = patiently(self.lock_timeout, || B::head(conn, &self.table));
            if head.map_err(self.reading())? == self.complete {
                return Ok(Report { already: self.complete.count, ..Report::default() });
            }
        }
        let (ledger, history) = self.books(conn)?;
        let plan = self.plan_for(&ledger, &history, &target)?;
        // A migration may be dirty only because another run is in the middle of it. Under the lock that is known; everything else that
        // can be refused is refused before anybody has to wait.
        plan.refuse_if(|kind| kind != ProblemKind::Dirty)?;
        let is_dirty = plan.problems().iter().any(|problem| problem.kind == ProblemKind::Dirty);
        if plan.steps().is_empty() && !is_dirty {
            let report = finished(plan)?;
            if ledger.form.is_old() {
                self.upgrade(conn)?;
            }
            return Ok(report);
        }
        let first = plan.steps().first().map(|step| step.id.clone());
        self.locked(conn, |conn, holding| {
            if let Some(first) = &first {
                holding.announce(first);
            }
            let mut report = Report::default();
            loop {
                let (ledger, history) = self.books(conn)?;
                let plan = self.plan_for(&ledger, &history, &target)?;
                let started = report.applied.len();
                report.already = if started == 0 { plan.already() } else { report.already };
                report.notes = notes(&plan);
                match self.carry_out(conn, plan, &ledger, &history, &mut report, holding) {
                    Ok(()) => return Ok(report),
                    // Somebody without the lock was faster. A place is reached from wherever one stands.
                    Err(Stop::Moved) if target.is_a_place() || report.applied.len() == started => {}
                    Err(stop) => return Err(self.failure(stop).after(report)),
                }
            }
        })
    }

    /// What [`run_to`](Self::run_to) would do. It reads the database and nothing else.
    ///
    /// # Errors
    /// If the database cannot be read, or the target names a migration that the set does not have. Problems that would keep
    /// the plan from being carried out are no error here: they stand in the plan.
    #[allow(clippy::needless_pass_by_value)]
    pub fn plan(&self, mut conn: B::Conn<'_>, target: Target) -> Result<Plan> {
        let (ledger, history) = self.books(&mut conn)?;
        self.plan_for(&ledger, &history, &target)
    }

    /// Carries out a plan, if the database is still as it was when the plan was made.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::Stale`](crate::ErrorKind::Stale) if the database has changed, or if the plan was made
    /// with other migrations.
    pub fn apply(&self, mut conn: B::Conn<'_>, plan: Plan) -> Result<Report> {
        let conn = &mut conn;
        self.refuse_open_transaction(conn)?;
        let is_foreign =
            |step: &&Step| self.find(step).is_none_or(|(meta, _)| meta.checksum != step.checksum);
        if let Some(step) = plan.steps().iter().find(is_foreign) {
            return Err(Failure::ForeignPlan(step.id.clone()).into());
        }
        if plan.steps().is_empty() {
            return finished(plan);
        }
        self.locked(conn, |conn, holding| {
            let (ledger, history) = self.books(conn)?;
            if history.basis() != plan.basis() {
                return Err(Failure::Stale(0).into());
            }
            let mut report = Report { already: plan.already(), notes: notes(&plan), ..Report::default() };
            match self.carry_out(conn, plan, &ledger, &history, &mut report, holding) {
                Ok(()) => Ok(report),
                Err(stop) => Err(self.failure(stop).after(report)),
            }
        })
    }

    /// The set and the history side by side.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn status(&self, mut conn: B::Conn<'_>) -> Result<Status> {
        let (_, history) = self.books(&mut conn)?;
        Ok(status(&self.graph, &history, self.setting(TableForm::Current)))
    }

    /// The migrations of the set, in their order, without a database.
    pub fn list(&self) -> &[Meta] {
        self.graph.metas()
    }

    /// Whether a migration is applied, and finished.
    ///
    /// # Errors
    /// If the database cannot be read, or neither the set nor the history knows the migration.
    pub fn is_applied(&self, mut conn: B::Conn<'_>, id: impl Into<MigrationId>) -> Result<bool> {
        let id = id.into();
        let (_, history) = self.books(&mut conn)?;
        match (history.get(&id), self.graph.place(&id)) {
            (Some(record), _) => Ok(record.dirty.is_none()),
            (None, Some(_)) => Ok(false),
            (None, None) => Err(Failure::Unknown { nearest: self.graph.nearest(&id), id }.into()),
        }
    }

    /// The migrations that [`run`](Self::run) would apply, in their order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn pending(&self, conn: B::Conn<'_>) -> Result<Vec<MigrationId>> {
        let entries = self.status(conn)?.entries.into_iter();
        Ok(entries.filter(|entry| entry.state == State::Pending).map(|entry| entry.id).collect())
    }

    /// The records of the database, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn history(&self, mut conn: B::Conn<'_>) -> Result<Vec<Record>> {
        Ok(self.books(&mut conn)?.1.records().to_vec())
    }

    /// What the author should know about the set before shipping it: names against the convention, missing ways back, files that
    /// nothing reads. None of it keeps the set from running.
    ///
    /// ```
    /// use switchy_schema::{Migration, MigrationRunner, ProblemKind};
    ///
    /// let runner = MigrationRunner::new([Migration::reversible("notes", "CREATE TABLE a (b)", "DROP TABLE a")])?;
    /// let found = runner.validate_source();
    /// assert_eq!(found[0].kind, ProblemKind::Unconventional);
    /// assert_eq!(found.len(), 1);
    /// # Ok::<(), switchy_schema::MigrationError>(())
    /// ```
    #[cfg(feature = "validation")]
    pub fn validate_source(&self) -> Vec<Problem> {
        crate::validation::validate(&self.graph)
    }

    fn setting(&self, form: TableForm) -> Setting<'_> {
        Setting {
            dialect: B::DIALECT,
            environment: self.environment.as_deref(),
            mode: self.mode,
            table: &self.table,
            finished: match form {
                TableForm::OldWithStatus => Finished::Completed,
                TableForm::Missing | TableForm::Old | TableForm::Current => Finished::NotDirty,
            },
        }
    }

    fn find(&self, step: &Step) -> Option<Found<'_, B>> {
        let place = self.graph.place(&step.id)?;
        Some((&self.graph.metas()[place], &self.bodies[place]))
    }

    fn refuse_open_transaction(&self, conn: &mut B::Conn<'_>) -> Result<()> {
        if B::in_transaction(conn).map_err(self.reading())? {
            return Err(Failure::OpenTransaction.into());
        }
        Ok(())
    }

    fn plan_for(&self, ledger: &Ledger, history: &History, target: &Target) -> Result<Plan> {
        plan(&self.graph, history, target, self.setting(ledger.form))
    }

    fn locked<R>(
        &self,
        conn: &mut B::Conn<'_>,
        body: impl FnOnce(&mut B::Conn<'_>, &Holding) -> Result<R>,
    ) -> Result<R> {
        let mut waiting = |lock: &std::path::Path, holder: &str| {
            self.observer.iter().for_each(|observer| observer(&Event::Waiting { lock, holder }));
        };
        let database = B::locate(conn);
        self.lock.held(database, self.lock_timeout, &mut waiting, |holding| body(conn, holding))
    }

    fn carry_out(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Plan,
        ledger: &Ledger,
        history: &History,
        report: &mut Report,
        holding: &Holding,
    ) -> Result<(), Stop> {
        let approved = plan.approve()?;
        self.executor(holding).execute(conn, approved, ledger, &self.completed(history), report)
    }

    fn executor<'r>(&'r self, holding: &'r Holding) -> Executor<'r, B> {
        Executor {
            table: &self.table,
            hooks: &self.hooks,
            observer: self.observer.as_ref(),
            patience: self.lock_timeout,
            is_watched: Cell::new(None),
            find: Box::new(|step| self.find(step)),
            announce: Box::new(|step| holding.announce(&step.id)),
        }
    }

    fn reading(&self) -> impl Fn(Fault) -> MigrationError {
        |fault| self.database("read the migrations", fault)
    }

    fn database(&self, doing: &'static str, fault: Fault) -> MigrationError {
        Failure::Database { doing, table: self.table.clone(), fault }.into()
    }

    fn failure(&self, stop: Stop) -> MigrationError {
        match stop {
            Stop::Moved => Failure::Stale(0).into(),
            Stop::Failed(error) => error,
            Stop::Fault(fault) => self.database("write the migrations", fault),
        }
    }
}

/// The report of a plan without steps.
fn finished(plan: Plan) -> Result<Report> {
    let report = Report { already: plan.already(), notes: notes(&plan), ..Report::default() };
    plan.approve().map(|_| report)
}

fn notes(plan: &Plan) -> Vec<Problem> {
    plan.problems().iter().filter(|problem| !problem.kind.is_refused()).cloned().collect()
}

impl<B: Backend> fmt::Debug for MigrationRunner<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationRunner")
            .field("migrations", &self.graph.metas().len())
            .field("table", &self.table)
            .field("environment", &self.environment)
            .field("mode", &self.mode)
            .field("lock", &self.lock)
            .field("lock_timeout", &self.lock_timeout)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}
