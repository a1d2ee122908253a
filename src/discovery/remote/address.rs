//! [`Address`]: the parts of a URL that are needed to fetch files.

use crate::sql::part;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};

/// An absolute URL with `https` or `http`. Its query may be a secret, so it is sent and never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) is_plain: bool,
    /// In lower case; an IPv6 address with its brackets.
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

impl Address {
    /// The maximum length of a URL, configured or from a redirect, in bytes.
    const LONGEST: usize = 4096;

    /// Parses a URL, or returns what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > Self::LONGEST {
            return Err("it is longer than 4096 bytes");
        }
        let (scheme, rest) = text.split_once("://").ok_or("it is no whole URL")?;
        let is_plain = match () {
            () if scheme.eq_ignore_ascii_case("https") => false,
            () if scheme.eq_ignore_ascii_case("http") => true,
            () => return Err("it is neither https nor http"),
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err("it has a name or a password in it");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().ok().filter(|port| *port != 0).ok_or("its port is no port")?)
            }
            _ => (authority, if is_plain { 80 } else { 443 }),
        };
        if !is_host(host) {
            return Err("its host is no name of a host in ASCII and no address");
        }
        let (path, query) = parts(rest);
        Ok(Self { is_plain, host: host.to_ascii_lowercase(), port, path: without_dots(&path), query })
    }

    /// The target of a redirect from this address.
    pub(super) fn join(&self, location: &str) -> Result<Self, &'static str> {
        let scheme = location.find(':').filter(|&end| {
            part(location, ..end).chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) && end > 0
        });
        if scheme.is_some() {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        if location.len() > Self::LONGEST {
            return Err("it is longer than 4096 bytes");
        }
        let (path, query) = parts(location);
        let path = match location.chars().next() {
            None | Some('#') => return Ok(self.clone()),
            Some('?') => self.path.clone(),
            Some('/') => path,
            Some(_) => format!("{}{}", self.folder(), path.trim_start_matches('/')),
        };
        Ok(Self { path: without_dots(&path), query, ..self.clone() })
    }

    /// The address of a file beside this one, by its path in the folder. The query is kept.
    pub(super) fn beside(&self, path: &str) -> Self {
        let mut whole = self.folder().to_owned();
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                whole.push(char::from(byte));
            } else {
                _ = write!(whole, "%{byte:02X}");
            }
        }
        Self { path: whole, ..self.clone() }
    }

    /// The folder of the file, for messages.
    pub(super) fn root(&self) -> String {
        Self { path: self.folder().trim_end_matches('/').to_owned(), ..self.clone() }.to_string()
    }

    /// The whole URL, for a request.
    pub(super) fn uri(&self) -> String {
        match &self.query {
            Some(query) => format!("{self}?{query}"),
            None => self.to_string(),
        }
    }

    /// Whether both are on the same server, so that credentials may be sent.
    pub(super) fn is_server_of(&self, other: &Self) -> bool {
        (self.is_plain, &self.host, self.port) == (other.is_plain, &other.host, other.port)
    }

    pub(super) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    fn scheme(&self) -> &'static str {
        if self.is_plain { "http" } else { "https" }
    }

    /// The path of the folder, including its last slash.
    fn folder(&self) -> &str {
        self.path.rfind('/').map_or("/", |end| part(&self.path, ..=end))
    }
}

/// Writes the URL without its query.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.host)?;
        match (self.is_plain, self.port) {
            (true, 80) | (false, 443) => {}
            (_, port) => write!(f, ":{port}")?,
        }
        f.write_str(&self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The part of an invalid URL that can be shown: without query and password.
pub(super) fn presentable(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("...@{rest}"),
        None => text.to_owned(),
    }
}

fn is_host(host: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
        None => is_name(host),
    }
}

