//! Detects the database that a set of migrations is for.

pub(crate) mod name;

use std::collections::BTreeSet;

use switchy_schema::{Dialect, Direction, Links, MigrationRunner, Sqlite};

use crate::address::Address;
use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::setting::Source;
use crate::settings::Settings;
use crate::text::part;

/// The database that the migrations are for, and how it was detected.
#[derive(Debug, Clone)]
pub(crate) struct Detected {
    pub(crate) dialect: Dialect,
    pub(crate) by: DetectedBy,
}

#[derive(Debug, Clone)]
pub(crate) enum DetectedBy {
    /// By the address of the database.
    Address,
    /// By a flag or the configuration file.
    Setting(Source),
    /// By folders, file names and metadata: more of the migrations are for it than for any other.
    Layout,
    /// By a word in a script that only this database uses.
    Script { file: String, word: &'static str },
    /// Nothing indicates a database, so the default is used.
    Default,
}

impl Detected {
    /// A remark for the user, in case the detection is wrong.
    pub(crate) fn remark(&self) -> String {
        let dialect = display_name(self.dialect);
        match &self.by {
            DetectedBy::Address => format!("the migrations are looked at for {dialect}"),
            DetectedBy::Setting(source) => format!("the migrations are looked at for {dialect} ({source})"),
            DetectedBy::Layout => {
                format!("the migrations are looked at for {dialect}, as their folders and metadata say")
            }
            DetectedBy::Script { file, word } => {
                format!("{dialect} is assumed, since {file} has {word}; say --dialect if it is another")
            }
            DetectedBy::Default => {
                format!("{dialect} is assumed, since nothing says it; say --dialect if it is another")
            }
        }
    }

    /// How it was detected, as one word for JSON.
    pub(crate) const fn word(&self) -> &'static str {
        match self.by {
            DetectedBy::Address => "address",
            DetectedBy::Setting(_) => "setting",
            DetectedBy::Layout => "layout",
            DetectedBy::Script { .. } => "script",
            DetectedBy::Default => "assumed",
        }
    }
}

/// The official spelling of the name.
pub(crate) const fn display_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Mysql => "MySQL",
        _ => "SQLite",
    }
}

/// Detects the database that the migrations are for.
///
/// # Errors
/// Two settings contradict each other.
pub(crate) fn of(settings: &Settings, links: Links) -> Result<Detected> {
    let by_address = settings.database.as_ref().map(|setting| match setting.value {
        Address::Sqlite(_) => Dialect::Sqlite,
        Address::Postgres(_) => Dialect::Postgres,
        Address::Mysql(_) => Dialect::Mysql,
    });
    match (by_address, &settings.dialect) {
        // One configuration file may be used with several databases, so only a flag can contradict the address.
        (Some(address), Some(said))
            if address != said.value.dialect() && matches!(said.source, Source::Flag(_)) =>
        {
            let (address, said, source) =
                (display_name(address), display_name(said.value.dialect()), &said.source);
            let what = format!("the address is one of {address}, and the dialect is {said} ({source})");
            Err(Failure::usage(format!("{what}; leave one of the two out")))
        }
        (Some(dialect), _) => Ok(Detected { dialect, by: DetectedBy::Address }),
        (None, Some(said)) => {
            Ok(Detected { dialect: said.value.dialect(), by: DetectedBy::Setting(said.source.clone()) })
        }
        // The command reads the folder again and reports its errors.
        (None, None) => Ok(Sqlite::folder(&settings.dir.value, links).map_or(ASSUMED, |set| guess(&set))),
    }
}

const ASSUMED: Detected = Detected { dialect: Dialect::Sqlite, by: DetectedBy::Default };

fn guess(set: &MigrationRunner<Sqlite>) -> Detected {
    let dialects = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];
    let runs_on = |dialect: Dialect| {
        let runs = |databases: &[Dialect]| databases.is_empty() || databases.contains(&dialect);
        set.list().iter().filter(|meta| runs(&meta.databases)).count()
    };
    if let Some(dialect) = most(dialects.map(|dialect| (dialect, runs_on(dialect)))) {
        return Detected { dialect, by: DetectedBy::Layout };
    }
    // Some migrations are for certain databases, and no database has the most: keywords cannot decide.
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
        let script = normalized(&script);
        for (place, (_, keywords)) in KEYWORDS.iter().enumerate() {
            for keyword in
                keywords.iter().filter(|keyword| contains_words(&script, &keyword.to_ascii_lowercase()))
            {
                seen[place].insert(keyword);
                first[place].get_or_insert_with(|| (file.clone(), keyword));
            }
        }
    }
    let counted = KEYWORDS.iter().zip(&seen).map(|((dialect, _), words)| (*dialect, words.len()));
    let Some(dialect) = most(counted) else { return ASSUMED };
    let place = KEYWORDS.iter().position(|(known, _)| *known == dialect).unwrap_or_default();
    match first[place].take() {
        Some((file, word)) => Detected { dialect, by: DetectedBy::Script { file, word } },
        None => ASSUMED,
    }
}

/// The dialect with the highest count, if only one has it and it is not 0.
fn most(counts: impl IntoIterator<Item = (Dialect, usize)>) -> Option<Dialect> {
    let counts: Vec<(Dialect, usize)> = counts.into_iter().collect();
    let highest = counts.iter().map(|(_, count)| *count).max()?;
    let mut first = counts.iter().filter(|(_, count)| *count == highest);
    let (dialect, _) = first.next().filter(|_| highest > 0)?;
    first.next().is_none().then_some(*dialect)
}

/// Keywords that only scripts for one database contain. Single words are ones that are not used as names of tables and columns.
const KEYWORDS: [(Dialect, &[&str]); 3] = [
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

/// Whether a text contains these words, not as part of longer ones. A word before a `(` is a function and does not match a keyword that
/// ends in a letter, such as a type.
fn contains_words(text: &str, words: &str) -> bool {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_in_word = words.ends_with(is_in_word);
    text.match_indices(words).any(|(start, _)| {
        let behind = part(text, start + words.len()..);
        let goes_on = ends_in_word && behind.starts_with(|c| is_in_word(c) || c == '(');
        !goes_on && !part(text, ..start).ends_with(is_in_word)
    })
}

/// A script in lower case, without comments, string literals and quoted names, and with one space for each run of white space.
fn normalized(script: &str) -> String {
    let mut bare = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        let until = |end: &str, from: usize| {
            part(rest, from..).find(end).map_or(rest.len(), |at| from + at + end.len())
        };
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
        rest = part(rest, length..);
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_what_a_script_is_for_unless_they_are_names_texts_or_comments() {
        let found = |script: &str| {
            let script = normalized(script);
            let of = |(dialect, keywords): &(Dialect, &'static [&'static str])| {
                let found =
                    keywords.iter().filter(|keyword| contains_words(&script, &keyword.to_ascii_lowercase()));
                found.map(|keyword| format!("{dialect}: {keyword}")).collect::<Vec<_>>()
            };
            KEYWORDS.iter().flat_map(of).collect::<Vec<_>>().join(", ")
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
