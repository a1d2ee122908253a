//! [`Placeholders`]: what a program declares for its set, and the values it gives.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Placeholder, Secrecy};
use crate::effect::Trust;

/// The placeholders of a set, and the values that are given.
#[derive(Clone)]
pub(crate) struct Placeholders {
    pub(crate) declared: Vec<Placeholder>,
    pub(crate) values: BTreeMap<Cow<'static, str>, String>,
    /// Where the scripts come from that get the values.
    pub(super) trust: Trust,
}

impl Default for Placeholders {
    fn default() -> Self {
        Self { declared: Vec::new(), values: BTreeMap::new(), trust: Trust::Program }
    }
}

impl Placeholders {
    /// The same for a script out of the database. It gets no secret: anybody may have written it, and could store the value.
    pub(crate) fn for_stored(&self) -> Self {
        Self { trust: Trust::Database, ..self.clone() }
    }

    /// The declaration of a name, for a migration with declarations of its own, and the value. A name that both declare is secret if one of
    /// them says so.
    pub(crate) fn find<'p>(
        &'p self,
        own: &'p [Placeholder],
        name: &str,
    ) -> Option<(Placeholder, Option<&'p str>)> {
        let of = |all: &'p [Placeholder]| all.iter().rev().find(|placeholder| placeholder.name == name);
        let (own, common) = (of(own), of(&self.declared));
        let first = own.or(common)?;
        let is_secret = own.into_iter().chain(common).any(|one| one.secrecy == Secrecy::Secret);
        let default =
            own.and_then(|one| one.default.as_deref()).or(common.and_then(|one| one.default.as_deref()));
        let value = self.values.get(name).map(String::as_str).or(default);
        let secrecy = if is_secret { Secrecy::Secret } else { Secrecy::Public };
        Some((Placeholder { secrecy, ..first.clone() }, value))
    }
}
