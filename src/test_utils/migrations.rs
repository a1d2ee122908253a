//! [`TestMigrations`]: runs the migrations of an application in a test.

use std::path::Path;

use crate::backend::{Sqlite, TestServer};
use crate::discovery::MigrationSource;
use crate::id::MigrationId;
use crate::runner::MigrationRunner;
use crate::target::Target;

use super::assertions::printable;
use super::backend::TestBackend;
use super::database::TestDatabase;
use super::generate::wanted::{Values, Wanted};
use trial::{Moment, Outcome, Stop, Trial};

mod cycle;
mod data;
mod fixtures;
mod row_counts;
mod trial;

/// Runs your migrations in a test. The test names the migrations before which it inserts rows, and the migrations after which it checks
/// the result. Then it calls one of these methods:
///
/// * [`run`](Self::run) applies the migrations to a database of the test.
/// * [`verify_each_step_on_data`](Self::verify_each_step_on_data) applies each migration to generated rows.
/// * [`verify_full_cycle`](Self::verify_full_cycle) applies and undoes all migrations.
/// * [`assert_every_released_version_upgrades`](Self::assert_every_released_version_upgrades) upgrades the databases of released versions.
/// * [`assert_schema_file`](Self::assert_schema_file) compares the schema with a file.
///
/// These methods create the databases that they need: for SQLite temporary files, for PostgreSQL and MySQL databases on the server of
/// [`TestDatabase::on_server`](super::TestDatabase::on_server). `TestMigrations` alone is for SQLite; `TestMigrations::<Postgres>` is for
/// PostgreSQL.
///
/// # Example: a column is split, and no row is lost
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
pub struct TestMigrations<B: TestBackend = Sqlite> {
    trial: Trial<B>,
}

impl TestMigrations {
    /// Tests the migrations of a source on SQLite. This is an embedded folder, a folder on disk, a registry of code, an array, or a
    /// [`TestMigrationBuilder`](super::TestMigrationBuilder).
    ///
    /// # Panics
    /// If the source cannot be read, or is not a valid set of migrations.
    #[track_caller]
    pub fn of(source: impl MigrationSource) -> Self {
        Self::for_backend(source)
    }

    /// Sets how many rows [`verify_each_step_on_data`](Self::verify_each_step_on_data) generates for each table before each step. The
    /// default is 3. With fewer rows, the first steps have no row with `NULL`.
    pub fn rows_per_table(mut self, rows: usize) -> Self {
        self.trial.rows.rows = rows;
        self
    }

    /// Generates four rows or more for each table, of which the fourth repeats the values of the first, except in the last column of each key. A
    /// migration that adds `UNIQUE` fails on it, as it does for a user who has two such rows.
    pub fn with_equal_rows(mut self) -> Self {
        self.trial.rows = Wanted { rows: self.trial.rows.rows.max(4), values: Values::Repeated };
        self
    }

    /// Upgrades a copy of every fixture in a folder. A fixture is a database of a released version of your application. After the upgrade,
    /// `PRAGMA integrity_check` and `PRAGMA foreign_key_check` must find nothing, and the schema must be the same as that of a new database.
    ///
    /// Every file in the folder and its subfolders is a fixture. If its name ends with `.sql`, it is a script that creates the database.
    /// Files whose name ends with `-wal`, `-shm`, `-journal`, `-migrate` or `.md`, and files and folders whose name begins with a dot, are left
    /// out. The fixtures are not changed.
    ///
    /// A check runs if the fixture does not have the migration yet. The rows are not compared otherwise. Seeds and
    /// [`check_undone`](Self::check_undone) do not run.
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
    /// If the folder has no fixture, or a fixture has no table. If an upgrade fails, or its result is not as described. All fixtures are tried,
    /// and the message names each one that failed. If a seed or a check names a migration that a new database does not get.
    #[track_caller]
    pub fn assert_every_released_version_upgrades(&self, folder: impl AsRef<Path>) {
        passed(fixtures::verify(&self.trial, folder.as_ref()));
    }
}

