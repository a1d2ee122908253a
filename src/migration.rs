//! [`Migration`]: one schema change, as data.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::backend::{Backend, Driver};
use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::direction::Direction;
use crate::error::{MigrationError, refuse_nul};
use crate::fault::BoxError;
use crate::history::Record;
use crate::id::MigrationId;
use crate::placeholder::{Placeholder, Placeholders, Replacement};
use crate::script_options::ScriptOptions;
use crate::sql::has_statement;
use crate::step::{Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss};
use crate::stored::{StoredDown, StoredScript};
use crate::transaction_fit::TransactionFit;

mod meta;
mod misspelled;
mod script;

pub use meta::{Meta, Origin, Unread};
pub(crate) use misspelled::right_name;
pub(crate) use script::ScriptText;

/// One schema change: a name, its dependencies, a script or function that applies it, and optionally one that rolls it
/// back.
///
/// It is data and not a trait, because before anything runs, a plan must know whether there is a down script, and its
/// hash. A type of your own becomes a migration through `CodeMigration` (feature `code`).
///
/// # A set in a `const`
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner};
///
/// const MIGRATIONS: [Migration; 2] = [
///     Migration::reversible("1_users", "CREATE TABLE users (id INTEGER PRIMARY KEY)", "DROP TABLE users"),
///     Migration::sql("2_names", "ALTER TABLE users ADD COLUMN name TEXT NOT NULL DEFAULT ''"),
/// ];
///
/// let report = MigrationRunner::new(MIGRATIONS)?.run(&Connection::open_in_memory()?)?;
/// assert_eq!(report.applied.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Migration<
    #[cfg(feature = "sqlite")] B: Backend = Sqlite,
    #[cfg(not(feature = "sqlite"))] B: Backend,
> {
    pub(crate) meta: Meta,
    pub(crate) body: Body<B>,
}

/// What a migration runs.
pub(crate) struct Body<B: Backend> {
    pub(crate) up: Action<B>,
    pub(crate) down: Option<Action<B>>,
}

type Code<B> = Arc<dyn for<'c> Fn(<B as Driver>::Conn<'c>) -> Result<(), BoxError> + Send + Sync>;

/// A script, or a function that takes the connection.
pub(crate) enum Action<B: Backend> {
    Sql(ScriptText),
    Code(Code<B>),
}

impl<B: Backend> Migration<B> {
    /// A migration that runs a script and cannot be rolled back.
    #[track_caller]
    pub const fn sql(id: &'static str, up: &'static str) -> Self {
        let up = Action::script(Cow::Borrowed(up));
        Self::defined(MigrationId::from_static(id), up, None, Location::caller())
    }

    /// A migration with a script that applies it and a script that rolls it back.
    #[track_caller]
    pub const fn reversible(id: &'static str, up: &'static str, down: &'static str) -> Self {
        let down = Some(Action::script(Cow::Borrowed(down)));
        let up = Action::script(Cow::Borrowed(up));
        Self::defined(MigrationId::from_static(id), up, down, Location::caller())
    }

    /// A migration created at run time, from texts that a program builds or fetches.
    #[track_caller]
    pub fn from_scripts(
        id: impl Into<MigrationId>,
        up: impl Into<Cow<'static, str>>,
        down: Option<String>,
    ) -> Self {
        let down = down.map(|down| Action::script(down.into()));
        Self::defined(id.into(), Action::script(up.into()), down, Location::caller())
    }

    /// A migration that runs a function on the connection, in its transaction. On [`Sqlite`](crate::Sqlite),
    /// `Migration::code` does the same without naming the backend.
    #[track_caller]
    pub fn function<E: Into<BoxError>>(
        id: impl Into<MigrationId>,
        up: impl for<'c> Fn(B::Conn<'c>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self::defined(id.into(), Action::code(up), None, Location::caller())
    }

    /// Sets the function that rolls it back.
    pub fn undo<E: Into<BoxError>>(
        mut self,
        down: impl for<'c> Fn(B::Conn<'c>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.body.down = Some(Action::code(down));
        self.meta.is_reversible = true;
        self
    }