/// Path and query, with percent-encoding for characters that a URL cannot contain.
fn parts(text: &str) -> (String, Option<String>) {
    let text = text.split('#').next().unwrap_or_default();
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(encoded(query))),
        None => (text, None),
    };
    (encoded(path), query)
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// An absolute path, with `.` and `..` resolved.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            // The empty part before the first slash.
            "" if kept.is_empty() && !is_last => {}
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{Address, presentable};

    #[test]
    fn a_url_is_read_as_browsers_read_it() {
        for (text, expected) in [
            ("https://Example.org/a/manifest.json", "https://example.org/a/manifest.json"),
            ("HTTPS://example.org", "https://example.org/"),
            ("https://example.org:443/a", "https://example.org/a"),
            ("http://example.org:443/a", "http://example.org:443/a"),
            ("https://example.org?token=x", "https://example.org/?token=x"),
            ("https://example.org/a/../b/./c#part", "https://example.org/b/c"),
            ("https://example.org/../../a/..", "https://example.org/"),
            ("https://example.org/a b/\u{e4}\u{1b}", "https://example.org/a%20b/%C3%A4%1B"),
            ("https://[::1]:8443/a", "https://[::1]:8443/a"),
            ("https://[::1]/a", "https://[::1]/a"),
            ("http://127.0.0.1:80/a", "http://127.0.0.1/a"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.uri()).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "example.org/a",
            "/a",
            "ftp://example.org/a",
            "file:///a",
            "https://",
            "https:///a",
            "https://:1/",
            "https://a:0/",
            "https://a:65536/",
            "https://a:x/",
            "https://a:/",
            "https://u@a/",
            "https://u:p@a/",
            "https://a b/",
            "https://\u{e4}.org/",
            "https://[::1/",
            "https://[x]/",
            "https://a%2fb/",
            "https://a\0/",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        assert!(Address::parse(&format!("https://a/{}", "x".repeat(5000))).is_err());
    }

    #[test]
    fn redirects_are_resolved_as_browsers_resolve_them() {
        let from = Address::parse("https://h/a/b/manifest.json?q=1").unwrap();
        for (location, expected) in [
            ("/x", "https://h/x"),
            ("x", "https://h/a/b/x"),
            ("../x", "https://h/a/x"),
            ("../../../x?y=1", "https://h/x?y=1"),
            ("?y", "https://h/a/b/manifest.json?y"),
            ("", "https://h/a/b/manifest.json?q=1"),
            ("//other/x", "https://other/x"),
            ("http://other/x", "http://other/x"),
            ("x/http://other/", "https://h/a/b/x/http://other/"),
        ] {
            assert_eq!(
                from.join(location).map(|address| address.uri()).as_deref(),
                Ok(expected),
                "{location}"
            );
        }
        for location in ["ftp://h/", "javascript:x", "https://u:p@h/", "data:,x", "///x"] {
            assert!(from.join(location).is_err(), "{location}");
        }
    }

    #[test]
    fn a_file_lies_beside_the_manifest_and_never_above() {
        let manifest = Address::parse("https://h/a/manifest.json?t=1").unwrap();
        assert_eq!(manifest.beside("1_a/up.sql").uri(), "https://h/a/1_a/up.sql?t=1");
        assert_eq!(manifest.beside("1 ?#%\u{e4}.sql").uri(), "https://h/a/1%20%3F%23%25%C3%A4.sql?t=1");
        assert_eq!(manifest.root(), "https://h/a");
        assert_eq!(Address::parse("https://h").unwrap().root(), "https://h");
    }

    #[test]
    fn only_what_is_surely_this_machine_is_loopback() {
        for (host, expected) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("LOCALHOST", true),
            ("127.1", false),
            ("0.0.0.0", false),
            ("localhost.example.org", false),
            ("127.0.0.1.example.org", false),
            ("10.0.0.1", false),
            ("[::]", false),
        ] {
            assert_eq!(
                Address::parse(&format!("http://{host}:1/")).unwrap().is_loopback(),
                expected,
                "{host}"
            );
        }
    }

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let address = Address::parse("https://h/a?token=secret").unwrap();
        assert_eq!(
            (format!("{address}"), format!("{address:?}")),
            ("https://h/a".into(), "https://h/a".into())
        );
        assert_eq!(presentable("https://u:secret@h/a?secret"), "...@h/a");
    }
}
