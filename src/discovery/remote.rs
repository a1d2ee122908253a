//! [`RemoteMigrations`]

use ureq::http::{HeaderName, HeaderValue};
use ureq::tls::{Certificate, PemItem, parse_pem};

use self::address::{Address, presentable};
use self::error::RemoteError;
use self::fetch::Client;
use self::gather::Part;
use self::manifest::Shown;
use super::source::MigrationSource;
use crate::backend::Backend;
use crate::error::Result;
use crate::migration::{Meta, Migration};
use crate::remedy::Remedy;

mod address;
mod cache;
mod error;
mod fetch;
mod gather;
mod manifest;
mod settings;

pub use manifest::{Manifest, ManifestFile};
pub use settings::RemoteMigrations;

/// Headers that only the transport may set.
const OWN_HEADERS: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-none-match",
    "range",
    "te",
    "transfer-encoding",
];

impl RemoteMigrations {
    fn may_be_plain(&self, address: &Address) -> bool {
        address.is_loopback() || self.plain_hosts.iter().any(|host| host == address.host())
    }

    /// The URL, if requests to it are allowed.
    fn address(&self) -> Result<Address, RemoteError> {
        let shown = presentable(&self.url);
        let place = format!("`{}`", Shown(&shown));
        let address = Address::parse(&self.url).map_err(|why| {
            let remedy = if self.url.contains('@') {
                Remedy::program("give credentials", "`basic_auth` or `bearer`")
            } else {
                "give a URL like https://example.org/schema/manifest.json".into()
            };
            RemoteError::new(&place, why.to_owned(), remedy)
        })?;
        if address.is_plain && !self.may_be_plain(&address) {
            let what = "it is not encrypted, so that anybody on the way could change what runs".to_owned();
            let allowing = format!("`allow_plain_http({:?})`", address.host());
            let remedy = Remedy::from("use https").or(Remedy::program("allow it", allowing));
            return Err(RemoteError::new(&address.to_string(), what, remedy));
        }
        let is_folder = address.to_string().ends_with('/');
        Ok(if is_folder { address.beside("manifest.json") } else { address })
    }

    fn client(&self, address: &Address) -> Result<Client<'_>, RemoteError> {
        let no = |what: String, remedy: Remedy| RemoteError::new(&address.to_string(), what, remedy);
        if let Some(wrong) = self.wrong {
            return Err(no(
                wrong.to_owned(),
                Remedy::program("give another name, or the whole header", "`header`"),
            ));
        }
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let shown = Shown(name);
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| no(format!("`{shown}` is no name of a header"), "correct it".into()))?;
            if OWN_HEADERS.contains(&parsed.as_str()) {
                return Err(no(
                    format!("the header `{shown}` is not for the application"),
                    "leave it out".into(),
                ));
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                let what = format!("the value of the header `{shown}` has a character that cannot be sent");
                no(what, "look for a line end behind it".into())
            })?;
            value.set_sensitive(true);
            headers.push((parsed, value));
        }
        let mut authorities = Vec::new();
        if let Some(pem) = &self.authorities {
            authorities = certificates(pem)
                .ok_or_else(|| no("`trust` was given no certificate in PEM".to_owned(), "give one".into()))?;
        }
        Ok(Client::new(self, address.clone(), headers, authorities))
    }
}

impl<B: Backend> MigrationSource<B> for RemoteMigrations {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        Ok(self.gather(B::DIALECT, Part::Everything)?.into_iter().map(Migration::from).collect())
    }

    /// The manifest has the names of the files, and only metadata is fetched.
    fn list(&self) -> Result<Vec<Meta>> {
        let listed = self.gather(B::DIALECT, Part::Metadata)?;
        Ok(listed.into_iter().map(|migration| migration.meta).collect())
    }
}

/// The certificates in a PEM text, or `None` if it has none or is malformed.
fn certificates(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            found.push(certificate);
        }
    }
    (!found.is_empty()).then_some(found)
}
