//! The methods that change a database.

use super::MigrationRunner;
use super::goal::Goal;
use crate::backend::Backend;
use crate::error::Result;
use crate::id::MigrationId;
use crate::report::Report;
use crate::stored_limits::StoredLimits;
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// Applies everything that is pending.
    ///
    /// # Errors
    /// Any [`ErrorKind`](crate::ErrorKind) except those of creating a runner. What was committed before the error is in its
    /// [`report`](crate::MigrationError::report).
    pub fn run(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.migrate_to(conn, Goal::LATEST)
    }

    /// Undoes this many of the applied migrations, newest first, or all if there are fewer. Two programs that do so at the same
    /// time undo twice as many; [`rollback_to`](Self::rollback_to) names the end point instead.
    ///
    /// All steps are checked before the first one runs. Each migration is undone and its record removed in one transaction, and a
    /// line is added to the log ([`history`](Self::history)).
    ///
    /// # A change of mind
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, LogEntryKind};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let runner = MigrationRunner::new([
    ///     Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a"),
    ///     Migration::reversible("2_b", "CREATE TABLE b (x)", "DROP TABLE b"),
    /// ])?
    /// .program("notes 1.2");
    /// runner.run(&conn)?;
    ///
    /// assert_eq!(runner.rollback(&conn, 1)?.applied[0].id, "2_b");
    /// let history = runner.history(&conn)?;
    /// assert_eq!(history.records().len(), 1);
    /// assert_eq!(history.log()[0].kind, LogEntryKind::RolledBack);
    /// assert_eq!(history.log()[0].program.as_deref(), Some("notes 1.2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to).
    pub fn rollback(&self, conn: B::Conn<'_>, count: usize) -> Result<Report> {
        self.run_to(conn, Target::Back(count))
    }

    /// Undoes everything that was applied after a migration, which stays applied. If it is not applied, nothing is done.
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to).
    pub fn rollback_to(&self, conn: B::Conn<'_>, id: impl Into<MigrationId>) -> Result<Report> {
        self.run_to(conn, Target::BackTo(id.into()))
    }

    /// Undoes the newest applied migration and applies it again, for its author while it is being written. If it runs in a
    /// transaction, both steps are one transaction, so a script that fails leaves it applied.
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to).
    pub fn redo(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.run_to(conn, Target::Redo)
    }

    /// Undoes the migrations that this program does not know, newest first, with the scripts that were stored in the database when
    /// they were applied. It is for a program that opens a database newer than itself
    /// ([`is_database_ahead`](crate::MigrationError::is_database_ahead)), when its user decides to stay with the older program.
    ///
    /// It does nothing unless every unknown migration has an undamaged script. A database file can come from anywhere, so each
    /// script is first run on a copy of the schema, where SQLite refuses everything that does not concern the application's own
    /// tables. Then it runs within [`stored_limits`](Self::stored_limits): for 5 minutes at most, for example.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// const USERS: Migration = Migration::reversible("1_users", "CREATE TABLE users (name)", "DROP TABLE users");
    /// const EMAIL: Migration =
    ///     Migration::reversible("2_email", "ALTER TABLE users ADD email", "ALTER TABLE users DROP COLUMN email");
    /// let conn = Connection::open_in_memory()?;
    /// MigrationRunner::new([USERS, EMAIL])?.run(&conn)?;
    ///
    /// let older = MigrationRunner::new([USERS])?;
    /// assert!(older.run(&conn).unwrap_err().is_database_ahead());
    /// assert_eq!(older.downgrade(&conn)?.applied[0].id, "2_email");
    /// assert!(older.run(&conn)?.is_up_to_date());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to). [`ErrorKind::Refused`](crate::ErrorKind::Refused) if one of the migrations has no script, if a
    /// script is not the one that was stored, or if it fails on the copy.
    pub fn downgrade(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.run_to(conn, Target::Known)
    }

    /// Sets how much each script that is stored in the database may do when [`downgrade`](Self::downgrade) runs it.
    pub fn stored_limits(mut self, limits: StoredLimits) -> Self {
        self.stored_limits = limits;
        self
    }

    /// Migrates to a target.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::UnknownMigration`](crate::ErrorKind::UnknownMigration) if the target names a migration that
    /// the set does not have.
    #[allow(clippy::needless_pass_by_value)]
    pub fn run_to(&self, conn: B::Conn<'_>, target: Target) -> Result<Report> {
        self.migrate_to(conn, Goal::to(&target))
    }
}
