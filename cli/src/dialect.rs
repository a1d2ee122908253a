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
        // One file may serve several databases; two words of one command line may not contradict each other.
        (Some(address), Some(said))
            if address != said.value.dialect() && matches!(said.source, Source::Flag(_)) =>
        {
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
        let script = bare(&script);
        for (place, (_, telling)) in TELLING.iter().enumerate() {
            for known in telling.iter().filter(|known| has(&script, &known.to_ascii_lowercase())) {
                seen[place].insert(known);
                first[place].get_or_insert_with(|| (file.clone(), known));
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

/// What only scripts for one of them have. A single word is no name that people give to tables and columns.
const TELLING: [(Dialect, &[&str]); 3] = [
    (
        Dialect::Sqlite,
        &[
            "AUTOINCREMENT",
            "PRAGMA",
            "strftime(",
            "sqlite_master",
            "sqlite_schema",
            "sqlite_sequence",
            "WITHOUT ROWID",
            "USING fts5",
            "INSERT OR REPLACE",
            "INSERT OR IGNORE",
        ],
    ),
    (
        Dialect::Postgres,
        &[
            "BIGSERIAL",
            "SMALLSERIAL",
            "SERIAL PRIMARY KEY",
            "SERIAL NOT NULL",
            "JSONB",
            "TIMESTAMPTZ",
            "TIMESTAMP WITH TIME ZONE",
            "BYTEA",
            "LANGUAGE plpgsql",
            "TSVECTOR",
            "INDEX CONCURRENTLY",
            "gen_random_uuid(",
            "uuid_generate_v4(",
            "CREATE EXTENSION",
            "CREATE TYPE",
            "ALTER TYPE",
            "pg_catalog",
            "CITEXT",
            "nextval(",
            "USING gin",
            "USING gist",
        ],
    ),
    (
        Dialect::Mysql,
        &[
            "AUTO_INCREMENT",
            "ENGINE=",
            "ENGINE =",
            "INT UNSIGNED",
            "BIGINT UNSIGNED",
            "MEDIUMTEXT",
            "LONGTEXT",
            "utf8mb4",
            "CHARACTER SET",
            "MODIFY COLUMN",
            "ON UPDATE CURRENT_TIMESTAMP",
            "LOCK TABLES",
        ],
    ),
];

/// Whether a text has these words, not as a part of longer ones. What a `(` follows is a function, and a word of a type is none.
fn has(text: &str, words: &str) -> bool {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_in_word = words.ends_with(is_in_word);
    text.match_indices(words).any(|(start, _)| {
        let behind = &text[start + words.len()..];
        let goes_on = ends_in_word && behind.starts_with(|c| is_in_word(c) || c == '(');
        !goes_on && !text[..start].ends_with(is_in_word)
    })
}

/// A script in lower case without its comments, texts and quoted names, and with one space wherever there is any.
fn bare(script: &str) -> String {
    let mut bare = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        let until =
            |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
        let (length, is_kept) = match first {
            '-' if rest.starts_with("--") => (until("\n", 2), false),
            '/' if rest.starts_with("/*") => (until("*/", 2), false),
            '\'' | '"' | '`' => (until(first.encode_utf8(&mut [0; 4]), 1), false),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        if is_kept {
            bare.extend(first.to_lowercase());
        } else if !bare.ends_with(' ') {
            bare.push(' ');
        }
        rest = &rest[length..];
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_what_a_script_is_for_unless_they_are_names_texts_or_comments() {
        let found = |script: &str| {
            let script = bare(script);
            let of = |(dialect, telling): &(Dialect, &'static [&'static str])| {
                let found = telling.iter().filter(|known| has(&script, &known.to_ascii_lowercase()));
                found.map(|known| format!("{dialect}: {known}")).collect::<Vec<_>>()
            };
            TELLING.iter().flat_map(of).collect::<Vec<_>>().join(", ")
        };
        let rows = [
            ("CREATE TABLE car (engine TEXT, extension TEXT, serial TEXT, inet TEXT, modify TEXT)", ""),
            ("CREATE TABLE `car` (id INTEGER PRIMARY KEY, \"jsonb\" TEXT DEFAULT 'engine=InnoDB')", ""),
            ("-- PRAGMA\nSELECT 1 /* BIGSERIAL\n*/", ""),
            ("SELECT jsonb(x), my_pragma, pragmatic FROM t", ""),
            ("create table a (b integer primary key\n  autoincrement)", "sqlite: AUTOINCREMENT"),
            ("CREATE TABLE a (b) WITHOUT\r\n\tROWID", "sqlite: WITHOUT ROWID"),
            ("CREATE TABLE a (b serial -- it\n PRIMARY KEY)", "postgres: SERIAL PRIMARY KEY"),
            ("CREATE TABLE a (b jsonb, c timestamptz)", "postgres: JSONB, postgres: TIMESTAMPTZ"),
            ("CREATE TABLE `a` (b INT) ENGINE=InnoDB", "mysql: ENGINE="),
            ("'never ended, ENGINE=", ""),
            ("\u{feff}PRAGMA foreign_keys = ON; SELECT 'ä'", "sqlite: PRAGMA"),
        ];
        for (script, expected) in rows {
            assert_eq!(found(script), expected, "{script}");
        }
    }
}
