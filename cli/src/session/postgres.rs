//! PostgreSQL.

use std::error::Error;
use std::time::Duration;

use postgres::config::SslMode;
use postgres::{Client, Config};
use switchy_schema::{MigrationRunner, Postgres};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, Check};
use super::{Access, Database, Interrupter, Opened, dump};
use crate::address::{Address, Server};
use crate::failure::{Failure, Result};

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
        let (mut config, tls) = config(server)?;
        config.notice_callback(Postgres::notice);
        let client = config.connect(tls.clone()).map_err(|error| unreachable(address, server, &error))?;
        let requires_tls = config.get_ssl_mode() == SslMode::Require;
        Ok(Opened { session: Session { client, tls, requires_tls }, note: None })
    }

    fn conn(session: &mut Session) -> &mut Client {
        &mut session.client
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

/// The settings of the driver for an address, which is read as `libpq` reads it.
fn config(server: &Server) -> Result<(Config, MakeRustlsConnect)> {
    let mut config = Config::new();
    config.application_name("switchy-schema").connect_timeout(Duration::from_secs(30));
    config.host(server.host.as_deref().unwrap_or("localhost")).port(server.port.unwrap_or(5432));
    let user = || std::env::var("USER").unwrap_or_else(|_| "postgres".to_owned());
    config.user(&server.user.clone().unwrap_or_else(user));
    if let Some(password) = &server.password {
        config.password(password);
    }
    if let Some(database) = &server.database {
        config.dbname(database);
    }
    let (mut mode, mut check, mut roots) = (SslMode::Prefer, Check::Nothing, None);
    for (name, value) in &server.options {
        match name.as_str() {
            "sslmode" => {
                (mode, check) = match value.as_str() {
                    "disable" => (SslMode::Disable, Check::Nothing),
                    "allow" | "prefer" => (SslMode::Prefer, Check::Nothing),
                    "require" => (SslMode::Require, Check::Nothing),
                    "verify-ca" => (SslMode::Require, Check::Signature),
                    "verify-full" => (SslMode::Require, Check::Host),
                    _ => {
                        return Err(Failure::usage(
                            "`sslmode` in the address is none of disable, prefer, require, verify-ca and verify-full",
                        ));
                    }
                }
            }
            "sslrootcert" => roots = Some(value.as_str()),
            "connect_timeout" => {
                let seconds = value.parse().map_err(|_| {
                    Failure::usage("`connect_timeout` in the address is no number of seconds")
                })?;
                config.connect_timeout(Duration::from_secs(seconds));
            }
            "application_name" => {
                config.application_name(value);
            }
            "options" => {
                config.options(value);
            }
            name => {
                return Err(Failure::usage(format!(
                    "`{name}` in the address of the postgres database is not known"
                )));
            }
        }
    }
    config.ssl_mode(mode);
    Ok((config, MakeRustlsConnect::new(tls::config(check, roots)?)))
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
    Failure::connection(format!(
        "cannot connect to {address}: {text}; check the address, and that the server runs"
    ))
}
