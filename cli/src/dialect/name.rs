//! [`Name`]: how a user names a kind of database.

use clap::ValueEnum;
use serde::Deserialize;
use switchy_schema::Dialect;

/// A kind of database: the values of `--dialect` and of `dialect` in the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    Sqlite,
    #[value(alias = "postgresql")]
    #[serde(alias = "postgresql")]
    Postgres,
    #[value(alias = "mariadb")]
    #[serde(alias = "mariadb")]
    Mysql,
}

impl Name {
    pub(crate) const fn dialect(self) -> Dialect {
        match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::Postgres => Dialect::Postgres,
            Self::Mysql => Dialect::Mysql,
        }
    }
}
