//! [`TestMigrations`]: runs a set as a test needs it.

use std::path::Path;

use rusqlite::Connection;

use crate::discovery::MigrationSource;
use crate::id::MigrationId;
use crate::runner::MigrationRunner;
use crate::target::Target;
use trial::{Moment, Outcome, Stop, Trial};

mod cycle;
mod data;
mod fixtures;
mod row_counts;
mod trial;

/// Runs a set of migrations as a test needs it: with data before a migration, checks after it, back again, step by step on generated rows,
/// or on the databases that released versions left.
///
/// # Rows survive a split of a column
///
/// ```
/// use switchy_schema::test_utils::{TestDatabase, TestMigrations, assert_rows};
/// use switchy_schema::Migration;
///
/// const SPLIT: &str = "ALTER TABLE users ADD COLUMN first TEXT;
///     UPDATE users SET first = substr(name, 1, instr(name, ' ') - 1);
///     UPDATE users SET name = substr(name, instr(name, ' ') + 1)";
/// const JOIN: &str = "UPDATE users SET name = first || ' ' || name; ALTER TABLE users DROP COLUMN first";
///
/// let database = TestDatabase::new();
/// TestMigrations::of([
///     Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users"),
///     Migration::reversible("2_split", SPLIT, JOIN),
/// ])
/// .seed_before("2_split", |conn| conn.execute_batch("INSERT INTO users VALUES ('Ada Lovelace')"))
/// .check_after("2_split", |conn| assert_rows(conn, "SELECT first, name FROM users", &["Ada|Lovelace"]))
/// .check_undone("2_split", |conn| assert_rows(conn, "SELECT * FROM users", &["Ada Lovelace"]))
/// .run(&database.connect());
/// ```
#[derive(Debug)]
pub struct TestMigrations {
    trial: Trial,
}

impl TestMigrations {
    /// Tests the migrations of a source: an embedded folder, a folder on disk, a registry of code, an array, or a
    /// [`TestMigrationBuilder`](super::TestMigrationBuilder).
    ///
    /// # Panics
    /// If the source cannot be read, or its migrations do not fit together.
    #[track_caller]
    pub fn of(source: impl MigrationSource) -> Self {
        match MigrationRunner::new(source) {
            Ok(runner) => Self::new(runner),
            Err(error) => panic!("{error}"),
        }
    }

    /// Tests the migrations of a runner as the application configured it: with its table, policy, hooks, environment, and what
    /// [`prepare_connection`](MigrationRunner::prepare_connection) registers.
    pub fn new(runner: MigrationRunner) -> Self {
        Self { trial: Trial::new(runner) }
    }

    /// Runs a function before a migration, when everything before it is applied: usually to insert rows as an older version of the
    /// application left them. The functions for one migration run in the order in which they were added.
    pub fn seed_before(
        self,
        id: impl Into<MigrationId>,
        seed: impl Fn(&Connection) -> rusqlite::Result<()> + 'static,
    ) -> Self {
        self.stop(id.into(), Moment::Before, seed)
    }

    /// Runs a function after a migration, before the next one: usually assertions.
    pub fn check_after(self, id: impl Into<MigrationId>, check: impl Fn(&Connection) + 'static) -> Self {
        self.stop(id.into(), Moment::After, checking(check))
    }

    /// Runs a function after a migration was undone. It implies [`roll_back`](Self::roll_back).
    pub fn check_undone(self, id: impl Into<MigrationId>, check: impl Fn(&Connection) + 'static) -> Self {
        self.stop(id.into(), Moment::Undone, checking(check)).roll_back()
    }

    /// Ends every run after this migration instead of at the latest one.
    pub fn up_to(mut self, id: impl Into<MigrationId>) -> Self {
        self.trial.end = Target::Through(id.into());
        self
    }

    /// Lets [`run`](Self::run) undo what it has applied, newest first, and lets
    /// [`verify_each_step_on_data`](Self::verify_each_step_on_data) undo each step that has a way back, and apply it again. The schema
    /// must then be as it was before.
    pub fn roll_back(mut self) -> Self {
        self.trial.goes_back = true;
        self
    }

    /// Sets how many rows [`verify_each_step_on_data`](Self::verify_each_step_on_data) generates for each table before each step. The
    /// default is 3.
    pub fn rows_per_table(mut self, rows: usize) -> Self {
        self.trial.rows = rows;
        self
    }

    /// Generates no rows for a table, which may then be empty in
    /// [`verify_each_step_on_data`](Self::verify_each_step_on_data): because its rows cannot be generated, or because generated rows are
    /// not those of the application, so that a migration rightly fails on them.
    pub fn without_generated_rows(mut self, table: impl Into<String>) -> Self {
        self.trial.exempt.push(table.into());
        self
    }

    /// Applies what is pending, and runs the seeds and checks on the way.
    ///
    /// # Panics
    /// If a migration or a seed fails, or if a check panics. If a seed or a check names a migration that the run does not apply, before
    /// anything runs. With [`roll_back`](Self::roll_back), also if a migration cannot be undone, or if the schema is then not as before.
    #[track_caller]
    pub fn run(&self, conn: &Connection) {
        passed(self.trial.run(conn));
    }

