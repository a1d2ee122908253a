//! [`Pinned`]: one connection of a database, which is left as it was on every path.

use futures::executor::block_on;
use switchy_database::{Database, DatabaseError, DatabaseTransaction};
use switchy_schema::backend::Fault;
use tokio::runtime::Handle;

use crate::fault::{fault, no_connection};
use crate::statement::{Answer, Statement};
use crate::text::texts;

/// One connection of a database.
///
/// `Database` gives each statement any connection of its pool. Only a `DatabaseTransaction` keeps one. So a transaction is begun, and
/// committed at once in SQL: the object then still has the connection, on which the engine begins and ends its own transactions. In the end
/// an empty transaction is begun, which the object rolls back, since some drivers count.
pub(crate) struct Pinned {
    /// Always there, except while this is dropped.
    connection: Option<Box<dyn DatabaseTransaction>>,
    /// The runtime in which it was opened. sqlx returns a connection to its pool with a task.
    runtime: Option<Handle>,
}

impl Pinned {
    /// Takes a connection out of the pool. What a database has cached is first returned: it may be the only connection.
    pub(crate) async fn of(db: &dyn Database) -> Result<Self, Fault> {
        db.clear_connection_cache().await;
        let connection = db.begin_transaction().await.map_err(no_connection)?;
        let pinned = Self { connection: Some(connection), runtime: Handle::try_current().ok() };
        pinned.run("COMMIT").await.map_err(fault)?;
        Ok(pinned)
    }

    /// Runs a statement of the engine.
    pub(crate) async fn answer(&self, statement: Statement) -> Result<Answer, Fault> {
        let Some(connection) = &self.connection else { return Ok(Answer::Done) };
        match statement {
            Statement::Run(sql) => connection.exec_raw(&sql).await.map(|()| Answer::Done),
            Statement::Change(sql) => connection.exec_raw_params(&sql, &[]).await.map(Answer::Changed),
            Statement::Rows(sql) => connection.query_raw(&sql).await.map(|rows| Answer::Rows(texts(rows))),
            Statement::Work(work) => {
                work(&**connection).await;
                Ok(Answer::Done)
            }
        }
        .map_err(fault)
    }

    /// Runs a statement on this thread, which is not one of a runtime.
    pub(crate) fn run_here(&self, sql: &str) -> Result<(), Fault> {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        block_on(self.run(sql)).map_err(fault)
    }

    async fn run(&self, sql: &str) -> Result<(), DatabaseError> {
        match &self.connection {
            Some(connection) => connection.exec_raw(sql).await,
            None => Ok(()),
        }
    }

    /// Returns the connection to its pool, without a transaction.
    pub(crate) async fn close(mut self) {
        self.settle().await;
        if let Some(connection) = self.connection.take() {
            // Nothing depends on the outcome: if it fails, the driver closes the connection, or already has.
            let _ = connection.rollback().await;
        }
    }

    /// Ends a transaction that is open, and begins an empty one. Without one the first fails on SQLite, and otherwise does nothing.
    async fn settle(&self) {
        let _ = self.run("ROLLBACK").await;
        let _ = self.run("BEGIN").await;
    }
}

impl Drop for Pinned {
    /// The future was dropped, and so was the engine's session if it had one. A thread of its own returns the connection, since this one may
    /// be the thread that the driver needs.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let pinned = Self { connection: Some(connection), runtime: self.runtime.take() };
        let spawned = std::thread::Builder::new().name("switchy_schema return".to_owned()).spawn(move || {
            let runtime = pinned.runtime.clone();
            let _entered = runtime.as_ref().map(Handle::enter);
            block_on(pinned.close());
        });
        // Without a thread the driver rolls back what is open, which it does for every transaction that is dropped.
        drop(spawned);
    }
}
