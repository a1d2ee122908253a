//! The options of an address, and their values.

use std::net::IpAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::{Failure, Result};

/// What to do about an address that its password makes unclear.
pub(super) const ENCODING_HINT: &str =
    "percent-encode the special characters of the password (`@` is %40, `/` is %2F, `#` is %23, `?` is %3F)";

/// Where a part of an address is written.
#[derive(Debug)]
pub(super) enum Place<'a> {
    Address,
    /// Behind a password in the address: an unknown word may be a part of it, and is not shown.
    BehindPassword,
    /// A variable, or a line of a file.
    Named(&'a str),
}

/// What is shown of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    All,
    /// Its value may be a misspelled password.
    Name,
    /// It is behind a password, and may be a part of it.
    Nothing,
    /// It is not in the address that the user knows.
    Omitted,
}

/// The values of an option.
enum Values {
    Any,
    Number,
    Addresses,
    OneOf(&'static [&'static str]),
}

const POSTGRES: &[(&str, Values)] = &[
    ("sslmode", Values::OneOf(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])),
    ("sslrootcert", Values::Any),
    ("connect_timeout", Values::Number),
    ("application_name", Values::Any),
    ("options", Values::Any),
    ("target_session_attrs", Values::OneOf(&["any", "read-write", "read-only", "primary", "standby"])),
    ("hostaddr", Values::Addresses),
    ("service", Values::Any),
    ("passfile", Values::Any),
    ("channel_binding", Values::OneOf(&["disable", "prefer", "require"])),
    ("load_balance_hosts", Values::OneOf(&["disable", "random"])),
    ("fallback_application_name", Values::Any),
    ("keepalives", Values::Number),
    ("keepalives_idle", Values::Number),
    ("keepalives_interval", Values::Number),
    ("keepalives_count", Values::Number),
    ("tcp_user_timeout", Values::Number),
    ("client_encoding", Values::OneOf(&["utf8", "auto"])),
    ("gssencmode", Values::OneOf(&["disable", "prefer"])),
    ("sslnegotiation", Values::OneOf(&["postgres"])),
];

/// Options of `libpq` that would have no effect here.
const POSTGRES_UNSUPPORTED: [&str; 16] = [
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslcertmode",
    "sslsni",
    "sslcompression",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "requirepeer",
    "require_auth",
    "requiressl",
    "krbsrvname",
    "gsslib",
    "replication",
];

const MYSQL: &[(&str, Values)] = &[
    ("socket", Values::Any),
    ("ssl-mode", Values::OneOf(&["disabled", "required", "verify_ca", "verify_identity"])),
    ("ssl-ca", Values::Any),
    ("connect_timeout", Values::Number),
    ("charset", Values::OneOf(&["utf8mb4"])),
    ("collation", Values::Any),
];

/// Variables of a MySQL session that would break the run: the scripts are UTF-8, and the engine begins and ends the transactions.
const MYSQL_REFUSED: [(&str, &str); 7] = [
    ("autocommit", "the engine begins and commits the transactions itself"),
    ("character_set_client", "scripts are UTF-8; use charset=utf8mb4"),
    ("character_set_connection", "scripts are UTF-8; use charset=utf8mb4"),
    ("character_set_results", "scripts are UTF-8; use charset=utf8mb4"),
    ("characterEncoding", "scripts are UTF-8; use charset=utf8mb4"),
    ("names", "scripts are UTF-8; use charset=utf8mb4"),
    ("protocol", "use socket=PATH for a socket, and nothing for TCP"),
];

/// The options whose values are not shown.
const HIDDEN: [&str; 2] = ["collation", "fallback_application_name"];

/// The name under which an option is kept.
fn canonical<'n>(scheme: &str, name: &'n str) -> &'n str {
    let folded = name.to_ascii_lowercase().replace(['-', '_'], "");
    match (scheme, name) {
        // Each is a spelling that some driver uses.
        ("mysql", _)
            if ["socket", "sock", "unixsocket", "socketpath", "unixsocketpath", "localsocket"]
                .contains(&&*folded) =>
        {
            "socket"
        }
        ("mysql", "sslmode" | "ssl_mode" | "sslMode") => "ssl-mode",
        ("mysql", "sslrootcert" | "ssl_ca" | "sslca") => "ssl-ca",
        ("mysql", "connect-timeout") => "connect_timeout",
        ("mysql", "default-character-set") => "charset",
        _ => name,
    }
}

/// The form in which a value is kept, for the options whose values have several forms.
fn normal(scheme: &str, name: &str, value: &str) -> String {
    let normal = value.to_ascii_lowercase().replace('-', "_");
    let normal = match (scheme, name, normal.as_str()) {
        ("mysql", "ssl-mode", "disable") => "disabled",
        ("mysql", "ssl-mode", "require") => "required",
        ("mysql", "ssl-mode", "verify_full") => "verify_identity",
        ("mysql", "charset", "utf8" | "utf_8") => "utf8mb4",
        ("mysql", "ssl-mode" | "charset", normal) => normal,
        ("postgres", "client_encoding", "utf8" | "utf_8" | "unicode") => "utf8",
        _ => value,
    };
    normal.to_owned()
}

/// Whether a name is that of an option, and not that of a variable of the session.
pub(super) fn is_mysql_option(name: &str) -> bool {
    MYSQL.iter().any(|(known, _)| *known == name)
}