    /// Applies everything in a new database, undoes it step by step, and applies it again. After each step back the schema must be the
    /// one from before that step, and at the end the one of the first time. Seeds and checks run on the first way up, and
    /// [`check_undone`](Self::check_undone) on the way back.
    ///
    /// ```should_panic
    /// use switchy_schema::test_utils::{TestMigrationBuilder, TestMigrations};
    ///
    /// let set = TestMigrationBuilder::new()
    ///     .reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users")
    ///     .reversible("2_notes", "CREATE TABLE notes (text TEXT); CREATE TABLE tags (tag TEXT)", "DROP TABLE notes");
    /// TestMigrations::of(&set).verify_full_cycle(); // undoing `2_notes` does not restore the schema: extra table `tags`
    /// ```
    ///
    /// # Panics
    /// If a step fails or a schema differs; the message has the difference. If a migration has no way back: see
    /// [`verify_cycle_after`](Self::verify_cycle_after).
    #[track_caller]
    pub fn verify_full_cycle(&self) {
        passed(cycle::verify(&self.trial, None));
    }

    /// The same as [`verify_full_cycle`](Self::verify_full_cycle), but goes back only to this migration, which stays applied. It is for sets whose older
    /// migrations have no way back.
    ///
    /// # Panics
    /// As [`verify_full_cycle`](Self::verify_full_cycle), or if the run does not apply this migration.
    #[track_caller]
    pub fn verify_cycle_after(&self, id: impl Into<MigrationId>) {
        passed(cycle::verify(&self.trial, Some(&id.into())));
    }

    /// Applies the set in a new database one step at a time, each on rows: before each step, seeds run and [rows](super::fill) are
    /// generated in every table. After each step the database must be intact
    /// (`PRAGMA integrity_check` and `foreign_key_check`), and a step may not lose rows by mistake, as in any run.
    ///
    /// Generated rows have values that an author forgets: one in three has `NULL` wherever the schema allows it.
    ///
    /// ```should_panic
    /// use switchy_schema::test_utils::{TestMigrationBuilder, TestMigrations};
    ///
    /// let set = TestMigrationBuilder::new()
    ///     .migration("1_users", "CREATE TABLE users (name TEXT)")
    ///     .migration(
    ///         "2_named",
    ///         "CREATE TABLE named (name TEXT NOT NULL); INSERT INTO named SELECT name FROM users;
    ///         DROP TABLE users; ALTER TABLE named RENAME TO users",
    ///     );
    /// TestMigrations::of(&set).verify_each_step_on_data(); // NOT NULL constraint failed: named.name
    /// ```
    ///
    /// # Panics
    /// If a step fails or the database is not intact. If a table has no rows before a step, since neither the generator nor a seed could insert one:
    /// the message says why, and [`without_generated_rows`](Self::without_generated_rows) accepts it.
    #[track_caller]
    pub fn verify_each_step_on_data(&self) {
        passed(data::verify(&self.trial));
    }

    /// Upgrades a copy of every fixture in a folder: the databases that released versions of the application left. Afterwards each must be
    /// intact and have the schema of a new database. The checks of the migrations that a fixture lacks run; seeds
    /// do not, since a fixture has rows.
    ///
    /// Every file in the folder is a fixture: a database, or a script that creates one, whose name ends with `.sql`. Left out are files
    /// whose name ends with `-wal`, `-shm`, `-journal`, `-migrate` or `.md`, or begins with a dot. The fixtures are not changed.
    ///
    /// ```
    /// use switchy_schema::Migration;
    /// use switchy_schema::test_utils::{TestMigrationBuilder, TestMigrations};
    ///
    /// const FIRST: Migration = Migration::sql("1_users", "CREATE TABLE users (name TEXT)");
    /// let folder = TestMigrationBuilder::new(); // or "tests/fixtures"
    /// let released = switchy_schema::rusqlite::Connection::open(folder.path().join("v1.db")).unwrap();
    /// TestMigrations::of([FIRST]).run(&released);
    ///
    /// let second = Migration::sql("2_email", "ALTER TABLE users ADD COLUMN email TEXT");
    /// TestMigrations::of([FIRST, second]).assert_every_released_version_upgrades(folder.path());
    /// ```
    ///
    /// # Panics
    /// If the folder has no fixture, or an upgrade fails, or its result is not as described. The message names the fixture; all
    /// fixtures are tried first.
    #[track_caller]
    pub fn assert_every_released_version_upgrades(&self, folder: impl AsRef<Path>) {
        passed(fixtures::verify(&self.trial, folder.as_ref()));
    }

    /// Compares the schema that the set makes in a new database with a file, as [`assert_schema_file`](super::assert_schema_file) does.
    ///
    /// # Panics
    /// If a migration fails or the schema is another one.
    #[track_caller]
    pub fn assert_schema_file(&self, path: impl AsRef<Path>) {
        let schema = passed(self.trial.schema_of_new_database());
        passed(super::golden::compare(path.as_ref(), &schema.to_string()));
    }

    fn stop(
        mut self,
        id: MigrationId,
        moment: Moment,
        action: impl Fn(&Connection) -> rusqlite::Result<()> + 'static,
    ) -> Self {
        self.trial.stops.push(Stop { id, moment, action: Box::new(action) });
        self
    }
}

impl From<MigrationRunner> for TestMigrations {
    fn from(runner: MigrationRunner) -> Self {
        Self::new(runner)
    }
}

fn checking(check: impl Fn(&Connection)) -> impl Fn(&Connection) -> rusqlite::Result<()> {
    move |conn| {
        check(conn);
        Ok(())
    }
}

#[track_caller]
fn passed<T>(outcome: Outcome<T>) -> T {
    outcome.unwrap_or_else(|message| panic!("{message}"))
}
