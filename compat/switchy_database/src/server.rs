//! [`Server`]: which kind of database a `dyn Database` is.

use switchy_database::Database;
use switchy_schema::FaultKind;
use switchy_schema::backend::Fault;

use crate::fault::fault;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Server {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

/// Finds out which kind of database this is: it asks for the version, a function that SQLite does not have.
///
/// # Errors
/// It cannot be asked, or it is another kind of database.
pub async fn server_of(db: &dyn Database) -> Result<Server, Fault> {
    // Outside a transaction an error has no consequence. The driver may have cached the only connection.
    let answer = db.query_raw("SELECT version() AS c0").await;
    db.clear_connection_cache().await;
    let rows = match answer {
        Err(error) if error.to_string().contains("no such function") => return Ok(Server::Sqlite),
        rows => rows.map_err(fault)?,
    };
    let version = crate::text::texts(rows).into_iter().flatten().flatten().next().unwrap_or_default();
    if version.starts_with("PostgreSQL") {
        return Ok(Server::Postgres);
    }
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Server::Mysql);
    }
    let what = format!(
        "this database says that its version is `{version}`, which is no SQLite, PostgreSQL, MySQL or MariaDB"
    );
    Err(Fault::new(FaultKind::Other, what))
}
