//! `metadata.toml`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::database::dialect;
use crate::checksum::without_bom;
use crate::dialect::Dialect;
use crate::error::{Failure, MigrationError, Result};
use crate::location::Location;
use crate::migration::Meta;
use crate::placeholder::{Placeholder, Replacement, Secrecy, ValueForm};
use crate::step::{Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss};

/// The keys of the file. An unknown key is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    description: Option<String>,
    #[serde(default)]
    depends_on: Vec<String>,
    #[serde(default)]
    depends_on_if_present: Vec<String>,
    run_in_transaction: Option<bool>,
    // An enumeration would also accept a table with the word as its key, and the error for a number would ask for one.
    foreign_keys: Option<Spanned<String>>,
    lock_timeout: Option<Spanned<Seconds>>,
    #[serde(default)]
    environments: Vec<String>,
    #[serde(default)]
    databases: Vec<Spanned<String>>,
    #[serde(default)]
    accepted: Vec<Spanned<String>>,
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    placeholders: Option<Spanned<Placeholders>>,
}

/// The placeholders of the migration.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected `false`, a list of names, or a table of placeholders")]
enum Placeholders {
    /// `false`: `${...}` is text.
    Replaced(bool),
    Names(Vec<String>),
    Table(BTreeMap<String, Declared>),
}

/// The declaration of a placeholder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    default: Option<String>,
    #[serde(default)]
    secret: bool,
    #[serde(default)]
    raw: bool,
}

impl Declared {
    fn named(self, name: String) -> Placeholder {
        Placeholder {
            default: self.default.map(Cow::Owned),
            secrecy: if self.secret { Secrecy::Secret } else { Secrecy::Public },
            form: if self.raw { ValueForm::Raw } else { ValueForm::Guarded },
            ..Placeholder::new(name)
        }
    }
}

/// A time.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number of seconds without a unit, as in 2.5")]
enum Seconds {
    Number(f64),
}

/// Adds the content of a metadata file to the metadata of its migration.
pub(super) fn apply(own: Dialect, origin: &str, text: &str, meta: &mut Meta) -> Result<()> {
    let text = without_bom(text);
    let wrong = |what: String, span: Option<Range<usize>>| -> MigrationError {
        let at =
            span.map_or_else(|| Location::file(origin), |span| Location::in_text(origin, text, span.start));
        Failure::Malformed { at, what, remedy: "docs/format.md lists the keys of metadata.toml".into() }
            .into()
    };
    let file: Metadata =
        toml::from_str(text).map_err(|error| wrong(error.message().replace('\n', ", "), error.span()))?;
    let unknown = |word: &Spanned<String>, known: &str| {
        wrong(format!("unknown variant `{}`, expected one of {known}", word.as_ref()), Some(word.span()))
    };
    if let Some(word) = &file.foreign_keys {
        meta.foreign_keys = match &**word.as_ref() {
            "checked" => ForeignKeys::Checked,
            "on" => ForeignKeys::Enforced,
            "off" => ForeignKeys::Unchecked,
            _ => return Err(unknown(word, "`checked`, `on`, `off`")),
        };
    }
    if let Some(seconds) = &file.lock_timeout {
        let Seconds::Number(number) = *seconds.as_ref();
        let timeout = Duration::try_from_secs_f64(number).map_err(|_| {
            wrong(
                format!("lock_timeout cannot be {number}: it is a number of seconds, 0 or more"),
                Some(seconds.span()),
            )
        })?;
        meta.lock_timeout = Some(timeout);
    }
    for name in file.databases {
        let found = dialect(own, name.as_ref());
        meta.databases.push(found.ok_or_else(|| {
            wrong(format!("`{}` is no database that it could be for", name.as_ref()), Some(name.span()))
        })?);
    }
    for hash in file.accepted {
        meta.accepted
            .push(hash.as_ref().parse().map_err(|error| wrong(format!("{error}"), Some(hash.span())))?);
    }
    if let Some(placeholders) = file.placeholders {
        let span = placeholders.span();
        meta.placeholders = match placeholders.into_inner() {
            Placeholders::Replaced(true) => {
                return Err(wrong(
                    "`placeholders = true` declares no name; list the names".to_owned(),
                    Some(span),
                ));
            }
            Placeholders::Replaced(false) => {
                meta.replacement = Replacement::Never;
                Vec::new()
            }
            Placeholders::Names(names) => names.into_iter().map(Placeholder::new).collect(),
            Placeholders::Table(table) => {
                table.into_iter().map(|(name, declared)| declared.named(name)).collect()
            }
        };
        if let Some(placeholder) = meta.placeholders.iter().find(|one| !Placeholder::is_name(&one.name)) {
            let what = format!(
                "`{}` cannot be the name of a placeholder, which has ASCII letters, digits and `_`",
                placeholder.name
            );
            return Err(wrong(what, Some(span)));
        }
    }
    meta.description = file.description.map(Cow::Owned);
    meta.depends_on = file.depends_on.into_iter().map(Into::into).collect();
    meta.depends_on_if_present = file.depends_on_if_present.into_iter().map(Into::into).collect();
    meta.environments = file.environments;
    meta.atomicity = match file.run_in_transaction {
        Some(false) => Atomicity::NonTransactional,
        Some(true) | None => Atomicity::Transaction,
    };
    for word in &file.allow {
        match &**word.as_ref() {
            "cascade" => meta.cascade = Cascade::Allowed,
            "destructive" => meta.data_loss = DataLoss::Declared,
            "rebuild" => meta.rebuild_loss = RebuildLoss::Declared,
            "down-part" => meta.down_part = DownPart::Allowed,
            _ => return Err(unknown(word, "`cascade`, `destructive`, `rebuild`, `down-part`")),
        }
    }
    Ok(())
}