    pub(crate) const fn defined(
        id: MigrationId,
        up: Action<B>,
        down: Option<Action<B>>,
        place: &'static Location<'static>,
    ) -> Self {
        Self { meta: Meta::new(id, down.is_some(), Origin::Code(place)), body: Body { up, down } }
    }

    /// Sets a one-line description.
    pub fn describe(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.meta.description = Some(description.into());
        self
    }

    /// Runs after another migration, which must be in the set.
    pub fn depends_on(mut self, id: impl Into<MigrationId>) -> Self {
        self.meta.depends_on.push(id.into());
        self
    }

    /// Runs after another migration if the set has it.
    pub fn depends_on_if_present(mut self, id: impl Into<MigrationId>) -> Self {
        self.meta.depends_on_if_present.push(id.into());
        self
    }

    /// Runs only on these kinds of database. On other kinds, the plan shows that it is not for that database.
    pub fn only_on(mut self, databases: impl IntoIterator<Item = Dialect>) -> Self {
        self.meta.databases.extend(databases);
        self
    }

    /// Runs only in these environments; see [`MigrationRunner::environment`](crate::MigrationRunner::environment).
    pub fn environments<S: Into<String>>(mut self, environments: impl IntoIterator<Item = S>) -> Self {
        self.meta.environments.extend(environments.into_iter().map(Into::into));
        self
    }

    /// Runs statement by statement without a transaction, as `VACUUM` and `PRAGMA journal_mode` require. While it runs,
    /// its record is dirty; if it fails, the record stays dirty.
    pub fn outside_transaction(mut self) -> Self {
        self.meta.atomicity = Atomicity::NonTransactional;
        self
    }

    /// Sets how foreign keys are enforced. The default is [`ForeignKeys::Checked`], the safe choice.
    pub fn foreign_keys(mut self, foreign_keys: ForeignKeys) -> Self {
        self.meta.foreign_keys = foreign_keys;
        self
    }

    /// Limits how long each of its statements waits for a lock that another session holds, instead of
    /// [`MigrationRunner::statement_lock_timeout`](crate::MigrationRunner::statement_lock_timeout).
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.meta.lock_timeout = Some(timeout);
        self
    }

    /// Declares that its triggers delete rows of other tables on purpose, and, under [`ForeignKeys::Enforced`], that its foreign key
    /// actions delete or change them.
    pub fn allow_cascade(mut self) -> Self {
        self.meta.cascade = Cascade::Allowed;
        self
    }

    /// Declares that its rebuilds of tables leave out indexes, triggers, constraints or defaults on purpose, and that its statements change or
    /// lose values on purpose.
    pub fn allow_rebuild(mut self) -> Self {
        self.meta.rebuild_loss = RebuildLoss::Declared;
        self
    }

    /// Declares that all of its script is meant to run, also what follows a comment such as `-- +goose Down`.
    pub fn allow_down_part(mut self) -> Self {
        self.meta.down_part = DownPart::Allowed;
        self
    }

    /// Declares that it drops, deletes or leaves behind data on purpose, so that this is not a finding for a
    /// [`Policy`](crate::Policy).
    pub fn allow_destructive(mut self) -> Self {
        self.meta.data_loss = DataLoss::Declared;
        self
    }

    /// Accepts an earlier text of its script, given by its checksum. Where that text was applied, the change since then
    /// is not an error.
    pub fn accept(mut self, checksum: Checksum) -> Self {
        self.meta.accepted.push(checksum);
        self
    }

    /// Declares a placeholder of its scripts; see [`Placeholder`]. One for the whole set is declared with
    /// [`MigrationRunner::placeholder`](crate::MigrationRunner::placeholder).
    pub fn placeholder(mut self, placeholder: Placeholder) -> Self {
        self.meta.placeholders.push(placeholder);
        self
    }

    /// Declares that `${...}` in its scripts is text, also if the set has placeholders.
    pub fn without_placeholders(mut self) -> Self {
        self.meta.replacement = Replacement::Never;
        self
    }

    /// Sets a version for code. If it changes after the migration was applied, this is detected like a changed script.
    /// Scripts ignore it.
    pub fn revision(mut self, revision: &str) -> Self {
        if let Action::Code(_) = self.body.up {
            self.meta.checksum = Some(Checksum::of(revision));
        }
        self
    }

    /// The name of the migration.
    pub fn id(&self) -> &MigrationId {
        &self.meta.id
    }

    /// What the planner knows about it.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The script it runs, or `None` if it runs code.
    pub fn up_sql(&self) -> Option<&str> {
        self.body.up.text()
    }

    /// The script that rolls it back, if it has one.
    pub fn down_sql(&self) -> Option<&str> {
        self.body.down.as_ref().and_then(Action::text)
    }

    /// Refuses scripts with a NUL character, because the database would not read them to their end.
    pub(crate) fn refuse_nul(&self) -> Result<(), MigrationError> {
        let is_inline = matches!(self.meta.origin, Origin::Code(_));
        let scripts = [self.up_sql(), self.down_sql()];
        scripts.into_iter().flatten().try_for_each(|text| refuse_nul(&self.meta.origin, is_inline, text))
    }

    /// The same migration without a down script that has no statement, such as an unused template: there is no way back. If the up script
    /// has none either, there is nothing to undo.
    pub(crate) fn without_empty_down(mut self) -> Self {
        let changes = self.body.up.text().is_none_or(has_statement);
        if changes && self.down_sql().is_some_and(|down| !has_statement(down)) {
            self.body.down = None;
            self.meta.is_reversible = false;
        }
        self
    }

    /// Adds the checksum of its script, if it has a script.
    pub(crate) fn hashed(mut self) -> Self {
        if let Action::Sql(script) = &self.body.up {
            self.meta.hash(script.file());
        }
        self
    }
}

