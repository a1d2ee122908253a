#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!(
    "enable at least one of the features `sqlite`, `postgres` and `mysql`, which is a kind of database each"
);

mod fault;
mod handover;
mod relay;
mod runs;
mod server;
mod session;
mod statement;
mod text;

pub use switchy_schema;

pub use crate::relay::{session_of, with_session};
pub use crate::runs::Runs;
pub use crate::server::{Server, server_of};
pub use crate::session::Session;

/// SQLite, through a database of `switchy_database`.
#[cfg(feature = "sqlite")]
pub type Sqlite = switchy_schema::SqliteOver<Session>;

/// PostgreSQL, through a database of `switchy_database`.
#[cfg(feature = "postgres")]
pub type Postgres = switchy_schema::PostgresOver<Session>;

/// MySQL or MariaDB, through a database of `switchy_database`.
#[cfg(feature = "mysql")]
pub type Mysql = switchy_schema::MysqlOver<Session>;
