//! MySQL and MariaDB.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts};
use switchy_schema::{MigrationRunner, Mysql};

use super::{Access, Database, Existed, Interrupter, Opened, Others, dump, not_up};
use crate::address::Address;
use crate::failure::{Failure, Result};

mod opts;
mod whole;

/// An open connection, and the options to open another one to the same server.
pub struct Session {
    conn: Conn,
    opts: Opts,
}

#[allow(private_interfaces, reason = "the trait is sealed")]
impl Database for Mysql {
    type Session = Session;

    fn open(address: &Address, _access: Access, _patience: Duration) -> Result<Opened<Session>> {
        let Address::Mysql(server) = address else {
            let what = format!("{address} is no MySQL database, and these migrations are for MySQL");
            return Err(Failure::usage(what));
        };
        let opts = opts::of(server)?;
        let mut conn = Conn::new(opts.clone()).map_err(|error| {
            let text = server.without_password(&said(&error));
            let failure = Failure::connection(format!(
                "cannot connect to {address}: {text}; check the address, and that the server runs"
            ));
            if not_up::mysql(&error) { failure.passing(text) } else { failure }
        })?;
        opts::set_variables(&mut conn, server)?;
        Ok(Opened { session: Session { conn, opts }, note: None })
    }

    fn exists(address: &Address) -> Result<bool> {
        whole::exists(address)
    }

    fn create(address: &Address) -> Result<Existed> {
        whole::create(address)
    }

    fn drop(address: &Address, others: Others, patience: Duration) -> Result<()> {
        whole::drop(address, others, patience)
    }

    fn conn(session: &mut Session) -> &mut Conn {
        &mut session.conn
    }

    fn in_schema(
        runner: MigrationRunner<Self>,
        schema: &str,
    ) -> Option<switchy_schema::Result<MigrationRunner<Self>>> {
        Some(runner.schema(schema))
    }

    fn schema_script(runner: &MigrationRunner<Self>, _: &mut Session, address: &Address) -> Result<String> {
        match address {
            Address::Mysql(server) => dump::mysql(server, &runner.engine_tables()),
            _ => Ok(String::new()),
        }
    }

    fn own_interrupter(session: &mut Session) -> Option<Interrupter> {
        let (id, opts) = (session.conn.connection_id(), session.opts.clone());
        // If this fails, the statement runs to its end.
        Some(Box::new(move || {
            drop(Conn::new(opts.clone()).and_then(|mut other| other.query_drop(format!("KILL QUERY {id}"))));
        }))
    }
}

/// The message of the driver, without the name of its error type.
fn said(error: &mysql::Error) -> String {
    match error {
        mysql::Error::DriverError(error) => error.to_string(),
        mysql::Error::MySqlError(error) => error.to_string(),
        mysql::Error::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}
