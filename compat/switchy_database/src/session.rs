//! [`Session`]: the engine's side.

use std::sync::mpsc::{Receiver, channel};

use futures::channel::mpsc::UnboundedSender;
use futures::future::BoxFuture;
use switchy_database::{Database, DatabaseError};
use switchy_schema::backend::{Fault, Statements, Texts};
use switchy_schema::{BoxError, FaultKind};

use crate::handover::Pinned;
use crate::statement::{Answer, Request, Statement, Work};

/// A session of a database of `switchy_database`, for the engine on a thread of its own: each call sends a statement to the asynchronous
/// side and waits for its answer. [`with_session`](crate::with_session) gives one to a function.
///
/// When the future of the run is dropped, the statements that are left to do fail, and those that roll back or restore something still run.
pub struct Session(State);

enum State {
    /// The asynchronous side serves it.
    Served { requests: UnboundedSender<Request>, handover: Receiver<Pinned> },
    /// The future was dropped: the connection, if there was one, is here to be left as it was.
    Left(Option<Pinned>),
    /// There is no connection, for this reason.
    Without(String),
}

impl Session {
    pub(crate) fn new(requests: UnboundedSender<Request>, handover: Receiver<Pinned>) -> Self {
        Self(State::Served { requests, handover })
    }

    /// A session whose statements all fail.
    pub(crate) fn without(why: String) -> Self {
        Self(State::Without(why))
    }

    /// Runs code with the connection of this session as a `&dyn Database`: with the schema builder, the query builder, and whatever takes one.
    /// It is for migrations that are written in code; in the engine's transaction, the code must not end it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchy_database::schema::{Column, DataType, create_table};
    /// use switchy_schema_database::switchy_schema::{BoxError, CodeMigration, CodeMigrations, MigrationId, MigrationRunner};
    /// use switchy_schema_database::{Runs, Session, Sqlite};
    ///
    /// struct Users;
    ///
    /// impl CodeMigration<Sqlite> for Users {
    ///     fn id(&self) -> MigrationId {
    ///         MigrationId::from_static("2026-03-01-090000_users")
    ///     }
    ///
    ///     fn up(&self, session: &mut Session) -> Result<(), BoxError> {
    ///         session.with_database(|db| {
    ///             let id = Column { name: "id".into(), nullable: false, auto_increment: true, data_type: DataType::BigInt, default: None };
    ///             let name = Column { name: "name".into(), nullable: false, auto_increment: false, data_type: DataType::Text, default: None };
    ///             Box::pin(async move { create_table("users").column(id).column(name).primary_key("id").execute(db).await })
    ///         })?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let connection = rusqlite::Connection::open_in_memory()?;
    /// let pool = vec![Arc::new(switchy_async::sync::Mutex::new(connection))];
    /// let db: Box<dyn switchy_database::Database> = Box::new(switchy_database::rusqlite::RusqliteDatabase::new(pool));
    ///
    /// let runner = MigrationRunner::<Sqlite>::for_backend(CodeMigrations::<Sqlite>::new().register(Users))?;
    /// assert_eq!(Arc::new(runner).run_on(&*db).await?.applied.len(), 1);
    /// assert!(db.table_exists("users").await?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The error of the code, or that the run was cancelled.
    pub fn with_database<T, W>(&mut self, work: W) -> Result<T, BoxError>
    where
        T: Send + 'static,
        W: for<'d> FnOnce(&'d dyn Database) -> BoxFuture<'d, Result<T, DatabaseError>> + Send + 'static,
    {
        let (keep, kept) = channel();
        let work: Work = Box::new(move |db| {
            let working = work(db);
            Box::pin(async move {
                // Its receiver waits for the answer first.
                let _ = keep.send(working.await);
            })
        });
        self.send(Statement::Work(work)).map_err(|fault| fault.to_string())?;
        Ok(kept.recv()??)
    }

    fn send(&mut self, statement: Statement) -> Result<Answer, Fault> {
        match &self.0 {
            State::Served { requests, handover } => {
                let (reply, answer) = channel();
                // Neither fails while the future lives.
                if requests.unbounded_send(Request { statement, reply }).is_ok()
                    && let Ok(answer) = answer.recv()
                {
                    return answer;
                }
                // A future that is dropped hands its connection over, or had none.
                let pinned = handover.recv().ok();
                self.0 = State::Left(pinned);
                // The statement may have begun.
                Err(cancelled().partial().in_doubt())
            }
            State::Left(_) => Err(cancelled()),
            State::Without(why) => Err(Fault::new(FaultKind::Other, why.clone())),
        }
    }
}

fn cancelled() -> Fault {
    Fault::new(FaultKind::Interrupted, "the run was cancelled: its future was dropped")
        .remedy("run again, and await it to its end")
}

fn unexpected() -> Fault {
    Fault::new(FaultKind::Other, "a statement was answered with the answer to another one")
}

impl Statements for Session {
    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.send(Statement::Run(sql.to_owned())).map(drop)
    }

    fn restore(&mut self, sql: &str) -> Result<(), Fault> {
        if let State::Served { .. } = self.0 {
            match self.run(sql) {
                // It was the first to notice that the future is gone.
                Err(_) if matches!(self.0, State::Left(_)) => {}
                outcome => return outcome,
            }
        }
        match &mut self.0 {
            State::Left(Some(pinned)) => pinned.run_here(sql),
            _ => Ok(()),
        }
    }

    fn change(&mut self, sql: &str) -> Result<u64, Fault> {
        match self.send(Statement::Change(sql.to_owned()))? {
            Answer::Changed(rows) => Ok(rows),
            _ => Err(unexpected()),
        }
    }

    fn rows(&mut self, sql: &str) -> Result<Texts, Fault> {
        match self.send(Statement::Rows(sql.to_owned()))? {
            Answer::Rows(rows) => Ok(rows),
            _ => Err(unexpected()),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.0 {
            State::Served { .. } => "served",
            State::Left(_) => "left",
            State::Without(_) => "without a connection",
        };
        f.debug_tuple("Session").field(&state).finish()
    }
}
