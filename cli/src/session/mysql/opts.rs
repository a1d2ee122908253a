//! The options of the driver for an address, and the statements that set the variables of the session.

use std::path::PathBuf;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, SslOpts};

use crate::address::{Server, known_names};
use crate::failure::{Failure, Result};

/// The options for an address. They have been checked.
pub(super) fn of(server: &Server) -> Result<Opts> {
    let endpoint = server.endpoints()?.into_iter().next();
    let (host, port) = endpoint.map_or((None, None), |endpoint| (endpoint.host, endpoint.port));
    let seconds = server.option("connect_timeout").and_then(|value| value.trim().parse::<u64>().ok());
    // Zero stands for no limit.
    let timeout = Some(Duration::from_secs(seconds.unwrap_or(30))).filter(|timeout| !timeout.is_zero());
    let ssl = SslOpts::default().with_root_cert_path(server.option("ssl-ca").map(PathBuf::from));
    let ssl = match server.option("ssl-mode") {
        Some("required") => {
            Some(ssl.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
        }
        Some("verify_ca") => Some(ssl.with_danger_skip_domain_validation(true)),
        Some("verify_identity") => Some(ssl),
        _ => None,
    };
    let opts = OptsBuilder::new()
        .user(server.user.clone())
        .pass(server.password.clone())
        .ip_or_hostname(host.or_else(|| Some("localhost".to_owned())))
        .tcp_port(port.unwrap_or(3306))
        .tcp_connect_timeout(timeout)
        // The driver would otherwise switch to a local socket, which may belong to another server.
        .prefer_socket(false)
        .socket(server.option("socket"))
        .db_name(server.database.clone())
        .ssl_opts(ssl);
    Ok(opts.into())
}

/// Sets the variables of the session that the address names.
///
/// # Errors
/// The server has no such variable, or refuses its value.
pub(super) fn set_variables(conn: &mut Conn, server: &Server) -> Result<()> {
    if let Some(collation) = server.option("collation") {
        let sql = format!("SET NAMES utf8mb4 COLLATE {}", text(collation));
        conn.query_drop(sql).map_err(|error| refused("collation", &error, server))?;
    }
    for (name, value, shown) in server.session_variables() {
        let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
        let is_word = ["ON", "OFF", "TRUE", "FALSE", "DEFAULT"].contains(&&*value.to_ascii_uppercase());
        let value = if is_number || is_word { value.to_owned() } else { text(value) };
        let what = shown.unwrap_or("a word behind the password");
        conn.query_drop(format!("SET SESSION {name} = {value}")).map_err(|error| match shown {
            Some(_) => refused(what, &error, server),
            None => Failure::usage(format!(
                "{what} in the address is neither an option nor a variable that the server lets a session set"
            )),
        })?;
    }
    Ok(())
}

/// A text as SQL. Whether a backslash escapes depends on the `sql_mode`.
fn text(value: &str) -> String {
    if !value.contains('\\') {
        return format!("'{}'", value.replace('\'', "''"));
    }
    let hex = value.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"));
    format!("CONVERT(0x{hex} USING utf8mb4)")
}

fn refused(name: &str, error: &mysql::Error, server: &Server) -> Failure {
    /// `ER_UNKNOWN_SYSTEM_VARIABLE`
    const UNKNOWN: u16 = 1193;

    let mysql::Error::MySqlError(error) = error else {
        let error = server.without_password(&error.to_string());
        return Failure::connection(format!("cannot set `{name}`, which the address names: {error}"));
    };
    let message = server.without_password(&error.message);
    Failure::usage(if error.code == UNKNOWN {
        let known = known_names("mysql");
        format!(
            "`{name}` in the address is no option, and the server has no variable with this name; known are {known}"
        )
    } else {
        format!("the server refuses `{name}` in the address: {message}")
    })
}
