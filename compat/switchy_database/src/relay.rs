//! [`with_session`]: the asynchronous side.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use switchy_database::Database;
use switchy_schema::backend::Fault;

use crate::handover::Pinned;
use crate::session::Session;
use crate::statement::{Answer, Request, Statement};

/// Calls a function with a session of the database, on a thread of its own, and runs its statements here.
///
/// The function may call everything of the engine that takes a connection: `runner.run(session)`, `runner.status(session)`,
/// `runner.plan(session)`. The connection is taken out of the pool for its first statement, and returned when the function has ended.
///
/// The future needs no particular runtime; what the driver needs, it still needs. Dropping it cancels the function at its next statement: a
/// transaction is rolled back, and the connection is left as it was. A panic of the function is a panic of the future, and a panic of the
/// driver ends the function in the same way.
pub async fn with_session<R, F>(db: &dyn Database, function: F) -> R
where
    R: Send + 'static,
    F: FnOnce(&mut Session) -> R + Send + 'static,
{
    let (session, serving) = session_of(db);
    let (finished, outcome) = oneshot::channel();
    // The function is kept here too, for a system that starts no more threads.
    let function = Arc::new(Mutex::new(Some(function)));
    let taken = Arc::clone(&function);
    let thread = std::thread::Builder::new().name("switchy_schema".to_owned()).spawn(move || {
        let mut session = session;
        let function = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = catch_unwind(AssertUnwindSafe(|| function.map(|function| function(&mut session))));
        drop(session);
        // If the future was dropped, nobody asks.
        let _ = finished.send(outcome);
    });
    if let Err(error) = thread {
        let function = function.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut session = Session::without(format!("the system starts no thread: {error}"));
        return called(function.map(|function| function(&mut session)));
    }
    serving.await;
    match outcome.await {
        Ok(Ok(returned)) => called(returned),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(oneshot::Canceled) => called(None),
    }
}

/// A session of the database, and the future that runs its statements. The session is for another thread than the one that awaits the
/// future, which ends when the session is dropped.
///
/// It is the part of [`with_session`] for a program with a thread of its own, such as a scoped one whose function borrows something.
pub fn session_of(db: &dyn Database) -> (Session, impl Future<Output = ()> + Send + '_) {
    let (requests, inbox) = mpsc::unbounded();
    let (hand, handover) = channel();
    (Session::new(requests, handover), serve(db, inbox, hand))
}

/// Runs the statements of a session until it is dropped.
async fn serve(db: &dyn Database, mut inbox: mpsc::UnboundedReceiver<Request>, hand: Sender<Pinned>) {
    let mut connection = Connection { pinned: None, hand };
    while let Some(request) = inbox.next().await {
        let answer = connection.answer(db, request.statement).await;
        // The engine waits for it, unless it panicked.
        let _ = request.reply.send(answer);
    }
    connection.close().await;
    db.clear_connection_cache().await;
}

/// What the function returned. The thread always takes it, calls it, and sends the outcome.
fn called<R>(returned: Option<R>) -> R {
    match returned {
        Some(returned) => returned,
        None => unreachable!("the function is called once, by the thread or instead of it"),
    }
}

/// The connection of a session: taken for its first statement, and handed over to the engine if the future is dropped.
struct Connection {
    pinned: Option<Pinned>,
    hand: Sender<Pinned>,
}

impl Connection {
    async fn answer(&mut self, db: &dyn Database, statement: Statement) -> Result<Answer, Fault> {
        if self.pinned.is_none() {
            self.pinned = Some(Pinned::of(db).await?);
        }
        match &self.pinned {
            Some(pinned) => pinned.answer(statement).await,
            None => Ok(Answer::Done),
        }
    }

    async fn close(&mut self) {
        if let Some(pinned) = self.pinned.take() {
            pinned.close().await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(pinned) = self.pinned.take() {
            // If the engine has ended too, the connection returns itself.
            let _ = self.hand.send(pinned);
        }
    }
}