/// The name and the value of an option, and what may be shown of it.
///
/// # Errors
/// The option is not known, or cannot have this value.
pub(super) fn check(
    scheme: &str,
    name: &str,
    value: &str,
    place: &Place<'_>,
) -> Result<(String, String, Shown)> {
    let name = canonical(scheme, name);
    let value = normal(scheme, name, value);
    let known = if scheme == "mysql" { MYSQL } else { POSTGRES };
    if let Some((_, values)) = known.iter().find(|(known, _)| *known == name) {
        values.check(&value).map_err(|expected| wrong(name, &expected, place))?;
        let shown = if HIDDEN.contains(&name) { Shown::Name } else { Shown::All };
        return Ok((name.to_owned(), value, shown));
    }
    if scheme == "mysql" {
        if let Some((name, why)) =
            MYSQL_REFUSED.iter().find(|(refused, _)| refused.eq_ignore_ascii_case(name))
        {
            return Err(wrong(name, &format!("is not supported: {why}"), place));
        }
        // Any other name is that of a variable of the session, or else the server says that there is none.
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_other = is_of_a_driver(name) || is_about_tls(name);
        if is_name && name.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_other {
            let shown = if matches!(place, Place::Address) { Shown::Name } else { Shown::Nothing };
            return Ok((name.to_owned(), value, shown));
        }
    }
    if matches!(place, Place::BehindPassword) {
        let what = format!("the address of the {scheme} database has an unknown word behind its password");
        return Err(Failure::usage(format!(
            "{what}; {ENCODING_HINT}, and what is special between keywords must be quoted"
        )));
    }
    let what = match name {
        name if scheme == "postgres" && POSTGRES_UNSUPPORTED.contains(&name) => "is not supported",
        _ => "is not known",
    };
    let known = known_names(scheme);
    let hint = hint(scheme, name, &value);
    Err(wrong(name, &format!("{what}; {hint}known are {known}"), place))
}

/// Whether a name such as `useSSL` or `tls` is about TLS: no variable that a session can set has such a name.
fn is_about_tls(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("ssl") || name.starts_with("tls")
}

/// Whether a name such as `parseTime` is that of an option of a driver: the variables of a server have no such names.
fn is_of_a_driver(name: &str) -> bool {
    let has = |is: fn(&char) -> bool| name.chars().any(|c| is(&c));
    has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase)
}

/// The names that an address can have, as a list for people.
pub(crate) fn known_names(scheme: &str) -> String {
    let (known, rest) = if scheme == "mysql" {
        (MYSQL, "the variables of a session, such as lock_wait_timeout")
    } else {
        (POSTGRES, "")
    };
    let parts = ["user", "password", "host", "port", "dbname"];
    let names = parts.into_iter().chain(known.iter().map(|(name, _)| *name));
    let names: Vec<&str> = names.chain((!rest.is_empty()).then_some(rest)).collect();
    listed(&names)
}

fn hint(scheme: &str, name: &str, value: &str) -> String {
    match name {
        "schema" | "search_path" | "currentSchema" | "current_schema" if scheme == "postgres" => {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            format!(
                "for the schema of the session write options=-csearch_path%3D{value}, and for that of the history --schema; "
            )
        }
        name if scheme == "mysql" && is_about_tls(name) => {
            "for TLS write ssl-mode=required, and to check the certificate ssl-mode=verify_identity; "
                .to_owned()
        }
        "pgbouncer" if scheme == "postgres" => "leave it out: a pool needs no option; ".to_owned(),
        _ => String::new(),
    }
}

/// `a`, `a and b`, `a, b and c`
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

/// # Errors
/// It is no port, or no list of ports.
pub(super) fn check_port(value: &str, place: &Place<'_>) -> Result<()> {
    let is_port =
        |port: &str| port.trim().is_empty() || port.trim().parse::<u16>().is_ok_and(|port| port > 0);
    if value.split(',').all(is_port) { Ok(()) } else { Err(wrong("port", "is no port", place)) }
}

impl Values {
    /// # Errors
    /// What the option must be.
    fn check(&self, value: &str) -> Result<(), String> {
        let is_address = |part: &str| part.trim().is_empty() || part.trim().parse::<IpAddr>().is_ok();
        match self {
            Self::Number if value.trim().parse::<i64>().is_err() => Err("is no whole number".to_owned()),
            Self::Addresses if !value.split(',').all(is_address) => Err("is no IP address".to_owned()),
            Self::OneOf([only]) if value != *only => {
                Err(format!("is not {only}; no other value is supported"))
            }
            Self::OneOf(values) if !values.contains(&value) => {
                Err(format!("is none of {}; no other value is supported", listed(values)))
            }
            _ => Ok(()),
        }
    }
}

fn wrong(name: &str, what: &str, place: &Place<'_>) -> Failure {
    Failure::usage(match place {
        Place::Address | Place::BehindPassword => format!("`{name}` in the address {what}"),
        Place::Named(place) => format!("`{name}`, which {place} sets, {what}"),
    })
}

/// Whether a name is a keyword of `libpq`.
pub(super) fn is_keyword(name: &str) -> bool {
    ["user", "password", "host", "port", "dbname"].contains(&name)
        || POSTGRES.iter().any(|(known, _)| *known == name)
        || POSTGRES_UNSUPPORTED.contains(&name)
}
