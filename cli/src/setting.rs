//! [`Setting`]: a value, and its [`Source`].

use std::fmt;
use std::path::PathBuf;

/// The name of the configuration file.
pub(crate) const FILE: &str = "switchy-schema.toml";

/// A value, and its source.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Variable(&'static str),
    /// A variable in the file `.env`.
    EnvFile(&'static str),
    /// A variable whose name the set decides.
    Named(String),
    NamedInEnvFile(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::EnvFile(name) => write!(f, "{name} in .env"),
            Self::Named(name) => f.write_str(name),
            Self::NamedInEnvFile(name) => write!(f, "{name} in .env"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Whether the file `.env` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnvFile {
    Read,
    Ignore,
}
