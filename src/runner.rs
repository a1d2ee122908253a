//! [`MigrationRunner`]: a set of migrations, ready to be applied.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::backend::{Backend, Driver, Prepare, Schemas, patiently};
use crate::cancel::Cancel;
use crate::dialect::TableName;
use crate::discovery::MigrationSource;
use crate::error::{Failure, Result};
use crate::event::{Event, Observer};
use crate::execute::{Connect, Stopped, Waits};
use crate::fault::BoxError;
use crate::history::{Head, History, HistoryDigest, Record};
use crate::hooks::Hooks;
use crate::id::MigrationId;
use crate::lock::{Holding, Lock};
use crate::plan::{Plan, TransactionMode};
use crate::policy::Policy;
use crate::report::Baselined;
use crate::snapshot::SnapshotSettings;

#[cfg(feature = "adopt")]
mod adopt;
mod apply;
mod baseline;
mod carry_out;
mod client_script;
mod consent;
mod drift;
mod ending;
mod forecast;
mod goal;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite has snapshots"))]
mod keeper;
mod locked;
mod migrate;
mod placeholders;
mod queries;
mod recover;
mod rehearse;
mod replay;
mod reporting;
#[cfg(feature = "validation")]
mod reversible;
mod run;
mod scripts;
mod set;
#[cfg(feature = "sqlite")]
mod snapshot;
mod stored;
mod tracking_table;
#[cfg(feature = "validation")]
mod validate;
mod verdict;
mod waits;

use crate::stored_limits::StoredLimits;
use keeper::Keeper;
use set::Set;

/// Accepts or rejects a plan.
type Confirm = Box<dyn Fn(&Plan) -> bool + Send + Sync>;

/// Recognises the databases of an application that are older than its migrations.
type Recognise<B> = Box<dyn for<'c> Fn(<B as Driver>::Conn<'c>) -> Result<bool, BoxError> + Send + Sync>;

