//! The documents whose examples need a driver of a server, or TLS. The tests are in `tests/it`.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/servers.md")]
struct Servers;
