//! Which database a set of migrations is for, where no database is named.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde::Deserialize;
use switchy_schema::{Dialect, Direction, MigrationRunner, Sqlite};

use crate::address::Address;
use crate::commands::Context;
use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::settings::Source;

/// A kind of database, as `--dialect` and the configuration file name it.
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

/// Which database the migrations are for, and how that is known.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) dialect: Dialect,
    pub(crate) how: How,
}

#[derive(Debug, Clone)]
pub(crate) enum How {
    /// The address of the database says it.
    Address,
    /// A flag or the configuration file says it.
    Said(Source),
    /// More of the migrations are for it than for any other, by their folders, file names and metadata.
    Layout,
    /// A script has a word that is used with it alone.
    Word { file: String, word: &'static str },
    /// Nothing says it.
    Nothing,
}

impl Known {
    /// What a person should know if it may not be so.
    pub(crate) fn remark(&self) -> String {
        let dialect = spelled(self.dialect);
        match &self.how {
            How::Address => format!("the migrations are looked at for {dialect}"),
            How::Said(source) => format!("the migrations are looked at for {dialect} ({source})"),
            How::Layout => {
                format!("the migrations are looked at for {dialect}, as their folders and metadata say")
            }
            How::Word { file, word } => {
                format!("{dialect} is assumed, since {file} has {word}; say --dialect if it is another")
            }
            How::Nothing => {
                format!("{dialect} is assumed, since nothing says it; say --dialect if it is another")
            }
        }
    }

    /// The same in one word, for JSON.
    pub(crate) const fn word(&self) -> &'static str {
        match self.how {
            How::Address => "address",
            How::Said(_) => "setting",
            How::Layout => "layout",
            How::Word { .. } => "script",
            How::Nothing => "assumed",
        }
    }
}

/// How its makers write it.
pub(crate) const fn spelled(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Mysql => "MySQL",
        _ => "SQLite",
    }
}

/// Which database is meant.
///
/// # Errors
/// Two settings contradict each other.
pub(crate) fn of(context: &Context<'_>) -> Result<Known> {
    let settings = context.settings;
    let by_address = settings.database.as_ref().map(|setting| match setting.value {
        Address::Sqlite(_) => Dialect::Sqlite,
        Address::Postgres(_) => Dialect::Postgres,
        Address::Mysql(_) => Dialect::Mysql,
    });
    match (by_address, &settings.dialect) {
        (Some(address), Some(said)) if address != said.value.dialect() => {
            let (address, said, source) = (spelled(address), spelled(said.value.dialect()), &said.source);
            let what = format!("the address is one of {address}, and the dialect is {said} ({source})");
            Err(Failure::usage(format!("{what}; leave one of the two out")))
        }
        (Some(dialect), _) => Ok(Known { dialect, how: How::Address }),
        (None, Some(said)) => {
            Ok(Known { dialect: said.value.dialect(), how: How::Said(said.source.clone()) })
        }
        // What is wrong with the folder is said by who reads it next.
        (None, None) => Ok(Sqlite::folder(&settings.dir.value).map_or(ASSUMED, |set| guessed(&set))),
    }
}

const ASSUMED: Known = Known { dialect: Dialect::Sqlite, how: How::Nothing };

fn guessed(set: &MigrationRunner<Sqlite>) -> Known {
    let dialects = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];
    let runs_on = |dialect: Dialect| {
        let runs = |databases: &[Dialect]| databases.is_empty() || databases.contains(&dialect);
        set.list().iter().filter(|meta| runs(&meta.databases)).count()
    };
    if let Some(dialect) = most(dialects.map(|dialect| (dialect, runs_on(dialect)))) {
        return Known { dialect, how: How::Layout };
    }
    // Where scripts are for several, each has its own, and none is less meant than another.
    if set.list().iter().any(|meta| !meta.databases.is_empty()) {
        return ASSUMED;
    }
    let scripts = || {
        let script = |meta: &switchy_schema::Meta| {
            Some((meta.origin.to_string(), set.script(&meta.id, Direction::Up)?.to_owned()))
        };
        set.list().iter().filter_map(script)
    };
    let mut seen: [BTreeSet<&str>; 3] = Default::default();
    let mut first: [Option<(String, &'static str)>; 3] = Default::default();
    for (file, script) in scripts() {
        for word in words(&script) {
            for (place, (_, telling)) in TELLING.iter().enumerate() {
                if let Some(known) = telling.iter().find(|known| known.eq_ignore_ascii_case(word)) {
                    seen[place].insert(known);
                    first[place].get_or_insert_with(|| (file.clone(), known));
                }
            }
        }
    }
    let counted = TELLING.iter().zip(&seen).map(|((dialect, _), words)| (*dialect, words.len()));
    let Some(dialect) = most(counted) else { return ASSUMED };
    let place = TELLING.iter().position(|(known, _)| *known == dialect).unwrap_or_default();
    match first[place].take() {
        Some((file, word)) => Known { dialect, how: How::Word { file, word } },
        None => ASSUMED,
    }
}

/// The one with the highest count, if there is one.
fn most(counts: impl IntoIterator<Item = (Dialect, usize)>) -> Option<Dialect> {
    let counts: Vec<(Dialect, usize)> = counts.into_iter().collect();
    let highest = counts.iter().map(|(_, count)| *count).max()?;
    let mut first = counts.iter().filter(|(_, count)| *count == highest);
    let (dialect, _) = first.next().filter(|_| highest > 0)?;
    first.next().is_none().then_some(*dialect)
}

/// Words of scripts that only one of them has.
const TELLING: [(Dialect, &[&str]); 3] = [
    (
        Dialect::Sqlite,
        &[
            "AUTOINCREMENT",
            "PRAGMA",
            "strftime",
            "sqlite_master",
            "sqlite_schema",
            "sqlite_sequence",
            "ROWID",
            "fts5",
        ],
    ),
    (
        Dialect::Postgres,
        &[
            "SERIAL",
            "BIGSERIAL",
            "SMALLSERIAL",
            "JSONB",
            "TIMESTAMPTZ",
            "BYTEA",
            "plpgsql",
            "TSVECTOR",
            "CONCURRENTLY",
            "gen_random_uuid",
            "uuid_generate_v4",
            "EXTENSION",
            "regclass",
            "pg_catalog",
            "INET",
            "CITEXT",
            "nextval",
        ],
    ),
    (
        Dialect::Mysql,
        &[
            "AUTO_INCREMENT",
            "ENGINE",
            "InnoDB",
            "UNSIGNED",
            "TINYINT",
            "MEDIUMTEXT",
            "LONGTEXT",
            "utf8mb4",
            "utf8mb4_unicode_ci",
            "MODIFY",
            "DELIMITER",
        ],
    ),
];

/// The words of a script, those of comments and texts among them: it is a guess, and said to be one.
fn words(script: &str) -> impl Iterator<Item = &str> {
    script.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
