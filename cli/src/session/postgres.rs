//! PostgreSQL.

use std::error::Error;
use std::time::Duration;

use postgres::Client;
use postgres::config::SslMode;
use switchy_schema::{MigrationRunner, Postgres};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Access, Database, Existed, Interrupter, Opened, Others, dump, not_up};
use crate::address::{Address, Server};
use crate::failure::{Failure, Result};

mod config;
mod whole;

/// An open connection, and the TLS settings to open another one to the same server.
pub struct Session {
    client: Client,
    tls: MakeRustlsConnect,
    /// Whether the server is only spoken to over TLS.
    requires_tls: bool,
}

#[allow(private_interfaces, reason = "the trait is sealed")]
impl Database for Postgres {
    type Session = Session;

    fn open(address: &Address, _access: Access, _patience: Duration) -> Result<Opened<Session>> {
        let Address::Postgres(server) = address else {
            let what =
                format!("{address} is no PostgreSQL database, and these migrations are for PostgreSQL");
            return Err(Failure::usage(what));
        };
        let (mut config, tls) = config::of(server)?;
        config.notice_callback(Postgres::notice);
        let client = config.connect(tls.clone()).map_err(|error| unreachable(address, server, &error))?;
        let requires_tls = config.get_ssl_mode() == SslMode::Require;
        Ok(Opened { session: Session { client, tls, requires_tls }, note: None })
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

    fn conn(session: &mut Session) -> &mut Client {
        &mut session.client
    }

    fn in_schema(
        runner: MigrationRunner<Self>,
        schema: &str,
    ) -> Option<switchy_schema::Result<MigrationRunner<Self>>> {
        Some(runner.schema(schema))
    }

    fn schema_script(runner: &MigrationRunner<Self>, _: &mut Session, address: &Address) -> Result<String> {
        match address {
            Address::Postgres(server) => dump::postgres(server, &runner.engine_tables()),
            _ => Ok(String::new()),
        }
    }

    /// The engine sends its cancel request without TLS.
    fn own_interrupter(session: &mut Session) -> Option<Interrupter> {
        let (token, tls) = (session.client.cancel_token(), session.tls.clone());
        // If this fails, the statement runs to its end.
        session
            .requires_tls
            .then(|| -> Interrupter { Box::new(move || drop(token.cancel_query(tls.clone()))) })
    }
}

fn unreachable(address: &Address, server: &Server, error: &postgres::Error) -> Failure {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let deeper_text = deeper.to_string();
        if !text.contains(&deeper_text) {
            text = format!("{text}: {deeper_text}");
        }
        source = deeper.source();
    }
    let text = server.without_password(&text);
    let failure = Failure::connection(format!(
        "cannot connect to {address}: {text}; check the address, and that the server runs"
    ));
    if not_up::postgres(error) { failure.passing(text) } else { failure }
}
