//! A MySQL database as a whole.

use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use switchy_schema::Mysql;

use super::said::said;
use crate::address::Address;
use crate::failure::{Failure, Result};
use crate::session::{Access, Database, Existed, Others};

/// The databases of the server itself.
const OF_SERVER: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

pub(super) fn exists(address: &Address) -> Result<bool> {
    let (name, mut conn) = beside(address)?;
    is_there(&mut conn, &name, address)
}

fn is_there(conn: &mut Conn, name: &str, address: &Address) -> Result<bool> {
    // The names follow the file system of the server.
    const SQL: &str = "SELECT COUNT(*) FROM information_schema.schemata WHERE \
        IF(@@lower_case_table_names = 0, BINARY schema_name = BINARY ?, LOWER(schema_name) = LOWER(?))";

    let count: Option<u64> =
        conn.exec_first(SQL, (name, name)).map_err(|error| failed(address, "look for", &error))?;
    Ok(count.is_some_and(|count| count > 0))
}

pub(super) fn create(address: &Address) -> Result<Existed> {
    /// `ER_DB_CREATE_EXISTS`
    const EXISTS: u16 = 1007;

    let (name, mut conn) = beside(address)?;
    if is_there(&mut conn, &name, address)? {
        return Ok(Existed::Before);
    }
    // The default of older servers cannot store every character.
    let default: Option<String> = conn
        .query_first("SELECT @@character_set_server")
        .map_err(|error| failed(address, "create", &error))?;
    let charset = if default.as_deref() == Some("utf8mb4") {
        String::new()
    } else {
        " CHARACTER SET utf8mb4".to_owned()
    };
    match conn.query_drop(format!("CREATE DATABASE {}{charset}", quoted(&name))) {
        Ok(()) => Ok(Existed::No),
        // Another process was faster.
        Err(mysql::Error::MySqlError(error)) if error.code == EXISTS => Ok(Existed::Before),
        Err(error) => Err(failed(address, "create", &error)),
    }
}

pub(super) fn drop(address: &Address, _: Others, _: Duration) -> Result<()> {
    let (name, mut conn) = beside(address)?;
    if OF_SERVER.iter().any(|of_server| of_server.eq_ignore_ascii_case(&name)) {
        return Err(Failure::usage(format!("`{name}` belongs to the server itself, and is not dropped")));
    }
    conn.query_drop(format!("DROP DATABASE {}", quoted(&name)))
        .map_err(|error| failed(address, "drop", &error))
}

/// The name of the database, and a connection that uses none.
fn beside(address: &Address) -> Result<(String, Conn)> {
    let name = address.server().and_then(|server| server.database.clone());
    let name = name.ok_or_else(|| {
        Failure::usage(format!("{address} names no database; name one in it, as in mysql://HOST/NAME"))
    })?;
    let address = address.at(|server| server.database = None);
    let opened = Mysql::open(&address, Access::Change, Duration::ZERO)?;
    Ok((name, opened.session.conn))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn failed(address: &Address, verb: &str, error: &mysql::Error) -> Failure {
    Failure::connection(format!("cannot {verb} the database {address}: {}", said(error)))
}
