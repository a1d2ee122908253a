//! An address in the form of a URL, with the rules of `libpq`: several hosts, no host, a folder of a socket as the host.

use percent_encoding::percent_decode_str;

use super::server::Server;
use super::words::{ENCODING_HINT, Place};
use crate::failure::{Failure, Result};

/// Parses an address with this scheme.
///
/// # Errors
/// The text is no URL, or has an option that is not known. The error does not repeat what may be a password.
pub(super) fn parse(scheme: &'static str, text: &str) -> Result<Server> {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.ends_with("@unix(") || authority.contains("tcp(") {
        return Err(of_go());
    }
    // The part of a password after a `/` would be parsed as the name of the database, and be shown.
    if behind.contains('@') {
        return Err(unclear(scheme, "there is a `@` after the host"));
    }
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').map_or((user, None), |(user, word)| (user, Some(word)));
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.contains('/') {
        let socket = if scheme == "mysql" { "?socket=PATH" } else { "?host=FOLDER" };
        return Err(misread(
            scheme,
            "there is a `/` in the name of the database",
            &format!(
                "remove it if it is at the end, or write it as %2F; to connect to a socket, use {socket}"
            ),
        ));
    }
    let mut server = Server::new(scheme);
    let (hosts, ports) = endpoints(scheme, hosts)?;
    for (name, value) in [
        ("user", Some(decoded(scheme, user)?)),
        ("password", password.map(|word| decoded(scheme, word)).transpose()?),
        ("host", Some(hosts)),
        ("port", Some(ports)),
        ("dbname", Some(decoded(scheme, path)?)),
    ] {
        if let Some(value) = value {
            server.set(name, &value, &Place::Address)?;
        }
    }
    let mut place = Place::Address;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(scheme, name)?, decoded(scheme, value)?);
        match (name.as_str(), value.as_str()) {
            // libpq reads this option of JDBC.
            ("ssl", "true") if scheme == "postgres" => server.set("sslmode", "require", &place)?,
            _ => server.set(&name, &value, &place)?,
        }
        if name == "password" {
            place = Place::BehindPassword;
        }
    }
    if scheme == "mysql" {
        socket_for_host(&mut server)?;
    }
    if scheme == "mysql" && server.host.as_deref().is_some_and(|host| host.contains(',')) {
        return Err(Failure::usage("the address of a mysql database has one host"));
    }
    server.endpoints()?;
    Ok(server)
}

/// A path in place of the host is that of a socket, as in the addresses of PostgreSQL.
fn socket_for_host(server: &mut Server) -> Result<()> {
    match server.host.take() {
        Some(path) if path.starts_with('/') && !server.has("socket") => {
            server.set("socket", &path, &Place::Address)
        }
        host => {
            server.host = host;
            Ok(())
        }
    }
}

/// The hosts and their ports, each as a list with commas. The list of ports is empty if none is given.
fn endpoints(scheme: &str, text: &str) -> Result<(String, String)> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for endpoint in text.split(',') {
        let (host, port) = match endpoint.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, ""),
            Some((host, port)) => (
                host,
                port.strip_prefix(':')
                    .ok_or_else(|| unclear(scheme, "it has more behind the `]` of a host"))?,
            ),
            None => endpoint.split_once(':').unwrap_or((endpoint, "")),
        };
        let host = decoded(scheme, host)?;
        if host.chars().any(|c| c.is_whitespace() || c.is_control() || "[]()<>\"'`\\^|{}".contains(c))
            && !host.starts_with('/')
        {
            return Err(unclear(scheme, "its host has a character that no host has"));
        }
        if port.contains(':') && port.chars().all(|c| c.is_ascii_hexdigit() || ":.%".contains(c)) {
            let hint = "write an IPv6 address in brackets, as in [::1]:5432";
            return Err(misread(scheme, "its host has several colons", hint));
        }
        if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0) {
            let is_number = port.chars().all(|c| c.is_ascii_digit());
            return Err(if is_number {
                misread(scheme, "invalid port number", "a port is a number from 1 to 65535")
            } else {
                unclear(scheme, "invalid port number")
            });
        }
        hosts.push(host);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((hosts.join(","), ports))
}

fn decoded(scheme: &str, part: &str) -> Result<String> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| {
        Failure::usage(format!("the address of the {scheme} database is not UTF-8 where it is encoded"))
    })?;
    if text.contains('\0') {
        return Err(unclear(scheme, "it has a character with the number 0"));
    }
    Ok(text.into_owned())
}

fn unclear(scheme: &str, what: &str) -> Failure {
    misread(scheme, what, ENCODING_HINT)
}

fn misread(scheme: &str, what: &str, hint: &str) -> Failure {
    Failure::usage(format!("the address of the {scheme} database cannot be understood: {what}; {hint}"))
}

/// An address in the form of the MySQL driver for Go.
pub(super) fn of_go() -> Failure {
    let form =
        "mysql://USER:PASSWORD@HOST:PORT/NAME, or mysql://USER:PASSWORD@/NAME?socket=PATH for a socket";
    Failure::usage(format!(
        "the address of the mysql database has the form of a driver of Go, with tcp(...) or unix(...); use {form}"
    ))
}
