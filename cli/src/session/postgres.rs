//! PostgreSQL.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::time::Duration;

use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::{Client, Config};
use switchy_schema::{MigrationRunner, Postgres, Printable};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Access, Database, Existed, Interrupter, Opened, Others, deadline, dump, hint, not_up};
use crate::address::{Address, Server};
use crate::failure::{Failure, Result};

mod config;
mod whole;

/// What has to listen where an address points.
const KIND: &str = "a PostgreSQL server";

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
        let (configs, tls) = config::of(server)?;
        let requires_tls = configs.iter().any(|config| config.get_ssl_mode() == SslMode::Require);
        let mut client = connect(configs, &tls, address, server)?;
        watch_the_client(&mut client);
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

/// A connection to the first host that gives one. Each has its own time, so one that accepts and never answers takes none from the others.
///
/// # Errors
/// No host gives one. The error is that of the last.
fn connect(
    configs: Vec<Config>,
    tls: &MakeRustlsConnect,
    address: &Address,
    server: &Server,
) -> Result<Client> {
    let mut failure = None;
    for mut config in configs {
        config.notice_callback(Postgres::notice);
        let host = config::host(&config);
        let limit = config.get_connect_timeout().map(|timeout| deadline::limit(*timeout, &host));
        let tls = tls.clone();
        match deadline::within(limit, move || config.connect(tls)) {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => failure = Some(unreachable(address, server, &error)),
            Err(error) => failure = Some(deadline::failed(address, KIND, &error)),
        }
    }
    Err(failure.unwrap_or_else(|| Failure::usage(format!("{address} has no host"))))
}

/// Lets the server end the running statement of the session soon after this process has ended, even if it was killed. Otherwise the
/// statement runs to its end, or waits for ever for a lock, and holds its own locks.
///
/// Servers before version 14 do not have the setting, and on some systems a server cannot do it. A value that the address, the role, the
/// database or the server sets is left alone.
fn watch_the_client(client: &mut Client) {
    const SQL: &str = "SELECT pg_catalog.set_config(name, '2s', false) FROM pg_catalog.pg_settings \
        WHERE name = 'client_connection_check_interval' AND source = 'default'";
    // Without it, everything else works.
    let _ = client.simple_query(SQL);
}

fn unreachable(address: &Address, server: &Server, error: &postgres::Error) -> Failure {
    let mut text = error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
    let (mut source, mut system) = (error.source(), None);
    while let Some(deeper) = source {
        let deeper_text = deeper.to_string();
        if error.as_db_error().is_none() && !text.contains(&deeper_text) {
            text = format!("{text}: {deeper_text}");
        }
        system = system.or(deeper.downcast_ref::<io::Error>().map(io::Error::kind));
        source = deeper.source();
    }
    let text = Printable(&server.without_password(&text)).abridged();
    let hint = hint(server, error, &text, system);
    let failure = Failure::connection(format!("cannot connect to {address}: {text}; {hint}"));
    if not_up::postgres(error) { failure.passing(text) } else { failure }
}

/// What to do about a connection that could not be made.
fn hint(
    server: &Server,
    error: &postgres::Error,
    text: &str,
    system: Option<io::ErrorKind>,
) -> Cow<'static, str> {
    let is = |states: &[SqlState]| error.code().is_some_and(|code| states.contains(code));
    let hint = match () {
        () if is(&[SqlState::INVALID_CATALOG_NAME]) => hint::DATABASE,
        () if is(&[SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) && text.contains("pg_hba.conf") => {
            "let the server accept this user from this machine, or check the address"
        }
        () if is(&[SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) => {
            hint::CREDENTIALS
        }
        // The driver would need one, and the address has none.
        () if error.code().is_none() && text.contains("password") => hint::CREDENTIALS,
        () if is(&[SqlState::TOO_MANY_CONNECTIONS]) => hint::FULL,
        () if is(&[SqlState::CANNOT_CONNECT_NOW]) => hint::STARTING,
        // The server asks for this right in one place; a role or a setting in `options` may need another one.
        () if error.as_db_error().and_then(|said| said.routine()) == Some("CheckMyDatabase")
            && is(&[SqlState::INSUFFICIENT_PRIVILEGE]) =>
        {
            let name = |name: Option<&str>| format!("\"{}\"", name.unwrap_or_default().replace('"', "\"\""));
            let user = name(server.user.as_deref());
            let database = name(server.database.as_deref().or(server.user.as_deref()));
            return format!("run `GRANT CONNECT ON DATABASE {database} TO {user}` as its owner").into();
        }
        () if error.code().is_some() => "see what the server says",
        () if text.contains("server does not support TLS") => {
            "let the server offer TLS (`ssl = on`), or use another `sslmode`"
        }
        () if text.contains("TLS") => {
            "check `sslmode` and `sslrootcert` in the address, and the certificate of the server"
        }
        () if hint::is_unknown_host(text) => hint::NO_SUCH_HOST,
        () if text.contains("database is not read only")
            || text.contains("database does not allow writes") =>
        {
            "name a server that is as `target_session_attrs` asks, or leave that out"
        }
        () => {
            let is_socket = |host: &String| host.starts_with('/');
            let way =
                if server.host.as_ref().is_some_and(is_socket) { hint::Way::Socket } else { hint::Way::Port };
            // The driver does not understand the answer, or gets none.
            let of_driver = || {
                Cow::from(if error.is_closed() || text.contains("unexpected message") {
                    hint::other_kind(KIND)
                } else {
                    hint::OTHER.to_owned()
                })
            };
            return system.map_or_else(of_driver, |kind| hint::of_io(kind, way, KIND));
        }
    };
    hint.into()
}
