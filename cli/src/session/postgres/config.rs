//! The settings of the driver for an address, which is read as `libpq` reads it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

use postgres::Config;
use postgres::config::{ChannelBinding, Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::Server;
use crate::failure::{Failure, Result};
use crate::session::tls::{self, Check};
use crate::text::counted;

/// The settings for each host of an address, in the order in which they are tried. The options of the address have been checked.
pub(super) fn of(server: &Server) -> Result<(Vec<Config>, MakeRustlsConnect)> {
    let mut config = Config::new();
    config.user(&server.user_or_default());
    if let Some(password) = &server.password {
        config.password(password);
    }
    if let Some(database) = &server.database {
        config.dbname(database);
    }
    let option = |name: &str| server.option(name);
    let name = option("application_name").or(option("fallback_application_name"));
    config.application_name(name.unwrap_or("switchy-schema"));
    if let Some(options) = option("options") {
        config.options(options);
    }
    let seconds = |name: &str| option(name).and_then(|value| value.trim().parse::<i64>().ok());
    // Zero stands for no limit.
    match seconds("connect_timeout") {
        None => drop(config.connect_timeout(Duration::from_secs(30))),
        Some(seconds) => {
            if let Some(seconds) = positive(seconds) {
                config.connect_timeout(Duration::from_secs(seconds));
            }
        }
    }
    keepalives(&mut config, seconds);
    config.target_session_attrs(match option("target_session_attrs") {
        // The driver asks for what a session may do, which a standby does not differ in from other read-only servers.
        Some("read-write" | "primary") => TargetSessionAttrs::ReadWrite,
        Some("read-only" | "standby") => TargetSessionAttrs::ReadOnly,
        _ => TargetSessionAttrs::Any,
    });
    config.channel_binding(match option("channel_binding") {
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        _ => ChannelBinding::Prefer,
    });
    config.load_balance_hosts(match option("load_balance_hosts") {
        Some("random") => LoadBalanceHosts::Random,
        _ => LoadBalanceHosts::Disable,
    });
    // `system` stands for the certificates of the system, with the strictest check.
    let (roots, default) = match option("sslrootcert") {
        Some("system") => (None, "verify-full"),
        roots => (roots, "prefer"),
    };
    let (mode, check) = match option("sslmode").unwrap_or(default) {
        "disable" => (SslMode::Disable, Check::Nothing),
        "require" => (SslMode::Require, Check::Nothing),
        "verify-ca" => (SslMode::Require, Check::Signature),
        "verify-full" => (SslMode::Require, Check::Host),
        _ => (SslMode::Prefer, Check::Nothing),
    };
    config.ssl_mode(mode);
    Ok((hosts(&config, server)?, MakeRustlsConnect::new(tls::config(check, roots)?)))
}

/// The host or the numeric address that the driver connects to; `/` for a socket.
pub(super) fn host(config: &Config) -> String {
    match (config.get_hostaddrs().first(), config.get_hosts().first()) {
        (Some(address), _) => address.to_string(),
        (None, Some(Host::Tcp(name))) => name.clone(),
        _ => "/".to_owned(),
    }
}

/// The settings with each of the hosts. The driver needs a host for each numeric address: it is the name that a certificate is checked for.
fn hosts(config: &Config, server: &Server) -> Result<Vec<Config>> {
    let addresses: Vec<&str> =
        server.option("hostaddr").map_or(Vec::new(), |list| list.split(',').map(str::trim).collect());
    let endpoints = server.endpoints()?;
    let has_host = server.host.is_some();
    if has_host && !addresses.is_empty() && addresses.len() != endpoints.len() {
        return Err(Failure::usage(format!(
            "the address of the postgres database has {} and {}; give one for each host",
            counted(endpoints.len(), "host"),
            counted(addresses.len(), "hostaddr")
        )));
    }
    let mut configs = Vec::new();
    for number in 0..endpoints.len().max(addresses.len()) {
        let endpoint = endpoints.get(number).or(endpoints.first());
        let host = endpoint.and_then(|endpoint| endpoint.host.as_deref());
        if host.is_some_and(|host| host.contains(':') && host.contains('%')) {
            let what = "the IPv6 address in the address of the postgres database has a zone (`%`)";
            return Err(Failure::usage(format!(
                "{what}, which is not supported; use the name of the host, or another address of it"
            )));
        }
        let address = addresses.get(number).filter(|address| !address.is_empty());
        let mut config = config.clone();
        config.host(host.or(address.copied()).unwrap_or("localhost"));
        config.port(endpoint.and_then(|endpoint| endpoint.port).unwrap_or(5432));
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            config.hostaddr(address);
        }
        configs.push(config);
    }
    let numeric = configs.iter().filter(|config| !config.get_hostaddrs().is_empty()).count();
    if numeric > 0 && numeric < configs.len() {
        return Err(Failure::usage(
            "some hosts in the address of the postgres database have a numeric address and others do not; give one for each host",
        ));
    }
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        // Each state has other keys, so the order is a random one.
        configs.sort_by_cached_key(|_| RandomState::new().hash_one(0));
    }
    Ok(configs)
}

fn keepalives(config: &mut Config, number: impl Fn(&str) -> Option<i64>) {
    if let Some(keepalives) = number("keepalives") {
        config.keepalives(keepalives != 0);
    }
    let positive = |name: &str| number(name).and_then(positive);
    if let Some(seconds) = positive("keepalives_idle") {
        config.keepalives_idle(Duration::from_secs(seconds));
    }
    if let Some(seconds) = positive("keepalives_interval") {
        config.keepalives_interval(Duration::from_secs(seconds));
    }
    if let Some(count) = positive("keepalives_count").and_then(|count| u32::try_from(count).ok()) {
        config.keepalives_retries(count);
    }
    if let Some(milliseconds) = positive("tcp_user_timeout") {
        config.tcp_user_timeout(Duration::from_millis(milliseconds));
    }
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}
