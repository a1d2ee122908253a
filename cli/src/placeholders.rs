//! [`Placeholders`]: the placeholders that the configuration file declares, and the values that are given for a run.

pub(crate) mod variable;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use switchy_schema::{MigrationRunner, Placeholder, Secrecy};

use crate::environment::Environment;
use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::setting::{FILE, Setting, Source};

/// The placeholders of the configuration file, and where values come from.
#[derive(Default)]
pub(crate) struct Placeholders {
    declared: BTreeMap<String, Declared>,
    /// The values of `--set`.
    given: Vec<(String, String)>,
    variables: Environment,
}

/// The declaration of a placeholder: its default, or a table.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a default or a table with `default`, `secret`, `raw` or `env`")]
pub(crate) enum Declared {
    Default(String),
    Table(Table),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    default: Option<String>,
    #[serde(default)]
    secret: bool,
    #[serde(default)]
    raw: bool,
    /// The environment variable that has the value.
    env: Option<String>,
}

impl Placeholders {
    /// # Errors
    /// `--set` has no name, or a name in the file cannot be one. The error does not repeat a value, which may be secret.
    pub(crate) fn gather(
        declared: Option<BTreeMap<String, Declared>>,
        set: &[String],
        variables: Environment,
    ) -> Result<Self> {
        let declared = declared.unwrap_or_default();
        if let Some(name) = declared.keys().find(|name| !Placeholder::is_name(name)) {
            return Err(Failure::usage(format!(
                "`{name}` in {FILE} cannot be the name of a placeholder, which has ASCII letters, digits and `_`"
            )));
        }
        let named = |(name, declared): (&String, &Declared)| match declared {
            Declared::Table(Table { env: Some(variable), .. }) => Some((name.clone(), variable.clone())),
            _ => None,
        };
        variable::remember(declared.iter().filter_map(named).collect());
        let named = |text: &String| {
            let (name, value) = text.split_once('=').filter(|(name, _)| Placeholder::is_name(name))?;
            Some((name.to_owned(), value.to_owned()))
        };
        let given: Option<Vec<_>> = set.iter().map(named).collect();
        let wrong =
            || Failure::usage("--set takes the name of a placeholder and its value: --set NAME=VALUE");
        Ok(Self { declared, given: given.ok_or_else(wrong)?, variables })
    }

    /// The runner with the placeholders and their values.
    ///
    /// # Errors
    /// A value is given for a name that nothing declares.
    pub(crate) fn apply<B: Database>(&self, mut runner: MigrationRunner<B>) -> Result<MigrationRunner<B>> {
        for placeholder in self.declarations() {
            runner = runner.placeholder(placeholder);
        }
        let of_set = runner.placeholders().iter();
        let of_migrations = runner.list().iter().flat_map(|meta| &meta.placeholders);
        let names: Vec<String> = of_set.chain(of_migrations).map(|one| one.name.to_string()).collect();
        // A command that reads no folder has no migrations that could declare a name.
        let is_unknown = |name: &String| !runner.list().is_empty() && !names.contains(name);
        if let Some((name, _)) = self.given.iter().find(|(name, _)| is_unknown(name)) {
            let what = format!("--set gives a value for `{name}`, which nothing declares");
            return Err(Failure::usage(format!(
                "{what}; declare it under [placeholders] in {FILE} or in the metadata of a migration"
            )));
        }
        for name in names {
            if let Some(Setting { value, .. }) = self.value(&name) {
                runner = runner.placeholder_value(name, value);
            }
        }
        Ok(runner)
    }

    fn declarations(&self) -> impl Iterator<Item = Placeholder> + '_ {
        self.declared.iter().map(|(name, declared)| declared.named(name))
    }

    /// The value that is given for a placeholder: by a flag, or by a variable.
    fn value(&self, name: &str) -> Option<Setting<String>> {
        let by_flag = self.given.iter().rfind(|(known, _)| known == name);
        if let Some((_, value)) = by_flag {
            return Some(Setting { value: value.clone(), source: Source::Flag("set") });
        }
        let variable = match self.declared.get(name) {
            Some(Declared::Table(Table { env: Some(variable), .. })) => variable.clone(),
            _ => variable::usual(name),
        };
        self.variables.named(variable)
    }

    /// The name, the value and its source of each placeholder in the file, for the command `config`. Secrets are hidden.
    pub(crate) fn shown(&self) -> Vec<(String, Option<(String, Source)>)> {
        let shown = |placeholder: Placeholder| {
            let default = || {
                let value = placeholder.default.clone()?.into_owned();
                Some(Setting { value, source: Source::Default })
            };
            let setting = self.value(&placeholder.name).or_else(default);
            let setting = setting.map(|Setting { value, source }| match placeholder.secrecy {
                Secrecy::Public => (value, source),
                Secrecy::Secret => ("***".to_owned(), source),
            });
            (format!("placeholders.{}", placeholder.name), setting)
        };
        self.declarations().map(shown).collect()
    }
}

impl Declared {
    fn named(&self, name: &str) -> Placeholder {
        let placeholder = Placeholder::new(name.to_owned());
        match self {
            Self::Default(value) => placeholder.default(value.clone()),
            Self::Table(Table { default, secret, raw, env: _ }) => {
                let mut placeholder = placeholder;
                if let Some(default) = default {
                    placeholder = placeholder.default(default.clone());
                }
                if *secret {
                    placeholder = placeholder.secret();
                }
                if *raw {
                    placeholder = placeholder.raw();
                }
                placeholder
            }
        }
    }
}

/// The values are left out.
impl fmt::Debug for Placeholders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.declared.keys()).finish()
    }
}