/// A migration that consists of scripts, for any backend.
#[derive(Debug, Clone)]
pub(crate) struct ScriptMigration {
    pub(crate) meta: Meta,
    pub(crate) up: Cow<'static, str>,
    pub(crate) down: Option<Cow<'static, str>>,
}

#[cfg(any(feature = "build", feature = "embedded"))]
impl ScriptMigration {
    /// Adds the checksum of its script.
    pub(crate) fn hashed(mut self) -> Self {
        self.meta.hash(&self.up);
        self
    }
}

impl<B: Backend> From<ScriptMigration> for Migration<B> {
    fn from(ScriptMigration { meta, up, down }: ScriptMigration) -> Self {
        Self { meta, body: Body { up: Action::script(up), down: down.map(Action::script) } }
    }
}

#[cfg(feature = "sqlite")]
impl Migration<Sqlite> {
    /// A migration that runs a function on the connection, in its transaction, for changes that SQL cannot express.
    ///
    /// # Lower-casing with Unicode, which SQLite's `lower` does not support
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// fn lower_names(conn: &Connection) -> rusqlite::Result<()> {
    ///     let mut read = conn.prepare("SELECT id, name FROM users")?;
    ///     let mut rows = read.query([])?;
    ///     while let Some(row) = rows.next()? {
    ///         let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
    ///         conn.execute("UPDATE users SET name = ?1 WHERE id = ?2", (name.to_lowercase(), id))?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let conn = Connection::open_in_memory()?;
    /// conn.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users VALUES (1, 'ÄNNE')")?;
    /// MigrationRunner::new([Migration::code("1_lower_names", lower_names)])?.run(&conn)?;
    /// let name: String = conn.query_row("SELECT name FROM users", [], |row| row.get(0))?;
    /// assert_eq!(name, "änne");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The function may run again in the same run, after its transaction was rolled back; see [`Hooks`](crate::Hooks). A setting of the
    /// connection that it changes stays changed, except for the enforcement of foreign keys. After a script, the engine sets them back.
    #[track_caller]
    pub fn code<E: Into<BoxError>>(
        id: &'static str,
        up: impl Fn(&rusqlite::Connection) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self::defined(MigrationId::from_static(id), Action::<Sqlite>::code(up), None, Location::caller())
    }
}

impl<B: Backend> Action<B> {
    fn code<E: Into<BoxError>>(
        run: impl for<'c> Fn(B::Conn<'c>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self::Code(Arc::new(move |conn| run(conn).map_err(Into::into)))
    }

    const fn script(file: Cow<'static, str>) -> Self {
        Self::Sql(ScriptText::new(file))
    }

