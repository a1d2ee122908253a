//! What an address leaves out comes from the places where the server's own client looks: a service, the environment, a password file.

use std::path::{Path, PathBuf};

use super::server::Server;
use super::words::Place;
use super::{home, password_file, service_file};
use crate::environment::Environment;
use crate::failure::{Failure, Result};

/// The variables of `libpq`, and the parts that they set.
const POSTGRES: [(&str, &str); 14] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
];

/// Variables of `libpq` that restrict or identify a connection, which would have no effect here.
const UNSUPPORTED: [&str; 6] =
    ["PGREQUIREAUTH", "PGREQUIREPEER", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGSSLCRLDIR"];

/// The folders where a server of this system has its socket.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The order is that of `libpq`: the address, the service, the environment, the defaults; at last the password file.
pub(super) fn postgres(mut server: Server, environment: &Environment) -> Result<(Server, Vec<String>)> {
    let of_variable = || environment.get("PGSERVICE").map(|setting| setting.value);
    let service = server.option("service").map(str::to_owned).or_else(of_variable);
    if let Some(service) = service {
        service_file::apply(&mut server, &service, environment)?;
    }
    // A numeric address in the environment is not for a host of the address.
    let has_host = server.has("host") || server.has("hostaddr");
    if let Some(setting) = UNSUPPORTED.iter().find_map(|name| environment.get(name)) {
        let what = format!("{} is set, which this program does not support", setting.source);
        return Err(Failure::usage(format!("{what}; unset it to connect without it")));
    }
    for (variable, part) in POSTGRES {
        let is_for_another = matches!(part, "host" | "hostaddr") && has_host;
        if is_for_another || server.has(part) {
            continue;
        }
        if let Some(setting) = environment.get(variable) {
            let source = setting.source.to_string();
            server.set(part, &setting.value, &Place::Named(&source))?;
            server.completed_by.push(source);
        }
    }
    if !server.has("host") && !server.has("hostaddr") {
        let port = server.port.as_deref().unwrap_or("5432");
        let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
        if let Some(folder) = SOCKET_FOLDERS.iter().find(has_socket) {
            server.host = Some((*folder).to_owned());
        }
    }
    server.endpoints()?;
    let mut remarks = Vec::new();
    if server.password.is_none() {
        let file = server.option("passfile").map(PathBuf::from);
        let file = file.or_else(|| environment.get("PGPASSFILE").map(|setting| setting.value.into()));
        if let Some(file) = file.or_else(|| home::file(".pgpass", "pgpass.conf")) {
            let (password, remark) = password_file::password(&server, &file)?;
            if password.is_some() {
                server.completed_by.push(file.display().to_string());
            }
            server.password = password;
            remarks.extend(remark);
        }
    }
    Ok((server, remarks))
}

/// The variables that the clients of MySQL and MariaDB read.
pub(super) fn mysql(mut server: Server, environment: &Environment) -> Result<Server> {
    let is_local = server.host.as_deref().is_none_or(|host| host == "localhost");
    // A port says that TCP is meant.
    let may_have_socket = server.option("socket").is_none() && server.port.is_none();
    for (variable, part) in [
        ("MYSQL_HOST", "host"),
        ("MYSQL_UNIX_PORT", "socket"),
        ("MYSQL_TCP_PORT", "port"),
        ("MYSQL_PWD", "password"),
    ] {
        let is_local = is_local && server.host.as_deref().is_none_or(|host| host == "localhost");
        if server.has(part) || part == "socket" && !(is_local && may_have_socket) {
            continue;
        }
        if let Some(setting) = environment.get(variable) {
            let source = setting.source.to_string();
            server.set(part, &setting.value, &Place::Named(&source))?;
            server.completed_by.push(source);
        }
    }
    Ok(server)
}
