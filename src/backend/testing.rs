//! What `test_utils` needs from a database: [`TestDriver`], for a server also [`TestServer`].

use std::path::Path;

use super::Backend;
use crate::fault::Fault;
use crate::schema::Definition;

/// The verbs with which `test_utils` uses a connection of its own.
///
/// # Errors
/// Every method returns the error of its database as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait TestDriver: Backend {
    /// A connection that is not borrowed.
    type Connection;

    /// The error of the driver, which a function of a test may return.
    type Error;

    /// The connection, borrowed.
    fn borrow(conn: &mut Self::Connection) -> Self::Conn<'_>;

    /// The fault for an error of the driver.
    fn fault_of(error: Self::Error) -> Fault;

    /// The result of a query: one string for each row, with the values separated by `|`.
    fn rows(conn: &mut Self::Conn<'_>, sql: &str) -> Result<Vec<String>, Fault>;

    /// The number of rows of a table in a schema of the test; `None` if it cannot be counted.
    fn count(conn: &mut Self::Conn<'_>, table: &str) -> Option<u64>;

    /// The definitions outside the schema that [`Catalog::schema`](super::Catalog::schema) reads, without these tables.
    fn definitions_beyond(
        _conn: &mut Self::Conn<'_>,
        _schema: Option<&str>,
        _without: &[&str],
    ) -> Result<Vec<Definition>, Fault> {
        Ok(Vec::new())
    }

    /// What is wrong with the content of the database; `None` if nothing is.
    fn damage(_conn: &mut Self::Conn<'_>) -> Result<Option<String>, Fault> {
        Ok(None)
    }
}

/// A connection of a driver, from which its backend is known.
pub trait TestConnection: Sized {
    /// Its backend.
    type Backend: TestDriver<Connection = Self>;
}

/// The verbs with which `test_utils` makes databases on a server, and starts one.
///
/// # Errors
/// Every method returns the error of its server as a [`Fault`]. An error never contains a password.
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait TestServer: TestDriver {
    /// The name of the server that is started, for messages.
    const SERVER: &'static str;

    /// The package that has its programs.
    const PACKAGE: &'static str;

    /// The environment variable with the address of a server.
    const URL_VARIABLE: &'static str;

    /// An example of an address.
    const EXAMPLE_URL: &'static str;

    /// The shell commands of a private server; `None` if it is not installed.
    fn commands() -> Option<ServerCommands>;

    /// The address of the private server in a folder.
    fn private_address(folder: &Path) -> String;

    /// The address with another database; `None` if it is not an address.
    fn with_database(address: &str, database: &str) -> Option<String>;

    /// Opens a connection. It does not wait longer than some seconds for a server that does not answer.
    fn connect(address: &str) -> Result<Self::Connection, Fault>;

    /// Creates an empty database.
    fn create(address: &str, database: &str) -> Result<(), Fault>;

    /// Removes a database, also while there are connections to it.
    fn remove(address: &str, database: &str) -> Result<(), Fault>;
}

/// The shell commands of a private server. They run in its folder, whose path is `$folder`, and options can be added at their end.
#[derive(Debug, Clone)]
pub struct ServerCommands {
    /// Creates the data.
    pub install: String,
    /// Runs the server until it is killed.
    pub run: String,
}
