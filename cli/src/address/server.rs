//! [`Server`]: the address of a database on a server.

use std::fmt;

use super::words::{self, Place, Shown};
use crate::failure::{Failure, Result};
use crate::text::counted;

/// The address of a database on a server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    scheme: &'static str,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// A name, an address, or the folder of a socket; for PostgreSQL also several, separated by commas.
    pub(crate) host: Option<String>,
    /// A port, or one for each host, separated by commas.
    pub(crate) port: Option<String>,
    pub(crate) database: Option<String>,
    options: Vec<Word>,
    /// Where the parts come from that the address itself does not have.
    pub(crate) completed_by: Vec<String>,
}

/// An option of an address.
#[derive(Clone, PartialEq, Eq)]
struct Word {
    name: String,
    value: String,
    shown: Shown,
}

/// One of the places where a server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

impl Server {
    pub(super) const fn new(scheme: &'static str) -> Self {
        Self {
            scheme,
            user: None,
            password: None,
            host: None,
            port: None,
            database: None,
            options: Vec::new(),
            completed_by: Vec::new(),
        }
    }

    /// Sets a part, with the name that it has in `libpq`. A part that is set twice has the last value.
    ///
    /// # Errors
    /// The name is not known, or the value is not one of those that are possible.
    pub(super) fn set(&mut self, name: &str, value: &str, place: &Place<'_>) -> Result<()> {
        let part = match name {
            "user" => &mut self.user,
            "password" => &mut self.password,
            "host" => &mut self.host,
            "port" => {
                words::check_port(value, place)?;
                &mut self.port
            }
            "dbname" => &mut self.database,
            _ => {
                let (name, value, shown) = words::check(self.scheme, name, value, place)?;
                self.options.retain(|word| word.name != name);
                self.options.push(Word { name, value, shown });
                return Ok(());
            }
        };
        *part = (!value.is_empty() || name == "password").then(|| value.to_owned());
        Ok(())
    }

    /// Whether a part is set.
    pub(super) fn has(&self, name: &str) -> bool {
        match name {
            "user" => self.user.is_some(),
            "password" => self.password.is_some(),
            "host" => self.host.is_some(),
            "port" => self.port.is_some(),
            "dbname" => self.database.is_some(),
            name => self.option(name).is_some(),
        }
    }

    /// The user, or by default the user of the system.
    pub(crate) fn user_or_default(&self) -> String {
        let of_system = || {
            let names = ["USER", "USERNAME", "LOGNAME"];
            names.iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        };
        self.user.clone().or_else(of_system).unwrap_or_else(|| "postgres".to_owned())
    }

    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|word| word.name == name).map(|word| word.value.as_str())
    }

    /// The options that are variables of a MySQL session, and the names of those that may be shown.
    pub(crate) fn session_variables(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        let variables = self.options.iter().filter(|word| !words::is_mysql_option(&word.name));
        variables.map(|word| {
            let shown = (word.shown != Shown::Nothing).then_some(word.name.as_str());
            (word.name.as_str(), word.value.as_str(), shown)
        })
    }

    /// Limits the time for each attempt to connect, in seconds.
    pub(crate) fn limit_connect_timeout(&mut self, seconds: u64) {
        let limit = self.option("connect_timeout").and_then(|value| value.parse::<u64>().ok());
        let seconds = limit.filter(|limit| *limit > 0).unwrap_or(30).min(seconds).max(1).to_string();
        self.options.retain(|word| word.name != "connect_timeout");
        self.options.push(Word { name: "connect_timeout".to_owned(), value: seconds, shown: Shown::Omitted });
    }

    /// The places where the server may listen, in their order. One port stands for all hosts.
    ///
    /// # Errors
    /// There are several ports, and not one for each host.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let hosts: Vec<Option<String>> = match &self.host {
            None => vec![None],
            Some(hosts) => hosts.split(',').map(|host| filled(host.trim())).collect(),
        };
        let ports: Vec<Option<u16>> = match &self.port {
            None => vec![None],
            Some(ports) => ports.split(',').map(|port| port.trim().parse().ok()).collect(),
        };
        if ports.len() > 1 && ports.len() != hosts.len() {
            return Err(Failure::usage(format!(
                "the address of the {} database has {} and {}; give one port, or one for each host",
                self.scheme,
                counted(hosts.len(), "host"),
                counted(ports.len(), "port")
            )));
        }
        let port = |number: usize| ports.get(number).or(ports.first()).copied().flatten();
        Ok(hosts
            .into_iter()
            .enumerate()
            .map(|(number, host)| Endpoint { host, port: port(number) })
            .collect())
    }

    /// Replaces the password in a text of the driver or the server.
    pub(crate) fn without_password(&self, text: &str) -> String {
        match self.password.as_deref() {
            None | Some("") => text.to_owned(),
            Some(password) => text.replace(password, "***"),
        }
    }
}

pub(super) fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{user}")?;
        }
        if self.password.is_some() {
            f.write_str(":***")?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        let host = self.host.as_deref().unwrap_or_default();
        // The folder of a socket would be read as the name of the database.
        let is_option = host.contains('/');
        let mut parts = Vec::new();
        if is_option {
            parts.push(format!("host={host}"));
            parts.extend(self.port.iter().map(|port| format!("port={port}")));
        } else {
            match self.endpoints() {
                Ok(endpoints) => {
                    let shown = endpoints.iter().map(ToString::to_string).collect::<Vec<_>>();
                    f.write_str(&shown.join(","))?;
                }
                Err(_) => f.write_str(host)?,
            }
        }
        write!(f, "/{}", self.database.as_deref().unwrap_or_default())?;
        parts.extend(self.options.iter().filter_map(|word| match word.shown {
            Shown::All => Some(format!("{}={}", word.name, word.value)),
            Shown::Name => Some(format!("{}=***", word.name)),
            Shown::Nothing => Some("***=***".to_owned()),
            Shown::Omitted => None,
        }));
        for (place, part) in parts.iter().enumerate() {
            write!(f, "{}{part}", if place == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        if host.contains(':') {
            write!(f, "[{host}]")?;
        } else {
            f.write_str(host)?;
        }
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

/// The same as `Display`, so that no output contains a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
