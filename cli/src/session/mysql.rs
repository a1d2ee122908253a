//! MySQL and MariaDB.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mysql::error::DriverError;
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, SslOpts};
use switchy_schema::{MigrationRunner, Mysql, Printable};

use super::{Access, Database, Interrupter, Opened, dump, hint};
use crate::address::{Address, Server};
use crate::failure::{Failure, Result};

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
        let opts = opts(server)?;
        let conn = Conn::new(opts.clone()).map_err(|error| {
            let text = Printable(&server.without_password(&said(&error))).abridged();
            let hint = hint(&error, &text);
            Failure::connection(format!("cannot connect to {address}: {text}; {hint}"))
        })?;
        Ok(Opened { session: Session { conn, opts }, note: None })
    }

    fn conn(session: &mut Session) -> &mut Conn {
        &mut session.conn
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

/// The options of the driver for an address.
fn opts(server: &Server) -> Result<Opts> {
    let mut opts = OptsBuilder::new()
        .user(server.user.clone())
        .pass(server.password.clone())
        .ip_or_hostname(server.host.clone().or_else(|| Some("localhost".to_owned())))
        .tcp_port(server.port.unwrap_or(3306))
        .tcp_connect_timeout(Some(Duration::from_secs(30)))
        // The driver would otherwise switch to a local socket, which may belong to another server.
        .prefer_socket(false)
        .db_name(server.database.clone());
    let (mut mode, mut roots) = (None, None);
    for (name, value) in &server.options {
        match name.as_str() {
            "socket" => opts = opts.socket(Some(value.clone())),
            "ssl-mode" | "sslmode" => mode = Some(value.to_ascii_lowercase().replace('-', "_")),
            "ssl-ca" | "sslrootcert" => roots = Some(PathBuf::from(value)),
            "connect_timeout" => {
                let seconds = value.parse().map_err(|_| {
                    Failure::usage("`connect_timeout` in the address is no number of seconds")
                })?;
                opts = opts.tcp_connect_timeout(Some(Duration::from_secs(seconds)));
            }
            name => {
                return Err(Failure::usage(format!(
                    "`{name}` in the address of the mysql database is not known"
                )));
            }
        }
    }
    let ssl = SslOpts::default().with_root_cert_path(roots);
    let ssl = match mode.as_deref() {
        None | Some("disabled" | "disable") => None,
        Some("required" | "require") => {
            Some(ssl.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
        }
        Some("verify_ca") => Some(ssl.with_danger_skip_domain_validation(true)),
        Some("verify_identity" | "verify_full") => Some(ssl),
        Some(_) => {
            let what =
                "`ssl-mode` in the address is none of disabled, required, verify_ca and verify_identity";
            return Err(Failure::usage(what));
        }
    };
    Ok(opts.ssl_opts(ssl).into())
}

/// What to do about a connection that could not be made.
fn hint(error: &mysql::Error, text: &str) -> &'static str {
    match error {
        mysql::Error::MySqlError(error) => match error.code {
            1049 => hint::DATABASE,
            1045 | 1698 => hint::CREDENTIALS,
            1044 => {
                "check the name of the database in the address, and that its user has a right in it (GRANT ... ON DATABASE.* TO ...)"
            }
            1040 | 1203 | 1226 => hint::FULL,
            1130 => "let the server accept this user from this machine, or check the address",
            1053 => hint::STARTING,
            _ => "see what the server says",
        },
        mysql::Error::TlsError(_) => {
            "check `ssl-mode` and `ssl-ca` in the address, and the certificate of the server"
        }
        _ if hint::is_unknown_host(text) => hint::NO_SUCH_HOST,
        mysql::Error::DriverError(DriverError::CouldNotConnect(Some((_, _, kind)))) => hint::of_io(*kind),
        mysql::Error::DriverError(DriverError::ConnectTimeout) => hint::of_io(io::ErrorKind::TimedOut),
        mysql::Error::IoError(error) => hint::of_io(error.kind()),
        _ => hint::OTHER,
    }
}

/// The message of the driver, without the name of its error type.
fn said(error: &mysql::Error) -> String {
    match error {
        mysql::Error::DriverError(error) => error.to_string(),
        mysql::Error::MySqlError(error) => error.message.clone(),
        mysql::Error::CodecError(error) => error.to_string(),
        mysql::Error::UrlError(error) => error.to_string(),
        mysql::Error::TlsError(error) => error.to_string(),
        mysql::Error::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}
