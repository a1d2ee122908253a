//! Queries about the state of a database.

use super::MigrationRunner;
use crate::backend::{Backend, patiently};
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::error::{Failure, Result};
use crate::fault::{Fault, FaultKind};
use crate::history::History;
use crate::id::MigrationId;
use crate::migration::{Action, Meta};
use crate::remedy::Remedy;
use crate::schema::Schema;
use crate::status::{Status, status};
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// Compares the set with the history.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn status(&self, mut conn: B::Conn<'_>) -> Result<Status> {
        self.run_session_sql(&mut conn)?;
        let history = self.read_history(&mut conn)?;
        let (foreseen, baseline) = self.foreseen(&mut conn, history, &Target::Latest)?;
        let status = status(self.set.graph(), &foreseen, self.setting());
        Ok(if baseline.is_some() { status.before_baseline() } else { status })
    }

    /// Returns the migrations of the set, in order, without a database.
    pub fn list(&self) -> &[Meta] {
        self.set.graph().metas()
    }

    /// Returns whether a migration is applied and finished.
    ///
    /// # Errors
    /// If the database cannot be read, or neither the set nor the history knows the migration.
    pub fn is_applied(&self, mut conn: B::Conn<'_>, id: impl Into<MigrationId>) -> Result<bool> {
        let id = id.into();
        self.run_session_sql(&mut conn)?;
        let history = self.read_history(&mut conn)?;
        match (history.get(&id), self.set.graph().place(&id)) {
            (Some(record), _) => Ok(record.dirty.is_none()),
            (None, Some(_)) => Ok(false),
            (None, None) => Err(Failure::Unknown { nearest: self.set.graph().nearest(&id), id }.into()),
        }
    }

    /// Returns the migrations that [`run`](Self::run) would apply, in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn pending(&self, conn: B::Conn<'_>) -> Result<Vec<MigrationId>> {
        Ok(self.status(conn)?.pending().cloned().collect())
    }

    /// Returns the holder of the lock that a run takes; the name is empty if the database does not report it. `None` if nobody
    /// holds the lock, or if there is no lock between transactions ([`Lock::Row`](crate::Lock::Row),
    /// [`Lock::Off`](crate::Lock::Off)). It does not wait, and it creates and removes nothing.
    ///
    /// # Errors
    /// If the state of the lock cannot be read.
    pub fn lock_holder(&self, mut conn: B::Conn<'_>) -> Result<Option<String>> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let holder = self.lock.holder::<B>(conn, &self.table).map_err(|error| self.lock_failure(error))?;
        Ok(holder.map(|holder| self.without_secrets(&holder).into_owned()))
    }

    /// Returns the names of the tables that the engine may have in a database: the tracking table, its log, and on a server a table to be locked.
    /// For programs that copy or dump a database without them.
    pub fn engine_tables(&self) -> Vec<TableName> {
        vec![self.table.clone(), self.table.log(), self.table.named(TableName::LOCKS.to_owned())]
    }

    /// Returns the definitions of everything in the database, apart from the engine's tables. Its Display is the schema as a file.
    ///
    /// # Errors
    /// If the database cannot be read, or if the backend cannot read definitions.
    #[allow(clippy::needless_pass_by_value)]
    pub fn dump_schema(&self, mut conn: B::Conn<'_>) -> Result<Schema> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let schema = self.read_schema(conn)?;
        schema.ok_or_else(|| {
            let what = format!("{} has no way to read the definitions of a schema", B::DIALECT);
            let remedy = Remedy::program("read them", "`Catalog::schema`");
            Self::whole_database(
                "read the schema of the database",
                Fault::new(FaultKind::Other, what).remedy(remedy),
            )
        })
    }

    /// The schema without the engine's tables.
    pub(super) fn read_schema(&self, conn: &mut B::Conn<'_>) -> Result<Option<Schema>> {
        let log = self.table.log();
        let without = [self.table.as_str(), log.as_str()];
        let read = patiently(self.lock_timeout, || B::schema(conn, self.table.schema(), &without));
        read.map_err(|fault| Self::whole_database("read the schema of the database", fault))
    }

    /// Returns the script of a migration of the set in a direction, without the values of placeholders; `None` if it has none or runs code.
    pub fn script(&self, id: impl Into<MigrationId>, direction: Direction) -> Option<&str> {
        let place = self.set.graph().place(&id.into())?;
        self.set.body(place).action(direction).and_then(Action::text)
    }

    /// Returns the records of what is applied now, and the log of what was rolled back or corrected.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn history(&self, mut conn: B::Conn<'_>) -> Result<History> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let history = self.read_history(conn)?;
        let log_entries = patiently(self.lock_timeout, || B::read_log(conn, &self.table.log()));
        Ok(history.with_log(log_entries.map_err(self.reading())?))
    }
}
