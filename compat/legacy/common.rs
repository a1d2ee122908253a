//! What the writers have in common: how they are called, and how a MoosicBox opens its database.

use std::env;
use std::future::Future;
use std::process::ExitCode;

use switchy_database::Database;

pub type Failure = Box<dyn std::error::Error>;

/// What a writer is asked to do.
pub struct Order {
    pub set: Set,
    /// A file, or the parameters of a connection to a PostgreSQL database, `dbname` among them.
    pub place: String,
    /// Where it stops: before this migration in 0.1, behind it in 0.4 and 0.5.
    pub until: Option<String>,
}

#[derive(Clone, Copy)]
pub enum Set {
    Config,
    Library,
}

impl Order {
    pub fn is_postgres(&self) -> bool {
        self.place.contains("dbname=")
    }
}

/// `writer <config|library> <file or address> [migration at which it stops]`
fn order() -> Option<Order> {
    let mut words = env::args().skip(1);
    let set = match words.next()?.as_str() {
        "config" => Set::Config,
        "library" => Set::Library,
        _ => return None,
    };
    let order = Order { set, place: words.next()?, until: words.next() };
    words.next().is_none().then_some(order)
}

pub fn carry_out<F: Future<Output = Result<(), Failure>>>(body: impl FnOnce(Order) -> F) -> ExitCode {
    let Some(order) = order() else {
        eprintln!("writer <config|library> <file or address> [migration at which it stops]");
        return ExitCode::from(2);
    };
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(body(order)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The file as a MoosicBox opens it: made if it is not there, foreign keys enforced, as sqlx does if not told otherwise.
pub async fn sqlite<R, F: Future<Output = Result<R, Failure>>>(
    file: &str,
    body: impl FnOnce(Box<dyn Database>) -> F,
) -> Result<R, Failure> {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
    use switchy_database::sqlx::sqlite::SqliteSqlxDatabase;

    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    // Nothing that a test makes has to outlive a power failure.
    let options = options.synchronous(SqliteSynchronous::Off);
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(5).connect_with(options).await?;
    let outcome = body(Box::new(SqliteSqlxDatabase::new(crate::shared(pool.clone())))).await;
    pool.close().await;
    outcome
}
