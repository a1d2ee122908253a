//! [`Placeholder`]: a name in scripts that stands for a value from outside.

use std::borrow::Cow;
use std::fmt;

mod filled;
mod marks;
mod secrets;
mod unfit;
mod values;

pub(crate) use filled::{Filled, Gap};
pub(crate) use marks::{Mark, marks, next_piece};
pub(crate) use secrets::Secrets;
pub(crate) use values::Placeholders;

/// The declaration of a placeholder: `${app_user}` in a script stands for the value that the program, its environment or its configuration
/// gives when the script runs.
///
/// Nothing is replaced in a set that declares no placeholder. A declaration is for the whole set
/// ([`MigrationRunner::placeholder`](crate::MigrationRunner::placeholder)) or for one migration
/// ([`Migration::placeholder`](crate::Migration::placeholder), or `placeholders` in `metadata.toml`). `docs/placeholders.md` has the rules.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, Placeholder};
///
/// let script = "CREATE TABLE ${prefix}_users (name TEXT); INSERT INTO ${prefix}_users VALUES ('${first_user}')";
/// let runner = MigrationRunner::new([Migration::sql("1_users", script)])?
///     .placeholder(Placeholder::new("prefix").default("app"))
///     .placeholder(Placeholder::new("first_user"))
///     .placeholder_value("first_user", "ada");
///
/// let conn = Connection::open_in_memory()?;
/// runner.run(&conn)?;
/// let name: String = conn.query_row("SELECT name FROM app_users", [], |row| row.get(0))?;
/// assert_eq!(name, "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placeholder {
    /// Its name: ASCII letters, digits and `_`, and no digit first.
    pub name: Cow<'static, str>,
    /// The value if nothing else gives one.
    pub default: Option<Cow<'static, str>>,
    /// Whether its value may be shown.
    pub secrecy: Secrecy,
    /// Which values it may have.
    pub form: ValueForm,
}

/// Whether the value of a placeholder may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Secrecy {
    /// It may.
    #[default]
    Public,
    /// It may not. It stands only between quotes, and it is masked in all that a run reports and records.
    Secret,
}

/// Which values a placeholder may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValueForm {
    /// No value that could end the string, name or statement that it is a part of.
    #[default]
    Guarded,
    /// Any text of one line. It becomes SQL as it is, so whoever can set it can run any statement.
    Raw,
}

impl Placeholder {
    /// A placeholder without a default. A script that needs it and finds no value for it does not run.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), default: None, secrecy: Secrecy::default(), form: ValueForm::default() }
    }

    /// Sets the value if nothing else gives one.
    pub fn default(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Hides its value: see [`Secrecy::Secret`].
    pub fn secret(mut self) -> Self {
        self.secrecy = Secrecy::Secret;
        self
    }

    /// Allows any value: see [`ValueForm::Raw`].
    pub fn raw(mut self) -> Self {
        self.form = ValueForm::Raw;
        self
    }

    /// Whether this can be the name of a placeholder.
    pub fn is_name(text: &str) -> bool {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
    }
}

/// The default of a secret is left out.
impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, default, secrecy, form } = self;
        let mut shown = f.debug_struct("Placeholder");
        shown.field("name", name);
        match secrecy {
            Secrecy::Public => shown.field("default", default),
            Secrecy::Secret => shown.field("has_default", &default.is_some()),
        };
        shown.field("secrecy", secrecy).field("form", form).finish()
    }
}

/// Whether placeholders are replaced in the scripts of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Replacement {
    /// They are, if the set or the migration declares any.
    #[default]
    AsDeclared,
    /// They are not (`placeholders = false`): `${...}` is text.
    Never,
}