/// Looks which records a baseline has, or writes them.
type Foresee<B> =
    fn(&MigrationRunner<B>, &mut <B as Driver>::Conn<'_>, &Baseline<B>) -> Result<Option<Vec<Record>>>;
type Write<B> = fn(
    &MigrationRunner<B>,
    &mut <B as Driver>::Conn<'_>,
    &Baseline<B>,
    &Holding,
) -> Result<Option<Baselined>>;

/// Determines what the steps of a plan destroy. It is a function pointer, so a program that never sets it does not link its code.
type Forecaster<B> = fn(&MigrationRunner<B>, &mut <B as Driver>::Conn<'_>, Plan, &History) -> Result<Plan>;

/// The setting of [`baseline_if`](MigrationRunner::baseline_if). It has function pointers, so a program that never sets it does not link
/// their code.
struct Baseline<B: Backend> {
    id: MigrationId,
    recognise: Recognise<B>,
    /// The records that a run would write; `None` if it would write none.
    foresee: Foresee<B>,
    /// Writes them, under the lock.
    write: Write<B>,
}

/// A set of migrations that is ready to be applied. Create it once and use it on any number of connections.
///
/// An application calls [`run`](Self::run) at every start. If nothing is pending, that is one `SELECT`: no lock, no write, and no
/// work that grows with the set. The other methods query the state, plan, or migrate to other targets.
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
    set: Set<B>,
    /// The digests of the history after zero, one, two, ... of the migrations that run here.
    beginnings: OnceLock<Vec<HistoryDigest>>,
    /// The head of the tracking table when everything is applied.
    complete: Head,
    table: TableName,
    environment: Option<String>,
    /// The protected environments, if they are set.
    protected: Option<Vec<String>>,
    confirm: Option<Confirm>,
    policy: Policy,
    /// Set together with a policy or an environment, which may need it.
    forecaster: Option<Forecaster<B>>,
    program: Option<String>,
    /// Recognises a database that is older than its migrations.
    baseline: Option<Baseline<B>>,
    prepare: Option<Arc<Prepare<B>>>,
    /// The objects that drift leaves out: names, or beginnings of names followed by `*`.
    ignored: Vec<String>,
    mode: TransactionMode,
    lock: Lock,
    lock_timeout: Duration,
    waits: Waits,
    /// Opens another connection, on which is looked who is in the way of a step.
    connect: Option<Arc<Connect<B>>>,
    stored_limits: StoredLimits,
    hooks: Hooks<B>,
    session_sql: Vec<String>,
    observer: Option<Observer>,
    is_stopped: Option<Stopped>,
    cancel: Option<Arc<dyn Cancel>>,
    /// Keeps a snapshot of the database before the first step of a run.
    keeper: Option<Box<dyn Keeper<B>>>,
    snapshot_settings: Option<SnapshotSettings>,
}

#[cfg(feature = "sqlite")]
impl MigrationRunner {
    /// Creates a runner for SQLite from a source of migrations: an array of [`Migration`](crate::Migration)s, a folder, a registry.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source) if the source cannot be read or something in it is malformed,
    /// [`ErrorKind::Set`](crate::ErrorKind::Set) if its migrations do not fit together.
    pub fn new(source: impl MigrationSource) -> Result<Self> {
        Self::for_backend(source)
    }

    /// Creates a runner for SQLite from a folder that `include_dir!` embedded.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "embedded")]
    pub fn new_embedded(root: &'static include_dir::Dir<'static>) -> Result<Self> {
        Self::new(crate::EmbeddedMigrations::new(root))
    }

    /// Creates a runner for SQLite from a folder, which is read immediately.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "directory")]
    pub fn new_directory(root: impl Into<std::path::PathBuf>) -> Result<Self> {
        Self::new(crate::DirectoryMigrations::from_path(root))
    }

    /// Creates a runner for SQLite from a registry of migrations in code.
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
    /// Creates a runner for any backend.
    ///
    /// # Errors
    /// As `new`.
    #[allow(clippy::needless_pass_by_value)]
    pub fn for_backend(source: impl MigrationSource<B>) -> Result<Self> {
        let mut runner = Self {
            set: Set::of(&source)?,
            beginnings: OnceLock::new(),
            complete: Head::EMPTY,
            table: TableName::default(),
            environment: None,
            protected: None,
            confirm: None,
            policy: Policy::default(),
            forecaster: None,
            program: None,
            baseline: None,
            prepare: None,
            ignored: Vec::new(),
            mode: TransactionMode::default(),
            lock: Lock::default(),
            lock_timeout: Duration::from_secs(60),
            waits: Waits::default(),
            connect: None,
            stored_limits: StoredLimits::default(),
            hooks: Hooks::for_backend(),
            session_sql: Vec::new(),
            observer: None,
            is_stopped: None,
            cancel: None,
            keeper: None,
            snapshot_settings: None,
        };
        runner.recompute();
        Ok(runner)
    }

    /// Computes which migrations run here and the head of the tracking table when they are all applied.
    fn recompute(&mut self) {
        self.beginnings = OnceLock::new();
        self.complete = self.completion();
    }

    /// Keeps the records in a table other than `__switchy_migrations`.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if it cannot be a table's name; see [`TableName::new`].
    pub fn table_name(mut self, name: &str) -> Result<Self> {
        self.table = self.table.renamed(name)?;
        Ok(self)
    }

    /// Keeps the records in this schema, which must exist, instead of the schema in which unqualified names are looked up first. On
    /// MySQL, a schema is a database.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if it cannot be a schema's name; see [`TableName::in_schema`].
    pub fn schema(mut self, name: &str) -> Result<Self>
    where
        B: Schemas,
    {
        self.table = self.table.in_schema(name)?;
        Ok(self)
    }

    /// Sets the environment: `production`, `staging`, ... Migrations limited to other environments do not run. Without an
    /// environment, no migration limited to environments runs.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self.forecaster = Some(Self::with_forecast);
        self.recompute();
        self
    }

    /// Sets the protected environments: there, [`confirm`](Self::confirm) must accept a plan that destroys something or rolls back.
    /// The default is `production`.
    pub fn protect<S: Into<String>>(mut self, environments: impl IntoIterator<Item = S>) -> Self {
        self.protected = Some(environments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the function that accepts or rejects a plan in a protected environment, if the plan destroys something or rolls back.
    /// The steps of the plan report what is removed and how many rows. Without this function, or if it returns `false`, the plan is
    /// refused. For an empty database, which has nothing to lose, the function is not called.
    ///
    /// A removal is a drop or a delete by a script, a trigger or a foreign key action. Values that an `UPDATE` or a `REPLACE`
    /// overwrites are not counted, nor what hooks, temporary triggers and the commands of full-text tables delete. The effects of
    /// code are unknown, so code needs confirmation.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let set = || {
    ///     MigrationRunner::new([
    ///         Migration::sql("1_drafts", "CREATE TABLE drafts (text)"),
    ///         Migration::sql("2_no_drafts", "DROP TABLE drafts"),
    ///     ])
    /// };
    /// set()?.run_to(&conn, switchy_schema::Target::Steps(1))?;
    /// conn.execute_batch("INSERT INTO drafts VALUES ('a letter')")?;
    ///
    /// let careful = set()?.environment("production").confirm(|plan| {
    ///     assert!(plan.to_string().contains("drops the table `drafts` with 1 row"));
    ///     false
    /// });
    /// let error = careful.run(&conn).unwrap_err();
    /// assert!(error.to_string().contains("the plan was rejected"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn confirm(mut self, confirm: impl Fn(&Plan) -> bool + Send + Sync + 'static) -> Self {
        self.confirm = Some(Box::new(confirm));
        self
    }

    /// Sets the verdict on each kind of finding.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self.forecaster = Some(Self::with_forecast);
        self
    }

    /// Sets the name and version of the program, for example `concat!("notes ", env!("CARGO_PKG_VERSION"))`. They are stored with each
    /// migration that it applies, and in the log. An older program that opens the database can then say which version is needed
    /// ([`newer_program`](crate::MigrationError::newer_program)).
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Prepares the engine's own connections like the application's: registers its SQL functions, collations and modules, and sets the
    /// key of an encrypted database. These connections are to databases in memory in which scripts are tried, also by
    /// [`plan`](Self::plan), to the files of snapshots, and to the database itself while a snapshot is restored or a run may have to be
    /// undone. The registered functions are called there too, so they should do nothing outside the database.
    pub fn prepare_connection(
        mut self,
        prepare: impl for<'c> Fn(B::Conn<'c>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Some(Arc::new(prepare));
        self
    }

    /// Runs the function of [`prepare_connection`](Self::prepare_connection), if there is one, on a connection. A program that is
    /// given a runner and opens its connections calls this.
    ///
    /// # Errors
    /// The error of that function.
    pub fn prepare(&self, conn: B::Conn<'_>) -> Result<(), BoxError> {
        self.prepare.as_ref().map_or(Ok(()), |prepare| prepare(conn))
    }

    /// Commits each migration separately, or all steps of a run in one transaction.
    pub fn transaction(mut self, mode: TransactionMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how concurrent runs exclude each other. The default is a lock file beside the database.
    pub fn lock(mut self, lock: Lock) -> Self {
        self.lock = lock;
        self
    }

    /// Sets how long to wait for the lock, and for the database while others write. The default is 60 seconds. A single wait inside
    /// the database ends only with the connection's own busy timeout, if that is longer.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Runs statements on the connection before anything else, each time the runner receives it: settings that a set relies on and
    /// that its own tool applied. They stay set. A start with nothing pending then runs these statements in addition.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// let script = "CREATE TABLE a AS SELECT 'A' LIKE 'a' AS is_like";
    /// let runner = MigrationRunner::new([Migration::sql("1_a", script)])?.session_sql("PRAGMA case_sensitive_like = ON");
    /// let conn = Connection::open_in_memory()?;
    /// runner.run(&conn)?;
    /// assert_eq!(conn.query_row("SELECT is_like FROM a", [], |row| row.get(0)), Ok(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn session_sql(mut self, sql: impl Into<String>) -> Self {
        self.session_sql.push(sql.into());
        self
    }

    /// Runs the statements of [`session_sql`](Self::session_sql).
    fn run_session_sql(&self, conn: &mut B::Conn<'_>) -> Result<()> {
        for sql in &self.session_sql {
            let run = patiently(self.lock_timeout, || B::run_session_sql(conn, sql));
            run.map_err(|fault| Failure::Session { sql: sql.clone(), fault })?;
        }
        Ok(())
    }

    /// Sets hooks that run in every step.
    pub fn hooks(mut self, hooks: Hooks<B>) -> Self {
        self.hooks = hooks;
        self
    }

    /// Sets an observer of the events of a run, for a progress bar. It cannot interfere.
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
        self.observer = Some(Arc::new(observer));
        self
    }
}

impl<B: Backend> fmt::Debug for MigrationRunner<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationRunner")
            .field("migrations", &self.set.graph().metas().len())
            .field("table", &self.table)
            .field("environment", &self.environment)
            .field("protected", &self.protected)
            .field("policy", &self.policy)
            .field("program", &self.program)
            .field("mode", &self.mode)
            .field("lock", &self.lock)
            .field("lock_timeout", &self.lock_timeout)
            .field("waits", &self.waits)
            .field("snapshot", &self.snapshot_settings)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}
