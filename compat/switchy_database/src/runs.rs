//! [`Runs`]: what a runner does, from asynchronous code.

use std::future::Future;
use std::sync::Arc;

use switchy_database::Database;
use switchy_schema::backend::Backend;
use switchy_schema::{MigrationError, MigrationRunner, Report, Target};

use crate::{Session, with_session};

/// What a runner does most, on a database of `switchy_database`. For everything else there is [`with_session`].
pub trait Runs {
    /// Applies what is pending: [`MigrationRunner::run`].
    fn run_on(
        self: &Arc<Self>,
        db: &dyn Database,
    ) -> impl Future<Output = Result<Report, MigrationError>> + Send;

    /// Migrates to a target: [`MigrationRunner::run_to`].
    fn run_on_to(
        self: &Arc<Self>,
        db: &dyn Database,
        target: Target,
    ) -> impl Future<Output = Result<Report, MigrationError>> + Send;
}

impl<B> Runs for MigrationRunner<B>
where
    B: for<'c> Backend<Conn<'c> = &'c mut Session>,
    Self: Send + Sync + 'static,
{
    fn run_on(
        self: &Arc<Self>,
        db: &dyn Database,
    ) -> impl Future<Output = Result<Report, MigrationError>> + Send {
        let runner = Arc::clone(self);
        with_session(db, move |session| runner.run(session))
    }

    fn run_on_to(
        self: &Arc<Self>,
        db: &dyn Database,
        target: Target,
    ) -> impl Future<Output = Result<Report, MigrationError>> + Send {
        let runner = Arc::clone(self);
        with_session(db, move |session| runner.run_to(session, target))
    }
}
