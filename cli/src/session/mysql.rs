//! MySQL and MariaDB.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use mysql::error::DriverError;
use mysql::prelude::Queryable;
use mysql::{Conn, Opts};
use switchy_schema::{MigrationRunner, Mysql, Printable};

use super::{Access, Database, Existed, Interrupter, Opened, Others, deadline, dump, hint, not_up};
use crate::address::Address;
use crate::failure::{Failure, Result};

mod opts;
mod said;
mod whole;

use self::said::said;

/// What has to listen where an address points.
const KIND: &str = "a MySQL or MariaDB server";

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
        let limit = opts.get_tcp_connect_timeout();
        let limit = limit.map(|timeout| deadline::limit(timeout, &opts.get_ip_or_hostname()));
        let with = opts.clone();
        let connected = deadline::within(limit, move || Conn::new(with))
            .map_err(|error| deadline::failed(address, KIND, &error))?;
        let mut conn = connected.map_err(|error| {
            let text = Printable(&server.without_password(&said(&error))).abridged();
            let way = if server.option("socket").is_some() { hint::Way::Socket } else { hint::Way::Port };
            let hint = hint(&error, &text, way);
            let failure = Failure::connection(format!("cannot connect to {address}: {text}; {hint}"));
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

/// What to do about a connection that could not be made.
fn hint(error: &mysql::Error, text: &str, way: hint::Way) -> Cow<'static, str> {
    let of_io = |kind| hint::of_io(kind, way, KIND);
    let hint = match error {
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
        mysql::Error::DriverError(DriverError::TlsNotSupported) => {
            "let the server offer TLS, or use ssl-mode=disabled"
        }
        mysql::Error::DriverError(DriverError::CouldNotConnect(Some((_, _, kind)))) => return of_io(*kind),
        mysql::Error::DriverError(DriverError::ConnectTimeout) => return of_io(io::ErrorKind::TimedOut),
        mysql::Error::IoError(error) => return of_io(error.kind()),
        mysql::Error::CodecError(_) | mysql::Error::DriverError(DriverError::UnexpectedPacket) => {
            return hint::other_kind(KIND).into();
        }
        _ => hint::OTHER,
    };
    hint.into()
}