impl<B: TestBackend> TestMigrations<B> {
    /// Tests the migrations of a source on any backend, such as `TestMigrations::<Postgres>::for_backend(set)`.
    ///
    /// # Panics
    /// As [`of`](TestMigrations::of).
    #[track_caller]
    pub fn for_backend(source: impl MigrationSource<B>) -> Self {
        match MigrationRunner::for_backend(source) {
            Ok(runner) => Self::new(runner),
            Err(error) => panic!("{error}"),
        }
    }

    /// Tests the migrations of a runner, with the configuration of your application: its table, policy, hooks, environment, and
    /// [`prepare_connection`](MigrationRunner::prepare_connection).
    pub fn new(runner: MigrationRunner<B>) -> Self {
        Self { trial: Trial::new(runner) }
    }

    /// Runs `seed` immediately before a migration. Usually it inserts rows like those of an older version of the application. Several
    /// functions for one migration run in the order in which they were added.
    pub fn seed_before(
        self,
        id: impl Into<MigrationId>,
        seed: impl Fn(B::Conn<'_>) -> Result<(), B::Error> + 'static,
    ) -> Self {
        self.stop(id.into(), Moment::Before, seed)
    }

    /// Runs `check` immediately after a migration. Usually it has assertions.
    pub fn check_after(self, id: impl Into<MigrationId>, check: impl Fn(B::Conn<'_>) + 'static) -> Self {
        self.stop(id.into(), Moment::After, checking::<B>(check))
    }

    /// Runs `check` immediately after a migration was undone. It also has the effect of [`roll_back`](Self::roll_back).
    pub fn check_undone(self, id: impl Into<MigrationId>, check: impl Fn(B::Conn<'_>) + 'static) -> Self {
        self.stop(id.into(), Moment::Undone, checking::<B>(check)).roll_back()
    }

    /// Applies the migrations up to this one, and none after it.
    pub fn up_to(mut self, id: impl Into<MigrationId>) -> Self {
        self.trial.end = Target::Through(id.into());
        self
    }

    /// Undoes the migrations too. [`run`](Self::run) then undoes everything that it has applied, newest first.
    /// [`verify_each_step_on_data`](Self::verify_each_step_on_data) then undoes each migration that has a down script, and applies it again.
    /// The schema must then be as it was before.
    pub fn roll_back(mut self) -> Self {
        self.trial.goes_back = true;
        self
    }

    /// Lets [`verify_each_step_on_data`](Self::verify_each_step_on_data) generate no rows for this table, and accept that it is empty. It
    /// is for a table whose rows cannot be generated, or whose generated rows differ from those of the application so much that a
    /// correct migration fails on them. The rows of this table are also not counted after a migration was undone.
    pub fn without_generated_rows(mut self, table: impl Into<String>) -> Self {
        self.trial.exempt.push(table.into());
        self
    }

    /// Applies the pending migrations, and runs the seeds and checks between them.
    ///
    /// # Panics
    /// If a migration or a seed fails, or if a check panics. If a seed or a check names a migration that is not applied by this run; then
    /// nothing runs. With [`roll_back`](Self::roll_back), also if a migration cannot be undone, or if the schema is then not as before.
    #[track_caller]
    pub fn run(&self, mut conn: B::Conn<'_>) {
        passed(self.trial.run(&mut conn));
    }

    /// Applies all migrations to a new database, undoes them one by one, and applies them again. After a migration was undone, the schema must
    /// be as it was before that migration. At the end, the schema must be as it was after the first time.
    ///
    /// The database has only the rows that your seeds and migrations insert. Undoing a migration must not delete rows that were in the same table
    /// before that migration. The values in the rows are not compared: use [`check_undone`](Self::check_undone).
    ///
    /// Seeds and checks run when the migrations are applied for the first time.
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
    /// If a migration fails, if the schema differs, or if rows are lost. The message has the difference. If the set is empty. If a migration has no
    /// down script: see [`verify_cycle_after`](Self::verify_cycle_after).
    #[track_caller]
    pub fn verify_full_cycle(&self) {
        passed(cycle::verify(&self.trial, None));
    }

    /// Does the same as [`verify_full_cycle`](Self::verify_full_cycle), but undoes only the migrations after this one. Use it if older
    /// migrations have no down script.
    ///
    /// # Panics
    /// As [`verify_full_cycle`](Self::verify_full_cycle). Also if this migration is not in the set, or is the last one.
    #[track_caller]
    pub fn verify_cycle_after(&self, id: impl Into<MigrationId>) {
        passed(cycle::verify(&self.trial, Some(&id.into())));
    }

    /// Applies the migrations to a new database one by one, each to rows. Before each migration, its seeds run, and every table gets
    /// [generated rows](super::fill). After each migration, `PRAGMA integrity_check` and `PRAGMA foreign_key_check` must find nothing. The engine
    /// refuses a migration that loses rows by mistake, as in any run. Migrations that are valid only together are applied together.
    ///
    /// With [`roll_back`](Self::roll_back), each migration that has a down script is also undone and applied again. Undoing it must restore
    /// the schema, and must not delete rows that were in the same table before that migration.
    ///
    /// Of three generated rows, one has `NULL` in each column that accepts it. A migration that works only without `NULL` fails here.
    ///
    /// On a server no rows are generated, so each table needs a row from [`seed_before`](Self::seed_before), or
    /// [`without_generated_rows`](Self::without_generated_rows). The two `PRAGMA` are for SQLite only.
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
    /// If a migration fails, or damages the database. If a table has no rows before a migration, because neither a seed nor the generator inserted
    /// one. The message says why; [`without_generated_rows`](Self::without_generated_rows) accepts the empty table. If
    /// [`without_generated_rows`](Self::without_generated_rows) names a table that never exists. If the set is empty.
    #[track_caller]
    pub fn verify_each_step_on_data(&self) {
        passed(data::verify(&self.trial));
    }

    /// Applies the migrations to a new database, and compares its schema with a file, as
    /// [`assert_schema_file`](super::assert_schema_file) does. Seeds and checks do not run.
    ///
    /// # Panics
    /// If a migration fails, if the schema differs, or if the set is empty.
    #[track_caller]
    pub fn assert_schema_file(&self, path: impl AsRef<Path>) {
        let schema = passed(self.trial.schema_of_new_database());
        passed(super::golden::compare(path.as_ref(), &schema.to_string()));
    }

    fn stop(
        mut self,
        id: MigrationId,
        moment: Moment,
        action: impl Fn(B::Conn<'_>) -> Result<(), B::Error> + 'static,
    ) -> Self {
        self.trial.stops.push(Stop { id, moment, action: Box::new(action) });
        self
    }
}

impl<B: TestServer> TestMigrations<B> {
    /// Lets the methods that create databases create them on the server at this address, and not on that of
    /// [`TestDatabase::on_server`](super::TestDatabase::on_server).
    pub fn on_server_at(mut self, address: impl Into<String>) -> Self {
        let address = address.into();
        self.trial.create = Box::new(move || TestDatabase::on_server_at(&address));
        self
    }
}

impl<B: TestBackend> From<MigrationRunner<B>> for TestMigrations<B> {
    fn from(runner: MigrationRunner<B>) -> Self {
        Self::new(runner)
    }
}

fn checking<B: TestBackend>(
    check: impl Fn(B::Conn<'_>) + 'static,
) -> impl Fn(B::Conn<'_>) -> Result<(), B::Error> + 'static {
    move |conn| {
        check(conn);
        Ok(())
    }
}

#[track_caller]
fn passed<T>(outcome: Outcome<T>) -> T {
    outcome.unwrap_or_else(|message| panic!("{}", printable(&message)))
}
