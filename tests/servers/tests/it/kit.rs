//! What people test their migrations with, on servers: it accepts what is right, refuses what is wrong with a message that says what to do,
//! and leaves nothing behind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use switchy_schema::backend::TestServer;
use switchy_schema::{Mysql, Postgres};

mod leftovers;
mod migrations;
#[cfg(unix)]
mod refusals;

/// Runs a test for each server.
macro_rules! on_servers {
    ($($name:ident)*) => { $(
        mod $name {
            #[test]
            fn postgres() {
                if switchy_schema::test_utils::server::is_available::<switchy_schema::Postgres>() {
                    super::$name::<switchy_schema::Postgres>();
                }
            }

            #[test]
            fn mysql() {
                if switchy_schema::test_utils::server::is_available::<switchy_schema::Mysql>() {
                    super::$name::<switchy_schema::Mysql>();
                }
            }
        }
    )* };
}
use on_servers;

/// A server with what differs between the two.
trait Kind: TestServer {
    /// Lists the databases.
    const DATABASES: &'static str;

    fn run(conn: Self::Conn<'_>, sql: &str) -> Result<(), Self::Error>;

    /// Runs statements on a connection.
    fn on(conn: &mut Self::Connection, sql: &str) {
        let done = Self::run(Self::borrow(conn), sql);
        done.unwrap_or_else(|error| panic!("{sql}: {}", Self::fault_of(error)));
    }

    /// Whether the server has the database with this address.
    fn has(conn: &mut Self::Connection, address: &str) -> bool {
        let (_, name) = address.split_once("switchy_test_").unwrap();
        let name = &name[..16];
        let databases = Self::rows(&mut Self::borrow(conn), Self::DATABASES).unwrap();
        databases.contains(&format!("switchy_test_{name}"))
    }
}

impl Kind for Postgres {
    const DATABASES: &'static str = "SELECT datname FROM pg_database";

    fn run(conn: &mut postgres::Client, sql: &str) -> Result<(), postgres::Error> {
        conn.batch_execute(sql)
    }
}

impl Kind for Mysql {
    const DATABASES: &'static str = "SHOW DATABASES";

    fn run(conn: &mut mysql::Conn, sql: &str) -> Result<(), mysql::Error> {
        let statements = sql.split(';').filter(|statement| !statement.trim().is_empty());
        statements
            .into_iter()
            .try_for_each(|statement| mysql::prelude::Queryable::query_drop(conn, statement))
    }
}

/// The message with which something panics.
fn message(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it should panic");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}
