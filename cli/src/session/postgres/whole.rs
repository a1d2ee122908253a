//! A PostgreSQL database as a whole.

use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;
use switchy_schema::Postgres;

use crate::address::{Address, Server};
use crate::failure::{Failure, Result};
use crate::session::{Access, Database, Existed, Others};

pub(super) fn exists(address: &Address) -> Result<bool> {
    let (name, mut client) = beside(address)?;
    is_there(&mut client, &name, address)
}

fn is_there(client: &mut Client, name: &str, address: &Address) -> Result<bool> {
    let row = client.query_opt("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", &[&name]);
    Ok(row.map_err(|error| failed(address, "look for", &error))?.is_some())
}

pub(super) fn create(address: &Address) -> Result<Existed> {
    let (name, mut client) = beside(address)?;
    if is_there(&mut client, &name, address)? {
        return Ok(Existed::Before);
    }
    match client.batch_execute(&format!("CREATE DATABASE {}", quoted(&name))) {
        Ok(()) => Ok(Existed::No),
        // Another process was faster.
        Err(error)
            if [&SqlState::DUPLICATE_DATABASE, &SqlState::UNIQUE_VIOLATION]
                .iter()
                .any(|code| error.code() == Some(code)) =>
        {
            Ok(Existed::Before)
        }
        Err(error) => Err(failed(address, "create", &error)),
    }
}

pub(super) fn drop(address: &Address, others: Others, _: Duration) -> Result<()> {
    let (name, mut client) = beside(address)?;
    if ["postgres", "template0", "template1"].contains(&name.as_str()) {
        return Err(Failure::usage(format!("`{name}` belongs to the server itself, and is not dropped")));
    }
    let force = if others == Others::End { " WITH (FORCE)" } else { "" };
    let dropped = client.batch_execute(&format!("DROP DATABASE {}{force}", quoted(&name)));
    dropped.map_err(|error| {
        let failure = failed(address, "drop", &error);
        if error.code() == Some(&SqlState::OBJECT_IN_USE) {
            failure.hinting("end these sessions, or add --force, which ends them")
        } else {
            failure
        }
    })
}

/// The name of the database, and a connection to another one: a database that a session uses can be neither created nor dropped.
fn beside(address: &Address) -> Result<(String, Client)> {
    let name = address.server().map(name).unwrap_or_default();
    let to = |database: &str| {
        let address = address.at(|server| server.database = Some(database.to_owned()));
        Postgres::open(&address, Access::Change, Duration::ZERO).map(|opened| opened.session.client)
    };
    // Either may be missing, or closed to this user.
    let first = if name == "postgres" { ["template1", "postgres"] } else { ["postgres", "template1"] };
    let client = to(first[0]).or_else(|failure| {
        if failure.is_not_up() { Err(failure) } else { to(first[1]).map_err(|_| failure) }
    });
    Ok((name, client?))
}

/// A URL without a name means the database with the name of the user.
fn name(server: &Server) -> String {
    server.database.clone().unwrap_or_else(|| server.user_or_default())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn failed(address: &Address, verb: &str, error: &postgres::Error) -> Failure {
    let said = error.as_db_error().map_or_else(
        || error.to_string(),
        |error| {
            let detail = error.detail().map_or_else(String::new, |detail| format!(" ({detail})"));
            format!("{}{detail}", error.message())
        },
    );
    Failure::connection(format!("cannot {verb} the database {address}: {said}"))
}