    /// The script, if it is one and not code.
    pub(crate) const fn as_script(&self) -> Option<&ScriptText> {
        match self {
            Self::Sql(script) => Some(script),
            Self::Code(_) => None,
        }
    }

    /// The script as its author wrote it, without byte order mark. This is stored and shown.
    pub(crate) fn text(&self) -> Option<&str> {
        self.as_script().map(ScriptText::text)
    }

    /// The script as it runs, with the values of its placeholders; `None` also if one cannot be replaced.
    pub(crate) fn sql(&self) -> Option<&str> {
        self.as_script().and_then(ScriptText::sql)
    }

    /// The same action with the values of its placeholders; `None` if it has none.
    fn filled(&self, all: &Placeholders, own: &[Placeholder]) -> Option<Self> {
        self.as_script()?.filled(B::DIALECT, all, own).map(Self::Sql)
    }
}

impl<B: Backend> Clone for Action<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Sql(text) => Self::Sql(text.clone()),
            Self::Code(code) => Self::Code(Arc::clone(code)),
        }
    }
}

impl<B: Backend> Body<B> {
    /// The maximum size in bytes of a script that is stored with its record. Megabytes of seed data must not be stored
    /// twice in each database.
    const LONGEST_KEPT: usize = 64 * 1024;

    /// Whether the action of a direction can run in a transaction.
    pub(crate) fn transaction_fit(&self, direction: Direction) -> TransactionFit {
        match self.action(direction) {
            Some(Action::Sql(script)) => script.fit::<B>(),
            Some(Action::Code(_)) if !B::CODE_CAN_BE_ATOMIC => TransactionFit::Outside,
            _ => TransactionFit::Inside,
        }
    }

    /// What it runs in a direction, if it has an action for it.
    pub(crate) fn action(&self, direction: Direction) -> Option<&Action<B>> {
        match direction {
            Direction::Up => Some(&self.up),
            Direction::Down => self.down.as_ref(),
        }
    }

    /// Whether the action of a direction is code.
    pub(crate) fn is_code(&self, direction: Direction) -> bool {
        matches!(self.action(direction), Some(Action::Code(_)))
    }

    /// The same body with the values of its placeholders; `None` if it has none.
    pub(crate) fn filled(&self, meta: &Meta, all: &Placeholders) -> Option<Self> {
        let own = &meta.placeholders;
        if meta.replacement == Replacement::Never || (own.is_empty() && all.declared.is_empty()) {
            return None;
        }
        self.replaced(all, own)
    }

    /// The same body with the values of its placeholders, also if nothing is declared.
    pub(crate) fn replaced(&self, all: &Placeholders, own: &[Placeholder]) -> Option<Self> {
        let up = self.up.filled(all, own);
        let down = self.down.as_ref().and_then(|down| down.filled(all, own));
        (up.is_some() || down.is_some()).then(|| Self {
            up: up.unwrap_or_else(|| self.up.clone()),
            down: down.or_else(|| self.down.clone()),
        })
    }

    /// The record for the migration.
    pub(crate) fn record(&self, meta: &Meta) -> Record {
        let short = self.up.text().filter(|text| text.len() <= Self::LONGEST_KEPT);
        Record {
            up_sql: short.map(str::to_owned),
            down: self.down.as_ref().map(|down| match down {
                Action::Sql(script) => {
                    let options = ScriptOptions {
                        form: script.form(),
                        ..meta.options(&self.transaction_fit(Direction::Down))
                    };
                    StoredDown::Script(StoredScript::new(&meta.id, script.text(), options))
                }
                Action::Code(_) => StoredDown::Code,
            }),
            ..Record::new(meta.id.clone(), meta.checksum)
        }
    }
}

impl<B: Backend> Clone for Body<B> {
    fn clone(&self) -> Self {
        Self { up: self.up.clone(), down: self.down.clone() }
    }
}

impl<B: Backend> Clone for Migration<B> {
    fn clone(&self) -> Self {
        Self { meta: self.meta.clone(), body: self.body.clone() }
    }
}

impl<B: Backend> fmt::Debug for Migration<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration")
            .field("meta", &self.meta)
            .field("up", &self.up_sql())
            .finish_non_exhaustive()
    }
}
